"""A source that is not there stops what needs it, and nothing else."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.workflow.conftest import Project, new_project

pytestmark = pytest.mark.slow

LINE = "smelt: {where}: {found}. {mend}, or leave what needs it out of the study"


@pytest.fixture
def lacking(tmp_path: Path) -> Project:
    """A study that lacks a text, a mirror, a task's files and an upper bound."""
    project = new_project(tmp_path / "project")
    tasks = project.folder / "tasks"
    tasks.mkdir()
    task = (project.folder / "workflow/smelt/tasks/library/demo-intent.yaml").read_text()
    (tasks / "mine.yaml").write_text(task.replace("resources/demo/tasks/demo-intent", "absent/mine"))
    study: dict[str, Any] = project.study
    study["corpora"] |= {
        "texts": {"text": {"sw": "absent/sw.txt"}},
        "dumps": {"wikipedia": {"date": "20260101", "languages": ["sw"], "mirror": "absent/dumps"}},
    }
    study["models"] = {"bound": {"maker": "adopt", "folder": "${SMELT_NOWHERE}/bert"}}
    study["tokenizers"] = {}
    study["tasks"] = ["demo-intent", "mine"]
    study["tables"] = {"intents": {"kind": "scores", "tasks": ["demo-intent"]}}
    project.write(study)
    return project


def complaint(log: Path) -> str:
    """Return the one line of complaint in a log."""
    (line,) = [line for line in log.read_text().splitlines() if line.startswith("smelt: ")]
    return line


def test_all_that_needs_no_missing_source_is_made_and_each_job_names_its_own(lacking: Project) -> None:
    printed = lacking.snakemake(check=False)
    folder = lacking.folder
    assert "MissingInputException" not in printed
    assert "smelt: sources of the study are not there; what needs them fails, all else is made" in printed
    assert "smelt: the report waits for the jobs that failed" in printed
    assert {path.parent.name for path in (folder / "results/small/tasks").glob("*/task.json")} == {"demo-intent"}
    assert {path.parent.name for path in (folder / "results/small/corpora").glob("*/*/documents.parquet")} == {
        "qaa",
        "qab",
    }
    absent = folder / "absent"
    last = {
        "corpora/texts/sw": LINE.format(
            mend="Put it there",
            where=absent / "sw.txt",
            found="no such file: expected a paragraph a line, a blank line between documents",
        ),
        "tasks/mine": LINE.format(
            mend="Put it there", where="tasks/mine.yaml", found=f"source.folder: no such folder: {absent / 'mine'}"
        ),
        "models/bound": LINE.format(
            mend="Set it",
            where="${SMELT_NOWHERE}/bert",
            found="the environment variable SMELT_NOWHERE is not set: expected a model as save_pretrained writes it",
        ),
    }
    assert {name: complaint(folder / f"logs/small/{name}.log") for name in last} == last
    mirror = complaint(folder / "logs/dumps/swwiki-20260101.log")
    assert mirror.startswith(f"smelt: {absent / 'dumps'}: no such folder: expected one laid out as the dumps server")


def test_a_source_that_appears_is_read(lacking: Project) -> None:
    target = "results/small/corpora/texts/sw/documents.parquet"
    lacking.snakemake(target, check=False)
    assert not (lacking.folder / target).exists()
    (lacking.folder / "absent").mkdir()
    (lacking.folder / "absent/sw.txt").write_text("Habari ya leo.\n\nNzuri sana.\n")
    lacking.snakemake(target)
    assert lacking.planned(target) == {}
    (lacking.folder / "absent/sw.txt").write_text("Habari za leo.\n\nNzuri sana.\n")
    assert lacking.planned(target) == {"documents": 1}


def test_a_source_that_is_gone_takes_nothing_with_it(lacking: Project) -> None:
    (lacking.folder / "absent").mkdir()
    (lacking.folder / "absent/sw.txt").write_text("Habari ya leo.\n\nNzuri sana.\n")
    target = "results/small/corpora/texts/sw/documents.parquet"
    lacking.snakemake(target)
    before = lacking.planned()
    shutil.rmtree(lacking.folder / "absent")
    assert lacking.planned() == before
    assert before["documents"] == 3  # two of the generated dumps, and that of the absent mirror
    assert (lacking.folder / target).is_file()


def test_a_study_under_way_is_planned_alike_in_a_shell_without_its_variable(
    lacking: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = lacking.folder / "own"
    own.mkdir()
    (own / "sw.txt").write_text("Habari ya leo.\n\nNzuri sana.\n")
    for split in ("train", "validation", "test"):
        for language in ("qaa", "qab", "qac"):
            (own / f"{split}-{language}.tsv").write_text(f"intent\ttext\na\t{split}\nb\t{language}\n")
    task = lacking.folder / "tasks/mine.yaml"
    task.write_text(task.read_text().replace("absent/mine", "${SMELT_OWN}"))
    study = lacking.study
    study["corpora"]["texts"] = {"text": {"sw": "${SMELT_OWN}/sw.txt"}}
    lacking.write(study)
    monkeypatch.setenv("SMELT_OWN", str(own))
    made = ["results/small/corpora/texts/sw/documents.parquet", "results/small/tasks/mine/task.json"]
    lacking.snakemake(*made)
    study["finetuning"]["seeds"] = [1, 2, 3]
    lacking.write(study)
    before = lacking.planned()
    assert before["finetune"] == 6
    monkeypatch.delenv("SMELT_OWN")
    assert lacking.planned() == before
    assert all((lacking.folder / path).is_file() for path in made)
