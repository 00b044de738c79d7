"""Jobs that outlived their Snakemake: which are taken over, and which are cancelled."""

import asyncio
import json
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_slurm import Slurm, Watched
from snakemake_executor_plugin_slurm import Executor as SlurmExecutor

from smelt.slurm import records
from smelt.slurm.orphans import Orphans, tag_of
from smelt.slurm.queue import NoAnswer
from smelt.study.driver import MARK, Driver
from smelt.study.paths import Paths

STUDY = "/somewhere results/small"


class Single(SimpleNamespace):
    """A job of Snakemake."""

    @property
    def attempt(self) -> int:
        return int(self._attempt)

    def is_group(self) -> bool:
        return False


class Params(dict[str, Any]):
    """Named params, and positional ones."""

    def __iter__(self) -> Any:
        return iter(self.values())


def job(model: str = "wide", **settings: Any) -> Single:
    if not Path("blocks").exists():
        Path("blocks").touch()
    return Single(
        name="pretrain",
        jobid=1,
        _attempt=1,
        restart_times=2,
        resources={},
        wildcards=[model],
        rule=SimpleNamespace(name="pretrain", shellcmd="python -m smelt job pretrain"),
        params=Params(settings),
        input=["blocks"],
        output=[f"results/small/models/{model}"],
        log=[f"logs/small/models/{model}.log"],
    )


@pytest.fixture
def folder(slurm: Slurm) -> Path:
    path = slurm.folder / "records"
    path.mkdir()
    return path


def look(
    slurm: Slurm, folder: Path, queue: dict[str, str], jobs: list[Single], wanted: list[Single], whole: bool = True
) -> tuple[Orphans, list[str]]:
    said: list[str] = []
    slurm.answer("squeue", "".join(f"{number} {line}\n" for number, line in queue.items()))
    orphans = Orphans(folder, STUDY, said.append)
    orphans.find(jobs, wanted, whole)
    return orphans, said


def test_a_job_that_makes_the_same_from_the_same_is_taken_over_once(slurm: Slurm, folder: Path) -> None:
    tag = tag_of(job(steps=5), STUDY)
    orphans, said = look(slurm, folder, {"7": f"RUNNING {tag}"}, [job()], [job()])
    assert orphans.claim(job(steps=5), tag_of(job(steps=5), STUDY)) == ("7", [])
    assert said == ["small/models/wide: job 7 of an earlier run goes on and is taken over"]
    assert orphans.claim(job(steps=5), tag_of(job(steps=5), STUDY)) == (None, [])
    assert slurm.asked("scancel") == []


@pytest.mark.parametrize("change", ["setting", "input"])
def test_another_setting_or_input_is_another_job(slurm: Slurm, folder: Path, change: str) -> None:
    orphans, said = look(slurm, folder, {"7": f"RUNNING {tag_of(job(steps=5), STUDY)}"}, [job()], [job()])
    if change == "input":
        os.utime("blocks", ns=(1, 1))
    asked = job(steps=6 if change == "setting" else 5)
    slurm.away(True)
    with pytest.raises(NoAnswer):
        orphans.claim(asked, tag_of(asked, STUDY))
    slurm.away(False)
    if change == "input":
        slurm.answer("squeue", "")
    known = [] if change == "input" else ["7"]
    assert orphans.claim(asked, tag_of(asked, STUDY)) == (None, known), "no job waits for one that SLURM has forgotten"
    assert said == ["small/models/wide: job 7 of an earlier run makes it from other settings or inputs: cancelled"]
    assert slurm.asked("scancel") == ["7", "7"], "also after SLURM did not answer"


