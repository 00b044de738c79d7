"""Tables of the papers in the study file: means of efficiency, references, counts and students."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from test_student_tables import Wildcards, catalogue, study

from smelt.errors import SmeltError


def settings_of(folder: Path, **table: Any) -> dict[str, Any]:
    """Return the settings of a study's table as its job gets them."""
    found: dict[str, Any] = json.loads(catalogue(folder, study(**table)).report.table_settings(Wildcards()))
    return found


def test_rows_of_efficiency_know_their_models(tmp_path: Path) -> None:
    rows = {"teacher": "mbert", "both": ["mbert", "d42"], "students": "d4{language}"}
    with pytest.raises(SmeltError, match=re.escape("languages: are missing, and d4{language} is a family")):
        settings_of(tmp_path, kind="efficiency", rows=rows)
    found = settings_of(tmp_path, kind="efficiency", rows={"teacher": "mbert", "both": ["mbert", "d42"]})
    assert found["members"] == {"teacher": ["mbert"], "both": ["mbert", "d42"]}
    assert found["models"] is None


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"teacher": "unmeasured"}, "rows: 'teacher': 'unmeasured' is not measured: expected one of mbert"),
        ({"both": ["mbert", "mbrt"]}, "rows: 'both': 'mbrt' is not measured"),
        ({"xx": "mbert-{language}"}, "rows: 'xx': no member of mbert-{language} is measured"),
    ],
)
def test_rows_of_efficiency_that_are_not_measured_are_refused(tmp_path: Path, rows: dict[str, Any], said: str) -> None:
    languages = {"languages": ["sw"]} if "xx" in rows else {}
    with pytest.raises(SmeltError, match=said):
        settings_of(tmp_path, kind="efficiency", rows=rows, **languages)


def test_set_ups_of_a_trade_off_are_measured(tmp_path: Path) -> None:
    table = {"kind": "tradeoff", "task": "masakhaner-sw", "models": ["mbert", "d42"]}
    setups = [{"device": "cuda", "batch": 32}, {"device": "cpu", "batch": 1}]
    found = settings_of(tmp_path, **table, setups=setups, reference="mbert")
    assert (found["setups"], found["batches"], found["length"]) == (setups, None, 32)
    with pytest.raises(SmeltError, match=r"table\.setups: 64 is not measured: expected one of 32, 1"):
        settings_of(tmp_path, **table, setups=[{"device": "cuda", "batch": 64}])


def test_data_is_counted_in_tasks_and_in_the_texts_of_students(tmp_path: Path) -> None:
    content = study(kind="data", tasks=["masakhaner-sw", "masakhanews-sw"])
    found = catalogue(tmp_path, content)
    tasks = [f"results/small/tasks/{task}/task.json" for task in ("masakhaner-sw", "masakhanews-sw")]
    texts = "results/small/signals/mbert/masakhaner-sw/seed-1/_task-all-32"
    assert found.report.table_sources(Wildcards()) == [*tasks, texts]
    assert found.report.table_tasks(Wildcards()) == []
    content["models"] = {name: model | {"tasks": ["masakhaner-sw"]} for name, model in content["models"].items()}
    with pytest.raises(SmeltError, match="no model runs on 'masakhanews-sw', so that it is not prepared"):
        catalogue(tmp_path, content)


def test_students_are_compressed_models(tmp_path: Path) -> None:
    found = catalogue(tmp_path, study(kind="students", models=["d42"]))
    assert found.report.table_sources(Wildcards()) == ["results/small/models/d42"]
    with pytest.raises(SmeltError, match="a table of kind students shows compressions; 'mbert' is made by adopt"):
        settings_of(tmp_path, kind="students", models=["mbert"])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"corpus": "text"}, "table.corpus: no corpus 'text': expected one of texts"),
        ({"corpus": "texts", "languages": ["sw"]}, "table.languages: 'texts' has no 'sw': expected one of en"),
        ({"corpus": "texts", "about": {"Genus": {"fr": "Romance"}}}, "table.about.Genus: 'texts' has no 'fr'"),
    ],
)
def test_a_table_of_corpora_is_of_what_the_study_has(tmp_path: Path, table: dict[str, Any], said: str) -> None:
    content = study(kind="corpora", **table)
    content["corpora"] = {"texts": {"text": {"en": "en.txt"}}, "other": {"text": {"fr": "fr.txt"}}}
    with pytest.raises(SmeltError, match=re.escape(said)):
        catalogue(tmp_path, content)
    content["tables"]["table"] = {"kind": "corpora", "corpus": "other"}
    sources = catalogue(tmp_path, content).report.table_sources(Wildcards())
    assert sources == ["results/small/corpora/other/fr/statistics.json"]


def test_a_reference_that_runs_in_no_column_with_its_row_is_refused(tmp_path: Path) -> None:
    columns = {"ner": "masakhaner-sw", "news": "masakhanews-sw"}
    table = {
        "kind": "grid",
        "model": "{row}",
        "task": "{column}",
        "rows": {"a": "d42", "b": "other"},
        "columns": columns,
    }
    with pytest.raises(SmeltError, match=r"table\.reference: 'b' and 'a' are run in no column together"):
        settings_of(tmp_path, **table, reference="a")
