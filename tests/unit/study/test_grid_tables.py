"""Grids in the study file: patterns are filled in, and no row, column or comparison can be without its scores."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from smelt.errors import SmeltError
from smelt.report.tables.grid import GridTable
from smelt.study.catalogue import Catalogue

LANGUAGES = ["es", "fr", "hi"]
MODEL = {"maker": "adopt", "folder": "models/a"}
TASK = {
    "title": "Entities",
    "kind": "token-classification",
    "languages": LANGUAGES,
    "source": {"folder": "tasks/ner"}
    | {split: f"{split}-{{language}}.tsv" for split in ("train", "validation", "test")},
    "format": {"conll": {"separator": "\t", "word": 0, "label": 1, "scheme": "iob2"}},
    "metric": "seqeval-f1",
    "choose_on": "validation",
    "licence": "none",
    "cite": "nobody-2020",
}
EACH = {"settings": {"alone": {split: ["{language}"] for split in ("train", "validation", "test")}}}
WORDS = {"format": {"conll": {"separator": "\t", "word": 0, "label": 1, "scheme": "none"}}, "metric": "accuracy"}
ROWS = {"D0": {"value": "d0", "task": "each.alone.{language}"}, "D1": "d1"}
TABLE = {
    "kind": "grid",
    "model": "{row}-{column}",
    "task": "ner",
    "rows": ROWS,
    "columns": {"0.7MM": "small", "1.4MM": "large"},
    "languages": LANGUAGES,
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a task of three languages, the same as a task of each, and one of their words."""
    folder = tmp_path / "tasks"
    folder.mkdir(parents=True)
    for name, task in (("ner", TASK), ("each", TASK | EACH), ("pos", TASK | WORDS)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(task))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def study(**table: Any) -> dict[str, Any]:
    single = [f"each.alone.{language}" for language in LANGUAGES]
    return {
        "study": "small",
        "models": {
            "d0-small": MODEL | {"tasks": single},
            "en": MODEL | {"tasks": ["ner"], "tested_on": ["fr"]},
            "d1-{size}": MODEL | {"each": {"size": ["small", "large"]}, "tasks": ["ner", "pos"]},
        },
        "tasks": ["ner", "pos", *single],
        "finetuning": {"seeds": [1, 2]},
        "tables": {"table-3": TABLE | table},
    }


def catalogue(folder: Path, content: dict[str, Any]) -> Catalogue:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return Catalogue.load(path)


class Wildcards:
    table = "table-3"
    figure = "by-language-table-3"


def test_a_table_names_its_runs_and_is_made_from_the_scores(place: Path) -> None:
    found = catalogue(place, study())
    assert found.report.table_sources(Wildcards()) == ["results/small/scores.csv"]
    assert json.loads(found.report.table_settings(Wildcards()))["models"] == ["d0-small", "d1-small", "d1-large"]
    table = found.study.tables["table-3"]
    assert isinstance(table, GridTable)
    (of_family,), (of_model,) = table.choices("D0", "0.7MM"), table.choices("D1", "1.4MM")
    assert of_family.run("fr") == ("d0-small", "each.alone.fr")
    assert (of_model.model, of_model.task) == ("d1-large", "ner")


