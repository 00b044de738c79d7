"""Several processes on CPUs, over gloo, as torchrun starts them for GPUs."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.rendezvous.api import (
    RendezvousConnectionError,
    RendezvousError,
    RendezvousTimeoutError,
)
from training_toy import RECIPE, SHAPE, Toy

from smelt.entry import merge
from smelt.errors import CRASH, SmeltError, Unfinished
from smelt.training.launch import _on_this_node, code_of, launch, processes_per_node

pytestmark = pytest.mark.slow

# Dropout is drawn by each process from its own stream; all else is the same for any number of processes.
ALIKE = {"model": {"dropout": 0.0}, "machine": {"micro_batch": 3}}
RESUMABLE = 75

Curve = dict[tuple[str, ...], float]


def command(toy: Toy, folder: Path, recipe: dict[str, object], *flags: str) -> list[str]:
    settings = {"shape": SHAPE.model_dump(), "recipe": merge(RECIPE.model_dump(), recipe), "alpha": 0.7, "seed": 1}
    return [
        *[sys.executable, "-m", "smelt", "pretrain", "--blocks", *map(str, toy.blocks)],
        *["--tokenizer", str(toy.tokenizer), "--settings", json.dumps(settings | {"version": 1}), "--threads", "1"],
        *["--checkpoints", str(folder / "checkpoints"), "--output", str(folder / "model")],
        *["--curve", str(folder / "curve.csv"), *flags],
    ]


def made(toy: Toy, folder: Path, recipe: dict[str, object], *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(toy, folder, recipe, *flags), capture_output=True, text=True, check=False)


def stopped_at_first_checkpoint(toy: Toy, folder: Path, recipe: dict[str, object], number: signal.Signals) -> str:
    """Start two processes, signal them to stop once they have kept a checkpoint, and return what they complained of."""
    with subprocess.Popen(command(toy, folder, recipe, "--processes", "2"), stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 120
        while not list(folder.glob("checkpoints/*/step-*/manifest.json")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.send_signal(number)
        errors = process.communicate()[1].decode()
    assert process.returncode == RESUMABLE, errors
    return errors


def curve(folder: Path) -> Curve:
    with (folder / "curve.csv").open() as stream:
        rows = list(csv.reader(stream))[1:]
    return {tuple(row[:4]): float(row[4]) for row in rows if row[3] != "tokens_per_second"}


@pytest.fixture(scope="module")
def alone(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    assert made(toy, folder, ALIKE).returncode == 0
    return folder


@pytest.mark.parametrize("zero", [0, 1, 2])
def test_two_processes_learn_what_one_does(toy: Toy, tmp_path: Path, alone: Path, zero: int) -> None:
    done = made(toy, tmp_path, merge(ALIKE, {"optimizer": {"zero": zero}}), "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert curve(tmp_path) == pytest.approx(curve(alone), rel=2e-4)
    assert done.stdout.count("step 8  validation") == 1
    one, two = (load_file(folder / "model" / "model.safetensors") for folder in (alone, tmp_path))
    for name, weights in one.items():
        assert two[name].sub(weights).abs().max() < 1e-4, name


@pytest.mark.parametrize("zero", [0, 2])
def test_two_processes_that_a_signal_stopped_go_on_to_the_same_model(
    toy: Toy, tmp_path: Path, alone: Path, zero: int
) -> None:
    recipe = merge(ALIKE, {"optimizer": {"zero": zero}, "schedule": {"steps": 20}, "checkpoints": {"every": 3}})
    errors = stopped_at_first_checkpoint(toy, tmp_path, recipe, signal.SIGTERM)
    assert errors.count("kept a checkpoint") == 1
    done = made(toy, tmp_path, recipe, "--processes", "2")
    assert done.returncode == 0, done.stderr
    assert "going on from the checkpoint of step" in done.stdout
    assert curve(tmp_path) == pytest.approx(curve(alone), rel=2e-4)


def test_a_process_that_dies_ends_the_others_with_an_error(toy: Toy, tmp_path: Path) -> None:
    words = command(
        toy, tmp_path, merge(ALIKE, {"schedule": {"steps": 5000}, "checkpoints": {"every": 5000}}), "--processes", "2"
    )
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        while b"validation" not in process.stdout.readline():
            assert process.poll() is None
        os.kill(children(process.pid)[-1], signal.SIGKILL)
        errors = process.communicate()[1].decode()
        assert process.returncode == CRASH
    assert "smelt: process 1: was killed by SIGKILL. SIGKILL mostly means that memory ran out" in errors
    assert not (tmp_path / "model").exists()


def children(parent: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=True)
    return [int(word) for word in found.stdout.split()]


def test_more_processes_than_blocks_in_a_batch_is_one_clear_line(toy: Toy, tmp_path: Path) -> None:
    done = made(toy, tmp_path, merge(ALIKE, {"data": {"batch": 1}}), "--processes", "2")
    assert done.returncode == 1
    assert done.stderr.count("smelt: ") == 1
    assert "batch: 1 block cannot be shared among 2 processes" in done.stderr
    assert not (tmp_path / "model").exists()


def test_the_log_of_two_processes_opens_and_ends_once(toy: Toy, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log:
        words = command(toy, tmp_path, merge(ALIKE, {"data": {"batch": 1}}), "--processes", "2")
        subprocess.run(words, stdout=log, stderr=log, check=False)
    lines = (tmp_path / "log").read_text().splitlines()
    assert [number for number, line in enumerate(lines) if " -m smelt pretrain --blocks " in line] == [0]
    assert [number for number, line in enumerate(lines) if " ended with exit code 1 after " in line] == [len(lines) - 1]


@pytest.mark.parametrize(
    ("exits", "code"),
    [
        ({0: 75, 1: -15}, 75),
        ({0: 1}, 1),
        ({0: -15, 1: 1}, 1),
        ({0: 70, 1: 143}, 70),
        ({0: 70, 1: 1}, 1),
        ({0: 74, 1: -15}, 74),
    ],
)
def test_the_launcher_ends_as_its_processes_did(exits: dict[int, int], code: int) -> None:
    assert code_of(exits) == code


def test_a_batch_that_processes_cannot_share_evenly_is_refused_where_each_pass_is_exchanged(
    toy: Toy, tmp_path: Path
) -> None:
    done = made(toy, tmp_path, merge(ALIKE, {"data": {"batch": 3}, "optimizer": {"zero": 2}}), "--processes", "2")
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if line.startswith("smelt: ")]
    assert lines == [
        "smelt: recipe: data.batch: 3 blocks cannot be shared evenly among 2 processes, as optimizer.zero: 2 needs; set"
        " optimizer.zero: 1, or start another number"
    ]


def test_what_two_processes_began_one_can_end(toy: Toy, tmp_path: Path, alone: Path) -> None:
    stopped_at_first_checkpoint(toy, tmp_path, ALIKE, signal.SIGUSR1)
    done = made(toy, tmp_path, ALIKE)
    assert done.returncode == 0, done.stderr
    assert "going on from the checkpoint of step" in done.stdout
    assert curve(tmp_path) == pytest.approx(curve(alone), rel=2e-4)


def test_a_job_without_gpus_is_one_process_on_the_cpu() -> None:
    assert processes_per_node(0, 1, None) == 1


def test_missing_gpus_are_one_clear_line() -> None:
    with pytest.raises(SmeltError, match=r"--gpus: 1000 were asked for, this machine shows \d+ GPUs"):
        processes_per_node(1000, 1, None)


def test_gpus_that_machines_cannot_share_evenly_are_one_clear_line() -> None:
    with pytest.raises(SmeltError, match="--gpus: 3 GPUs cannot be the same number on each of 2 machines"):
        processes_per_node(3, 2, None)


def test_several_machines_without_a_job_that_has_them_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(SmeltError, match="--nodes: 2 machines need a SLURM job"):
        launch([], 1, 2)


def test_a_signal_that_torch_s_timer_hides_is_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    def hidden(*_: object) -> None:
        try:
            raise SignalException("Process 1 got signal: 15", sigval=signal.SIGTERM)
        finally:
            raise UnboundLocalError("cannot access local variable 'start'")

    monkeypatch.setattr("torch.distributed.launcher.api.elastic_launch", lambda *_: hidden)
    assert _on_this_node(["pretrain"], processes=2, nodes=1) == RESUMABLE


@pytest.mark.parametrize("failure", [RendezvousTimeoutError, RendezvousConnectionError])
def test_machines_that_do_not_meet_are_tried_again(
    monkeypatch: pytest.MonkeyPatch, failure: type[RendezvousError]
) -> None:
    def lost(*_: object) -> None:
        raise failure

    monkeypatch.setattr("torch.distributed.launcher.api.elastic_launch", lambda *_: lost)
    with pytest.raises(Unfinished, match=r"--nodes: the machines of the job have lost each other.* Run again"):
        _on_this_node(["pretrain"], processes=1, nodes=2)


def test_a_controller_that_does_not_say_which_machines_the_job_has_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho 'slurm_load_jobs error: Unable to contact slurm controller' >&2\nexit 1\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    with pytest.raises(Unfinished, match=r"which machines the job has \(slurm_load_jobs error: Unable to contact"):
        launch([], 1, 2)
