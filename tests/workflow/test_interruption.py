"""A workflow killed in the middle of pretraining goes on from the checkpoint, to the same model."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from smelt.entry import merge
from tests.workflow.conftest import Project, held

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


@contextmanager
def running(project: Project) -> Iterator["subprocess.Popen[str]"]:
    """Run the workflow until the model's first checkpoint lies there, and wait for it at the end."""
    with subprocess.Popen(
        project.run_command(MODEL),
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as driver:
        deadline = time.monotonic() + 120
        while not any((project.folder / "checkpoints").rglob("step-*[0-9]/manifest.json")):
            assert driver.poll() is None, "the workflow ended before it could be killed"
            assert time.monotonic() < deadline, "no checkpoint appeared"
            time.sleep(0.05)
        yield driver


def kill_while_training(project: Project, jobs: bool = True) -> None:
    """Start the workflow and kill it, with all its jobs or alone, as soon as the first checkpoint lies there."""
    with running(project) as driver:
        (os.killpg if jobs else os.kill)(driver.pid, signal.SIGKILL)
        driver.stdout = None  # the pipe is open as long as one of the jobs


def go_on(project: Project) -> str:
    """Type the one command again, and return what it printed."""
    done = subprocess.run(
        project.run_command(MODEL), cwd=project.folder, env=project.environment(), text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return done.stderr


def values_of(curve: Path) -> list[str]:
    """Return the rows of a learning curve but those that measure time."""
    return [line for line in curve.read_text().splitlines() if "tokens_per_second" not in line]


def test_a_killed_workflow_resumes_to_the_same_model(project: Callable[[], Project]) -> None:
    killed = project()
    retrain(killed)
    kill_while_training(killed)
    assert not (killed.folder / MODEL / "model.safetensors").exists()
    said = go_on(killed)
    assert "study small: process" in said
    assert "study small: 1 interrupted job goes on or runs again" in said
    log = (killed.folder / "logs/small/models/wide.log").read_text()
    assert "going on from the checkpoint of step" in log
    resumed = (killed.folder / MODEL / "model.safetensors").read_bytes()
    curve = values_of(killed.folder / CURVE)

    shutil.rmtree(killed.folder / MODEL)
    killed.snakemake(MODEL)
    assert (killed.folder / MODEL / "model.safetensors").read_bytes() == resumed
    assert values_of(killed.folder / CURVE) == curve


def test_a_training_that_outlives_its_killed_workflow_is_ended_and_gone_on_with(
    project: Callable[[], Project],
) -> None:
    killed = project()
    retrain(killed)
    kill_while_training(killed, jobs=False)
    (lock,) = (killed.folder / "checkpoints").rglob("lock")
    orphan = json.loads(lock.read_text())["process"]
    os.kill(orphan, signal.SIGSTOP)  # so that it is not done before the second one begins
    said = go_on(killed)
    ended = re.search(r"ending jobs that outlived the run before: processes ([\d, ]+)\n", said)
    assert ended, said
    assert str(orphan) in ended[1].split(", ")
    log = (killed.folder / "logs/small/models/wide.log").read_text()
    step = re.search(r"going on from the checkpoint of step (\d+)", log)
    assert step, "what the first one trained is not trained again"
    assert 0 < int(step[1]) < 600
    assert (killed.folder / MODEL / "model.safetensors").exists()


def test_a_second_run_at_once_is_refused_and_touches_nothing(project: Callable[[], Project]) -> None:
    both = project()
    retrain(both)
    with running(both) as first:
        before = (both.folder / "results/small/.run/files.json").stat().st_mtime_ns
        with held(both):  # a fast machine has trained before the others have begun
            for command in (both.run_command(MODEL), both.command(MODEL)):
                second = subprocess.run(
                    command, cwd=both.folder, env=both.environment(), text=True, capture_output=True
                )
                assert second.returncode == 1
                (line,) = [line for line in second.stderr.splitlines() if line.startswith("smelt: study small: ")]
                assert re.search(rf"a run that process {first.pid} on \S+ began at [-\d]+ [:\d]+ is going on", line)
                assert "Traceback" not in second.stderr
        assert (both.folder / "results/small/.run/files.json").stat().st_mtime_ns == before
        printed = first.communicate()[0]
    assert first.returncode == 0, printed
    assert "going on from" not in (both.folder / "logs/small/models/wide.log").read_text()
    assert "is gone" not in go_on(both), "it has released its lock"
