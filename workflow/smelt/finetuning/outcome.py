"""What a fine-tuned model comes to: its scores on validation and test, and what it says of each example of test."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.finetuning.predictions import write_predictions
from smelt.tasks.metrics import OWN, Scorer, details, has_span
from smelt.tasks.prepared import Examples, Task
from smelt.tasks.windows import Encoded

SCORED = ("validation", "test")
Predict = Callable[[Encoded], tuple[list[list[int]], list[list[float]]]]
"""Returns the labels of the windows of a split, as numbers, and their probabilities."""


@dataclass(frozen=True)
class Scored:
    """The splits that are scored, and how."""

    task: Task
    splits: dict[str, Examples]
    encoded: dict[str, Encoded]

    def scores(self, predict: Predict) -> list[dict[str, Any]]:
        """Return a row for each split, language and metric."""
        return self.told(predict)[0]

    def told(self, predict: Predict) -> tuple[list[dict[str, Any]], list[list[str]], list[list[float]]]:
        """Return these rows, and the labels of each example of the test split with their probabilities."""
        rows = []
        for split in SCORED:
            found, probabilities = predict(self.encoded[split])
            scorer = Scorer(self.task, self.splits[split], self.encoded[split])
            rows += _rows(split, scorer.by_language(found))
        return rows, scorer.labels(found), probabilities


@dataclass(frozen=True)
class Outcome:
    """What a fine-tuning came to."""

    metrics: dict[str, Any]
    task: Task
    predicted: list[list[str]]
    pieces: list[list[list[str]]]
    probabilities: list[list[float]]

    def write_predictions(self, path: Path, examples: Examples) -> None:
        """Write the predictions of the test split."""
        write_predictions(path, self.task, examples, self.predicted, self.pieces, self.probabilities)


def outcome_of(scored: Scored, predict: Predict, measured: dict[str, Any], counts: dict[str, Any]) -> Outcome:
    """Return a model's scores and predictions, with what else was measured of it and the counts of its splits."""
    rows, predicted, probabilities = scored.told(predict)
    told = details(scored.splits["test"].gold, predicted, scored.task.metric)
    metrics = measured | {"scores": rows, "details": told, "counts": counts}
    return Outcome(metrics, scored.task, predicted, scored.encoded["test"].pieces, probabilities)


def described(task: Task, model: str, seed: int, measured: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Return what metrics.json holds: what was measured, and of what."""
    names = {"model": model, "task": task.name, "seed": seed}
    what = {"kind": task.kind, "metric": task.metric, "setting": task.setting, "average": task.average}
    return names | what | measured | {"settings": settings}


def tell(scores: list[dict[str, Any]], task: Task, splits: dict[str, Examples]) -> None:
    """Print the scores in the task's own metric."""
    name = OWN[task.metric]
    for entry in scores:
        if entry["metric"] == name:
            examples = splits[entry["split"]]
            if entry["language"] in examples.languages:
                examples = examples.among([entry["language"]])
            nothing = task.metric == "seqeval-f1" and not any(map(has_span, examples.gold))
            why = "; no span in them, so F1 is 0 whatever the model" if nothing else ""
            print(f"{entry['split']}: {entry['language']}: {name} {entry['value']:.4f} ({len(examples)}{why})")


def _rows(split: str, scores: list[tuple[str, dict[str, float]]]) -> list[dict[str, Any]]:
    return [
        {"split": split, "language": language, "metric": metric, "value": value}
        for language, values in scores
        for metric, value in values.items()
    ]
