"""The page's table of reductions says what each proof saw."""

import json
from pathlib import Path
from typing import Any

import pytest

from smelt.errors import SmeltError
from smelt.report.latex import latex
from smelt.report.page.materials import reduction_table
from smelt.report.render import markdown

PROVEN = {
    "lines": 200,
    "lines_whose_pieces_are_all_kept": 150,
    "share_of_lines_that_tokenise_differently": 0.25,
    "before": {"fertility": 1.5, "unknown_share": 0.0},
    "after": {"fertility": 1.625, "unknown_share": 0.005},
    "states": {"lines": 16, "tokens": 300, "hidden_states_equal_bit_for_bit": 1200, "largest_difference": 2.4e-7},
}


def reduced(folder: Path, **languages: dict[str, Any]) -> Path:
    folder.mkdir()
    record = {"pieces": 9_000, "pieces_before": 32_000, "proof": {"languages": languages}}
    (folder / "reduction.json").write_text(json.dumps(record))
    return folder


def test_each_language_of_each_reduction_has_a_row(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    bare = PROVEN | {
        "states": {"hidden_states_equal_bit_for_bit": 40},
        "share_of_lines_that_tokenise_differently": None,
    }
    folders = [
        tmp_path / "whole",
        reduced(tmp_path / "small", sw=PROVEN, en=PROVEN),
        reduced(tmp_path / "bare", sw=bare),
    ]
    table = reduction_table(folders)
    assert table is not None
    text = markdown(table)
    assert "small: 9,000 of 32,000 pieces" in text
    assert text.count("| 200 | 150 | 25.0% | 1.500 | 1.625 | 0.0% | 0.5% | 1,200 | 2e-07 |") == 2
    assert "| 200 | 150 | – | 1.500 | 1.625 | 0.0% | 0.5% | 40 | – |" in text
    assert "whole" not in text
    assert latex(table)


def test_a_study_without_reductions_has_no_such_table(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    assert reduction_table([tmp_path / "whole"]) is None


def test_a_record_without_a_proof_is_one_clear_line(tmp_path: Path) -> None:
    folder = reduced(tmp_path / "small")
    (folder / "reduction.json").write_text(json.dumps({"pieces": 3, "pieces_before": 9}))
    with pytest.raises(SmeltError, match=r"small/reduction.json: is no record of a reduction"):
        reduction_table([folder])
