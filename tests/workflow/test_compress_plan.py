"""Compressed models stand where fine-tuned ones do, and Snakemake plans what `check` predicts."""

from pathlib import Path
from typing import Any

import pytest

from smelt.study.catalogue import Catalogue
from smelt.study.jobs import count_jobs
from tests.workflow.conftest import STUDY, Project, new_project

SMALL = {
    "maker": "compress",
    "teacher": "narrow",
    "tasks": ["demo-ner"],
    "student": {"kind": "bilstm", "embedding": 8, "hidden": 12},
}
COMPRESSED: dict[str, Any] = {
    "stages": SMALL,
    "joint": SMALL | {"strategy": "D1"},
    "labels": SMALL | {"strategy": "D0-S", "embeddings": {"start": "random"}},
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout in which nothing has run, with compressed models in its study."""
    project = new_project(tmp_path / "project")
    project.write(STUDY | {"models": STUDY["models"] | COMPRESSED})
    return project


@pytest.mark.slow
def test_students_are_planned_where_fine_tuned_models_stand(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    planned, seeds = project.planned(), len(STUDY["finetuning"]["seeds"])
    assert (planned["compress"], planned["compressed"], planned["signals"]) == (3 * seeds, 3, seeds)
    # Students exist for one of the teacher's two tasks; nothing needs the weights of the other.
    assert (planned["finetune_kept"], planned["finetune"]) == (seeds, seeds + 2 * seeds)
    assert sum(planned.values()) == sum(count_jobs(Catalogue.load("study.yaml")).values())


@pytest.mark.slow
def test_a_teacher_of_a_grid_waits_for_its_runs_and_keeps_the_chosen_one(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = project.study
    study["models"]["narrow"]["finetuning"] = {"learning_rate": [1e-3, 2e-3], "epochs": [1, 2]}
    project.write(study)
    monkeypatch.chdir(project.folder)
    planned, seeds = project.planned(), len(STUDY["finetuning"]["seeds"])
    # Four runs of the teacher on each of its two tasks; the choice of one task is kept for the students.
    assert (planned["finetune_cell"], planned["finetune_kept"]) == (4 * 2 * seeds, seeds)
    catalogue = Catalogue.load("study.yaml")
    assert sum(planned.values()) == sum(count_jobs(catalogue).values())
    kept = {task: catalogue.finetune.keeps("narrow", task, f"narrow/{task}/seed-1") for task in STUDY["tasks"]}
    assert kept == {"demo-ner": True, "demo-intent": False}
    assert [len(catalogue.finetune.grid("narrow", task).cells) for task in STUDY["tasks"]] == [4, 4]


@pytest.mark.slow
def test_a_student_of_labels_alone_waits_for_no_teacher(project: Project) -> None:
    planned = project.planned("results/small/finetuned/labels/demo-ner/seed-1/metrics.json")
    assert "finetune_kept" not in planned
    assert planned["compress"] == 1


@pytest.mark.slow
def test_tables_and_figures_of_students_wait_for_scores_phases_and_measurements(project: Project) -> None:
    tables = {
        "strategies": {"kind": "grid", "model": "{row}", "task": "demo-ner", "rows": {"D1": "joint", "D4.2": "stages"}},
        "phases": {"kind": "stages", "model": "stages", "task": "demo-ner"},
        "budget": {"kind": "tradeoff", "task": "demo-ner", "models": ["narrow", "stages"]},
    }
    efficiency = {"models": ["narrow", "stages"], "lengths": [32], "batches": [1], "sizes": ["fp32"]}
    project.write(project.study | {"tables": tables, "efficiency": efficiency})
    folder = "results/small"
    phases = project.planned(f"{folder}/tables/phases.md")
    assert (phases["table"], phases["compress"], "scores" in phases) == (1, len(STUDY["finetuning"]["seeds"]), False)
    drawn = [f"{folder}/figures/{name}.svg" for name in ("by-language-strategies", "tradeoff-budget")]
    figures = project.planned(*drawn)
    assert (figures["figure"], figures["scores"], figures["efficiency"]) == (2, 1, 1)
