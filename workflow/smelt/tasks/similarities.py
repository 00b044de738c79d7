"""Metrics of similarity: cosines of pairs of texts, compared with scores or with labels.

The functions are those that sentence-transformers' evaluators call: scipy's correlations, and scikit-learn's average
precision.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from smelt.tasks.metrics import Labels, Metric, MetricValues

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class SimilarityMetric(Metric):
    """A metric of one number for each pair."""

    def details(self, gold: Labels, predicted: Labels) -> dict[str, MetricValues]:  # noqa: ARG002 - pairs have no classes
        """Return nothing: pairs have no classes."""
        return {}


class CorrelationMetric(SimilarityMetric):
    """A correlation, which sums of products give."""

    def terms(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> list[list[float]]:  # noqa: ARG002
        """Return 1, both values, their squares and their product, of each pair; values of mean 0 and variance 1."""
        import numpy as np

        columns = [np.asarray(_column(values)) for values in (gold, predicted)]
        x, y = ((values - values.mean()) / (values.std() or 1.0) for values in columns)
        rows: list[list[float]] = np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y]).tolist()
        return rows

    def of_sums(self, sums: "Floats") -> "Floats":
        """Return the correlations; 0 where a side does not vary."""
        import numpy as np

        n, x, y, xx, yy, xy = np.moveaxis(sums, -1, 0)
        spread = (n * xx - x**2) * (n * yy - y**2)
        varies = spread > 1e-12 * n**4
        found: Floats = np.where(varies, (n * xy - x * y) / np.sqrt(np.where(varies, spread, 1.0)), 0.0)
        return found


class Spearman(CorrelationMetric):
    """Spearman's correlation of cosines and scores."""

    name = "spearman"
    key = "spearman"
    label = "Spearman"
    title = "Spearman's correlation of cosine and score, times 100"
    note = (
        "Spearman's correlation of the cosine of two embeddings and the score of their texts; equal values share the "
        "mean of their ranks. A model that gives all pairs one cosine has 0."
    )

    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:
        """Return spearman and pearson."""
        from scipy.stats import spearmanr

        found = {"spearman": _defined(spearmanr, gold, predicted)}
        return found | Pearson().score(gold, predicted, languages)

    def terms(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> list[list[float]]:
        """Return the terms of Pearson's correlation of ranks, which are those among all pairs in every resample."""
        from scipy.stats import rankdata

        right, found = ([[rank] for rank in rankdata(_column(values)).tolist()] for values in (gold, predicted))
        return super().terms(right, found, languages)


class Pearson(CorrelationMetric):
    """Pearson's correlation of cosines and scores."""

    name = "pearson"
    key = "pearson"
    label = "Pearson"
    title = "Pearson's correlation of cosine and score, times 100"
    note = "Pearson's correlation of the cosine of two embeddings and the score of their texts."

    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:  # noqa: ARG002 - languages are alike
        """Return pearson."""
        from scipy.stats import pearsonr

        return {"pearson": _defined(pearsonr, gold, predicted)}


class AveragePrecision(SimilarityMetric):
    """Average precision of pairs that are alike, ranked by their cosine."""

    name = "average-precision"
    key = "average_precision"
    label = "average precision"
    title = "average precision of pairs by their cosine"
    note = (
        "Average precision: pairs are ranked by the cosine of their embeddings, and the precision at each pair that is "
        "alike is averaged (scikit-learn; pairs with one cosine share a rank). A random order has the share of such "
        "pairs."
    )

    def score(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> MetricValues:  # noqa: ARG002 - languages are alike
        """Return average_precision."""
        from sklearn.metrics import average_precision_score

        return {"average_precision": float(average_precision_score(_column(gold), _column(predicted)))}

    def weighted(self, gold: Labels, predicted: Labels, languages: Sequence[str]) -> "Callable[[Floats], Floats]":  # noqa: ARG002
        """Return the function from weights of pairs to average precision; 0 where no pair that is alike has any."""
        import numpy as np

        alike, scores = np.asarray(_column(gold)), np.asarray(_column(predicted))
        order = np.argsort(-scores, kind="stable")
        ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # pairs with one cosine share a rank

        def of_weights(weights: "Floats") -> "Floats":
            counted = weights[:, order]
            all_pairs = counted.cumsum(1)[:, ends]
            right = (counted * alike[order]).cumsum(1)[:, ends]
            gained = np.diff(right, axis=1, prepend=0.0)
            found: Floats = (gained * right / np.maximum(all_pairs, 1.0)).sum(1) / np.maximum(right[:, -1], 1.0)
            return found

        return of_weights


def _column(values: Labels) -> list[float]:
    return [float(value) for (value,) in values]


def _defined(correlation: Any, gold: Labels, predicted: Labels) -> float:
    """Return a correlation; 0 where all values of a side are one, so that they have no order."""
    right, found = _column(gold), _column(predicted)
    if len(set(right)) < 2 or len(set(found)) < 2:
        return 0.0
    value = float(correlation(right, found).statistic)
    return 0.0 if math.isnan(value) else value