def test_a_cell_may_be_of_several_models_which_all_are_made(place: Path) -> None:
    rows = {"D0": ROWS["D0"], "D1": ["d1", "d2"]}
    content = study(rows=rows)
    content["models"]["d2-small"] = MODEL | {"tasks": ["ner"]}
    found = catalogue(place, content)
    models = json.loads(found.report.table_settings(Wildcards()))["models"]
    assert models == ["d0-small", "d1-small", "d1-large", "d2-small"]
    with pytest.raises(SmeltError, match=re.escape("'D1' has values to choose from, and no {row} in its patterns")):
        catalogue(place, study(rows={"D1": {"value": ["a", "b"], "model": "d1-{column}"}}))
    with pytest.raises(SmeltError, match="names 'd1' twice"):
        catalogue(place, study(rows={"D1": {"value": ["d1", "d1"]}}))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"task": "nothing"}, "tables.table-3.task: 'nothing' is not in the study"),
        ({"rows": ROWS | {"D2": "d2"}}, "rows: 'D2': the study runs none of its cells: d2-small on ner, d2-large on"),
        ({"columns": {"all": "small", "7.2MM": "huge"}}, "columns: '7.2MM': the study runs none of its cells: d0-huge"),
        ({"rows": {"D1": "d1", "b": {"model": "d1-{column}"}}, "languages": None}, "'D1' and 'b' are the same models"),
        ({"columns": {"a": "small", "b": "small"}}, "columns: 'a' and 'b' are the same models on the same tasks"),
        (
            {"hypotheses": [{"less": "D1", "than": "x"}]},
            "hypotheses: 'x' is no row of the table: expected one of D0, D",
        ),
        ({"hypotheses": [{"less": "D1", "than": "D1"}]}, "'D1' cannot score less than itself"),
        ({"rows": {"D1": "d1"}, "languages": ["fr", "sw"]}, "'D1': d1-small on ner is not run, or not tested, in sw"),
        ({"rows": {"D1": "d1", "en": {"model": "en"}}, "languages": None}, "is tested in es fr hi and en on ner fr"),
        ({"languages": None}, "languages: are missing, and d0-small on each.alone.{language} is a family"),
        (
            {"rows": ROWS | {"D2": {"value": "d1", "task": "pos"}}},
            "is judged by seqeval-f1 and d1-small on pos accuracy",
        ),
        (
            {"rows": {"D1": [*range(70)], "D2": "d2"}, "columns": {str(number): number for number in range(50)}},
            "rows, columns and languages make 10,650 scores: expected at most 10,000",
        ),
    ],
)
def test_what_could_never_be_filled_or_compared_is_refused_by_name(
    place: Path, table: dict[str, Any], message: str
) -> None:
    with pytest.raises(SmeltError, match=re.escape(message)):
        catalogue(place, study(**table))


def test_a_family_without_one_of_its_languages_is_refused(place: Path) -> None:
    content = study()
    content["models"]["d0-small"]["tasks"].remove("each.alone.hi")
    with pytest.raises(SmeltError, match=re.escape("each.alone.{language} is not run, or not tested, in hi")):
        catalogue(place, content)


def test_columns_are_compared_where_each_row_is_a_task(place: Path) -> None:
    rows = {"rows": {"entities": "ner", "words": "pos"}, "columns": {"S": "d1-small", "L": "d1-large"}}
    table = {"model": "{column}", "task": "{row}", "languages": None, "hypotheses": [{"less": "S", "than": "L"}]}
    assert catalogue(place, study(**table | rows)).study.tables["table-3"].tasks == ["ner", "pos"]
    with pytest.raises(SmeltError, match=re.escape("'words' is no column of the table: expected one of S, L")):
        catalogue(place, study(**table | rows | {"hypotheses": [{"less": "S", "than": "words"}]}))


def test_scores_of_several_languages_are_drawn_over_the_training_examples_of_all_tasks(place: Path) -> None:
    found = catalogue(place, study())
    assert "by-language-table-3" in found.report.figures()
    tasks = [f"results/small/tasks/{task}/task.json" for task in (*(f"each.alone.{c}" for c in LANGUAGES), "ner")]
    assert found.report.figure_sources(Wildcards()) == ["results/small/scores.csv", *tasks]
    assert json.loads(found.report.figure_settings(Wildcards()))["rows"]["D1"] == "d1"
    alone = study(rows={"D1": {"model": "d0-small", "task": "each.alone.fr"}}, columns=None, languages=None)
    assert "by-language-table-3" not in catalogue(place, alone).report.figures()


def test_models_of_other_languages_are_traded_off_by_those_that_they_share(place: Path) -> None:
    content = study()
    content["efficiency"] = {}
    content["tables"] = {"table-3": {"kind": "tradeoff", "task": "ner", "models": ["d1-small", "en"]}}
    with pytest.raises(SmeltError, match="is tested in es fr hi and 'en' in fr: name the `languages`"):
        catalogue(place, content)
    content["tables"]["table-3"]["languages"] = ["fr"]
    assert "tradeoff-table-3" in catalogue(place, content).report.figures()
