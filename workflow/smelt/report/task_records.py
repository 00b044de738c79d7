"""What the tasks stage wrote about each task: its sizes, and examples that stand in two of its splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json

LEAST_SHARE = 0.01  # of the test set: what a note under a table names
MOST_NAMED = 8  # tasks in one note

AVERAGES = {
    "examples": "one score over the examples of all languages together",
    "languages": "the mean of the languages' scores",
}
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class TaskRecord:
    """A prepared task; counts are of examples."""

    name: str
    languages: int
    """Languages of its test set."""
    average: str
    """What stands for several languages: one score over all `examples`, or the mean over `languages`."""
    examples: dict[str, int]
    """Of each split."""
    in_train: dict[str, int]
    """Those of validation and of test that also stand in training, word for word."""
    in_validation: dict[str, int]
    """Those of test that also stand in validation; empty where the task was prepared before these were counted."""

    @property
    def share_in_train(self) -> float:
        """Share of the test set that also stands in training."""
        return self.in_train["test"] / self.examples["test"]


def read_tasks(paths: Sequence[Path]) -> list[TaskRecord]:
    """Return the records of task.json files, in the order given.

    Raises:
        SmeltError: a file is missing, or holds something else.
    """
    return [_record(path, read_json(path)) for path in paths]


def repeats_note(tasks: Sequence[TaskRecord]) -> list[str]:
    """Return the note of a table whose tasks test on what they train on; nothing where none does by LEAST_SHARE."""
    found = sorted(
        (task for task in tasks if task.share_in_train >= LEAST_SHARE), key=lambda task: -task.share_in_train
    )
    if not found:
        return []
    named = [f"{task.name} {task.share_in_train:.0%}" for task in found[:MOST_NAMED]]
    more = f" and {len(found) - MOST_NAMED} more tasks with smaller shares" if len(found) > MOST_NAMED else ""
    return [
        f"Share of the test examples that also stand in the training set, word for word: {', '.join(named)}{more}. "
        f"Scores on these tasks are likely higher than on new texts. Shares below {LEAST_SHARE:.0%} are not named."
    ]


def languages_note(tasks: Sequence[TaskRecord]) -> list[str]:
    """Return what the one score of a task in several languages is of; nothing where there is no such task."""
    found: dict[str, list[str]] = {}
    for task in tasks:
        if task.languages > 1:
            found.setdefault(task.average, []).append(f"{task.name} ({task.languages})")
    said = [f"{', '.join(names)}: {AVERAGES[average]}" for average, names in found.items()]
    return [f"Tasks with test sets in several languages: {'; '.join(said)}."] if said else []


def _record(path: Path, description: dict[str, Any]) -> TaskRecord:
    try:
        splits = description["splits"]
        return TaskRecord(
            name=description["name"],
            languages=len(splits["test"]["languages"]),
            average=description.get("average", "examples"),
            examples={split: splits[split]["examples"] for split in SPLITS},
            in_train=description["repeated_from_train"],
            in_validation=description.get("repeated_from_validation", {}),
        )
    except (KeyError, TypeError) as error:
        raise SmeltError(path, f"lacks {error}: expected what `python -m smelt task` writes") from None
