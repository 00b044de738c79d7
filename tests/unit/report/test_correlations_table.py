"""Tables of correlations: each model, then all models together."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_results import MODELS, Results

SETTINGS = {"kind": "correlations", "tasks": ["ner"], "models": MODELS[:2]}


def pooled_row(r: float | None, given: list[str], **changes: Any) -> dict[str, Any]:
    row = {"population": "entity words", "given": given, "words": 80, "sentences": 9, "runs": 3, "r": r, "p": 0.02}
    row |= {"confidence": 0.95, "note": "", "bootstrap": {"low": 0.3, "high": 0.5, "method": "percentile", "note": ""}}
    return row | ({} if given else {"of_runs": {"n": 3, "mean": 0.3, "standard_deviation": 0.01}}) | changes


def sources(results: Results, *rows: dict[str, Any]) -> list[Path]:
    rows = rows or (pooled_row(0.4, []), pooled_row(0.35, ["model"]))
    pooled = {"ner": {"models": MODELS[:2], "correlations": list(rows)}}
    studies = [results.path("tokenisation", model, "ner.json") for model in reversed(MODELS[:2])]
    return [*studies, results.write(results.path("correlations", "splitting.json"), pooled)]


def test_models_stand_in_order_and_then_all_together(results: Results) -> None:
    assert results.table("splitting", SETTINGS, sources(results)) == 0
    text = results.read("tables", "splitting.md").replace("\\", "")
    lines = [line for line in text.splitlines() if line.startswith("| ")][2:]
    assert lines == [
        "| *ner: entity words* |  |  |  |  |  |  |",
        "| small_8k | 0.44 | 0.24 to 0.64 | < 0.001 | 0.31 (0.02) | 40 | 9 |",
        "| large_32k | 0.44 | 0.24 to 0.64 | < 0.001 | 0.31 (0.02) | 40 | 9 |",
        "| all models | 0.40 | 0.30 to 0.50 | 0.020 | 0.30 (0.01) | 80 | 9 |",
        "| within models | 0.35 | 0.30 to 0.50 | 0.020 | – | 80 | 9 |",
    ]
    for words in ("share of 3 runs", "95%, percentile bootstrap of whole sentences", "two-sided t-test of r = 0"):
        assert words in text
    numbers = pd.read_csv(results.path("tables", "splitting.csv"))
    assert numbers["model"].tolist() == [*MODELS[:2], *[" ".join(MODELS[:2])] * 2]
    assert numbers["r"].tolist() == [0.44, 0.44, 0.40, 0.35]


def test_an_r_that_does_not_exist_has_its_reason(results: Results) -> None:
    none = pooled_row(None, [], p=None, note="cannot be computed: one of the two does not vary")
    assert results.table("splitting", SETTINGS, sources(results, none)) == 0
    text = results.read("tables", "splitting.md").replace("\\", "")
    assert "| all models | – |" in text
    assert "No r: small_8k large_32k on ner, entity words: cannot be computed: one of the two does not vary." in text


def test_one_population_may_be_chosen_and_has_to_be_there(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    assert results.table("splitting", SETTINGS | {"population": "all words"}, sources(results)) == 1
    assert "smelt: --sources: hold no correlation over all words of ner" in capsys.readouterr().err


def test_files_of_another_kind_are_one_line(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    found = sources(results)
    assert results.table("splitting", SETTINGS, found[:2]) == 1
    assert "expected tokenisation studies, then correlations/<table>.json" in capsys.readouterr().err
    results.write(found[-1], {"ner": {"models": []}})
    assert results.table("splitting", SETTINGS, found) == 1
    assert f"smelt: {found[-1]}: lacks 'correlations': expected what" in capsys.readouterr().err
