"""Rows of tables of efficiency that are means of several models: Smaller multilingual BERT's Table 3, rebuilt."""

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_results import Results
from test_efficiency_table import record, rows

DATA = os.environ.get("SMELT_DATA")
# Pieces that Table 1 selects, and mBERT's (Abdaoui et al. 2020).
SELECTED = {
    **{"en": 28458, "fr": 24482, "es": 26346, "de": 26031, "el": 11616, "bg": 12121, "ru": 14270, "tr": 19086},
    **{"ar": 7292, "vi": 17512, "th": 8493, "zh": 12928, "hi": 5664, "sw": 16619, "ur": 8656},
}
PIECES, WIDTH, ENCODER = 119_547, 768, 177_853_440
ALWAYS_KEPT = 13  # beside the selected pieces: the union has 71,564 of these, and 71,577 in Table 1


def encoder(pieces: int) -> int:
    """Return the parameters of mBERT's encoder with fewer pieces."""
    return ENCODER - (PIECES - pieces) * WIDTH


def sized(model: str, pieces: int, factor: float = 1.0) -> dict[str, Any]:
    """Return the record of a model of that many pieces; its times are those of the reference times a factor."""
    parameters = {"total": encoder(pieces), "encoder": encoder(pieces), "embedding": pieces * WIDTH}
    return record(model, 1, factor, parameters=parameters, bytes={"fp32": 4 * encoder(pieces)})


def table(results: Results, records: list[dict[str, Any]], shown: dict[str, list[str]], **settings: Any) -> int:
    paths = [results.write(results.path("efficiency", f"{entry['model']}.json"), entry) for entry in records]
    listed = {"kind": "efficiency", "rows": shown, "members": shown}
    return results.table("table_3", listed | settings, paths)


def test_table_3s_mean_over_monolingual_models_is_rebuilt(results: Results) -> None:
    records = [sized("mbert", PIECES), *(sized(f"mbert-{code}", size) for code, size in SELECTED.items())]
    shown = {"mBERT": ["mbert"], "mBERT xx": [f"mbert-{code}" for code in SELECTED]}
    assert table(results, records, shown) == 0
    sizes, latency, _ = rows(results.read("tables", "table_3.md"), "mBERT xx")
    # Published: 393 MB. mBERT's published 714 counts a head that the reduced models lack: without, it is 711, and
    # reduced models 44.7% smaller than it, not the 45.0% of the text.
    assert sizes[4] == "393 (362 to 432; 0.55×)"
    assert rows(results.read("tables", "table_3.md"), "mBERT")[0][4] == "711 (1.00×)"
    assert latency[1] == "240 (240 to 240; 1.00×)"
    numbers = pd.read_csv(results.path("tables", "table_3.csv"))
    means = numbers[numbers["model"] == "mBERT xx"].set_index("figure")
    mean = means.loc["size"]
    assert (mean["value"], mean["models"]) == (pytest.approx(393.23, abs=0.01), 15)
    assert 1 - mean["ratio"] == pytest.approx(0.4472, abs=1e-4)
    # The paper's 90 to 108 M.
    ends = means.loc["encoder parameters"][["low", "high"]]
    assert [round(value) for value in ends] == [90, 108]


@pytest.mark.skipif(not DATA, reason="SMELT_DATA names no folder of real data")
def test_table_3s_mean_over_bilingual_models_is_rebuilt_from_the_published_counts(results: Results) -> None:
    folder = Path(DATA or "") / "mbert-counts"
    kept = {}
    for line in (folder / "thresholds.tsv").read_text().splitlines()[1:]:
        language, least, _ = line.split("\t")
        counts = (row.rsplit("\t", 1) for row in (folder / f"{language}.tsv").open(encoding="utf-8"))
        kept[language] = {piece for piece, lines in counts if int(lines) >= int(least)}
    pairs = {code: len(kept["en"] | kept[code]) + ALWAYS_KEPT for code in kept if code != "en"}
    records = [sized("mbert", PIECES), *(sized(f"mbert-en-{code}", size) for code, size in pairs.items())]
    shown = {"mBERT": ["mbert"], "mBERT en-xx": [f"mbert-en-{code}" for code in pairs]}
    assert table(results, records, shown) == 0
    sizes = rows(results.read("tables", "table_3.md"), "mBERT en-xx")[0]
    assert sizes[4].startswith("445 (")  # published: 445 MB
    assert sizes[2].startswith("111 (108 to 115;")  # Table 2 prints 108 to 113 M: its counts give 114.8 for the largest


def test_times_are_means_of_medians_and_name_their_models(results: Results) -> None:
    records = [record("mbert", 1, 1), record("a", 0.5, 0.8), record("b", 0.3, 0.4)]
    assert table(results, records, {"mBERT": ["mbert"], "both": ["a", "b"]}) == 0
    text = results.read("tables", "table_3.md")
    sizes, latency, throughput = rows(text, "both")
    assert sizes[1] == "71.2 (53.4 to 89.0; 0.40×)"
    assert latency[1] == "144 (96.0 to 192; 0.60×)"
    assert throughput[1] == "938 (625 to 1,250; 1.88×)"
    assert rows(text, "mBERT")[1][1] == "240 (95%: 360; 1.00×)"
    assert "both: 2 models (a, b)." in text


def test_a_figure_that_not_all_models_have_has_no_mean(results: Results) -> None:
    exported = {"bytes": {"int8": 98e6}, "precision": "int8"}
    records = [record("mbert", 1, 1), record("a", 0.5, 0.8), record("b", 0.3, 0.4, **exported)]
    assert table(results, records, {"mBERT": ["mbert"], "both": ["a", "b"]}) == 0
    assert "N/A" in rows(results.read("tables", "table_3.md"), "both")[0]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"models": ["mbert"]}, "rows are listed twice"),
        ({"rows": {"xx": "mbert-{language}"}}, "languages: are missing, and mbert-{language} is a family of them"),
        ({"languages": ["en"]}, "languages: no row is a family"),
        ({"members": {}}, "lacks the models of its rows"),
    ],
)
def test_rows_that_cannot_be_are_refused(
    results: Results, capsys: pytest.CaptureFixture[str], settings: dict[str, Any], said: str
) -> None:
    assert table(results, [record("mbert", 1, 1)], {"mBERT": ["mbert"]}, **settings) == 1
    assert said in capsys.readouterr().err
