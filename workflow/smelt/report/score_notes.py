"""What stands under a table of scores, so that no number or mark in it is left to guess."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

MARK = "*"

TESTS = {
    "welch": "Welch's t-test over seeds",
    "paired-t": "paired t-test over seeds",
    "wilcoxon": "Wilcoxon's signed-rank test over seeds",
}
CORRECTIONS = {
    "holm": "Holm's correction over all pairs of the study's models on the task",
    "none": "not corrected for the number of pairs",
}
METRICS = {
    "f1": "F1 of whole spans (seqeval, default mode)",
    "accuracy": "accuracy",
    "macro_f1": "macro F1 (mean of the F1 of each label)",
}
SEQEVAL = (
    "F1 of whole spans: seqeval 1.2.2 in its default mode, over all types of spans together. It counts as the "
    "conlleval script does: labels are IOB2, and an I label that continues no span begins one. seqeval's strict mode "
    "ignores such spans and gives other scores."
)


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
    measured = [f"{in_words(metrics)}; test set, in percent. {_spread(counts)}", *seqeval_note(metrics.values())]
    if not compared:
        return [*measured, "No two models of the table ran on the same task, so nothing is compared or marked."]
    return [*measured, _significance(significance, counts, marked)]


def one_teacher_note(rows: Sequence[str]) -> list[str]:
    """Return what deviations and tests are over where students of all seeds were compressed from one teacher."""
    shared = "share one teacher: their deviations and tests over seeds are over students, not over teachers"
    return [f"The seeds of {', '.join(rows)} {shared}."] if rows else []


def test_of(significance: Mapping[str, Any]) -> str:
    """Return the study's test, level and correction in words."""
    level = f"two-sided, p < {significance['alpha']:g}"
    return f"{TESTS[significance['test']]}, {level}, {CORRECTIONS[significance['correction']]}"


def seqeval_note(metrics: Iterable[str]) -> list[str]:
    """Return how spans are counted, where any of the metrics counts them: seqeval's modes differ by several points."""
    return [SEQEVAL] if "f1" in metrics else []


def in_words(metrics: Mapping[str, str]) -> str:
    """Return the metric of all parts of a table, or which part (a task, a section) has which."""
    by_metric: dict[str, list[str]] = {}
    for part, metric in metrics.items():
        by_metric.setdefault(METRICS.get(metric, metric), []).append(part)
    if len(by_metric) == 1:
        (only,) = by_metric
        return only[0].upper() + only[1:]
    return "; ".join(f"{', '.join(parts)}: {metric}" for metric, parts in by_metric.items())


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
    found = "on no task does one model differ from every other model of the table"
    return f"None is marked: {found} ({test_of(significance)}). This does not show that they are equal."
