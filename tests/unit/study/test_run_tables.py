"""Tables of training, cost, averages and fine-tuning in the study file: what they show exists."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from test_student_tables import ADOPTED, Wildcards, catalogue, study

from smelt.errors import SmeltError

TRAINED = {
    "maker": "pretrain",
    "architecture": "albert-tiny",
    "tokenizer": "unigram",
    "corpus": "texts",
    "recipe": "small",
}
FOLDER = "results/small"


def with_trained(**table: Any) -> dict[str, Any]:
    content = study(**table)
    content["corpora"] = {"texts": {"text": {"sw": "sw.txt"}}}
    content["tokenizers"] = {"unigram": {"algorithm": "unigram", "vocabulary": 8000, "corpus": "texts"}}
    content["models"] |= {"trained": TRAINED, "further": TRAINED | {"tasks": ["masakhanews-sw"]}}
    return content


def test_training_is_read_from_models_and_their_curves(tmp_path: Path) -> None:
    found = catalogue(tmp_path, with_trained(kind="training"))
    models = ["trained", "further"]
    folders, curves = (
        [f"{place}/models/{model}{end}" for model in models]
        for place, end in ((FOLDER, ""), ("logs/small", ".curve.csv"))
    )
    assert found.report.table_sources(Wildcards()) == [*folders, *curves]
    assert json.loads(found.report.table_settings(Wildcards()))["models"] == models
    chosen = catalogue(tmp_path, with_trained(kind="training", models=["further"]))
    assert chosen.report.table_sources(Wildcards()) == [folders[1], curves[1]]
    assert chosen.report.table_tasks(Wildcards()) == []


def test_cost_is_of_all_models_and_names_students_by_their_task(tmp_path: Path) -> None:
    found = catalogue(tmp_path, with_trained(kind="cost"))
    settings = json.loads(found.report.table_settings(Wildcards()))
    assert settings["models"] == ["mbert", "d42", "other", "unmeasured", "trained", "further"]
    assert settings["students"] == {"d42": "masakhaner-sw"}
    assert settings["published"] == ["mbert", "other", "unmeasured"]
    assert found.report.table_sources(Wildcards()) == [f"{FOLDER}/models/{model}" for model in settings["models"]]


def test_averages_are_read_from_scores_and_from_the_reference_too(tmp_path: Path) -> None:
    table = {"kind": "averages", "tasks": ["masakhaner-sw"], "models": ["trained"], "reference": "mbert"}
    found = catalogue(tmp_path, with_trained(**table))
    sources = [f"{FOLDER}/scores.csv", f"{FOLDER}/models/trained", f"{FOLDER}/models/mbert"]
    assert found.report.table_sources(Wildcards()) == sources
    assert [Path(task).parent.name for task in found.report.table_tasks(Wildcards())] == ["masakhaner-sw"]


def test_chosen_settings_are_read_from_all_seeds_of_models_that_are_fine_tuned(tmp_path: Path) -> None:
    content = with_trained(kind="finetuning", tasks=["masakhaner-sw"])
    found = catalogue(tmp_path, content)
    files = [
        f"{FOLDER}/finetuned/{model}/masakhaner-sw/seed-{seed}/metrics.json"
        for model in ("mbert", "unmeasured", "trained")
        for seed in (1, 2)
    ]
    assert found.report.table_sources(Wildcards()) == files
    assert found.report.choices() == []
    content["finetuning"] |= {"batch": [16, 32]}
    content["models"]["mbert"] = ADOPTED | {"finetuning": {"batch": 16}}
    chosen = catalogue(tmp_path, content).report.choices()
    assert {Path(file).parts[3] for file in chosen} == {"other", "unmeasured", "trained", "further"}


def test_correlations_pool_the_models_of_their_table(tmp_path: Path) -> None:
    table = {"kind": "correlations", "tasks": ["masakhaner-sw"], "models": ["mbert", "trained", "other"]}
    found = catalogue(tmp_path, with_trained(**table))
    studies = [f"{FOLDER}/tokenisation/{model}/masakhaner-sw.json" for model in ("mbert", "trained")]
    assert found.report.table_sources(Wildcards()) == [*studies, f"{FOLDER}/correlations/table.json"]
    assert found.report.pooling_tables() == ["table"]
    runs = [
        f"{FOLDER}/finetuned/{model}/masakhaner-sw/seed-{seed}" for model in ("mbert", "trained") for seed in (1, 2)
    ]
    assert found.report.pooled_predictions(Wildcards()) == [f"{run}/predictions.parquet" for run in runs]
    assert found.report.pooled_tasks(Wildcards()) == [f"{FOLDER}/tasks/masakhaner-sw/task.json"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"kind": "example", "task": "masakhaner-sw", "text": "Rais wa Kenya", "sentences": 2},
            "tables.table.sentences: has no effect beside text, which names one sentence",
        ),
        ({"kind": "example", "task": "masakhaner-sw", "text": "  "}, "tables.table.text"),
        ({"kind": "correlations", "tasks": ["masakhanews-sw"]}, "a table of kind correlations shows the words of"),
        (
            {"kind": "correlations", "tasks": ["masakhaner-sw"], "models": ["other"]},
            "tables.table.tasks: none of its models is fine-tuned on 'masakhaner-sw'",
        ),
        ({"kind": "training", "models": ["mbert"]}, "table.models: 'mbert' is made by adopt; expected models that are"),
        ({"kind": "finetuning", "tasks": ["masakhaner-sw"], "models": ["d42"]}, "'d42' is made by compress, and not"),
        (
            {"kind": "finetuning", "tasks": ["masakhaner-sw"], "models": ["other"]},
            "tables.table.tasks: none of its models is fine-tuned on 'masakhaner-sw'",
        ),
        (
            {"kind": "averages", "tasks": ["masakhaner-sw"], "reference": "absent"},
            "tables.table.reference: 'absent' is not a model of the study",
        ),
        (
            {"kind": "averages", "tasks": ["masakhaner-sw"], "reference": "other"},
            "tables.table.reference: 'other' is not fine-tuned on 'masakhaner-sw'",
        ),
        (
            {"kind": "averages", "tasks": ["masakhaner-sw"], "reference": "mbert", "convention": "exact"},
            "tables.table.convention",
        ),
    ],
)
def test_what_could_never_be_shown_is_refused_by_name(tmp_path: Path, table: dict[str, Any], message: str) -> None:
    with pytest.raises(SmeltError, match=re.escape(message)):
        catalogue(tmp_path, with_trained(**table))


def test_a_study_that_trains_nothing_has_no_table_of_training(tmp_path: Path) -> None:
    with pytest.raises(SmeltError, match=re.escape("tables.table: no model of the study is pretrained or distilled")):
        catalogue(tmp_path, study(kind="training"))
