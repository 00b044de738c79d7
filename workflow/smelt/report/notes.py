"""Which scores of a table are best and which are starred, and the notes under it that say what this means."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict

from smelt.report.records import TaskRecord
from smelt.report.significance import Significance
from smelt.report.statistics import Score
from smelt.tasks.kinds import METRICS_BY_KEY

NOTHING_RAN = "No model of the table ran on any of its tasks."
LEAST_SHARE = 0.01  # of the test set that a note under a table names
MOST_NAMED = 8  # tasks in one note
AVERAGES = {
    "examples": "one score over the examples of all languages together",
    "languages": "the mean of the languages' scores",
}

# ---- Best and star


def rank(scores: Sequence[Score], line_of: Callable[[Score], object], alpha: float = 0.0) -> list[Score]:
    """Return the scores with the best of each line, and a star where the corrected p lies below alpha.

    A line with one score has no best: there is nothing that it is better than. Nor has one where none is above 0:
    such models found nothing.

    Args:
        scores: of all cells.
        line_of: gives the part of the table within which scores are compared: a column, or a row.
        alpha: level of the tests.
    """
    means: dict[object, list[float]] = {}
    for score in scores:
        if score.n:
            means.setdefault(line_of(score), []).append(score.mean)
    best = {line: max(own) for line, own in means.items() if len(own) > 1 and max(own) > 0}
    return [
        replace(score, best=score.mean == best.get(line_of(score)), star=score.p_corrected < alpha) for score in scores
    ]


# ---- Notes on scores


def one_teacher_note(rows: Sequence[str]) -> list[str]:
    """Return the note on rows whose students of all seeds were compressed from one teacher."""
    shared = "share one teacher: their deviations and tests over seeds are over students, not over teachers"
    return [f"The seeds of {', '.join(rows)} {shared}."] if rows else []


def test_of(significance: Significance) -> str:
    """Return the study's test, level and correction within one task."""
    none = "not corrected for the number of pairs"
    return significance.in_words("over all pairs of the study's models on the task", none)


def metric_title(metric: str) -> str:
    """Return a metric's name in captions and notes."""
    return METRICS_BY_KEY[metric].title if metric in METRICS_BY_KEY else metric


def metric_label(metric: str) -> str:
    """Return a metric's name in figures."""
    return METRICS_BY_KEY[metric].label if metric in METRICS_BY_KEY else metric


def metric_notes(metrics: Iterable[str]) -> list[str]:
    """Return how metrics are computed, where a reader has to know: seqeval's modes differ by several points."""
    shown = set(metrics)
    return [metric.note for key, metric in METRICS_BY_KEY.items() if metric.note and key in shown]


def metrics_in_words(metrics: Mapping[str, str]) -> str:
    """Return the metric of a table in words, or the metrics with the parts (tasks, sections) that they belong to."""
    by_metric: dict[str, list[str]] = {}
    for part, metric in metrics.items():
        by_metric.setdefault(metric_title(metric), []).append(part)
    if len(by_metric) == 1:
        (only,) = by_metric
        return only[0].upper() + only[1:]
    return "; ".join(f"{', '.join(parts)}: {metric}" for metric, parts in by_metric.items())


def mixed_metrics_note(metrics: Mapping[str, str]) -> str:
    """Return the sentence on an average over tasks with several metrics, after a blank; nothing where there is one."""
    several = len(set(metrics.values())) > 1
    return " It mixes metrics: use it only to compare models on these same tasks." if several else ""


# ---- Notes on the tasks whose scores a table shows


def repeats_note(tasks: Sequence[TaskRecord]) -> list[str]:
    """Return the note of a table whose tasks test on training examples; nothing where none does by LEAST_SHARE."""
    examples = _named_shares({task.name: task.share_in_train for task in tasks})
    contexts = _named_shares({task.name: task.share_of_known_contexts for task in tasks})
    parts = [
        f"Share of the test examples that also stand in the training set, word for word: {examples}." * bool(examples),
        f"Share of the test questions about a context that also stands in training: {contexts}." * bool(contexts),
        f"Scores on these tasks are likely higher than on new texts. Shares below {LEAST_SHARE:.0%} are not named.",
    ]
    return [" ".join(filter(None, parts))] if examples or contexts else []


def _named_shares(shares: Mapping[str, float]) -> str:
    """Return the tasks with the largest shares, from LEAST_SHARE on; nothing where there are none."""
    found = sorted((name for name, share in shares.items() if share >= LEAST_SHARE), key=lambda name: -shares[name])
    more = f" and {len(found) - MOST_NAMED} more tasks with smaller shares" if len(found) > MOST_NAMED else ""
    return ", ".join(f"{name} {shares[name]:.0%}" for name in found[:MOST_NAMED]) + more


def validation_note(tasks: Sequence[TaskRecord]) -> list[str]:
    """Return the note on tasks whose training set is drawn and whose validation set is not; nothing without any."""
    found = [
        f"{task.name} ({task.examples['train']:,} against {task.examples['validation']:,})"
        for task in tasks
        if task.limit and not task.validation_limit
    ]
    if not found:
        return []
    return [
        f"Trained on a draw, and chosen on the whole validation set: {', '.join(found)}. A language with so few "
        "examples might not have such a validation set."
    ]


class FinetuningSet(TypedDict):
    """A named set of settings of fine-tuning, as far as the study's sets differ, and the tasks that take it."""

    settings: dict[str, Any]
    tasks: list[str]


def finetuning_note(sets: Mapping[str, FinetuningSet]) -> list[str]:
    """Return the note on the named sets of settings that tasks are fine-tuned by; nothing where there are none."""
    found = []
    for name, chosen in sets.items():
        settings = ", ".join(f"{key} {_value(value)}" for key, value in chosen["settings"].items())
        more = len(chosen["tasks"]) - MOST_NAMED
        named = [*chosen["tasks"][:MOST_NAMED], *([f"{more} more tasks"] if more > 0 else [])]
        found.append(f"{name} ({settings}) on {', '.join(named)}")
    return [f"Settings of fine-tuning: {'; '.join(found)}."] if found else []


def as_they_are_note(models: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the note on models that are evaluated as they are.

    models: those of each task; none of them stands for all.
    """
    named = ", ".join(f"{task} ({', '.join(own)})" if own else task for task, own in models.items())
    what = "Models as they are, without any training on the task, in one run because nothing is drawn"
    return [f"{what}: {named}. Tests over seeds leave them out."] if named else []


def _value(value: object) -> str:
    if isinstance(value, list):
        return " or ".join(map(_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def own_notes(tasks: Sequence[TaskRecord]) -> list[str]:
    """Return the notes that task files hold for readers, each once, with the tasks that it belongs to."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        if task.note:
            found.setdefault(task.note, []).append(task.name)
    return [f"{', '.join(names)}: {note}" for note, names in found.items()]


def languages_note(tasks: Sequence[TaskRecord]) -> list[str]:
    """Return the note on tasks with one score for several languages; nothing where there is no such task."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        if task.languages > 1:
            found.setdefault(task.average, []).append(f"{task.name} ({task.languages})")
    averaged = [f"{', '.join(names)}: {AVERAGES[average]}" for average, names in found.items()]
    return [f"Tasks with test sets in several languages: {'; '.join(averaged)}."] if averaged else []
