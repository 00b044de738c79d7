"""What becomes of the command `pretrain` when it is stopped, started twice or out of disk."""

import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable
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
    with log.with_suffix(".out").open("w") as stream:
        os.dup2(stream.fileno(), 1)
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

    def start(self, name: str, *words: str, file_size: int | None = None) -> BaseProcess:
        arguments = ([*self.words, *words], self.folder / name, file_size)
        process = self._forkserver.Process(target=run_command, args=arguments)
        process.start()
        return process

    def errors(self, name: str) -> list[str]:
        """Return smelt's own lines of a run's standard error."""
        log = self.folder / name
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if line.startswith("smelt: ")]

    def checkpoints(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("checkpoints/*/*"))

    def last_step(self) -> str:
        return max(path.name for path in self.folder.glob("checkpoints/*/step-*[0-9]"))

    def said(self, name: str) -> str:
        return (self.folder / name).with_suffix(".out").read_text()

    def wait_until(self, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + 120
        while not true():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.01)


def exit_code(process: BaseProcess) -> int | None:
    process.join(120)
    return process.exitcode


@pytest.fixture(scope="module")
def jobs(toy: Toy, tmp_path_factory: pytest.TempPathFactory, forkserver: BaseContext) -> Jobs:
    """A job that was stopped by a signal while a second one waited for it, which then went on."""
    jobs = Jobs(toy, tmp_path_factory.mktemp("interruptions"), forkserver)
    first = jobs.start("first")
    jobs.wait_until(lambda: list(jobs.folder.glob("checkpoints/*/step-*[0-9]/manifest.json")))
    short = jobs.start("short", "--minutes", "0.01")
    jobs.codes["short"] = exit_code(short)
    second = jobs.start("second")
    jobs.wait_until(lambda: jobs.errors("second"))
    os.kill(first.pid, signal.SIGUSR1)
    jobs.codes["first"] = exit_code(first)
    last = jobs.last_step()
    jobs.wait_until(lambda: jobs.last_step() > last)
    os.kill(second.pid, signal.SIGUSR1)
    jobs.codes["second"] = exit_code(second)
    return jobs


@pytest.mark.slow
def test_a_second_job_on_the_same_folder_waits_and_goes_on(jobs: Jobs) -> None:
    first, last = jobs.errors("second")[0], jobs.errors("second")[-1]
    assert re.search(r"/checkpoints/model-[0-9a-f]{12}: waiting for process \d+ on .+, which uses it$", first)
    assert jobs.codes["second"] == 75
    assert last.startswith("smelt: training: stopped by SIGUSR1; kept a checkpoint of step")
    assert "going on from the checkpoint of step" in jobs.said("second")


@pytest.mark.slow
def test_a_job_waits_for_another_no_longer_than_its_own_time(jobs: Jobs) -> None:
    assert jobs.codes["short"] == 75
    line = jobs.errors("short")[-1]
    assert re.search(r"in use by process \d+ on .+ for all of this job's time\. Run again$", line)


def test_a_job_that_a_signal_stopped_exits_with_the_code_for_running_it_again(jobs: Jobs) -> None:
    assert jobs.codes["first"] == 75
    (line,) = jobs.errors("first")
    assert line.startswith("smelt: training: stopped by SIGUSR1; kept a checkpoint of step")


@pytest.mark.slow
def test_a_full_disk_during_a_checkpoint_is_one_clear_line_and_leaves_those_before(jobs: Jobs) -> None:
    before = jobs.checkpoints()
    assert exit_code(jobs.start("third", file_size=20_000)) == 74
    (line,) = jobs.errors("third")
    assert "cannot write the checkpoint of step" in line
    assert line.endswith("(File too large)")
    assert jobs.checkpoints() == before
    assert [name.startswith("step-") for name in before] == [True] * len(before)
