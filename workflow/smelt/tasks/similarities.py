"""Metrics of similarity: cosines of pairs of texts, compared with scores or with labels.

The functions are those that sentence-transformers' evaluators call: scipy's correlations, and scikit-learn's average
precision.
"""

import math
from collections.abc import Sequence
from typing import Any

from smelt.tasks.metrics import Labels, Metric, MetricValues


class SimilarityMetric(Metric):
    """A metric of one number for each pair."""

    def details(self, gold: Labels, predicted: Labels) -> dict[str, MetricValues]:  # noqa: ARG002 - pairs have no classes
        """Return nothing: pairs have no classes."""
        return {}


class Spearman(SimilarityMetric):
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


class Pearson(SimilarityMetric):
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


def _column(values: Labels) -> list[float]:
    return [float(value) for (value,) in values]


def _defined(correlation: Any, gold: Labels, predicted: Labels) -> float:
    """Return a correlation; 0 where all values of a side are one, so that they have no order."""
    right, found = _column(gold), _column(predicted)
    if len(set(right)) < 2 or len(set(found)) < 2:
        return 0.0
    value = float(correlation(right, found).statistic)
    return 0.0 if math.isnan(value) else value
