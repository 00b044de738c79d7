"""Intervals: bootstrap for differences of means, Student's t for means, Wilson for shares."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from smelt.statistics.scores import Floats, as_scores, paired_differences, spread

# With fewer values, resampling underestimates the spread.
_FEW = 10


@dataclass(frozen=True)
class Interval:
    """The ends of an interval, the confidence it was made for, how it was made, and what to beware of."""

    low: float | None
    high: float | None
    confidence: float
    method: str
    note: str = ""


def paired_difference_interval(
    a: ArrayLike, b: ArrayLike, confidence: float, resamples: int, seed: int, what: str = "pairs"
) -> Interval:
    """Return the percentile bootstrap interval of the mean of a - b, resampling pairs."""
    differences = paired_differences(a, b)
    method = f"percentile bootstrap of {what}"
    if len(differences) < 2:
        return Interval(None, None, confidence, method, f"no interval: fewer than two {what}")
    (chosen,) = _draw((len(differences),), resamples, seed)
    means: Floats = differences[chosen].mean(axis=1)
    return _percentiles(means, confidence, method, len(differences), what)


def independent_difference_interval(
    a: ArrayLike, b: ArrayLike, confidence: float, resamples: int, seed: int, what: str = "seeds"
) -> Interval:
    """Return the percentile bootstrap interval of mean a - mean b, resampling each set by itself."""
    first, second = as_scores(a), as_scores(b)
    method = f"percentile bootstrap of {what}, each model by itself"
    if min(len(first), len(second)) < 2:
        return Interval(None, None, confidence, method, f"no interval: fewer than two {what}")
    of_first, of_second = _draw((len(first), len(second)), resamples, seed)
    means: Floats = first[of_first].mean(axis=1) - second[of_second].mean(axis=1)
    return _percentiles(means, confidence, method, min(len(first), len(second)), what)


def mean_interval(values: ArrayLike, confidence: float) -> Interval:
    """Return Student's t interval of the mean of scores that are about normal."""
    scores, method = as_scores(values), "Student's t"
    if len(scores) < 2:
        return Interval(None, None, confidence, method, "no interval: fewer than two values")
    margin = float(stats.t.ppf((1 + confidence) / 2, len(scores) - 1)) * spread(scores) / math.sqrt(len(scores))
    mean = float(scores.mean())
    return Interval(mean - margin, mean + margin, confidence, method)


def difference_interval(estimate: float, standard_error: float, freedom: float, confidence: float) -> Interval:
    """Return the interval of the differences that a t-test at level 1 - confidence does not reject."""
    margin = -float(special.stdtrit(freedom, (1 - confidence) / 2)) * standard_error
    return Interval(estimate - margin, estimate + margin, confidence, "Student's t")


def wilson_interval(share: float, n: int, confidence: float) -> Interval:
    """Return Wilson's (1927) score interval of a share over n trials.

    Raises:
        ValueError: a share outside 0 to 1, or no trial.
    """
    if n < 1 or not 0.0 <= share <= 1.0:
        raise ValueError(f"expected a share between 0 and 1 of at least one trial, found {share} of {n}")
    z = float(stats.norm.ppf((1 + confidence) / 2))
    centre = share + z**2 / (2 * n)
    margin = z * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    scale = 1 + z**2 / n
    # Rounding must not put the end of an interval on the wrong side of a share of 0 or 1.
    low, high = min(share, (centre - margin) / scale), max(share, (centre + margin) / scale)
    return Interval(max(0.0, low), min(1.0, high), confidence, "Wilson")


@lru_cache(maxsize=4)
def _draw(sizes: tuple[int, ...], resamples: int, seed: int) -> list[NDArray[np.unsignedinteger[Any]]]:
    """Return which values each resample draws of sets of some sizes, shape (resamples, size) each.

    All pairs of models with as many seeds draw the same. What is kept is the smallest integers that hold it, a byte
    each up to 256 values: all that is kept takes no more than one array as it is drawn.
    """
    generator = np.random.default_rng(seed)
    # Made smaller after they are drawn: from the same seed, small integers would be other draws.
    return [generator.integers(size, size=(resamples, size)).astype(np.min_scalar_type(size - 1)) for size in sizes]


def _percentiles(means: Floats, confidence: float, method: str, n: int, what: str) -> Interval:
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high), confidence, method, few_values_note(n, what))


def few_values_note(n: int, what: str) -> str:
    """Return what to beware of where a bootstrap draws few values; nothing where they are enough."""
    return f"a bootstrap of {n} {what} gives too narrow an interval" if n < _FEW else ""
