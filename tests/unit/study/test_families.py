"""A family of models is one entry that stands for a model of each language."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from smelt.errors import SmeltError
from smelt.families import expand_families, is_family, member_of
from smelt.study.catalogue import Catalogue
from smelt.study.schema import load_study


class Wildcards(NamedTuple):
    """Snakemake's, for a table."""

    table: str


ADOPTED = {"maker": "adopt", "folder": "models/{language}"}


def load(folder: Path, models: dict[str, Any]) -> Any:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({"study": "small", "models": models}, sort_keys=False))
    return load_study(path)


def complaint(folder: Path, models: dict[str, Any]) -> str:
    with pytest.raises(SmeltError) as caught:
        load(folder, models)
    return str(caught.value)


def test_a_family_is_a_model_for_each_language(tmp_path: Path) -> None:
    family = ADOPTED | {"tested_on": ["en", "{language}"], "each": ["fr", "sw"]}
    models = load(tmp_path, {"first": ADOPTED | {"folder": "x"}, "en-{language}": family}).models
    assert list(models) == ["first", "en-fr", "en-sw"]
    assert (models["en-sw"].folder, models["en-sw"].tested_on) == ("models/sw", ["en", "sw"])
    assert models["first"].tested_on is None


def test_other_things_than_languages_may_be_filled_in() -> None:
    family = {
        "maker": "pretrain",
        "tokenizer": "unigram-{size}",
        "settings": {"schedule": {"steps": 5}},
        "each": {"size": ["8k", 16]},
    }
    assert expand_families({"models": {"bert-{size}": family}}, "here")["models"] == {
        "bert-8k": {"maker": "pretrain", "tokenizer": "unigram-8k", "settings": {"schedule": {"steps": 5}}},
        "bert-16": {"maker": "pretrain", "tokenizer": "unigram-16", "settings": {"schedule": {"steps": 5}}},
    }


def test_thirty_models_are_four_entries() -> None:
    languages = [f"l{number}" for number in range(14)]
    entries = {name: {"maker": "reduce", "each": languages} for name in ("en-{language}", "{language}")}
    study = {"models": entries | {"all": {"maker": "reduce"}, "en": {"maker": "reduce"}}}
    assert len(expand_families(study, "here")["models"]) == 30


def test_tables_find_members_by_their_language() -> None:
    assert member_of("mbert-en-{language}", "fr") == "mbert-en-fr"
    assert member_of("mbert", "fr") == "mbert"
    assert [is_family(name) for name in ("mbert-en-{language}", "mbert")] == [True, False]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (
            {"m-{language}": ADOPTED},
            "models.m-{language}: a family of models needs `each`, which lists what to fill in",
        ),
        ({"m": ADOPTED | {"each": ["fr"]}}, "models.m.each: expected {language} in the name"),
        ({"m-{language}": ADOPTED | {"each": "fr"}}, "models.m-{language}.each: expected a list of languages"),
        ({"m-{language}": ADOPTED | {"each": []}}, "models.m-{language}.each: expected a list of languages"),
        ({"m-{language}": ADOPTED | {"each": {"a": [1], "b": [2]}}}, "or {name: [values]} to fill in {name}"),
        ({"m-{language}": ADOPTED | {"each": ["fr", "fr"]}}, "models.m-{language}.each: names 'fr' twice"),
        (
            {"m-fr": {"maker": "adopt", "folder": "x"}, "m-{language}": ADOPTED | {"each": ["fr"]}},
            "models.m-{language}: its member 'm-fr' is a model of the study already",
        ),
        (
            {"m-{language}": ADOPTED | {"tested_on": ["{language}"], "each": ["fr", "xx"]}},
            "models.m-xx.tested_on.0: no Wikipedia and no language of ISO 639 has the code 'xx'",
        ),
        (
            {"m-{x}": ADOPTED | {"each": {"x": [*range(1001)]}}},
            "models: are 1,001 with the members of families: expected",
        ),
        (
            {"m-{x}": ADOPTED | {"tasks": [*"abcdefgh"] * 40, "each": {"x": [*range(900)]}}},
            "models: the members of families have 294,300 keys and values: expected at most 200,000",
        ),
        ({"m-{language}": ADOPTED | {"size": 3, "each": ["fr"]}}, "models.m-fr.size: no such key"),
    ],
)
def test_a_wrong_family_is_named(tmp_path: Path, models: dict[str, Any], message: str) -> None:
    assert message in complaint(tmp_path, models)


