"""One process drives a study: others are refused, the dead are succeeded, and their jobs are ended."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from smelt.errors import SmeltError
from smelt.study.driver import MARK, Driver, StudyRun
from smelt.study.paths import Paths


class Jobs:
    """What a driver asks of Snakemake's jobs."""

    def __init__(self, *jobs: tuple[list[str], list[str]]) -> None:
        self.jobs = [SimpleNamespace(input=read, output=made) for read, made in jobs]
        self.workflow = SimpleNamespace(persistence=SimpleNamespace(incomplete=lambda job: job.output), async_run=list)

    def needrun_jobs(self) -> list[Any]:
        return self.jobs


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(MARK, "restored after the test")


def driver_of(study: str = "small") -> Driver:
    driver = Driver(Paths(study))
    driver.lock.heartbeat, driver.lock.stale = 0.05, 0.4
    return driver


def record(silent: float = 0.0, study: str = "small", **holder: object) -> Path:
    """Leave the lock of a driver that began at noon; silent: seconds without a sign of life."""
    path = Path(f"results/{study}/.run/lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    noon = int(time.mktime((2026, 5, 1, 12, 0, 0, 0, 0, -1)) * 1e9)
    path.write_text(json.dumps({"host": "login2", "kernel": "its", "process": 7, "started": noon} | holder))
    os.utime(path, (time.time() - silent,) * 2)
    return path


def test_a_run_on_another_machine_that_shows_life_is_not_disturbed() -> None:
    path = record()
    alive = subprocess.Popen(
        [sys.executable, "-c", f"import os, time\nwhile True: os.utime({str(path)!r}); time.sleep(.05)"]
    )
    with pytest.raises(SmeltError) as refused, driver_of().drive(Jobs()):
        pass
    alive.kill()
    alive.wait()
    assert str(refused.value) == (
        "study small: a run that process 7 on login2 began at 2026-05-01 12:00:00 is going on."
        " Wait for it, or end it there"
    )
    assert json.loads(path.read_text())["host"] == "login2"
    assert [file.name for file in path.parent.iterdir()] == ["lock"]


def test_a_run_on_another_machine_that_is_silent_is_succeeded(capsys: pytest.CaptureFixture[str]) -> None:
    path = record(silent=60)
    with driver_of().drive(Jobs(([], ["results/small/a"]), ([], ["results/small/b"]), ([], []))):
        assert json.loads(path.read_text())["process"] == os.getpid()
    printed = capsys.readouterr().err
    assert "smelt: warning: study small: process 7 on login2 is gone; taking over" in printed
    assert "study small: 2 interrupted jobs go on or run again" in printed
    assert not path.exists()


def test_a_run_that_was_succeeded_while_it_slept_starts_no_further_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    with driver_of().drive(Jobs()):
        time.sleep(0.3)
        assert asked == [], "as long as it holds the lock"
        assert StudyRun.read(os.environ).successor() is None
        record()
        assert str(StudyRun.read(os.environ).successor()) == "process 7 on login2"
        until = time.monotonic() + 20
        while not asked and time.monotonic() < until:
            time.sleep(0.02)
    signal.signal(signal.SIGTERM, before)
    assert asked == [signal.SIGTERM]
    assert "the lock of this run was taken over by process 7 on login2: it starts no further" in capsys.readouterr().err
    left = {file.name for file in Path("results/small/.run").iterdir()}
    assert left == {"lock", "files.json"}, "both are the other one's now"


@pytest.mark.parametrize(("job", "orphan"), [(None, True), ("12", False)])
def test_jobs_that_outlived_a_run_are_ended_but_not_those_of_slurm(job: str | None, orphan: bool) -> None:
    environment = os.environ | {MARK: f"- {Path('results/small/.run').absolute()}"}
    environment |= {"SLURM_JOB_ID": job} if job else {}
    outlived = subprocess.Popen(["sleep", "60"], env=environment)
    other = subprocess.Popen(["sleep", "60"], env=environment | {MARK: f"- {Path('results/big/.run').absolute()}"})
    while "sleep" not in Path(f"/proc/{other.pid}/cmdline").read_text():
        time.sleep(0.01)
    with driver_of().drive(Jobs()):
        assert (outlived.poll() is not None) == orphan
        assert other.poll() is None
    for process in (outlived, other):
        process.kill()
        process.wait()


def test_runs_of_two_studies_do_not_make_the_same_file_at_once() -> None:
    dump = "resources/dumps/swwiki.xml.bz2"
    download, extraction = ([], [dump]), ([dump], ["results/small/documents"])
    with driver_of("big").drive(Jobs(download)):
        for jobs in (Jobs(download), Jobs(extraction)):
            with pytest.raises(SmeltError, match=rf"{dump}: in use by study big: a run that process {os.getpid()} on "):
                driver_of().drive(jobs).__enter__()
        with driver_of().drive(Jobs(([], ["results/small/a"]))):
            pass
    record(silent=600, study="big")
    with driver_of().drive(Jobs(download)):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be two users")
def test_another_user_of_the_group_takes_over(tmp_path: Path) -> None:
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o777)
    code = (
        "import os, sys\nfrom tests.unit.study.test_driver import Jobs, driver_of\n"
        "os.umask(0o002); os.setgroups([]); os.setgid(4242); os.setuid(int(sys.argv[1]))\n"
        "held = driver_of().drive(Jobs()); held.__enter__(); os._exit(0)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    for user in ("4242", "4243"):
        done = subprocess.run([sys.executable, "-c", code, user], env=environment, text=True, capture_output=True)
        assert done.returncode == 0, done.stderr
    assert "is gone; taking over" in done.stderr
    lock = Path("results/small/.run/lock").stat()
    assert (lock.st_uid, lock.st_mode & 0o777) == (4243, 0o664)
    assert Path("results/small/.run/files.json").stat().st_mode & 0o777 == 0o664
