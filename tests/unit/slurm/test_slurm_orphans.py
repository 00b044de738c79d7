"""Jobs that outlived their Snakemake: which are taken over, and which are cancelled."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import Slurm, Watched

from smelt.slurm import records
from smelt.slurm.orphans import Orphans, tag_of
from smelt.study.driver import MARK, Driver
from smelt.study.paths import Paths

STUDY = "/somewhere results/small"


class Single(SimpleNamespace):
    """A job of Snakemake."""

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
        rule=SimpleNamespace(name="pretrain", shellcmd="python -m smelt pretrain"),
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
    assert orphans.claim(asked, tag_of(asked, STUDY)) == (None, ["7"])
    assert said == ["small/models/wide: job 7 of an earlier run makes it from other settings or inputs: cancelled"]
    assert slurm.asked("scancel") == ["7"]


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