def test_own_tasks_are_those_that_test_a_language_of_the_model(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    family = {"maker": "adopt", "folder": "models/{language}", "tested_on": ["{language}"], "each": ["sw", "sl"]}
    study = {
        "study": "small",
        "models": {"own-{language}": family | {"tasks": "own"}},
        "tasks": ["masakhaner-sw", "ssj500k-ner", "masakhanews-sw"],
        "finetuning": {"seeds": [1]},
    }
    path.write_text(yaml.safe_dump(study))
    runs = Catalogue.load(path).runs.pairs()
    assert runs == [("own-sw", "masakhaner-sw"), ("own-sw", "masakhanews-sw"), ("own-sl", "ssj500k-ner")]


def test_own_tasks_without_languages_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    models = {"a": {"maker": "adopt", "folder": "a", "tasks": "own"}}
    path.write_text(yaml.safe_dump({"study": "small", "models": models}))
    with pytest.raises(SmeltError, match="own are those that test a language of tested_on, which is missing"):
        Catalogue.load(path)


SETS = {
    "study": "small",
    "models": {
        "a": {"maker": "adopt", "folder": "a", "finetuning": {"learning_rate": 2e-5}},
        "b": {"maker": "adopt", "folder": "b"},
    },
    "tasks": {
        "{task}": {"finetuned_as": "published", "each": {"task": ["sst2", "sst5"]}},
        "{task}-smelt": {"task": "{task}", "finetuned_as": "smelt", "each": {"task": ["sst2", "sst5"]}},
        "snips-intents": {"finetuned_as": "published", "finetuning": {"warmup": 0.5}},
        "conll2003": None,
    },
    "finetuning": {
        "seeds": [1],
        "epochs": 4,
        "sets": {"published": {"warmup": 0, "weight_decay": 0}, "smelt": {"learning_rate": 3e-5}},
    },
}


def loaded(folder: Path, study: dict[str, Any]) -> Catalogue:
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return Catalogue.load(folder / "study.yaml")


def test_tasks_may_be_families_and_take_named_settings(tmp_path: Path) -> None:
    catalogue = loaded(tmp_path, SETS)
    assert list(catalogue.tasks.files) == ["sst2", "sst5", "sst2-smelt", "sst5-smelt", "snips-intents", "conll2003"]
    assert catalogue.tasks.files["sst5-smelt"].title == catalogue.tasks.files["sst5"].title

    def settings(model: str, task: str) -> tuple[object, ...]:
        (cell,) = catalogue.finetune.grid(model, task).cells.values()
        return cell.epochs, cell.warmup, cell.weight_decay, cell.learning_rate

    assert settings("b", "sst2") == (4, 0, 0, 5e-5)
    assert settings("b", "sst2-smelt") == (4, 0.1, 0.01, 3e-5)
    assert settings("a", "sst2-smelt") == (4, 0.1, 0.01, 2e-5)  # a model's own come last
    assert settings("b", "snips-intents") == (4, 0.5, 0, 5e-5)  # a task's own come after its set
    assert settings("b", "conll2003") == (4, 0.1, 0.01, 5e-5)


def test_tables_know_by_which_set_their_tasks_are_fine_tuned(tmp_path: Path) -> None:
    tables = {
        "both": {"kind": "scores", "tasks": ["sst2", "sst2-smelt", "conll2003"]},
        "none": {"kind": "scores", "tasks": ["conll2003"]},
        "words": {"kind": "segmentation", "tasks": ["conll2003"]},
    }
    report = loaded(tmp_path, SETS | {"tables": tables}).report
    facts = {table: json.loads(report.table_settings(Wildcards(table))).get("finetuned_as") for table in tables}
    assert facts == {
        "both": {
            "published": {"settings": {"learning_rate": 5e-5, "warmup": 0, "weight_decay": 0}, "tasks": ["sst2"]},
            "smelt": {
                "settings": {"learning_rate": 3e-5, "warmup": 0.1, "weight_decay": 0.01},
                "tasks": ["sst2-smelt"],
            },
        },
        "none": None,
        "words": None,
    }


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            {"tasks": {"sst2": {"finetuned_as": "publisht"}}},
            "tasks.sst2.finetuned_as: 'publisht' is not in finetuning.sets: expected one of published, smelt",
        ),
        (
            {"tasks": {"sst2": {"finetuned_as": "published"}}},
            "finetuning.sets.smelt: has no effect, as no task is finetuned_as it; leave it out",
        ),
        ({"tasks": {"{task}": {}}}, "tasks.{task}: a family of tasks needs `each`, which lists what to fill in"),
        (
            {"tasks": {"sst2": {}, "{task}": {"each": {"task": ["sst2"]}}}},
            "tasks.{task}: its member 'sst2' is a task of the study already",
        ),
    ],
)
def test_wrong_families_of_tasks_and_sets_are_named(tmp_path: Path, part: dict[str, Any], message: str) -> None:
    with pytest.raises(SmeltError) as caught:
        loaded(tmp_path, SETS | part)
    assert message in str(caught.value)
