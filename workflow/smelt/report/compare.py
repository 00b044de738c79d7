"""Test which differences between models are significant: scores.csv in, summary.csv, pairs.csv and across.csv out.

All tests use the test split and each task's own metric, with one score a run that stands for all languages. The
columns of the three files are SUMMARY_COLUMNS, PAIRS_COLUMNS and ACROSS_COLUMNS; an empty cell is a value that does
not exist, and the `note` of its row says why. Within a task, seeds are compared; across tasks, Wilcoxon's signed-rank
test compares one value a task: the mean over seeds.
"""

import argparse
import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from smelt.cli import KeyValues, add_examples
from smelt.report.csv_files import write_csv
from smelt.report.no_worse import MARGIN_SEEDS, NOT_TESTED, add_no_worse, columns_of, over_seeds, over_tasks
from smelt.report.scores import Scores, read_scores
from smelt.report.significance import Significance
from smelt.report.statistics import OVER_SEEDS, score_of
from smelt.statistics.comparison import Comparison, compare
from smelt.statistics.intervals import Interval, difference_interval, paired_difference_interval
from smelt.statistics.p_values import Alternative, family_size, smallest_p
from smelt.statistics.power import (
    POWER,
    SIGNED_RANK_EFFICIENCY,
    Tails,
    detectable_difference,
    seeds_needed,
    signed_rank_seeds,
)
from smelt.statistics.scores import paired_differences
from smelt.statistics.tests import TestResult, join_notes, rank_biserial, wilcoxon

