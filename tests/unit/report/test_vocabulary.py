"""The table of selected pieces says what reduction.json says, language by language and for the union."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from smelt.__main__ import main

# The figures of Smaller multilingual BERT's Table 1, for two languages and all fifteen.
RECORD: dict[str, Any] = {
    "pieces_before": 119_547,
    "pieces": 71_580,
    "kept": {
        "always_kept": 14,
        "selected_by_language": {"en": 28_458, "sw": 16_619},
        "selected_and_always_kept": 71_577,
        "added_by_closure": {"characters": 3},
    },
}
SIGNIFICANCE = {"test": "welch", "alpha": 0.05, "correction": "holm"}


def table(folder: Path, *records: Any, **keys: Any) -> int:
    models = [folder / f"model-{number}" for number in range(len(records))]
    for path, record in zip(models, records, strict=True):
        path.mkdir()
        (path / "reduction.json").write_text(json.dumps(record))
    settings = {"kind": "vocabulary", "models": [path.name for path in models], "caption": ""} | keys
    words = ["table", "--name", "t", "--settings", json.dumps(settings), "--significance", json.dumps(SIGNIFICANCE)]
    words += [
        word for kind in ("csv", "markdown", "latex", "html") for word in (f"--{kind}", str(folder / f"t.{kind}"))
    ]
    return main([*words, "--sources", *map(str, models)])


def test_pieces_and_shares_stand_by_language_and_for_the_union(tmp_path: Path) -> None:
    assert table(tmp_path, RECORD) == 0
    text = (tmp_path / "t.markdown").read_text()
    for line in ("| en | 28,458 | 23.8% |", "| sw | 16,619 | 13.9% |", "| Union (2 languages) | 71,577 | 59.9% |"):
        assert line in text
    assert "71,580 of 119,547 pieces; 14 of the union are always kept" in text
    assert "3 more are kept because the tokenizer needs them" in text
    numbers = pd.read_csv(tmp_path / "t.csv").set_index("language")
    assert numbers["pieces"].to_dict() == {"en": 28_458, "sw": 16_619, "union": 71_577, "all": 71_580}


def test_several_models_stand_side_by_side(tmp_path: Path) -> None:
    kept = RECORD["kept"] | {"selected_by_language": {"en": 28_458}, "selected_and_always_kept": 28_472}
    assert table(tmp_path, RECORD, RECORD | {"kept": kept, "pieces": 28_472}) == 0
    text = (tmp_path / "t.markdown").read_text()
    assert "| en | 28,458 | 23.8% | 28,458 | 23.8% |" in text
    assert "| sw | 16,619 | 13.9% | N/A | N/A |" in text


def test_a_column_states_the_coverage_of_each_language_where_it_is_asked_for(tmp_path: Path) -> None:
    assert table(tmp_path, RECORD | {"coverage": {"en": 0.99991, "sw": 1.0}}, coverage=True) == 0
    text = (tmp_path / "t.markdown").read_text()
    for line in (
        "| Language | Selected pieces | Share | Coverage |",
        "| en | 28,458 | 23.8% | 99.991% |",
        "| sw | 16,619 | 13.9% | 100.000% |",
        "| Union (2 languages) | 71,577 | 59.9% | – |",
    ):
        assert line in text
    assert "Coverage: share of the occurrences" in text
    numbers = pd.read_csv(tmp_path / "t.csv").set_index("language")["coverage"]
    assert numbers["en"] == 0.99991
    assert numbers[["union", "all"]].isna().all()


def test_a_record_without_coverage_is_refused_only_where_a_table_shows_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert table(tmp_path, RECORD, coverage=True) == 1
    assert "expected what `smelt reduce` writes" in capsys.readouterr().err


@pytest.mark.parametrize("record", [{}, {"kept": {}}, RECORD | {"kept": []}, RECORD | {"pieces": None}])
def test_another_file_of_that_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], record: Any) -> None:
    assert table(tmp_path, record) == 1
    error = capsys.readouterr().err
    assert "model-0/reduction.json: does not say which pieces were kept" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "t.csv").exists()