def test_what_nothing_needs_is_cancelled_unless_only_a_part_was_asked_for(slurm: Slurm, folder: Path) -> None:
    queue = {
        "7": f"RUNNING {tag_of(job('wide'), STUDY)}",  # made already
        "8": f"PENDING {tag_of(job('gone'), STUDY)}",
        "9": f"RUNNING {tag_of(job('wide'), 'another study')}",
        "10": "RUNNING smelt:someone's own words",
        "11": f"COMPLETED {tag_of(job('gone'), STUDY)}",
    }
    _, said = look(slurm, folder, queue, [job("wide")], [], whole=False)
    assert slurm.asked("scancel") == ["7"]
    assert said[1].startswith("job 8 of an earlier run of the study goes on")
    look(slurm, folder, queue, [job("wide")], [])
    assert slurm.asked("scancel") == ["7", "7", "8"]


def test_a_job_that_ended_while_nobody_looked_is_taken_over_if_its_result_is_whole(slurm: Slurm, folder: Path) -> None:
    tag = tag_of(job(), STUDY)
    for end, made, taken in ((1, True, None), (0, False, None), (0, True, "7")):
        (folder / "7").write_text(f"{tag}\n0\njob {end}\n")
        Path("results/small/models/wide").mkdir(parents=True) if made and end == 0 else None
        orphans, _ = look(slurm, folder, {}, [job()], [job()])
        assert orphans.claim(job(), tag_of(job(), STUDY)) == (taken, [])
        assert (records.read(folder, "7") is not None) == (taken is not None)


def name_of_study(executor: Watched, study: str) -> str:
    """Return by what the executor knows a study's jobs while its driver goes on."""
    with Driver(Paths(study)).drive(SimpleNamespace(needrun_jobs=list)):
        return executor._study


def test_runs_of_two_studies_do_not_touch_each_others_jobs(
    executor: Watched, slurm: Slurm, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARK, "restored after the test")
    small, big = (name_of_study(executor, study) for study in ("small", "big"))
    assert name_of_study(executor, "small") == small, "a later run of the study knows them too"
    (folder / "8").write_text(f"{tag_of(job(), big)}\n0\njob 0\n")
    slurm.answer("squeue", f"7 RUNNING {tag_of(job(), big)}\n")
    for wanted in ([], [job()]):
        orphans = Orphans(folder, small, list[str]().append)
        orphans.find([job()], wanted, whole=True)
        assert orphans.claim(job(), tag_of(job(), small)) == (None, [])
    assert slurm.asked("scancel") == []
    assert (folder / "8").exists()
    monkeypatch.delenv(MARK)
    assert executor._study not in (small, big), "without a lock, other runs are left alone"


def test_they_are_looked_for_as_the_run_begins_even_if_nothing_is_submitted(
    executor: Watched, slurm: Slurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SlurmExecutor, "__post_init__", lambda *_: None)
    executor.dag.jobs = [job()]
    slurm.answer("squeue", f"7 RUNNING {tag_of(job(), executor._study)}\n")
    executor.__post_init__()
    assert slurm.asked("scancel") == ["7"]
    assert executor.said == ["smelt: small/models/wide: nothing needs job 7 of an earlier run: cancelled"]

    monkeypatch.setenv("PATH", str(slurm.folder))
    executor.__post_init__()
    executor.run_job(job())
    assert executor.reported[0][2].startswith("SLURM did not take it: squeue: no such command: ")


