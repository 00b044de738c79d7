"""Tables of reductions in the study file: what they are made from, and what is refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from test_student_tables import Wildcards, catalogue

from smelt.errors import SmeltError

ADOPTED = {"maker": "adopt", "folder": "models/a"}
SMALL = {"maker": "reduce", "source": "whole", "corpus": "text", "languages": ["sw"], "size": 500}
STUDENT = {"maker": "distil", "teacher": "small", "corpus": "text", "student": {"layers": 1}, "recipe": "distil"}
TABLE = {"kind": "reductions", "tasks": ["masakhaner-sw"], "whole": "whole", "ways": {"b": ["small"], "c": ["late"]}}
RESULTS = "results/small"


def study(**table: Any) -> dict[str, Any]:
    return {
        "study": "small",
        "corpora": {"text": {"text": {"sw": "sw.txt"}}},
        "models": {
            "whole": ADOPTED,
            "small": SMALL,
            "late": SMALL | {"order": "after"},
            "student": STUDENT,
            "other": ADOPTED,
            "smaller": SMALL | {"source": "small", "size": 400},
            "taught-twice": STUDENT | {"teacher": ["small", "smaller"]},
            "taught-by-others": STUDENT | {"teacher": ["small", "other"]},
            "idle": SMALL | {"tasks": []},
            "compressed": {
                "maker": "compress",
                "teacher": "whole",
                "student": {"kind": "bilstm", "embedding": 5, "hidden": 8},
            },
        },
        "tasks": ["masakhaner-sw"],
        "finetuning": {"seeds": [1, 2]},
        "efficiency": {"lengths": [32, 128], "batches": [8, 1]},
        "tables": {"table": TABLE | table},
    }


def test_it_is_read_from_scores_measurements_models_and_what_they_took(tmp_path: Path) -> None:
    found = catalogue(tmp_path, study(ways={"c": ["late"], "d": ["student"]}))
    sources = found.report.table_sources(Wildcards())
    runs = [path for path in sources if path.endswith("metrics.json")]
    assert sources[0] == f"{RESULTS}/scores.csv"
    assert [path for path in sources if "/models/" in path] == [
        f"{RESULTS}/models/{model}" for model in ("whole", "late", "student", "small")
    ]
    assert len(runs) == 2 * len(["whole", "late", "student"])
    settings = json.loads(found.report.table_settings(Wildcards()))
    assert settings["chains"] == {"whole": [], "late": [], "student": ["student", "small"]}
    assert settings["finetuned_from"] == {"late": "whole"}
    assert settings["latency"] == [8, 32]
    assert "reductions-table" in found.report.figures()


def test_what_two_teachers_share_is_counted_once(tmp_path: Path) -> None:
    found = catalogue(tmp_path, study(ways={"d": ["taught-twice"]}))
    settings = json.loads(found.report.table_settings(Wildcards()))
    assert settings["chains"]["taught-twice"] == ["taught-twice", "small", "smaller"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ways": {"b": ["other"]}}, "tables.table.ways: 'other' does not come from 'whole'"),
        (
            {"ways": {"b": ["taught-by-others"]}},
            "'taught-by-others' is made from 'other' too, which does not",
        ),
        ({"ways": {"b": ["idle"]}}, "tables.table.ways: 'idle' is fine-tuned on none of the table's tasks"),
        ({"ways": {"b": ["compressed"]}}, "'compressed' is made by compress, another one for each task"),
        ({"ways": {"b": ["small"], "c": ["small"]}}, "ways: 'small' stands in two places"),
        ({"ways": {"b": ["whole"]}}, "ways: 'whole' stands in two places"),
        ({"ways": {"b": ["absent"]}}, "'absent' is not in the study"),
        ({"ways": {}}, "at least 1"),
    ],
)
def test_what_could_never_be_shown_is_refused_by_name(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(SmeltError, match=re.escape(message)):
        catalogue(tmp_path, study(**change))
