"""Scores of predicted labels: entity-level F1 as seqeval has it, or accuracy (which is micro F1) and macro F1.

seqeval (Nakayama 2018) is used in its default mode, that of the conlleval script: a predicted I-type that continues
nothing counts as the beginning of a span, and a span counts where its borders and its type are right.
"""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from smelt.errors import SmeltError
from smelt.languages import ALL
from smelt.tasks.prepared import Examples, Task
from smelt.tasks.windows import Encoded

MEAN, DEVIATION = "mean", "deviation"  # what stands for several languages, like ALL, in place of one's code

OUTSIDE = "O"  # the label of words that are in no span

OWN = {"seqeval-f1": "f1", "accuracy": "accuracy", "macro-f1": "macro_f1"}
"""What a task's metric is called among its scores."""

Score = dict[str, float]
Labels = Sequence[Sequence[str]]


def score(gold: Labels, predicted: Labels, metric: str) -> Score:
    """Return the metrics of sentences' labels: f1, precision, recall and accuracy; accuracy and macro_f1; or, where
    macro F1 is the task's own, macro_f1 and micro_f1, as which accuracy is known beside it."""
    hits = sum(a == b for sentence in zip(gold, predicted, strict=True) for a, b in zip(*sentence, strict=True))
    accuracy = hits / sum(len(sentence) for sentence in gold)
    if metric != "seqeval-f1":
        whole = "micro_f1" if metric == "macro-f1" else "accuracy"
        return {whole: accuracy, "macro_f1": _macro_f1(gold, predicted)}
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

    precision, recall, f1, _ = precision_recall_fscore_support(gold, predicted, average="micro", zero_division=0)
    return {"f1": float(f1), "precision": float(precision), "recall": float(recall), "accuracy": accuracy}


def details(gold: Labels, predicted: Labels, metric: str) -> dict[str, dict[str, float]]:
    """Return precision, recall, F1 and support of each type of span (seqeval's report), or of each label.

    Nothing where no span is in either: seqeval's averages over no type are NaN.
    """
    if metric != "seqeval-f1":
        return _by_label(gold, predicted)
    from seqeval.metrics import classification_report

    if not any(has_span(sentence) for sentence in [*gold, *predicted]):
        return {}

    report: dict[str, dict[str, Any]] = classification_report(gold, predicted, output_dict=True, zero_division=0)
    return {kind: _plain(values) for kind, values in report.items()}


class Scorer:
    """Scores of one split: from label numbers of windows to metrics, per language and together."""

    def __init__(self, task: Task, examples: Examples, encoded: Encoded) -> None:
        """Take the split, and the windows it was cut into."""
        self.task, self.examples, self.encoded = task, examples, encoded

    def __call__(self, found: list[list[int]]) -> Score:
        """Return the metrics of the whole split: over all its examples, or their mean over languages."""
        if self.task.average == "languages" and len(set(self.examples.languages)) > 1:
            return dict(self.by_language(found))[MEAN]
        return score(self.examples.gold, self.labels(found), self.task.metric)

    def better(self, one: Score, other: Score) -> bool:
        """Whether one score is strictly higher than another, in the task's own metric."""
        key = OWN[self.task.metric]
        return one[key] > other[key]

    def labels(self, found: list[list[int]]) -> list[list[str]]:
        """Return the predicted labels of each example, one a word.

        Raises:
            SmeltError: a word was predicted twice or not at all, which windows never do.
        """
        predicted: list[list[str | None]] = [[None] * len(labels) for labels in self.examples.gold]
        for window, numbers in zip(self.encoded.windows, found, strict=True):
            for word, number in zip(window.words, numbers, strict=True):
                predicted[window.example][word] = self.task.labels[number]
        return [[_present(label) for label in labels] for labels in predicted]

    def by_language(self, found: list[list[int]]) -> list[tuple[str, Score]]:
        """Return the metrics of each language and, where they are several, of all together.

        These are `all`, the score over the examples of all languages at once (unless the task averages over languages,
        for which it would be a second opinion), `mean`, the mean of the languages' scores, and `deviation`, their
        standard deviation (n - 1 in the denominator).
        """
        predicted = self.labels(found)
        languages = sorted(set(self.examples.languages))
        scores = []
        for language in languages:
            rows = [row for row, other in enumerate(self.examples.languages) if other == language]
            gold = [self.examples.gold[row] for row in rows]
            scores.append((language, score(gold, [predicted[row] for row in rows], self.task.metric)))
        if len(languages) < 2:
            return scores
        whole = (
            [] if self.task.average == "languages" else [(ALL, score(self.examples.gold, predicted, self.task.metric))]
        )
        return [*scores, *whole, *over_languages([each for _, each in scores])]


def has_span(labels: Sequence[str]) -> bool:
    """Whether any label of a sentence is of a span."""
    return any(label != OUTSIDE for label in labels)


def over_languages(scores: Sequence[Score]) -> list[tuple[str, Score]]:
    """Return mean and standard deviation over the scores of two languages or more, metric by metric."""
    values = {metric: [each[metric] for each in scores] for metric in scores[0]}
    return [
        (MEAN, {metric: fmean(each) for metric, each in values.items()}),
        (DEVIATION, {metric: stdev(each) for metric, each in values.items()}),
    ]


def _present(label: str | None) -> str:
    if label is None:
        raise SmeltError("predictions", "a word has no prediction: its window went missing")
    return label


def _macro_f1(gold: Labels, predicted: Labels) -> float:
    """Return the mean F1 of the labels that stand in the gold or the predicted ones."""
    values = [entry["f1-score"] for entry in _by_label(gold, predicted).values()]
    return sum(values) / len(values)


def _by_label(gold: Labels, predicted: Labels) -> dict[str, dict[str, float]]:
    wanted = Counter(label for sentence in gold for label in sentence)
    given = Counter(label for sentence in predicted for label in sentence)
    right = Counter(
        a for sentence in zip(gold, predicted, strict=True) for a, b in zip(*sentence, strict=True) if a == b
    )
    report = {}
    for label in sorted(wanted | given):
        hits, support, found = right[label], wanted[label], given[label]
        report[label] = {
            "precision": hits / found if found else 0.0,
            "recall": hits / support if support else 0.0,
            "f1-score": 2 * hits / (found + support),
            "support": support,
        }
    return report


def _plain(values: dict[str, Any]) -> dict[str, float]:
    return {name: int(value) if name == "support" else float(value) for name, value in values.items()}
