"""Scores as arrays: checked, summed up, and subtracted without the dust of floating point."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

# Differences below this share of the largest score are rounding, not measurement: 0.3 - 0.2 and 0.2 - 0.1 are a tie.
_DUST = 1e-12

# Scores lie on a grid of their test set, far coarser than this: what is closer to a bound stands at it.
_CLOSE = 1e-9


@dataclass(frozen=True)
class Summary:
    """Number, mean and sample standard deviation (n - 1 in the denominator; None for fewer than two) of some scores."""

    n: int
    mean: float
    standard_deviation: float | None


def as_scores(values: ArrayLike) -> Floats:
    """Return scores as a vector of floats.

    Raises:
        ValueError: not one-dimensional, or not finite throughout.
    """
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise ValueError(f"expected a vector of scores, found {scores.ndim} dimensions")
    if not np.isfinite(scores).all():
        raise ValueError("expected finite scores, found nan or inf")
    return scores


def summarise(values: ArrayLike) -> Summary:
    """Return number, mean and standard deviation of one score or more; equal scores deviate by exactly 0."""
    scores = as_scores(values)
    deviation = float(np.std(_round(scores - scores[0], scores), ddof=1)) if len(scores) > 1 else None
    return Summary(len(scores), float(np.mean(scores)), deviation)


def paired_differences(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return a - b for each pair; without rounding errors, which would make equal differences unequal.

    Raises:
        ValueError: vectors of unequal length.
    """
    first, second = as_scores(a), as_scores(b)
    if len(first) != len(second):
        raise ValueError(f"expected pairs, found {len(first)} and {len(second)} scores")
    return _round(first - second, np.concatenate([first, second]))


def snap(differences: Floats, to: float) -> Floats:
    """Return differences of scores, those that miss a value by rounding only set to it: 0.95 - 0.96 is -0.01."""
    snapped: Floats = np.where(np.abs(differences - to) < _CLOSE, to, differences)
    return snapped


def spread(values: Sequence[float] | Floats) -> float:
    """Return the sample standard deviation, exactly 0 where the values differ by rounding only; 0 for a single one."""
    return summarise(values).standard_deviation or 0.0


def _round(differences: Floats, scale_of: Floats) -> Floats:
    """Round to a grid much finer than the scores, so that ties and zeros are found."""
    largest = float(np.abs(scale_of).max(initial=0.0))
    if largest == 0.0:
        return differences
    grid = 10.0 ** math.floor(math.log10(largest * _DUST))
    rounded: Floats = np.round(differences / grid) * grid
    return rounded
