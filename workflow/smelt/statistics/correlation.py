"""Pearson and partial correlations, and their intervals: Fisher's for independent observations, or over clusters.

The words of one sentence are not independent. A resample draws whole clusters; sums of products are taken once per
cluster, so that a resample costs one small matrix product however many observations a cluster has.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from smelt.statistics.intervals import Interval
from smelt.statistics.scores import Floats

# Counts drawn at a time: 32 MB of numbers.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Correlation:
    """A correlation r over n observations, with its p and interval.

    r, p and interval are None where they do not exist, and `note` says why. p is two-sided, for no correlation, from
    t with n - 2 - (number of variables given) degrees of freedom; the interval is Fisher's. Both assume that
    observations are independent.
    """

    r: float | None
    p: float | None
    low: float | None
    high: float | None
    n: int
    degrees_of_freedom: int
    confidence: float
    note: str = ""


def pearson(x: Floats, y: Floats, confidence: float = 0.95) -> Correlation:
    """Return Pearson's correlation of two vectors of n observations."""
    return partial_correlation(np.column_stack([x, y]), confidence)


def partial_correlation(columns: Floats, confidence: float = 0.95) -> Correlation:
    """Return the correlation of the first two columns given the others, shape (n, 2 + given).

    That is the correlation of the residuals of both after a linear regression on the others; with none given it is
    Pearson's.
    """
    n, width = columns.shape
    freedom = n - width
    if freedom < 1:
        return _none(n, freedom, confidence, f"cannot be computed: {n} observations")
    if (np.ptp(columns[:, :2], axis=0) == 0).any():
        return _none(n, freedom, confidence, "cannot be computed: one of the two does not vary")
    r = float(correlations_of(np.cov(columns, rowvar=False)[None])[0])
    if math.isnan(r):
        return _none(n, freedom, confidence, "cannot be computed: the variables determine each other")
    low, high = fisher_interval(r, freedom - 1, confidence)
    note = "" if low is not None else "too few observations for an interval"
    return Correlation(r, p_of_correlation(r, freedom), low, high, n, freedom, confidence, note)


def correlations_of(covariances: Floats) -> Floats:
    """Return the correlation of the first two variables given the others for each covariance matrix.

    Args:
        covariances: shape (batch, k, k), k of 2 or more.

    Returns:
        Shape (batch,); nan where a variable does not vary or the variables determine each other. A variable among the
        given ones that does not vary is no condition, and is left out where that holds of the whole batch.
    """
    variances = np.diagonal(covariances, axis1=1, axis2=2)  # (batch, k)
    kept_variables = [place for place in range(variances.shape[1]) if place < 2 or (variances[:, place] > 0).any()]
    kept = covariances[:, kept_variables][:, :, kept_variables]
    left = _condition(kept)
    first, second = left[:, 0, 0], left[:, 1, 1]
    # A residual this small against the variable itself is rounding: the given variables determine it.
    exists = (first > 1e-10 * kept[:, 0, 0]) & (second > 1e-10 * kept[:, 1, 1])
    scale = np.sqrt(np.where(exists, first * second, 1.0))
    found: Floats = np.where(exists, np.clip(left[:, 0, 1] / scale, -1.0, 1.0), np.nan)
    return found


def _condition(covariances: Floats) -> Floats:
    """Return the 2 x 2 covariances of the first two variables' residuals on the others: a Schur complement."""
    ours, theirs, between = covariances[:, :2, :2], covariances[:, 2:, 2:], covariances[:, :2, 2:]
    if theirs.shape[1] == 0:
        return ours
    explained: Floats = between @ np.linalg.pinv(theirs, hermitian=True) @ np.swapaxes(between, 1, 2)
    return ours - explained


def p_of_correlation(r: float, degrees_of_freedom: int) -> float:
    """Return the two-sided p of a correlation under normality and independence."""
    if abs(r) >= 1:
        return 0.0
    t = r * math.sqrt(degrees_of_freedom / (1 - r**2))
    return float(2 * stats.t.sf(abs(t), degrees_of_freedom))


def fisher_interval(r: float, weight: int, confidence: float) -> tuple[float | None, float | None]:
    """Return the interval of a correlation by Fisher's z, whose variance is 1 / weight (n - 3 less those given)."""
    if weight < 1:
        return None, None
    if abs(r) >= 1:
        return r, r
    margin = float(stats.norm.ppf((1 + confidence) / 2)) / math.sqrt(weight)
    return math.tanh(math.atanh(r) - margin), math.tanh(math.atanh(r) + margin)


