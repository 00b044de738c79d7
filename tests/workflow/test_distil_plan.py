"""Distillation and reduction compose in the study file, and Snakemake plans what `check` predicts."""

from pathlib import Path
from typing import Any

import pytest

from smelt.study.catalogue import Catalogue
from smelt.study.jobs import count_jobs
from tests.workflow.conftest import Project, project_of_models

TRAINED = {"corpus": "wiki", "recipe": "distil"}
# The four lines of a study that reduce the vocabulary before and after distillation.
COMPOSED: dict[str, Any] = {
    "narrow-qaa": {"maker": "reduce", "source": "narrow", "corpus": "wiki", "languages": ["qaa"]},
    "before": {"maker": "distil", "teacher": "narrow-qaa", "student": {"layers": 1}} | TRAINED,
    "whole": {"maker": "distil", "teacher": "narrow", "student": {"layers": 1}} | TRAINED,
    "after": {"maker": "reduce", "source": "whole", "corpus": "wiki", "languages": ["qaa"]},
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout in which nothing has run, with students in its study."""
    return project_of_models(tmp_path / "project", COMPOSED)


@pytest.mark.slow
def test_reducing_before_and_after_distillation_is_four_entries_of_a_study(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.folder)
    planned = project.planned()
    assert (planned["pretrain"], planned["distil"], planned["reduce"]) == (1, 2, 2)
    # Blocks of the teacher's tokenizer, of two languages: in the recipe of the teacher, and that of the student; and of
    # the reduced teacher's. Both reductions choose by the same counts, of one language.
    assert (planned["blocks"], planned["count"]) == (6, 1)
    assert sum(planned.values()) == sum(count_jobs(Catalogue.load("study.yaml")).values())


@pytest.mark.slow
def test_the_commands_of_a_distillation_can_be_run_by_hand(project: Project) -> None:
    printed = project.snakemake("--dry-run", "--printshellcmds", "results/small/models/before")
    command = next(line for line in printed.splitlines() if "python -m smelt job distil " in line)
    blocks = "results/small/blocks/wiki/narrow-qaa/stream-128"
    assert f"--blocks {blocks}/qaa {blocks}/qab --teachers results/small/models/narrow-qaa --settings" in command
    assert "--output results/small/models/before --curve logs/small/models/before.curve.csv" in command
