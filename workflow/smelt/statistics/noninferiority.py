"""Non-inferiority: a model is shown to be no worse than another by more than a margin (Walker and Nowacki 2011).

A test that finds no difference does not show that there is none. Here the hypothesis to reject is that the first
model's score lies below the second's by the margin or more; all tests are one-sided. The margin is stated before the
scores are seen.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from smelt.statistics.scores import Floats, as_scores, snap
from smelt.statistics.tests import TestResult, wilcoxon


@dataclass(frozen=True)
class NoWorse:
    """The outcome of one test of a minus b against a margin."""

    p: float
    """One-sided, for a difference of minus the margin or less."""
    bound: Callable[[float], float | None]
    """The lower confidence bound of the difference at a level: above minus the margin exactly where p < level. None
    where it does not exist."""


def no_worse_by_t(tested: TestResult, margin: float) -> NoWorse | None:
    """Return the outcome of a t-test, Welch's or paired, of a minus b; None where nothing varies or one seed was run.

    Equal scores in all pairs are no exception. The t-test's limit there is a p of 0, which would pass any correction,
    but on a grid of scores two models that are the margin apart can tie as well: where the one alone is right on two
    examples and the other on one, they do so in both of two seeds in 4% of studies.

    Args:
        tested: the two-sided test of the same scores.
        margin: in the unit of the scores, above 0.
    """
    estimate, error, freedom = tested.estimate, tested.standard_error, tested.degrees_of_freedom
    if estimate is None or error is None or freedom is None:
        return None
    p = float(stats.t.sf((estimate + margin) / error, freedom))
    return NoWorse(p, lambda level: estimate - float(stats.t.isf(level, freedom)) * error)


def no_worse_by_ranks(a: ArrayLike, b: ArrayLike, margin: float) -> NoWorse | None:
    """Return the outcome of Wilcoxon's signed-rank test of paired scores, which gives no bound; None without pairs."""
    p = wilcoxon(as_scores(a) + margin, b, "greater").p
    return None if p is None else NoWorse(p, lambda _level: None)


def no_worse_by_bootstrap(differences: Floats, margin: float) -> NoWorse:
    """Return the outcome from resampled differences a minus b; p is 1 / (R + 1) at least."""
    resampled = snap(differences, -margin)
    p = (1 + int((resampled <= -margin).sum())) / (len(resampled) + 1)

    def bound(level: float) -> float | None:
        below = math.ceil(round(level * (len(resampled) + 1), 6)) - 2  # differences that may lie below it
        return float(np.partition(resampled, below)[below]) if below >= 0 else None

    return NoWorse(p, bound)
