"""Tables of a compression, phase by phase: from the metrics of all its seeds to a row for each phase."""

import json
from pathlib import Path
from statistics import mean
from typing import Any

import pandas as pd
import pytest
from small_results import Results

LOGITS, LABELS = {"representation": 0, "logits": 1, "labels": 0}, {"representation": 0, "logits": 0, "labels": 1}
PARTS = ("head", "projection", "encoder", "embeddings")
# XtremeDistil, Table 4: F1 and its deviation over languages, after each phase of D4.2's second and third stage.
PUBLISHED = [(0, 0), (2.85, 3.9), (81.64, 5.2), (85.99, 4.4), (86.38, 4.2), (87.65, 3.9), (88.08, 3.9), (88.64, 3.8)]


def scores(split: str, value: float, deviation: float) -> list[dict[str, Any]]:
    """Return scores of two languages with this mean and deviation (n - 1), as a job writes them."""
    half = deviation / 2**0.5
    of = {"bn": value + half, "de": value - half, "mean": value, "deviation": deviation}
    return [
        {"split": split, "language": language, "metric": metric, "value": number / 100}
        for language, number in of.items()
        for metric in ("f1", "precision")
    ]


def phases(shift: float) -> list[dict[str, Any]]:
    """Return the published phases: a point higher on validation than on test; a first one without scores."""
    first = {"stage": 1, "unfrozen": "all", "losses": {"representation": 1, "logits": 0, "labels": 0}, "scores": []}
    found = [first | {"epochs": 12, "best": 7, "validation_loss": 0.5}]
    for number, (value, deviation) in enumerate(PUBLISHED):
        what = {"stage": 2 + number // 4, "unfrozen": PARTS[number % 4], "losses": LOGITS if number < 4 else LABELS}
        both = scores("validation", value + 1 + shift, deviation) + scores("test", value + shift, deviation)
        found.append(what | {"epochs": 6 + shift, "best": 1, "validation_loss": 0.1, "scores": both})
    return found


@pytest.fixture
def sources(results: Results) -> list[Path]:
    """Metrics of three seeds, a point around the published scores."""
    entry = {"model": "d42", "task": "panx", "scores": scores("test", 88.64, 3.8)}
    return [
        results.write(results.metrics("d42", "panx", seed), entry | {"seed": seed, "stages": phases(shift)})
        for seed, shift in ((1, -1.0), (2, 0.0), (3, 1.0))
    ]


SETTINGS = {"kind": "stages", "model": "d42", "task": "panx", "caption": ""}


def test_every_phase_has_the_published_score_and_its_deviation_over_languages(
    results: Results, sources: list[Path]
) -> None:
    assert results.table("table_4", SETTINGS, sources) == 0
    text = results.read("tables", "table_4.md")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")
    ][2:]
    assert rows[0] == ["1", "representation", "all", "–", "–", "12"]
    assert rows[3] == ["2", "logits", "encoder", "82.64 (5.20)", "81.64 (5.20)", "6"]
    assert [row[4] for row in rows[1:]] == [
        f"{value:.2f} ({deviation:.2f})" if value else "0.00 (found nothing)" for value, deviation in PUBLISHED
    ]
    assert "F1 of whole spans (seqeval, default mode), in percent, at the end of each phase: mean over 3 seeds" in text
    assert "–: no classifier has learned yet." in text


def test_the_numbers_hold_both_deviations(results: Results, sources: list[Path]) -> None:
    assert results.table("table_4", SETTINGS, sources) == 0
    frame = pd.read_csv(results.path("tables", "table_4.csv"))
    last = frame.iloc[-1]
    assert (last["stage"], last["unfrozen"], last["n"], last["test_metric"]) == (3, "embeddings", 3, "f1")
    assert last["test_mean"] == pytest.approx(0.8864)
    assert last["test_deviation_over_languages"] == pytest.approx(0.038)
    assert last["test_deviation_over_seeds"] == pytest.approx(0.01)
    assert last["epochs"] == pytest.approx(mean([5, 6, 7]))
    assert frame["test_mean"].isna().tolist() == [True] + [False] * 8


def test_a_single_language_shows_its_deviation_over_seeds(results: Results, sources: list[Path]) -> None:
    for path in sources:
        record = json.loads(path.read_text())
        for entry in record["stages"]:
            entry["scores"] = [row for row in entry["scores"] if row["language"] == "de"]
        path.write_text(json.dumps(record))
    assert results.table("table_4", SETTINGS, sources) == 0
    text = results.read("tables", "table_4.md")
    assert f"{88.64 - 3.8 / 2**0.5:.2f} (1.00)" in text
    assert "mean over 3 seeds (standard deviation over them)" in text


def test_weights_other_than_one_are_shown(results: Results, sources: list[Path]) -> None:
    for path in sources:
        record = json.loads(path.read_text())
        record["stages"][-1]["losses"] = {"representation": 0, "logits": 0.5, "labels": 1}
        path.write_text(json.dumps(record))
    assert results.table("table_4", SETTINGS, sources) == 0
    assert "| 3 | 0.5 × logits, labels | embeddings |" in results.read("tables", "table_4.md")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.pop("stages"), "has no 'stages': expected the metrics of a compressed model"),
        (lambda record: record["stages"].pop(), "went through other phases than"),
        (lambda record: record["stages"][3].update(unfrozen="head"), "went through other phases than"),
        (lambda record: record["stages"][3].pop("epochs"), "a stage has no 'epochs'"),
        (
            lambda record: record["stages"][3].update(
                scores=[row for row in record["stages"][3]["scores"] if row["language"] != "mean"]
            ),
            "a stage, on validation, has scores of bn, de, deviation but none over all",
        ),
    ],
)
def test_metrics_of_something_else_are_refused(
    results: Results, sources: list[Path], capsys: pytest.CaptureFixture[str], change: Any, message: str
) -> None:
    record = json.loads(sources[2].read_text())
    change(record)
    sources[2].write_text(json.dumps(record))
    assert results.table("table_4", SETTINGS, sources) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "seed-3/metrics.json" in error
    assert not results.path("tables", "table_4.csv").exists()
