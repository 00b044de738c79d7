"""A workflow killed in the middle of pretraining goes on from the checkpoint, to the same model."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from smelt.entry import merge
from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

MODEL = "results/small/models/wide"
CURVE = "logs/small/models/wide.curve.csv"


def retrain(project: Project) -> None:
    """Take the wide model away and give it enough steps to be interrupted in."""
    study = project.study
    study["models"]["wide"]["settings"] = merge(
        study["models"]["wide"]["settings"],
        {"schedule": {"steps": 600}, "validation": {"every": 200}, "checkpoints": {"every": 20}},
    )
    project.write(study)
    shutil.rmtree(project.folder / MODEL)


def kill_while_training(project: Project, jobs: bool = True) -> None:
    """Start the workflow and kill it, with all its jobs or alone, as soon as the first checkpoint lies there."""
    running = subprocess.Popen(
        project.command(MODEL),
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    checkpoints = project.folder / "checkpoints"
    deadline = time.monotonic() + 120
    while not any(checkpoints.rglob("step-*[0-9]/manifest.json")):
        assert running.poll() is None, "the workflow ended before it could be killed"
        assert time.monotonic() < deadline, "no checkpoint appeared"
        time.sleep(0.05)
    (os.killpg if jobs else os.kill)(running.pid, signal.SIGKILL)
    running.wait()


def values_of(curve: Path) -> list[str]:
    """Return the rows of a learning curve but those that measure time."""
    return [line for line in curve.read_text().splitlines() if "tokens_per_second" not in line]


def test_a_killed_workflow_resumes_to_the_same_model(project: Callable[[], Project]) -> None:
    killed = project()
    retrain(killed)
    kill_while_training(killed)
    assert not (killed.folder / MODEL / "model.safetensors").exists()
    killed.snakemake("--unlock")
    killed.snakemake("--rerun-incomplete", MODEL)
    log = (killed.folder / "logs/small/models/wide.log").read_text()
    assert "going on from the checkpoint of step" in log
    resumed = (killed.folder / MODEL / "model.safetensors").read_bytes()
    curve = values_of(killed.folder / CURVE)

    shutil.rmtree(killed.folder / MODEL)
    killed.snakemake(MODEL)
    assert (killed.folder / MODEL / "model.safetensors").read_bytes() == resumed
    assert values_of(killed.folder / CURVE) == curve


def test_a_training_that_outlives_its_killed_workflow_is_waited_for_and_not_lost(
    project: Callable[[], Project],
) -> None:
    killed = project()
    retrain(killed)
    kill_while_training(killed, jobs=False)
    (lock,) = (killed.folder / "checkpoints").rglob("lock")
    orphan = json.loads(lock.read_text())["process"]
    os.kill(orphan, signal.SIGSTOP)  # so that it is not done before the second one begins
    killed.snakemake("--unlock")
    with subprocess.Popen(killed.command(MODEL), cwd=killed.folder, env=killed.environment()) as second:
        log = killed.folder / "logs/small/models/wide.log"
        deadline = time.monotonic() + 240
        while f"waiting for process {orphan} on " not in log.read_text(errors="replace"):
            assert second.poll() is None, "it did not wait"
            assert time.monotonic() < deadline, "it is not known what it waits for"
            time.sleep(0.1)
        os.kill(orphan, signal.SIGCONT)
    assert second.returncode == 0
    said = log.read_text(errors="replace")
    assert "going on from the checkpoint of step 600" in said, "what the first one trained is not trained again"
    assert (killed.folder / MODEL / "model.safetensors").exists()
    assert not list((killed.folder / "checkpoints").rglob("step-*"))
