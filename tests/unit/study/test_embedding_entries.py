"""Tasks of embeddings in a study: models as they are have one run; keys without an effect are refused."""

import json
from pathlib import Path

import pytest
import yaml

from smelt.errors import SmeltError
from smelt.report.notes import as_they_are_note
from smelt.report.tables.scores import ScoresTable
from smelt.study.catalogue import Catalogue

SIMILARITY = {
    "title": "Invented pairs",
    "kind": "similarity",
    "languages": ["en"],
    "source": {"folder": "/nowhere", "train": "a.tsv", "validation": "a.tsv", "test": "a.tsv"},
    "format": {"table": {"text": "one", "pair": "two", "label": "score"}},
    "metric": "spearman",
    "scores": [0, 5],
    "licence": "none",
    "cite": "nobody",
}
TESTED = SIMILARITY | {"source": {"folder": "/nowhere", "test": "a.tsv"}}
AS_THEY_ARE = {"finetuning": {"epochs": 0}}


def catalogue(folder: Path, finetuning: dict | None = None, model: dict | None = None, **tasks: dict) -> Catalogue:
    (folder / "tasks").mkdir(exist_ok=True)
    for name, task in (("pairs", SIMILARITY), ("tested", TESTED)):
        (folder / "tasks" / f"{name}.yaml").write_text(yaml.safe_dump(task))
    study = {
        "study": "invented",
        "models": {
            "one": {"maker": "adopt", "folder": "/nowhere"} | (model or {}),
            "two": {"maker": "adopt", "folder": "/x"},
        },
        "tasks": tasks,
        "finetuning": {"seeds": [3, 5]} | (finetuning or {}),
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return Catalogue.load(folder / "study.yaml")


def refusal(folder: Path, **changes) -> str:
    with pytest.raises(SmeltError) as found:
        catalogue(folder, **changes)
    assert str(found.value).count("\n") == 0
    return str(found.value)


def test_a_model_as_it_is_has_one_run_beside_those_that_learn(tmp_path):
    found = catalogue(tmp_path, pairs={}, plain={"task": "pairs"} | AS_THEY_ARE, tested=AS_THEY_ARE)
    folders = {file.removeprefix("results/invented/finetuned/") for file in found.finetune.files(model="one")}
    runs = {"one/pairs/seed-3", "one/pairs/seed-5", "one/plain/seed-3", "one/tested/seed-3"}
    assert folders == {f"{run}/metrics.json" for run in runs}
    expected = json.loads(found.report.expected_runs(None))
    assert expected["once"] == ["one/plain", "one/tested", "two/plain", "two/tested"]
    assert "once" not in json.loads(catalogue(tmp_path, pairs={}).report.expected_runs(None))


def test_a_model_alone_may_be_evaluated_as_it_is(tmp_path):
    found = catalogue(tmp_path, model=AS_THEY_ARE, pairs={})
    assert len(found.finetune.files(model="one")) == 1
    assert len(found.finetune.files(model="two")) == 2


def test_tables_are_given_the_models_that_are_as_they_are(tmp_path):
    found = catalogue(tmp_path, model=AS_THEY_ARE, pairs={}, plain={"task": "pairs"} | AS_THEY_ARE)
    table = {"kind": "scores", "tasks": ["pairs", "plain"]}
    shown = ScoresTable.model_validate(table).settings(found.report._shown)
    assert shown["as_they_are"] == {"pairs": ["one"], "plain": []}
    settings = ScoresTable.model_validate(table).settings(
        catalogue(tmp_path, pairs={}, plain={"task": "pairs"}).report._shown
    )
    assert "as_they_are" not in settings


def test_the_note_names_tasks_and_where_some_learn_models():
    (note,) = as_they_are_note({"pairs": ["one"], "plain": []})
    assert note.startswith("Models as they are, without any training on the task, in one run because nothing is drawn:")
    assert "pairs (one), plain." in note
    assert as_they_are_note({}) == []


def test_settings_of_embeddings_are_part_of_their_tasks_alone(tmp_path):
    found = catalogue(tmp_path, finetuning={"pooling": "cls", "length": 64}, pairs={}, sst2={})
    assert json.loads(found.finetune.settings("one", "pairs"))["pooling"] == "cls"
    assert not {"pooling", "prompts", "similarity_loss"} & set(json.loads(found.finetune.settings("one", "sst2")))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"sst2": {}, "finetuning": {"pooling": "cls"}},
            "finetuning.pooling: has no effect where no task is of embeddings; leave it out",
        ),
        (
            {"sst2": {"finetuning": {"similarity_loss": "cosine"}}, "pairs": {}},
            "tasks.sst2.finetuning.similarity_loss: has no effect where no task is of embeddings",
        ),
        (
            {"pairs": {"finetuning": {"epochs": 0, "learning_rate": 0.1}}},
            "tasks.pairs.finetuning.learning_rate: has no effect where nothing is learnt (epochs: 0)",
        ),
        (
            {"sst2": {}, "finetuning": {"epochs": 0}},
            "finetuning.epochs (one on sst2): a classifier has to be learnt",
        ),
        ({"pairs": {}, "finetuning": {"choose": "loss"}}, "finetuning.choose (one on pairs): expected metric"),
        (
            {"pairs": {"limit": 100} | AS_THEY_ARE},
            "tasks.pairs.limit: has no effect where nothing is learnt (epochs: 0); leave it out",
        ),
        ({"tested": {}}, "finetuning.epochs (one on tested): the task tested has a test split alone"),
        ({"pairs": {"finetuning": {"epochs": [0, 1]}}}, "tasks.pairs.finetuning.epochs"),
    ],
)
def test_what_has_no_effect_or_cannot_be_is_one_line(tmp_path, changes, expected):
    assert expected in refusal(tmp_path, **changes)