@pytest.mark.parametrize("error", ["Unable to contact slurm controller", "Access/permission denied"])
def test_nothing_is_submitted_before_slurm_lists_its_jobs(
    executor: Watched, slurm: Slurm, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    monkeypatch.setattr("smelt.slurm.executor.PATIENCE", 0.01)
    slurm.away(True, error)
    slurm.answer("sbatch", "12\n")
    submission = threading.Thread(target=executor.run_job, args=(job(),))
    submission.start()
    while len(slurm.asked("squeue")) < 3:
        assert submission.is_alive()
    assert slurm.asked("sbatch") == []
    slurm.away(False)
    submission.join(20)
    assert executor.submitted == ["12"]
    assert executor.reported == []
    assert error in executor.said[0]


def test_a_run_that_was_asked_to_end_submits_nothing(executor: Watched, slurm: Slurm) -> None:
    executor.workflow.scheduler._user_kill = "graceful"
    executor.run_job(job())
    assert executor.reported == [(None, "failed", "not submitted: this run ends")]
    assert slurm.asked("sbatch") == []


def test_a_run_that_was_succeeded_leaves_all_jobs_to_the_other(
    executor: Watched, slurm: Slurm, monkeypatch: pytest.MonkeyPatch, submitted: Any
) -> None:
    lock = Path("results/small/.run/lock")
    lock.parent.mkdir(parents=True)
    lock.write_text(json.dumps({"host": "login2", "kernel": "its", "process": 7, "started": 0}))
    monkeypatch.setenv(MARK, f"- {lock.parent.absolute()}")
    (executor.records / "8").write_text("smelt:a\n1\njob 1\n")
    slurm.answer("squeue", "7 RUNNING smelt:a\n8 FAILED smelt:a\n")
    assert asyncio.run(executor.look(submitted("7"), submitted("8"))) == ["7", "8"]
    executor.run_job(job())
    assert executor.reported == []
    assert slurm.asked("sbatch") == []
    assert (executor.records / "8").exists()
    assert str(executor.ends[0]).startswith("smelt: process 7 on login2 drives the study now. This run ends")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to be two users")
def test_a_job_of_another_user_is_watched_and_never_forgotten_while_it_may_run(
    executor: Watched, slurm: Slurm, submitted: Any
) -> None:
    tag = tag_of(job(), executor._study)
    path = executor.records / "7"
    path.write_text(f"{tag}\n")
    os.chown(path, 1, 1)
    executor.dag.jobs, executor.dag.needrun_jobs = [job()], lambda: [job()]

    slurm.answer("squeue", f"7 RUNNING {tag}\n")
    executor.run_job(job())
    assert executor.submitted == ["7"], "taken over"
    assert asyncio.run(executor.look(submitted("7"))) == ["7"]
    asked = [words for words in slurm.asked("squeue") if "--user=" in words]
    assert [f"--user=0,{path.owner()}" in words for words in asked] == [True, True]

    slurm.answer("squeue", "")
    slurm.answer("scontrol", "PriorityType = basic\nPrivateData             = accounts,jobs\n")
    executor.orphans = None
    executor.run_job(job())
    assert path.exists()
    assert slurm.asked("sbatch") == []
    said = f"job 7 of {path.owner()}: it may still run, and SLURM does not show jobs of others here."
    assert executor.reported == [(None, "failed", f"{said} Once it has ended, remove {path}")]

    slurm.answer("scontrol", "PrivateData             = none\n")
    slurm.answer("sbatch", "12\n")
    executor.orphans = None
    executor.run_job(job())
    assert executor.submitted == ["7", "12"], "SLURM would show it"
    assert not path.exists()


def test_a_job_of_another_user_that_has_yet_to_start_is_taken_over(
    executor: Watched, slurm: Slurm, submitted: Any
) -> None:
    """It has no record, and lists of one user's jobs lack it."""
    wanted = job()
    tag, other = tag_of(wanted, executor._study), "4711"
    (slurm.programs / "squeue").write_text(
        '#!/bin/sh\ncase "$*" in\n'
        f"*--format=%U*) echo '{os.getuid()} mine'; echo '12 a comment'; echo '{other} {tag}' ;;\n"
        f"*--user={os.getuid()},{other}\\ *) echo '7 PENDING {tag}' ;;\nesac\n"
    )
    executor.dag.jobs, executor.dag.needrun_jobs = [wanted], lambda: [wanted]
    executor.run_job(wanted)
    assert executor.submitted == ["7"]
    assert slurm.asked("sbatch") == []
    assert asyncio.run(executor.look(submitted("7", wanted))) == ["7"]
