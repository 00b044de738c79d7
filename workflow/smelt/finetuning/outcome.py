"""The scores of a fine-tuned model on validation and test, and its predictions for the examples of test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pyarrow.parquet as parquet

from smelt.files import whole_file
from smelt.languages import ALL
from smelt.parquet import predictions_file
from smelt.tasks.kinds import kind_of, metric_of
from smelt.tasks.kinds.base import Examples, Task, WindowPredictions
from smelt.tasks.metrics import Labels, MetricValues
from smelt.tasks.windows import Encoded

SCORED = ("validation", "test")
MEAN, DEVIATION = "mean", "deviation"  # stand for several languages, like ALL, in place of a language's code
Predict = Callable[[Encoded], WindowPredictions]
"""Returns the predictions for the windows of a split."""


class Scorer:
    """Scores of one split: from predictions for windows to metrics, per language and together."""

    def __init__(self, task: Task, examples: Examples, encoded: Encoded) -> None:
        """Take the split, and the windows it was cut into."""
        self.task, self.examples, self.encoded = task, examples, encoded
        self.kind, self.metric = kind_of(task), metric_of(task)
        self._answered: tuple[WindowPredictions, list[list[Any]]] | None = None

    def __call__(self, found: WindowPredictions) -> MetricValues:
        """Return the metrics of the whole split: over all its examples, or their mean over languages."""
        if self.task.average == "languages" and len(set(self.examples.languages)) > 1:
            return dict(self.by_language(found))[MEAN]
        return self.metric.score(*self.compared(found), self.examples.languages)

    def better(self, one: MetricValues, other: MetricValues, by: str = "metric") -> bool:
        """Return whether one validation is strictly better: its score in the task's own metric, or its loss."""
        return one["loss"] < other["loss"] if by == "loss" else one[self.metric.key] > other[self.metric.key]

    def answers(self, found: WindowPredictions) -> list[list[Any]]:
        """Return the predicted labels of each example; they are asked for several times, and a ranking takes long."""
        if self._answered is None or self._answered[0] is not found:
            self._answered = found, self.kind.answers(found, self.examples, self.encoded, self.task)
        return self._answered[1]

    def compared(self, found: WindowPredictions) -> tuple[Labels, Labels]:
        """Return what the metric compares: right and predicted labels of words, of all their pieces, or answers."""
        if self.metric.of_pieces:
            return self.kind.labels_of_pieces(found, self.examples, self.encoded, self.task)
        return self.examples.gold, self.answers(found)

    def by_language(self, found: WindowPredictions) -> list[tuple[str, MetricValues]]:
        """Return the metrics of each language and, where they are several, of all together.

        These are `all`, the score over the examples of all languages at once (unless the task averages over languages,
        for which it would be a second opinion), `mean`, the mean of the languages' scores, and `deviation`, their
        standard deviation (n - 1 in the denominator).
        """
        gold, predicted = self.compared(found)
        languages = sorted(set(self.examples.languages))
        scores = []
        for language in languages:
            rows = [row for row, other in enumerate(self.examples.languages) if other == language]
            right, given = ([labels[row] for row in rows] for labels in (gold, predicted))
            scores.append((language, self.metric.score(right, given, [language] * len(rows))))
        if len(languages) < 2:
            return scores
        whole = (
            []
            if self.task.average == "languages"
            else [(ALL, self.metric.score(gold, predicted, self.examples.languages))]
        )
        return [*scores, *whole, *over_languages([each for _, each in scores])]


def over_languages(scores: Sequence[MetricValues]) -> list[tuple[str, MetricValues]]:
    """Return mean and standard deviation over the scores of two languages or more, metric by metric."""
    values = {metric: [each[metric] for each in scores] for metric in scores[0]}
    return [
        (MEAN, {metric: fmean(each) for metric, each in values.items()}),
        (DEVIATION, {metric: stdev(each) for metric, each in values.items()}),
    ]


@dataclass(frozen=True)
class Scored:
    """The splits that are scored, and how."""

    task: Task
    splits: dict[str, Examples]
    encoded: dict[str, Encoded]

    def scores(self, predict: Predict) -> list[dict[str, Any]]:
        """Return a row for each split, language and metric."""
        return [
            row
            for split in SCORED
            for row in _rows(split, self.scorer(split).by_language(predict(self.encoded[split])))
        ]

    def scorer(self, split: str) -> Scorer:
        """Return what scores a split."""
        return Scorer(self.task, self.splits[split], self.encoded[split])


@dataclass(frozen=True)
class FinetuningOutcome:
    """The metrics of a fine-tuning, and the tables of its predictions, where it is tested."""

    metrics: dict[str, Any]
    predictions: Mapping[str, Any] = field(default_factory=dict)
    """By split."""

    def write_predictions(self, path: Path) -> None:
        """Write the predictions of the test split, and beside them those of validation, if there are any."""
        for split, table in self.predictions.items():
            with whole_file(predictions_file(path, split)) as draft:
                parquet.write_table(table, draft, compression="zstd")


def outcome_of(scored: Scored, predict: Predict, measured: dict[str, Any], counts: dict[str, Any]) -> FinetuningOutcome:
    """Return a model's scores and predictions, with what else was measured of it and the counts of its splits."""
    rows, tables, details = list[dict[str, Any]](), dict[str, Any](), dict[str, Any]()
    for split in (split for split in SCORED if split in scored.splits):
        found, scorer, examples = predict(scored.encoded[split]), scored.scorer(split), scored.splits[split]
        rows += _rows(split, scorer.by_language(found))
        tables[split] = scorer.kind.predictions(examples, scorer.answers(found), found, scorer.encoded)
        details = scorer.metric.details(*scorer.compared(found))  # kept of the last one, which is test
    metrics = measured | {"scores": rows, "details": details, "counts": counts}
    return FinetuningOutcome(metrics, tables)


def untested_outcome(
    scored: Scored, predict: Predict, measured: dict[str, Any], counts: dict[str, Any]
) -> FinetuningOutcome:
    """Return a model's scores on validation alone: the test set is for the chosen run of a grid."""
    rows = _rows("validation", scored.scorer("validation").by_language(predict(scored.encoded["validation"])))
    return FinetuningOutcome(measured | {"scores": rows, "counts": counts})


def describe_outcome(
    task: Task, model: str, seed: int, measured: dict[str, Any], settings: dict[str, Any]
) -> dict[str, Any]:
    """Return the content of metrics.json: the measurements, and their model, task and settings."""
    names = {"model": model, "task": task.name, "seed": seed}
    what = {"kind": task.kind, "metric": task.metric, "setting": task.setting, "average": task.average}
    return names | what | measured | {"settings": settings}


def print_scores(scores: list[dict[str, Any]], task: Task, splits: dict[str, Examples]) -> None:
    """Print the scores in the task's own metric."""
    metric = metric_of(task)
    for entry in scores:
        if entry["metric"] == metric.key:
            examples = splits[entry["split"]]
            if entry["language"] in examples.languages:
                examples = examples.among([entry["language"]])
            caveat = f"; {why}" if (why := metric.caveat(examples.gold)) else ""
            value = f"{metric.key} {entry['value']:.4f}"
            print(f"{entry['split']}: {entry['language']}: {value} ({len(examples)}{caveat})")


def _rows(split: str, scores: list[tuple[str, MetricValues]]) -> list[dict[str, Any]]:
    return [
        {"split": split, "language": language, "metric": metric, "value": value}
        for language, values in scores
        for metric, value in values.items()
    ]
