"""What stands under a table of scores, so that no number or mark in it is left to guess."""

from collections.abc import Mapping, Sequence
from typing import Any

MARK = "*"

TESTS = {
    "welch": "Welch's t-test over seeds",
    "paired-t": "paired t-test over seeds",
    "wilcoxon": "Wilcoxon's signed-rank test over seeds",
}
CORRECTIONS = {
    "holm": "Holm's correction over all pairs of models within the task",
    "none": "without correction for the number of pairs",
}
METRICS = {"f1": "F1 of whole spans (seqeval)", "accuracy": "accuracy", "macro_f1": "macro F1"}


def score_notes(
    significance: Mapping[str, Any], metrics: Mapping[str, str], counts: list[int], compared: bool, marked: bool
) -> list[str]:
    """Return the notes: metric, split, spread and seeds; then the test, or why there is none.

    Args:
        significance: the study's test, alpha and correction.
        metrics: metric of each task that was run.
        counts: number of seeds behind each score.
        compared: whether two models or more ran on one task of the table.
        marked: whether any score of the table is marked.
    """
    if not counts:
        return ["No model of the table ran on any of its tasks."]
    measured = f"{_metrics(metrics)}; test set, in percent. {_spread(counts)}"
    if not compared:
        return [measured, "No two models of the table ran on one task, so there is nothing to compare or mark."]
    return [measured, _significance(significance, counts, marked)]


def one_teacher_note(rows: Sequence[str]) -> list[str]:
    """Return what seeds are of where students of all of them were compressed from one teacher."""
    shared = "share one teacher: their deviations and tests over seeds are over students, not over teachers"
    return [f"The seeds of {', '.join(rows)} {shared}."] if rows else []


def test_of(significance: Mapping[str, Any]) -> str:
    """Return the study's test, level and correction in words."""
    level = f"two-sided, p < {significance['alpha']:g}"
    return f"{TESTS[significance['test']]}, {level}, {CORRECTIONS[significance['correction']]}"


def _metrics(metrics: Mapping[str, str]) -> str:
    by_metric: dict[str, list[str]] = {}
    for task, metric in metrics.items():
        by_metric.setdefault(METRICS.get(metric, metric), []).append(task)
    if len(by_metric) == 1:
        (only,) = by_metric
        return only[0].upper() + only[1:]
    return "; ".join(f"{', '.join(tasks)}: {metric}" for metric, tasks in by_metric.items())


def _spread(counts: list[int]) -> str:
    fewest, most = min(counts), max(counts)
    if most == 1:
        return "A single seed: no spread. Best score of a column in bold."
    seeds = str(most) if fewest == most else f"{fewest} to {most}"
    return f"Mean (standard deviation) over {seeds} seeds. Best mean of a column in bold."


def _significance(significance: Mapping[str, Any], counts: list[int], marked: bool) -> str:
    if max(counts) == 1:
        return "With a single seed nothing can be tested, so nothing is marked."
    if marked:
        return f"{MARK} differs from every other model of the table on this task: {test_of(significance)}."
    found = "no model was found to differ from every other one of the table on a task"
    return f"None is marked: {found} ({test_of(significance)}). That does not show them equal."
