"""Tables of monolingual models in the study file: what they name exists, and every row and column can be filled."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue

MODEL = {"maker": "adopt", "folder": "models/a"}


def study(**table: Any) -> dict[str, Any]:
    return {
        "study": "small",
        "models": {
            "mbert": MODEL,
            "own-{language}": MODEL | {"each": ["sw", "sl"], "tasks": ["masakhaner-sw"]},
        },
        "tasks": ["masakhaner-sw", "masakhanews-sw", "ssj500k-ner", "panx.joint"],
        "finetuning": {"seeds": [1, 2]},
        "tables": {
            "table-4": {
                "kind": "monolingual",
                "columns": {"sw": ["masakhaner-sw", "masakhanews-sw"], "sl": ["ssj500k-ner"]},
                "rows": {"teacher": "mbert", "student": "own-{language}"},
            }
            | table
        },
    }


def catalogue(folder: Path, **table: Any) -> Catalogue:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study(**table), sort_keys=False))
    return Catalogue.load(path)


class Wildcards:
    table = "table-4"
    figure = "drops-table-4"


def test_a_table_is_made_from_the_scores_and_its_figure_where_it_has_a_baseline(tmp_path: Path) -> None:
    without = catalogue(tmp_path)
    assert without.report.table_sources(Wildcards()) == ["results/small/scores.csv"]
    assert "drops-table-4" not in without.report.figures()
    found = catalogue(tmp_path, baseline="teacher")
    assert "drops-table-4" in found.report.figures()
    assert found.report.figure_sources(Wildcards()) == ["results/small/scores.csv"]
    assert '"baseline": "teacher"' in found.report.figure_settings(Wildcards())


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"baseline": "nobody"}, "baseline: 'nobody' is no row of the table: expected one of teacher, student"),
        ({"hypotheses": [{"less": "teacher", "than": "x"}]}, "hypotheses: 'x' is no row"),
        ({"hypotheses": [{"less": "teacher", "than": "teacher"}]}, "'teacher' cannot score less than itself"),
        ({"rows": {"a": "absent-{language}"}}, "no model of the study is of the family 'absent-{language}'"),
        ({"rows": {"a": "absent"}}, "tables.table-4.rows: 'absent' is not in the study"),
        ({"columns": {"sw": ["panx.joint"]}}, "columns.sw: 'panx.joint' tests bn, de,"),
        ({"columns": {"sl": ["ssj500k-ner"]}}, "rows: 'student' (own-{language}) is fine-tuned on no task"),
        ({"baseline": "student"}, "baseline: 'student' is not fine-tuned on 'masakhanews-sw'"),
    ],
)
def test_what_could_never_be_filled_is_refused_by_name(tmp_path: Path, table: dict[str, Any], message: str) -> None:
    with pytest.raises(SmeltError, match=re.escape(message)):
        catalogue(tmp_path, **table)
