"""Metrics of predicted labels: entity-level F1 as seqeval computes it, accuracy (which is micro F1), and macro F1.

Those of answers, by SQuAD's rules and by MLQA's, stand in smelt.tasks.answers.

seqeval (Nakayama 2018) is used in its default mode, that of the conlleval script: a predicted I-type that continues
nothing counts as the beginning of a span, and a span counts where its borders and its type are right.
"""

import warnings
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MetricValues = dict[str, float]
Labels = Sequence[Sequence[Any]]
"""Labels of each example: one a word, or a list of one for a text; of embeddings scores, or ids of passages."""

OUTSIDE = "O"  # the label of words that are in no span


class Metric(ABC):
    """How the predictions of a task are scored."""

    name: ClassVar[str]
    """Its name in task files."""
    key: ClassVar[str]
    """Its key among the scores: this score chooses the best epoch, and stands in tables."""
    label: ClassVar[str]
    """Its name in figures."""
    title: ClassVar[str]
    """Its name in captions and notes."""
    note: ClassVar[str] = ""
    """How it is computed, where a reader of a table has to know."""
    beside: ClassVar[str] = ""
    """Another of its scores, which stands behind it in cells of tables: F1 / exact match."""
    spans: ClassVar[bool] = False
    """Whether it is for labels that mark spans."""
    of_pieces: ClassVar[bool] = False
    """Whether every piece of a word is scored, instead of the word."""

    @abstractmethod
    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:
        """Return the scores of a split's predictions.

        Args:
            gold: labels of each example, or the answers that are right.
            predicted: those that a model gave.
            languages: the language of each example.
        """

    @abstractmethod
    def details(self, gold: Labels, predicted: Labels) -> dict[str, MetricValues]:
        """Return precision, recall, F1 and support of each label, or of what else is counted apart."""

    def caveat(self, gold: Labels) -> str:  # noqa: ARG002 - for metrics that have one
        """Return why scores on these examples say nothing, where they do."""
        return ""

    # Over resampled examples

    def weighted(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> "Callable[[Floats], Floats]":
        """Return the function from weights of the examples, shape (resamples, examples), to the scores, (resamples,).

        A weight says how often an example counts; with all weights 1 it is the score of the key.
        """
        import numpy as np
        from scipy.sparse import csr_array

        terms = csr_array(self.terms(gold, predicted, languages))  # of many labels, an example has few
        return lambda weights: self.of_sums(np.asarray(weights @ terms))

    def terms(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> "list[list[float]]":
        """Return the numbers of each example whose sums over examples give the score, shape (examples, terms).

        Raises:
            NotImplementedError: the metric has none; then it has its own `weighted`, or is `of_pieces`.
        """
        raise NotImplementedError

    def of_sums(self, sums: "Floats") -> "Floats":
        """Return the scores of sums of terms, shape (..., terms): by default the first divided by the second."""
        return sums[..., 0] / sums[..., 1]


class SeqevalF1(Metric):
    """F1 of whole spans, for labels in IOB2."""

    name = "seqeval-f1"
    key = "f1"
    label = "F1"
    title = "F1 of whole spans (seqeval, default mode)"
    note = (
        "F1 of whole spans: seqeval 1.2.2 in its default mode, over all types of spans together. It counts as the "
        "conlleval script does: labels are IOB2, and an I label that continues no span begins one. seqeval's strict "
        "mode ignores such spans and gives other scores."
    )
    spans = True

    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:  # noqa: ARG002 - languages are alike
        """Return f1, precision, recall and accuracy."""
        from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

        precision, recall, f1, _ = precision_recall_fscore_support(gold, predicted, average="micro", zero_division=0)
        whole = {"f1": float(f1), "precision": float(precision), "recall": float(recall)}
        return whole | {"accuracy": _accuracy(gold, predicted)}

    def details(self, gold: Labels, predicted: Labels) -> dict[str, MetricValues]:
        """Return seqeval's report on each type of span.

        Nothing where no span is in either: seqeval's averages over no type are NaN.
        """
        from seqeval.metrics import classification_report

        if not any(has_span(sentence) for sentence in [*gold, *predicted]):
            return {}
        report: dict[str, dict[str, Any]] = classification_report(gold, predicted, output_dict=True, zero_division=0)
        return {kind: _plain(values) for kind, values in report.items()}

    def caveat(self, gold: Labels) -> str:
        """Return that there is no span, where there is none."""
        return "" if any(map(has_span, gold)) else "no span in them, so F1 is 0 whatever the model"

    def terms(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> list[list[float]]:  # noqa: ARG002
        """Return twice the spans that are right, and the spans of both, of each sentence."""
        from seqeval.metrics.sequence_labeling import get_entities

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of tags, that they seem to mark no span
            spans = [
                (set(get_entities(list(a))), set(get_entities(list(b)))) for a, b in zip(gold, predicted, strict=True)
            ]
        return [[2 * len(right & found), len(right) + len(found)] for right, found in spans]

    def of_sums(self, sums: "Floats") -> "Floats":
        """Return F1; 0 where there is no span."""
        import numpy as np

        return sums[..., 0] / np.maximum(sums[..., 1], 1.0)


class SeqevalPieceF1(SeqevalF1):
    """F1 of whole spans of pieces: each piece has the label of its word, and counts as a word would."""

    name = "seqeval-f1-of-pieces"
    key = "piece_f1"
    label = "F1 of pieces"
    title = "F1 of spans of pieces (seqeval, default mode)"
    note = (
        "F1 over pieces: every piece of a word has the word's label, and seqeval 1.2.2 in its default mode scores the "
        "pieces, as ALBETO's public scripts do. A word of several pieces counts several times, so scores of models "
        "with different tokenizers do not compare with each other, nor with scores of words."
    )
    of_pieces = True

    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:
        """Return piece_f1, and precision, recall and accuracy of pieces."""
        found = super().score(gold, predicted, languages)
        return {"piece_f1" if key == "f1" else f"piece_{key}": value for key, value in found.items()}


class SeqevalTagF1(SeqevalF1):
    """seqeval's F1 of labels that mark no spans, such as parts of speech: it takes their first letters for marks."""

    name = "seqeval-f1-of-tags"
    key = "tag_f1"
    label = "F1 of tags"
    title = "F1 of bare tags (seqeval, default mode)"
    note = (
        "F1 of tags that mark no spans: seqeval 1.2.2 in its default mode takes a tag's first letter for its mark (the "
        "I of INTJ for the inside of a span), and neighbours with one tag may count as one span. It is no accuracy."
    )
    spans = False

    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:
        """Return tag_f1, precision and recall of tags, and accuracy, which is called micro_f1 beside them."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # one for each tag: that it seems to mark no span
            found = super().score(gold, predicted, languages)
        return {"micro_f1" if key == "accuracy" else f"tag_{key}": value for key, value in found.items()}

    def details(self, gold: Labels, predicted: Labels) -> dict[str, MetricValues]:
        """Return precision, recall, F1 and support of each tag."""
        return _by_label(gold, predicted)

    def caveat(self, gold: Labels) -> str:  # noqa: ARG002 - every tag counts
        """Return nothing: every tag counts."""
        return ""


class SeqevalTagPieceF1(SeqevalTagF1):
    """The same over pieces, as ALBETO's public script for parts of speech scores them."""

    name = "seqeval-f1-of-tag-pieces"
    key = "tag_piece_f1"
    label = "F1 of tags of pieces"
    title = "F1 of bare tags of pieces (seqeval, default mode)"
    note = (
        "F1 of the tags of pieces: every piece of a word has the word's tag, and seqeval 1.2.2 in its default mode "
        "takes a tag's first letter for its mark, as ALBETO's public script does. Scores of models with different "
        "tokenizers do not compare with each other."
    )
    of_pieces = True

    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:
        """Return tag_piece_f1, and precision, recall and accuracy of pieces."""
        found = super().score(gold, predicted, languages)
        names = {"tag_f1": "tag_piece_f1", "micro_f1": "piece_accuracy"}
        return {names.get(key, key.replace("tag_", "tag_piece_")): value for key, value in found.items()}


class Accuracy(Metric):
    """The share of right labels, which is their micro F1."""

    name = "accuracy"
    key = "accuracy"
    label = "accuracy"
    title = "accuracy"

    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:  # noqa: ARG002 - languages are alike
        """Return accuracy and macro_f1."""
        return {"accuracy": _accuracy(gold, predicted), "macro_f1": _macro_f1(gold, predicted)}

    def details(self, gold: Labels, predicted: Labels) -> dict[str, MetricValues]:
        """Return precision, recall, F1 and support of each label."""
        return _by_label(gold, predicted)

    def terms(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> list[list[float]]:  # noqa: ARG002
        """Return right labels, and labels, of each example."""
        pairs = zip(gold, predicted, strict=True)
        return [[sum(a == b for a, b in zip(*pair, strict=True)), len(pair[0])] for pair in pairs]


class MacroF1(Metric):
    """The mean F1 of the labels, which counts rare ones as much as frequent ones."""

    name = "macro-f1"
    key = "macro_f1"
    label = "macro F1"
    title = "macro F1 (mean of the F1 of each label)"

    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:  # noqa: ARG002 - languages are alike
        """Return macro_f1 and accuracy, which is called micro_f1 beside it."""
        return {"micro_f1": _accuracy(gold, predicted), "macro_f1": _macro_f1(gold, predicted)}

    def details(self, gold: Labels, predicted: Labels) -> dict[str, MetricValues]:
        """Return precision, recall, F1 and support of each label."""
        return _by_label(gold, predicted)

    def terms(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> list[list[float]]:  # noqa: ARG002
        """Return for each label twice the right ones, then for each label those of both, of each example."""
        labels = sorted({label for example in [*gold, *predicted] for label in example})
        rows = []
        for pair in zip(gold, predicted, strict=True):
            right = Counter(a for a, b in zip(*pair, strict=True) if a == b)
            both = Counter(pair[0]) + Counter(pair[1])
            rows.append([2.0 * right[label] for label in labels] + [float(both[label]) for label in labels])
        return rows

    def of_sums(self, sums: "Floats") -> "Floats":
        """Return the mean F1 of the labels that occur."""
        import numpy as np

        right, both = np.split(sums, 2, axis=-1)
        scores: Floats = (right / np.maximum(both, 1.0)).sum(-1) / np.maximum((both > 0).sum(-1), 1)
        return scores


def has_span(labels: Sequence[str]) -> bool:
    """Return whether any label of a sentence is of a span."""
    return any(label != OUTSIDE for label in labels)


def _accuracy(gold: Labels, predicted: Labels) -> float:
    hits: int = sum(a == b for sentence in zip(gold, predicted, strict=True) for a, b in zip(*sentence, strict=True))
    return hits / sum(len(sentence) for sentence in gold)


def _macro_f1(gold: Labels, predicted: Labels) -> float:
    """Return the mean F1 of the labels that stand in the gold or the predicted ones."""
    values = [entry["f1-score"] for entry in _by_label(gold, predicted).values()]
    return sum(values) / len(values)


def _by_label(gold: Labels, predicted: Labels) -> dict[str, MetricValues]:
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


def _plain(values: dict[str, Any]) -> MetricValues:
    return {name: int(value) if name == "support" else float(value) for name, value in values.items()}
