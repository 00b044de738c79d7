"""A workflow killed in the middle of pretraining goes on from the checkpoint, to the same model."""

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


def kill_while_training(project: Project) -> None:
    """Start the workflow and kill it and all its jobs as soon as the first checkpoint lies there."""
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
    os.killpg(running.pid, signal.SIGKILL)
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
