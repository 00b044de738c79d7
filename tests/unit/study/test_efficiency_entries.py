"""Exports and efficiency in study files: what they ask for, and what they may refer to."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from smelt.entry import check
from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue
from smelt.study.efficiency import QUICK
from smelt.study.schema import Study

STUDY: dict[str, Any] = {
    "study": "deployed",
    "models": {
        "bert": {"maker": "adopt", "folder": "somewhere"},
        "bert-onnx": {"maker": "export", "source": "bert", "format": "onnx"},
        "bert-int8": {"maker": "export", "source": "bert", "format": "int8", "reduce_range": True},
    },
    "efficiency": {},
    "tables": {"table-3": {"kind": "efficiency", "models": ["bert-int8"]}},
}


def changed(place: str, value: Any) -> dict[str, Any]:
    """Return the study with one key set; None leaves it out."""
    study: dict[str, Any] = json.loads(json.dumps(STUDY))
    *way, last = place.split("/")
    part = study
    for key in way:
        part = part[key]
    part[last] = value
    if value is None:
        del part[last]
    return study


def test_the_catalogue_asks_for_one_file_a_model_and_an_int8_form_of_those_that_are_no_exports() -> None:
    catalogue = Catalogue(check(Study, STUDY, "study"))
    folder = "results/deployed"
    names = ["bert", "bert-onnx", "bert-int8"]
    assert catalogue.efficiency.figures() == [f"{folder}/efficiency/{name}.json" for name in names]
    assert catalogue.efficiency.int8() == [f"{folder}/exports/int8/bert"]
    assert catalogue.runs.pairs() == []
    wildcards = SimpleNamespace(model="bert-int8", table="table-3")
    assert catalogue.export.source(wildcards) == f"{folder}/models/bert"
    assert json.loads(catalogue.export.settings(wildcards)) == {
        "format": "int8",
        "reduce_range": True,
        "pooling": True,
    }
    assert json.loads(catalogue.report.table_settings(wildcards))["models"] == ["bert-int8"]
    assert catalogue.report.table_sources(wildcards) == catalogue.efficiency.figures()


def test_a_study_that_measures_nothing_asks_for_nothing() -> None:
    catalogue = Catalogue(check(Study, changed("efficiency", None) | {"tables": {}}, "study"))
    assert (catalogue.efficiency.figures(), catalogue.efficiency.int8()) == ([], [])


def test_sizes_without_int8_export_nothing() -> None:
    catalogue = Catalogue(check(Study, changed("efficiency/sizes", ["fp32"]), "study"))
    assert catalogue.efficiency.int8() == []


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (
            "models/bert-onnx/source",
            "brt",
            r"models\.bert-onnx\.source: 'brt' is not in the study: expected one of bert",
        ),
        ("models/bert-onnx/source", "bert-int8", r"'bert-int8' is an export, .* expected its own source, 'bert'"),
        ("models/bert-onnx/source", "bert-onnx", r"'bert-onnx' is an export"),
        ("models/bert-onnx/tasks", ["sst2"], r"models\.bert-onnx\.tasks: an exported model is not fine-tuned"),
        ("models/bert-onnx/tested_on", ["en"], r"models\.bert-onnx\.tested_on: an exported model is not fine-tuned"),
        ("models/bert-onnx/format", "tflite", r"models\.bert-onnx\.format: .*'onnx' or 'int8'; found 'tflite'"),
        ("efficiency/reference", "brt", r"efficiency\.reference: 'brt' is not measured: expected one of bert"),
        ("efficiency/models", ["bert", "brt"], r"efficiency\.models: 'brt' is not in the study: expected one of bert"),
        ("efficiency/models", ["bert"], r"tables\.table-3\.models: 'bert-int8' is not measured: expected one of bert"),
        ("efficiency/lengths", [], r"efficiency\.lengths: .*at least 1"),
        ("efficiency/batches", [1, 1], r"efficiency\.batches: names 1 twice"),
        ("efficiency/threads", 4, r"efficiency\.threads: no such key; allowed here: batches, items"),
        ("efficiency", None, r"tables\.table-3: shows efficiency, and the key `efficiency` is missing"),
    ],
)
def test_what_cannot_be_measured_or_exported_is_refused_by_name(place: str, value: Any, complaint: str) -> None:
    with pytest.raises(SmeltError, match=complaint):
        check(Study, changed(place, value), "study")


def test_nothing_is_reduced_from_an_export() -> None:
    study = changed("models/small", {"maker": "reduce", "source": "bert-onnx", "corpus": "wiki"})
    study["corpora"] = {"wiki": {"text": {"en": "en.txt"}}}
    with pytest.raises(SmeltError, match=r"models\.small\.source: 'bert-onnx' is an export"):
        check(Study, study, "study")


def test_models_that_run_on_tasks_are_measured_quickly_where_the_study_does_not_say() -> None:
    models = {"bert": {"maker": "adopt", "hub": "some/bert", "revision": "abc"}}
    models |= {"teacher": models["bert"] | {"tasks": []}}
    content = {"study": "quick", "models": models, "tasks": ["demo-ner"], "finetuning": {"seeds": [1]}}
    study = check(Study, content, "study")
    assert study.measured == ["bert"]
    assert study.benchmark == QUICK.model_copy(update={"models": ["bert"]})
    assert Catalogue(study).efficiency.int8() == []
    assert check(Study, content | {"efficiency": {}}, "study").measured == ["bert", "teacher"]
    for off in (content | {"efficiency": False}, {key: content[key] for key in ("study", "models")}):
        assert Catalogue(check(Study, off, "study")).efficiency.figures() == []


@pytest.mark.parametrize("value", [True, "off"])
def test_efficiency_is_settings_or_false(value: object) -> None:
    with pytest.raises(SmeltError, match="efficiency"):
        check(Study, STUDY | {"tables": {}, "efficiency": value}, "study")