SUMMARY_COLUMNS = ("task", "unit", "metric", "model", "languages", *OVER_SEEDS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the files read and written."""
    parser.add_argument("--scores", type=Path, required=True, help="scores.csv")
    parser.add_argument(
        "--settings", action=KeyValues, kind=Significance, required=True, help="the study's `significance`"
    )
    parser.add_argument("--summary", type=Path, required=True, help="CSV to write: mean and deviation over seeds")
    parser.add_argument("--pairs", type=Path, required=True, help="CSV to write: a row a task and pair of models")
    parser.add_argument("--across", type=Path, required=True, help="CSV to write: a row a pair of models, over tasks")
    add_examples(
        parser,
        "--scores scores.csv --settings test=welch --summary summary.csv --pairs pairs.csv --across across.csv",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the three files, once all three are computed."""
    settings: Significance = arguments.settings
    scores = read_scores(arguments.scores)
    pairs, across = pairs_rows(scores, settings), across_rows(scores, settings)
    write_csv(arguments.summary, summary_rows(scores, read_scores(arguments.scores, beside=True)), SUMMARY_COLUMNS)
    columns = columns_of(settings, PAIRS_COLUMNS, MARGIN_SEEDS)
    write_csv(arguments.pairs, pairs, columns, _counts(columns))
    columns = columns_of(settings, ACROSS_COLUMNS)
    write_csv(arguments.across, across, columns, _counts(columns))
    different = sum(row["significant"] is True for row in pairs)
    print(f"{len(pairs)} pairs of models within tasks: {different} differ ({settings.test}, p < {settings.alpha:g})")


def summary_rows(scores: Scores, beside: Scores) -> list[dict[str, Any]]:
    """Return the statistics over seeds of each model on each task that it was run on.

    `languages` are those that it was tested in: only means over the same ones can be compared. `unit` is what the task
    counts as across tasks.
    """
    units = {task: unit for unit, tasks in scores.units.items() for task in tasks}
    rows = []
    for (task, model), by_seed in scores.runs.items():
        languages = " ".join(sorted(scores.languages(task, model)))
        row = {"task": task, "unit": units[task], "metric": scores.metrics[task]}
        row |= {"model": model, "languages": languages}
        rows.append(row | score_of(by_seed, beside=beside.of(task, model)).numbers(OVER_SEEDS))
    return rows


def _counts(columns: Sequence[str]) -> list[str]:
    """Return the columns of counts: they stay whole numbers even where cells are empty."""
    return [column for column in columns if column.endswith(("_n", "seeds_needed"))]


# ---- Pairs of models within one task

TESTS = ("welch", "paired_t", "wilcoxon")
"""The tests over seeds, as their columns begin; the study's `paired-t` is `paired_t` here."""

PAIRS_COLUMNS = (
    *("task", "metric", "model_a", "model_b", "n_a", "n_b", "n_pairs"),
    *("mean_a", "standard_deviation_a", "mean_b", "standard_deviation_b", "difference"),
    *("interval_low", "interval_high", "confidence", "interval_method", "hedges_g", "cohen_dz"),
    # The test that the study chose to mark its tables with: its name, its p as read and as corrected, the verdict.
    *("test", "p", "p_corrected", "correction", "family", "alpha", "significant"),
    # Its interval at the level that the correction leaves the pair, and what it could have found.
    *("level", "level_low", "level_high", "power", "detectable", "seeds_needed"),
    # Every test, whichever was chosen.
    *(f"{test}_{part}" for test in TESTS for part in ("statistic", "n", "p", "p_corrected", "note")),
    *("welch_degrees_of_freedom", "note"),
)
"""`difference` is a minus b; `family` counts the pairs of the task that could be tested; `significant` is true where
`p_corrected` lies below `alpha`, and empty where nothing was tested.

`level` is the level that an uncorrected p has to fall below: alpha, or what Holm's correction leaves of it at the
pair's step; all pairs that are not significant have that of the last step. `level_low` and `level_high` are the
interval of the t-test at this level: it leaves out 0 exactly where the pair is significant. Each interval is for its
own pair: that all of a task hold at once is less likely. `detectable` is the smallest true difference that the test
finds with this `power`, and `seeds_needed` are the seeds that find a difference as large as the one seen; both take
the spread that was seen for the true one. A margin of the study adds NO_WORSE_COLUMNS, here and across tasks,
and here MARGIN_SEEDS."""


def pairs_rows(scores: Scores, settings: Significance) -> list[dict[str, Any]]:
    """Return a row for each task and pair of models, where at least one of the two ran on the task.

    A pair without runs of both, or whose models were tested on different languages, has a row that says so. The tested
    pairs of one task are the family that is corrected together.
    """
    rows = []
    for task in scores.tasks:
        pairs = [pair for pair in itertools.combinations(scores.models, 2) if any(scores.of(task, m) for m in pair)]
        family = [_pair_within(scores, task, pair, settings) for pair in pairs]
        for name in TESTS:
            correct(family, name, settings)
        _conclude(family, settings)
        if settings.margin:
            tests = [
                over_seeds(scores.of(task, a), scores.of(task, b), settings) if "comparison" in row else NOT_TESTED
                for row, (a, b) in zip(family, pairs, strict=True)
            ]
            add_no_worse(family, tests, settings)
            for row in family:
                if "margin_level" in row:
                    found, level = row["comparison"], row["margin_level"]
                    row[MARGIN_SEEDS] = _seeds_needed(settings.margin_as_share, found, settings, level, 1)
        rows += family
    return rows


def correct(family: Sequence[dict[str, Any]], name: str, settings: Significance) -> None:
    """Add `<name>_p_corrected` to rows that hold `<name>_p`: corrected over all of them as the study says."""
    p_values = [row.get(f"{name}_p") for row in family]
    for row, p in zip(family, settings.correct(p_values), strict=True):
        row[f"{name}_p_corrected"] = p


def beyond_correction(family: Sequence[dict[str, Any]], settings: Significance) -> str:
    """Return a note where Holm's correction puts alpha out of reach of a whole family of signed-rank tests.

    Holm rejects nothing unless the smallest p of the family, times its number of tests, is below alpha.
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


def _pair_within(scores: Scores, task: str, pair: tuple[str, str], settings: Significance) -> dict[str, Any]:
    row: dict[str, Any] = {"task": task, "metric": scores.metrics[task], "model_a": pair[0], "model_b": pair[1]}
    a, b = (scores.of(task, model) for model in pair)
    missing = [model for model, runs in zip(pair, (a, b), strict=True) if not runs]
    if missing:
        note = f"cannot be tested: no run of {' and '.join(missing)} on {task}"
        return row | {"n_a": len(a), "n_b": len(b), "n_pairs": 0, "note": note}
    if not scores.alike(task, pair):
        tested = [" ".join(sorted(scores.languages(task, model))) for model in pair]
        note = f"cannot be tested: {pair[0]} was tested in {tested[0]}, {pair[1]} in {tested[1]}"
        return row | {"n_a": len(a), "n_b": len(b), "n_pairs": 0, "note": note}
    found = compare(a, b, **settings.model_dump(include={"alpha", "confidence", "resamples", "seed"}))
    tests = {"welch": found.welch, "paired_t": found.paired_t, "wilcoxon": found.wilcoxon}
    for name, result in tests.items():
        row |= _test_cells(name, result)
    return row | _cells(found) | {"comparison": found}


def _test_cells(name: str, result: TestResult) -> dict[str, Any]:
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
    """Add the verdict of the study's own test on each pair of one task, and the notes."""
    chosen = settings.test.replace("-", "_")
    p_values = [row.get(f"{chosen}_p") for row in family]
    size, beyond = family_size(p_values), beyond_correction(family, settings)
    for row, level in zip(family, settings.levels(p_values), strict=True):
        p_corrected = row[f"{chosen}_p_corrected"]
        if row.get("wilcoxon_p") is not None:
            row["wilcoxon_note"] = join_notes(row["wilcoxon_note"], beyond)
        row |= {"test": settings.test, "correction": settings.correction, "family": size, "alpha": settings.alpha}
        row |= {"p": row.get(f"{chosen}_p"), "p_corrected": p_corrected}
        row["significant"] = None if p_corrected is None else p_corrected < settings.alpha
        row |= {} if level is None else _at_level(row, settings, level)
        row["note"] = join_notes(row.get(f"{chosen}_note", ""), row["note"])


def _at_level(row: Mapping[str, Any], settings: Significance, level: float) -> dict[str, Any]:
    """Return the interval and the power of a test at the level that the correction leaves it."""
    found = row["comparison"]
    tested = found.welch if settings.test == "welch" else found.paired_t
    if tested.standard_error is None:
        return {"level": level}
    cells: dict[str, Any] = {"level": level, "power": POWER}
    detectable = detectable_difference(tested.standard_error, tested.degrees_of_freedom, level)
    cells["seeds_needed"] = _seeds_needed(tested.estimate, found, settings, level)
    if settings.test == "wilcoxon":  # its interval from few seeds does not exist; its power follows the paired t's
        if smallest_p(row["wilcoxon_n"]) < level:
            cells["detectable"] = detectable / math.sqrt(SIGNED_RANK_EFFICIENCY)
        return cells
    interval = difference_interval(tested.estimate, tested.standard_error, tested.degrees_of_freedom, 1 - level)
    return cells | {"level_low": interval.low, "level_high": interval.high, "detectable": detectable}


def _seeds_needed(
    difference: float, found: Comparison, settings: Significance, level: float, tails: Tails = 2
) -> int | None:
    """Return the seeds with which the study's test finds a difference; None where they are too many, or not known."""
    deviations = [found.paired_deviation]
    if settings.test == "welch":
        deviations = [found.a.standard_deviation or 0.0, found.b.standard_deviation or 0.0]
    if not any(deviations):
        return None
    seeds = seeds_needed(difference, deviations, level, tails)
    return signed_rank_seeds(seeds, level, tails) if settings.test == "wilcoxon" else seeds


# ---- Pairs of models across tasks: one value a task

SIDES: dict[str, Alternative] = {"wilcoxon": "two-sided", "less": "less", "greater": "greater"}
"""The tests, as their columns begin: two-sided, and for each alternative: a scores less than b, or greater."""

ACROSS_COLUMNS = (
    *("model_a", "model_b", "tasks", "wins_a", "wins_b", "ties", "difference"),
    *("interval_low", "interval_high", "confidence", "interval_method", "rank_biserial"),
    *("test", "correction", "family", "alpha", "significant"),
    *(f"{side}_{part}" for side in SIDES for part in ("statistic", "n", "p", "p_corrected")),
    *("task_names", "note"),
)
"""`tasks` counts those that both models ran on, `difference` is the mean over them of a minus b, and `significant`
rests on the two-sided test; `wilcoxon_n` counts tasks on which the means differ."""


def across_rows(scores: Scores, settings: Significance) -> list[dict[str, Any]]:
    """Return a row for each pair of models: their means over seeds, compared over the tasks that both ran on.

    All tasks have the same weight, whatever their metric, size or number of languages. The tasks that one setting makes
    for each language count as one task, with their mean. A one-sided test is for a direction that was stated before.
    All pairs of models are corrected together.
    """
    family = [_pair_across(scores, pair, settings) for pair in itertools.combinations(scores.models, 2)]
    for side in SIDES:
        correct(family, side, settings)
    size = family_size([row["wilcoxon_p"] for row in family])
    beyond = beyond_correction(family, settings)
    for row in family:
        p = row["wilcoxon_p_corrected"]
        row |= {"correction": settings.correction, "family": size, "alpha": settings.alpha}
        row["significant"] = None if p is None else p < settings.alpha
        if p is not None:
            row["note"] = join_notes(row["note"], beyond)
    if settings.margin:
        add_no_worse(family, [over_tasks(a, b, settings) for a, b in (row["means"] for row in family)], settings)
    return family


def _pair_across(scores: Scores, pair: tuple[str, str], settings: Significance) -> dict[str, Any]:
    units = {unit: _shared_tasks(scores, tasks, pair) for unit, tasks in scores.units.items()}
    shared = [unit for unit, tasks in units.items() if tasks]
    a, b = (np.array([_mean(scores, units[unit], model) for unit in shared], dtype=np.float64) for model in pair)
    differences = paired_differences(a, b)
    interval = paired_difference_interval(a, b, settings.confidence, settings.resamples, settings.seed, "tasks")
    row: dict[str, Any] = {"model_a": pair[0], "model_b": pair[1], "tasks": len(shared), "task_names": " ".join(shared)}
    row |= {"wins_a": int((differences > 0).sum()), "wins_b": int((differences < 0).sum())}
    row |= {"ties": int((differences == 0).sum()), "difference": float(np.mean(differences)) if shared else None}
    row |= _interval_cells(interval) | {"rank_biserial": rank_biserial(a, b), "test": "wilcoxon", "means": (a, b)}
    notes = [_missing_note(scores, shared, pair), interval.note]
    for name, side in SIDES.items():
        found = wilcoxon(a, b, side, settings.alpha, "tasks")
        row |= {f"{name}_statistic": found.statistic, f"{name}_n": found.n, f"{name}_p": found.p}
        notes.append(found.note)
    return row | {"note": join_notes(*notes)}


def _shared_tasks(scores: Scores, tasks: list[str], pair: tuple[str, str]) -> list[str]:
    """Return the tasks that both models ran on, tested on the same languages."""
    return [task for task in tasks if all(scores.of(task, model) for model in pair) and scores.alike(task, pair)]


def _mean(scores: Scores, tasks: list[str], model: str) -> float:
    """Return the mean over tasks of the means over seeds."""
    return float(np.mean([np.mean(list(scores.of(task, model).values())) for task in tasks]))


def _interval_cells(interval: Interval) -> dict[str, Any]:
    return {
        "interval_low": interval.low,
        "interval_high": interval.high,
        "confidence": interval.confidence,
        "interval_method": interval.method,
    }


def _missing_note(scores: Scores, shared: list[str], pair: tuple[str, str]) -> str:
    left_out = [f"{unit} ({_why(scores, tasks, pair)})" for unit, tasks in scores.units.items() if unit not in shared]
    return f"left out: {', '.join(left_out)}" if left_out else ""


def _why(scores: Scores, tasks: list[str], pair: tuple[str, str]) -> str:
    """Return why a pair shares no task."""
    missing = [model for model in pair if not any(scores.of(task, model) for task in tasks)]
    return f"no run of {' and '.join(missing)}" if missing else "tested on other languages"