def _none(n: int, freedom: int, confidence: float, note: str) -> Correlation:
    return Correlation(None, None, None, None, n, freedom, confidence, note)


class ClusterBootstrap:
    """Resampled covariance matrices of some variables, from which any number of correlations are taken."""

    def __init__(self, columns: Floats, clusters: NDArray[np.int64], resamples: int, seed: int) -> None:
        """Draw the resamples.

        Args:
            columns: observations, shape (n, k).
            clusters: the cluster of each, numbered from 0 without gaps, shape (n,).
            resamples: how many to draw.
            seed: of the drawing.
        """
        self.clusters = int(clusters.max()) + 1 if len(clusters) else 0
        self._width = columns.shape[1]
        sums = _sums_by_cluster(_standardise(columns), clusters, self.clusters)
        generator = np.random.default_rng(seed)
        self._covariances = _covariances(_resample(sums, resamples, generator), self._width)

    def correlation_interval(self, variables: list[int], confidence: float) -> Interval:
        """Return the percentile interval of the correlation of the first two variables given the others.

        Args:
            variables: columns, two or more.
            confidence: of the interval.
        """
        method = f"percentile bootstrap of {self.clusters} sentences"
        if self.clusters < 2:
            return Interval(None, None, confidence, method, "no interval: fewer than two sentences")
        values = correlations_of(self._covariances[:, variables][:, :, variables])
        values, drawn = values[~np.isnan(values)], len(values)
        if len(values) == 0:
            return Interval(None, None, confidence, method, "no interval: no resample has a correlation")
        low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
        lost = drawn - len(values)
        note = f"{lost} of {drawn} resamples without variation left out" if lost else ""
        return Interval(float(low), float(high), confidence, method, note)


def number_clusters(*keys: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return a number from 0 for each distinct combination of keys, by first appearance in sorted order."""
    numbers = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        values, inverse = np.unique(key, return_inverse=True)
        numbers = np.unique(numbers * len(values) + inverse, return_inverse=True)[1].astype(np.int64)
    return numbers


def _standardise(columns: Floats) -> Floats:
    """Return columns of mean 0 and variance 1, whose sums lose few digits; correlations stay as they are."""
    if len(columns) == 0:
        return columns
    deviations = columns.std(axis=0)
    standardised: Floats = (columns - columns.mean(axis=0)) / np.where(deviations > 0, deviations, 1.0)
    return standardised


def _sums_by_cluster(columns: Floats, clusters: NDArray[np.int64], count: int) -> Floats:
    """Return number, sums and sums of products of each cluster, shape (clusters, 1 + k + k * k).

    One term at a time, because those of all observations would not fit where these are millions.
    """
    width = columns.shape[1]
    sums = np.zeros((count, 1 + width + width * width))
    sums[:, 0] = np.bincount(clusters, minlength=count)
    for place in range(width):
        sums[:, 1 + place] = np.bincount(clusters, weights=columns[:, place], minlength=count)
    for first in range(width):
        for second in range(width):
            products = columns[:, first] * columns[:, second]
            sums[:, 1 + width + first * width + second] = np.bincount(clusters, weights=products, minlength=count)
    return sums


def _resample(sums: Floats, resamples: int, generator: np.random.Generator) -> Floats:
    """Return the totals of each resample, shape (resamples, terms)."""
    count = len(sums)
    step = max(1, _CHUNK // max(1, count))
    totals = [np.zeros((0, sums.shape[1]))]
    for start in range(0, resamples if count else 0, step):
        rows = min(step, resamples - start)
        drawn = generator.integers(count, size=(rows, count)) + np.arange(rows)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)  # how often each cluster
        totals.append(times.astype(np.float64) @ sums)
    return np.concatenate(totals)


def _covariances(totals: Floats, width: int) -> Floats:
    """Return the covariance matrix of each resample, shape (resamples, k, k)."""
    n = totals[:, 0]
    means = totals[:, 1 : 1 + width] / n[:, None]
    products = totals[:, 1 + width :].reshape(-1, width, width) / n[:, None, None]
    covariances: Floats = products - means[:, :, None] * means[:, None, :]
    covariances[np.abs(covariances) < 1e-12] = 0.0  # against variances of 1, such differences are rounding
    return covariances
