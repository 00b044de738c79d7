"""Pairs of models across tasks: Wilcoxon's signed-rank test with one value a task, corrected over all pairs."""

import itertools
from typing import Any

import numpy as np

from smelt.report.compared_pairs import beyond_correction, correct
from smelt.report.compared_scores import Scores
from smelt.statistics.corrections import family_size
from smelt.statistics.intervals import Interval, paired_difference_interval
from smelt.statistics.ranks import rank_biserial, wilcoxon
from smelt.statistics.result import Alternative, joined
from smelt.statistics.scores import paired_differences
from smelt.study.schema import Significance

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

    Tasks weigh alike whatever their metric, size or number of languages, and the tasks that one setting makes for each
    language are one task together, with the mean of theirs; a one-sided test is for a direction that was stated
    beforehand. The family that is corrected together are all pairs of models.
    """
    family = [_pair(scores, pair, settings) for pair in itertools.combinations(scores.models, 2)]
    for side in SIDES:
        correct(family, side, settings)
    size = family_size([row["wilcoxon_p"] for row in family])
    beyond = beyond_correction(family, settings)
    for row in family:
        p = row["wilcoxon_p_corrected"]
        row |= {"correction": settings.correction, "family": size, "alpha": settings.alpha}
        row["significant"] = None if p is None else p < settings.alpha
        if p is not None:
            row["note"] = joined(row["note"], beyond)
    return family


def _pair(scores: Scores, pair: tuple[str, str], settings: Significance) -> dict[str, Any]:
    units = {unit: _shared(scores, tasks, pair) for unit, tasks in scores.units.items()}
    shared = [unit for unit, tasks in units.items() if tasks]
    a, b = (np.array([_mean(scores, units[unit], model) for unit in shared], dtype=np.float64) for model in pair)
    differences = paired_differences(a, b)
    interval = paired_difference_interval(a, b, settings.confidence, settings.resamples, settings.seed, "tasks")
    row: dict[str, Any] = {"model_a": pair[0], "model_b": pair[1], "tasks": len(shared), "task_names": " ".join(shared)}
    row |= {"wins_a": int((differences > 0).sum()), "wins_b": int((differences < 0).sum())}
    row |= {"ties": int((differences == 0).sum()), "difference": float(np.mean(differences)) if shared else None}
    row |= _interval_cells(interval) | {"rank_biserial": rank_biserial(a, b), "test": "wilcoxon"}
    notes = [_missing_note(scores, shared, pair), interval.note]
    for name, side in SIDES.items():
        found = wilcoxon(a, b, side, settings.alpha, "tasks")
        row |= {f"{name}_statistic": found.statistic, f"{name}_n": found.n, f"{name}_p": found.p}
        notes.append(found.note)
    return row | {"note": joined(*notes)}


def _shared(scores: Scores, tasks: list[str], pair: tuple[str, str]) -> list[str]:
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
    """Return why a pair shares none of the tasks."""
    missing = [model for model in pair if not any(scores.of(task, model) for task in tasks)]
    return f"no run of {' and '.join(missing)}" if missing else "tested on other languages"
