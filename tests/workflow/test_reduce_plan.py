"""Reductions of fine-tuned models and counts of samples are planned as `check` predicts, and run to their scores."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from smelt.study.catalogue import Catalogue
from smelt.study.jobs import count_jobs
from tests.workflow.conftest import STUDY, Project, new_project

LATE = {"maker": "reduce", "source": "narrow", "corpus": "wiki", "coverage": 1.0, "order": "after"}
REDUCED: dict[str, Any] = {
    "late": LATE | {"tasks": ["demo-ner"]},
    "few-lines": {"maker": "reduce", "source": "narrow", "corpus": "wiki", "sample": 50, "tasks": []},
    "few-lines-again": {
        "maker": "reduce",
        "source": "narrow",
        "corpus": "wiki",
        "sample": 50,
        "size": 200,
        "tasks": [],
    },
}


def with_reductions(project: Project) -> Project:
    models = {name: model for name, model in STUDY["models"].items() if name != "student-qaa"} | REDUCED
    project.write(project.study | {"models": models, "tables": {}})
    return project


@pytest.mark.slow
def test_fine_tuned_models_are_reduced_once_each_and_samples_are_counted_once_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = with_reductions(new_project(tmp_path / "project"))
    monkeypatch.chdir(project.folder)
    planned, seeds = project.planned(), len(STUDY["finetuning"]["seeds"])
    assert (planned["reduce"], planned["reduce_finetuned"], planned["evaluate"]) == (4, seeds, seeds)
    # All lines of two languages for one rule and of one for the other; the samples serve two models.
    assert (planned["count"], planned["count_sample"]) == (2, 2)
    # The source keeps its weights on the task that they are reduced for.
    assert planned["finetune_kept"] == seeds
    assert sum(planned.values()) == sum(count_jobs(Catalogue.load("study.yaml")).values())


@pytest.mark.slow
def test_a_reduced_fine_tuning_stands_among_the_scores(tmp_path: Path) -> None:
    made = with_reductions(new_project(tmp_path / "project"))
    left = {"wide", "narrow-qaa", "few-lines-again"}
    made.write(
        made.study | {"models": {name: model for name, model in made.study["models"].items() if name not in left}}
    )
    made.snakemake(*(f"results/small/{made}" for made in ("scores.csv", "models/late", "models/few-lines")))
    folder = made.folder / "results/small"
    runs = [folder / f"finetuned/{model}/demo-ner/seed-1" for model in ("narrow", "late")]
    old, new = (json.loads((run / "metrics.json").read_text()) for run in runs)
    assert (new["model"], new["settings"], new["epochs"]) == ("late", old["settings"], old["epochs"])
    tables = [parquet.read_table(run / "predictions.parquet").to_pylist() for run in runs]
    assert [row["words"] for row in tables[0]] == [row["words"] for row in tables[1]]
    records = [folder / part / "reduction.json" for part in ("models/late", "finetuned/late/demo-ner/seed-1/model")]
    first, second = (json.loads(record.read_text()) for record in records)
    assert first["kept"] == second["kept"]  # the same rule and counts keep the same pieces
    counted = json.loads((folder / "models/few-lines/reduction.json").read_text())["counted"]
    assert {language: part["lines"] for language, part in counted.items()} == {"qaa": 50, "qab": 50}
    assert {row.split(",")[0] for row in (folder / "scores.csv").read_text().splitlines()} >= {"narrow", "late"}
