"""Pairs of models within one task: every test over their seeds, each corrected over the pairs of the task."""

import itertools
from collections.abc import Sequence
from typing import Any

from smelt.report.compared_scores import Scores
from smelt.statistics.comparison import Comparison, compare
from smelt.statistics.corrections import family_size, holm
from smelt.statistics.ranks import smallest_p
from smelt.statistics.result import TestResult, joined
from smelt.study.schema import Significance

TESTS = ("welch", "paired_t", "wilcoxon")
"""The tests over seeds, as their columns begin; the study's `paired-t` is `paired_t` here."""

PAIRS_COLUMNS = (
    *("task", "metric", "model_a", "model_b", "n_a", "n_b", "n_pairs"),
    *("mean_a", "standard_deviation_a", "mean_b", "standard_deviation_b", "difference"),
    *("interval_low", "interval_high", "confidence", "interval_method", "hedges_g", "cohen_dz"),
    # The test that the study chose to mark its tables with: its name, its p as read and as corrected, the verdict.
    *("test", "p", "p_corrected", "correction", "family", "alpha", "significant"),
    # Every test, whichever was chosen.
    *(f"{test}_{part}" for test in TESTS for part in ("statistic", "n", "p", "p_corrected", "note")),
    *("welch_degrees_of_freedom", "note"),
)
"""`difference` is a minus b; `family` counts the pairs of the task that could be tested; `significant` is true where
`p_corrected` lies below `alpha`, and empty where nothing was tested."""


def pairs_rows(scores: Scores, settings: Significance) -> list[dict[str, Any]]:
    """Return a row for each task and pair of models of which one ran on it at least.

    A pair without runs of both, or whose models were tested on other languages, is a row that says so. The family that
    is corrected together are the tested pairs of one task.
    """
    rows = []
    for task in scores.tasks:
        pairs = [pair for pair in itertools.combinations(scores.models, 2) if any(scores.of(task, m) for m in pair)]
        family = [_pair(scores, task, pair, settings) for pair in pairs]
        for name in TESTS:
            correct(family, name, settings)
        _conclude(family, settings)
        rows += family
    return rows


def correct(family: Sequence[dict[str, Any]], name: str, settings: Significance) -> None:
    """Add `<name>_p_corrected` to rows that hold `<name>_p`: corrected over all of them as the study asks."""
    p_values = [row.get(f"{name}_p") for row in family]
    for row, p in zip(family, holm(p_values) if settings.correction == "holm" else p_values, strict=True):
        row[f"{name}_p_corrected"] = p


def beyond_correction(family: Sequence[dict[str, Any]], settings: Significance) -> str:
    """Return a note where Holm's correction puts alpha out of reach of a whole family of signed-rank tests.

    Holm rejects nothing unless the smallest p of the family, times the number of tests in it, lies below alpha.
    """
    counts = [row["wilcoxon_n"] for row in family if row.get("wilcoxon_p") is not None]
    if settings.correction == "none" or not counts:
        return ""
    smallest = smallest_p(max(counts))
    if smallest >= settings.alpha or smallest * len(counts) < settings.alpha:
        return ""
    return (
        f"the smallest two-sided p of n = {max(counts)}, {smallest:.3g}, times {len(counts)} pairs of models: "
        f"{settings.alpha:g} is out of reach after correction"
    )


def _pair(scores: Scores, task: str, pair: tuple[str, str], settings: Significance) -> dict[str, Any]:
    row: dict[str, Any] = {"task": task, "metric": scores.metrics[task], "model_a": pair[0], "model_b": pair[1]}
    a, b = (scores.of(task, model) for model in pair)
    missing = [model for model, runs in zip(pair, (a, b), strict=True) if not runs]
    if missing:
        note = f"cannot be tested: no run of {' and '.join(missing)} on {task}"
        return row | {"n_a": len(a), "n_b": len(b), "n_pairs": 0, "note": note}
    if not scores.alike(task, pair):
        tested = [" ".join(sorted(scores.languages[task, model])) for model in pair]
        note = f"cannot be tested: {pair[0]} was tested in {tested[0]}, {pair[1]} in {tested[1]}"
        return row | {"n_a": len(a), "n_b": len(b), "n_pairs": 0, "note": note}
    found = compare(a, b, **settings.model_dump(include={"alpha", "confidence", "resamples", "seed"}))
    tests = {"welch": found.welch, "paired_t": found.paired_t, "wilcoxon": found.wilcoxon}
    for name, result in tests.items():
        row |= result_cells(name, result)
    return row | _cells(found)


def result_cells(name: str, result: TestResult) -> dict[str, Any]:
    """Return the cells of one test."""
    parts = {"statistic": result.statistic, "n": result.n, "p": result.p, "note": result.note}
    return {f"{name}_{part}": value for part, value in parts.items()}


def _cells(found: Comparison) -> dict[str, Any]:
    return {
        "n_a": found.a.n,
        "n_b": found.b.n,
        "n_pairs": len(found.paired_seeds),
        "mean_a": found.a.mean,
        "standard_deviation_a": found.a.standard_deviation,
        "mean_b": found.b.mean,
        "standard_deviation_b": found.b.standard_deviation,
        "difference": found.difference,
        "interval_low": found.interval.low,
        "interval_high": found.interval.high,
        "confidence": found.interval.confidence,
        "interval_method": found.interval.method,
        "hedges_g": found.hedges_g,
        "cohen_dz": found.cohen_dz,
        "welch_degrees_of_freedom": found.welch.degrees_of_freedom,
        "note": found.note,
    }


def _conclude(family: list[dict[str, Any]], settings: Significance) -> None:
    """Add what the study's own test says of each pair of one task, and the notes on it."""
    chosen = settings.test.replace("-", "_")
    size = family_size([row.get(f"{chosen}_p") for row in family])
    beyond = beyond_correction(family, settings)
    for row in family:
        p_corrected = row[f"{chosen}_p_corrected"]
        if row.get("wilcoxon_p") is not None:
            row["wilcoxon_note"] = joined(row["wilcoxon_note"], beyond)
        row |= {"test": settings.test, "correction": settings.correction, "family": size, "alpha": settings.alpha}
        row |= {"p": row.get(f"{chosen}_p"), "p_corrected": p_corrected}
        row["significant"] = None if p_corrected is None else p_corrected < settings.alpha
        row["note"] = joined(row.get(f"{chosen}_note", ""), row["note"])
