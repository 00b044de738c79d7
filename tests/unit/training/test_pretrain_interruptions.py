"""What becomes of the command `pretrain` when it is stopped, started twice or out of disk."""

import json
import os
import re
import resource
import signal
import sys
import time
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from training_toy import RECIPE, SHAPE, Toy

from smelt.__main__ import main
from smelt.entry import merge

ENDLESS = {"schedule": {"steps": 100_000}, "validation": {"every": 100_000}, "checkpoints": {"every": 5}}


def run_command(words: list[str], log: Path, file_size: int | None) -> None:
    """Run the command as a process of its own, which can write no larger files than allowed."""
    with log.open("w") as stream:
        os.dup2(stream.fileno(), 2)
    if file_size is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, resource.RLIM_INFINITY))
    sys.exit(main(words))


class Jobs:
    """Starts the same pretraining again and again."""

    def __init__(self, toy: Toy, folder: Path, forkserver: BaseContext) -> None:
        settings = {"shape": SHAPE.model_dump(), "recipe": merge(RECIPE.model_dump(), ENDLESS), "alpha": 0.7, "seed": 1}
        self.words = [
            *["pretrain", "--blocks", *map(str, toy.blocks), "--tokenizer", str(toy.tokenizer), "--threads", "1"],
            *["--settings", json.dumps(settings | {"version": 1}), "--checkpoints", str(folder / "checkpoints")],
            *["--output", str(folder / "model"), "--curve", str(folder / "curve.csv")],
        ]
        self.folder, self._forkserver = folder, forkserver
        self.codes: dict[str, int | None] = {}

    def start(self, name: str, file_size: int | None = None) -> BaseProcess:
        arguments = (self.words, self.folder / name, file_size)
        process = self._forkserver.Process(target=run_command, args=arguments)
        process.start()
        return process

    def errors(self, name: str) -> list[str]:
        """Return smelt's own lines of a run's standard error."""
        return [line for line in (self.folder / name).read_text().splitlines() if line.startswith("smelt: ")]

    def checkpoints(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("checkpoints/*/*"))

    def wait_for_a_checkpoint(self) -> None:
        deadline = time.monotonic() + 120
        while not list(self.folder.glob("checkpoints/*/step-*[0-9]/manifest.json")):
            assert time.monotonic() < deadline, "no checkpoint appeared"
            time.sleep(0.01)


def exit_code(process: BaseProcess) -> int | None:
    process.join(120)
    return process.exitcode


@pytest.fixture(scope="module")
def jobs(toy: Toy, tmp_path_factory: pytest.TempPathFactory, forkserver: BaseContext) -> Jobs:
    """A job that was stopped by a signal after a second one had been started beside it."""
    jobs = Jobs(toy, tmp_path_factory.mktemp("interruptions"), forkserver)
    first = jobs.start("first")
    jobs.wait_for_a_checkpoint()
    second = jobs.start("second")
    jobs.codes["second"] = exit_code(second)
    os.kill(first.pid, signal.SIGUSR1)
    jobs.codes["first"] = exit_code(first)
    return jobs


@pytest.mark.slow
def test_a_second_job_on_the_same_folder_is_one_clear_line(jobs: Jobs) -> None:
    assert jobs.codes["second"] == 1
    (line,) = jobs.errors("second")
    assert re.search(r"in use by process \d+ on .+\. Wait for it, or end it, and run again$", line)


def test_a_job_that_a_signal_stopped_exits_with_the_code_for_running_it_again(jobs: Jobs) -> None:
    assert jobs.codes["first"] == 75
    (line,) = jobs.errors("first")
    assert line.startswith("smelt: training: stopped by SIGUSR1; kept a checkpoint of step")


@pytest.mark.slow
def test_a_full_disk_during_a_checkpoint_is_one_clear_line_and_leaves_those_before(jobs: Jobs) -> None:
    before = jobs.checkpoints()
    assert exit_code(jobs.start("third", file_size=20_000)) == 1
    (line,) = jobs.errors("third")
    assert "cannot write the checkpoint of step" in line
    assert line.endswith("(File too large)")
    assert jobs.checkpoints() == before
    assert [name.startswith("step-") for name in before] == [True] * len(before)
