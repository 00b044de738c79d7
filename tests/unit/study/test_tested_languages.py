"""Which languages models are tested in: mistakes are named before anything runs, and a task depends on no other."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue

TASK = """
title: Invented inference
kind: sequence-classification
languages: [en, fr, sw]
source: {folder: data, train: "{language}.tsv", validation: "{language}.tsv", test: "{language}.tsv"}
format:
  table: {text: premise, pair: hypothesis, label: label}
settings:
  transfer: {train: [en], validation: [en]}
  own: {train: ["{language}"], validation: ["{language}"], test: ["{language}"]}
metric: accuracy
average: languages
licence: none
cite: nobody
"""
SECTIONS = [{"task": "nli.transfer", "models": ["full", "en-{language}"]}]


def study(**changes: Any) -> dict[str, Any]:
    bilingual = {"maker": "adopt", "folder": "{language}", "tasks": ["nli.transfer"], "each": ["fr", "sw"]}
    models = {
        "full": {"maker": "adopt", "folder": "full"},
        "en-{language}": bilingual | {"tested_on": ["en", "{language}"]},
        "fr": {"maker": "adopt", "folder": "fr", "tasks": ["nli.own.fr"]},
    }
    tables = {"by-language": {"kind": "languages", "languages": ["en", "fr", "sw"], "sections": SECTIONS}}
    parts = {"study": "small", "models": models, "tasks": ["nli.transfer", "nli.own.fr"], "tables": tables}
    return parts | {"finetuning": {"seeds": [1]}} | changes


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "tasks").mkdir(parents=True)
    (tmp_path / "tasks/nli.yaml").write_text(TASK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(folder: Path, content: dict[str, Any]) -> Catalogue:
    (folder / "study.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    return Catalogue.load(folder / "study.yaml")


def tables(kind: str, **keys: Any) -> dict[str, Any]:
    return {"shown": {"kind": kind} | keys}


def by_language(languages: list[str], task: str, *models: str) -> dict[str, Any]:
    return tables("languages", languages=languages, sections=[{"task": task, "models": list(models)}])


def with_tested(model: str, languages: list[str]) -> dict[str, Any]:
    models = study()["models"]
    return models | {model: models[model] | {"tested_on": languages}}


def test_a_member_of_a_family_is_tested_in_its_own_languages(checkout: Path) -> None:
    catalogue = load(checkout, study())
    assert catalogue.runs.tested_languages("en-sw", "nli.transfer") == ["en", "sw"]
    assert catalogue.runs.tested_languages("full", "nli.transfer") == ["en", "fr", "sw"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"models": with_tested("en-{language}", ["en", "sv"])},
            "models.en-fr.tested_on: 'sv' is a language that none of its tasks tests: expected some of en, fr, sw",
        ),
        (
            {"models": with_tested("fr", ["en"])},
            "models.fr.tested_on: none of its languages is one that task 'nli.own.fr' tests: fr",
        ),
        (
            {"tables": by_language(["en", "fr"], "nli.own.{language}", "full")},
            "tables.shown.sections: 'nli.own.en' is not in the study",
        ),
        (
            {"tables": by_language(["en", "fr"], "nli.transfer", "full", "fr")},
            "tables.shown.sections.0.models: 'fr' is not fine-tuned on 'nli.transfer', or tested in no language",
        ),
        (
            {"tables": by_language(["fr"], "nli.own.{language}", "fr", "en-{language}")},
            "tables.shown.sections.0.models: 'en-{language}' is not fine-tuned on 'nli.own.{language}', or tested in",
        ),
        (
            {"tables": by_language(["en", "sv"], "nli.transfer", "full")},
            "tables.shown.languages: no model of the table is tested in 'sv'",
        ),
        (
            {"tables": tables("scores", tasks=["nli.transfer"])},
            "tables.shown: on nli.transfer, 'full' is tested in en fr sw and 'en-fr' in en fr",
        ),
    ],
)
def test_a_wrong_language_or_model_is_named_in_one_line(checkout: Path, changes: Any, message: str) -> None:
    with pytest.raises(SmeltError) as caught:
        load(checkout, study(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def definitions(folder: Path) -> dict[str, str]:
    catalogue = load(folder, study())
    return {task: catalogue.tasks.definition(SimpleNamespace(task=task)) for task in catalogue.tasks.files}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("settings:\n", "settings:  # a comment\n  together: {}\n"),
        ("average: languages\n", "average: languages\nchoose_on: validation\n"),
    ],
)
def test_a_further_setting_leaves_the_tasks_of_others_as_they_were(checkout: Path, old: str, new: str) -> None:
    before = definitions(checkout)
    (checkout / "tasks/nli.yaml").write_text(TASK.replace(old, new))
    assert definitions(checkout) == before


def test_a_further_language_changes_only_the_tasks_that_test_it(checkout: Path) -> None:
    before = definitions(checkout)
    (checkout / "tasks/nli.yaml").write_text(TASK.replace("[en, fr, sw]", "[en, fr, sw, de]"))
    after = definitions(checkout)
    assert [task for task in before if before[task] != after[task]] == ["nli.transfer"]


def test_another_file_format_or_average_changes_the_tasks_that_have_it(checkout: Path) -> None:
    before = definitions(checkout)
    for change in ({"pair: hypothesis": "pair: second"}, {"average: languages": "average: examples"}):
        ((old, new),) = change.items()
        (checkout / "tasks/nli.yaml").write_text(TASK.replace(old, new))
        after = definitions(checkout)
        assert all(before[task] != after[task] for task in before)


def test_an_example_is_not_shown_under_models_without_a_sentence_in_common(checkout: Path) -> None:
    models = {name: {"maker": "adopt", "folder": name, "tasks": ["demo-ner"]} for name in ("all", "one")}
    models["one"]["tested_on"] = ["qaa"]
    content = study(models=models, tasks=["demo-ner"], tables=tables("example", task="demo-ner"))
    with pytest.raises(
        SmeltError, match=r"tables\.shown: on demo-ner, 'all' is tested in qaa qab qac and 'one' in qaa"
    ):
        load(checkout, content)
    content["tables"] = tables("example", task="demo-ner", models=["one"])
    load(checkout, content)
