"""Power of tests over seeds: the difference that would have been found, and the seeds that would have found it.

All take the spread that was seen for the true one; from few seeds it is known badly, so these are orders of magnitude.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from scipy import optimize, special

from smelt.statistics.p_values import smallest_p
from smelt.statistics.tests import welch_degrees_of_freedom

Tails = Literal[1, 2]
"""One: only a difference above 0 is found. Two: one below 0, too."""
POWER = 0.8
"""The usual one (Cohen 1988): four of five such studies would find the difference."""
MOST_SEEDS = 1000
SIGNED_RANK_EFFICIENCY = 3 / math.pi
"""Of Wilcoxon's signed-rank test relative to the paired t, for normal differences and many pairs (Pitman 1948)."""
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)


def t_power(noncentrality: float, freedom: float, level: float, tails: Tails = 2) -> float:
    """Return the power of a t-test.

    Args:
        noncentrality: the true difference in standard errors.
        freedom: degrees of freedom.
        level: of significance.
        tails: of the test.
    """
    return _power_curve(freedom, level, tails)(noncentrality)


def _power_curve(freedom: float, level: float, tails: Tails = 2) -> Callable[[float], float]:
    """Return the power of a t-test as a function of the true difference in standard errors."""
    # Mean over the distribution of the standard error, by its quantiles; scipy 1.17's nct returns NaN for some
    # arguments, and its distributions take ten times as long as the functions below them.
    errors = np.sqrt(2 * special.gammaincinv(freedom / 2, (_NODES + 1) / 2) / freedom)
    critical = _critical(freedom, level, tails) * errors

    def power(noncentrality: float) -> float:
        found = special.ndtr(noncentrality - critical)
        if tails == 2:
            found += special.ndtr(-critical - noncentrality)
        return float(found @ _WEIGHTS / 2)

    return power


def _critical(freedom: float, level: float, tails: Tails = 2) -> float:
    return -float(special.stdtrit(freedom, level / tails))


def detectable_difference(standard_error: float, freedom: float, level: float, power: float = POWER) -> float:
    """Return the smallest true difference that a two-sided t-test with this standard error finds with some power."""
    power_of = _power_curve(freedom, level)
    highest = 2 * _critical(freedom, level) + 10
    while power_of(highest) < power:
        highest *= 2
    return standard_error * float(optimize.brentq(lambda noncentrality: power_of(noncentrality) - power, 0.0, highest))


def seeds_needed(
    difference: float,
    deviations: Sequence[float],
    level: float,
    tails: Tails = 2,
    power: float = POWER,
    most: int = MOST_SEEDS,
) -> int | None:
    """Return the fewest seeds with which a t-test finds a difference; None where more than `most` are needed.

    Args:
        difference: the true one.
        deviations: of paired differences, one standard deviation; of two models for Welch's test, that of each.
        level: of significance.
        tails: of the test.
        power: share of studies that find it.
        most: where to give up.
    """

    def found(seeds: int) -> bool:
        error = math.sqrt(sum(deviation**2 for deviation in deviations) / seeds)
        if error == 0:
            return difference != 0
        freedom = float(seeds - 1)
        if len(deviations) == 2:
            freedom = welch_degrees_of_freedom(deviations[0], seeds, deviations[1], seeds)
        return t_power(abs(difference) / error, freedom, level, tails) >= power

    # Power grows with seeds: from an estimate, in steps that double, and then by halves. `low` are too few.
    low, high, step = 1, most + 1, 1
    seeds = _about_seeds(difference, deviations, level / tails, power, most)
    while high - low > 1:
        if found(seeds):
            high, seeds = seeds, seeds - step
        else:
            low, seeds = seeds, seeds + step
        step *= 2
        if not low < seeds < high:
            seeds = (low + high) // 2
    return None if high > most else high


def _about_seeds(difference: float, deviations: Sequence[float], tail: float, power: float, most: int) -> int:
    """Return about the seeds needed, from 2 to `most`: those of a test that knows the deviations, and a few more."""
    z = special.ndtri(1 - tail)
    scale = abs(difference) / math.sqrt(sum(deviation**2 for deviation in deviations) or 1)
    if scale == 0:
        return most
    seeds = ((z + special.ndtri(power)) / scale) ** 2 + z**2 / (2 * len(deviations))
    return max(2, math.ceil(min(seeds, most)))


def signed_rank_seeds(t_seeds: int | None, level: float, tails: Tails = 2) -> int | None:
    """Return the seeds that the signed-rank test needs where the paired t needs `t_seeds`, by their efficiency.

    Whatever the difference, they are as many as its smallest p needs to fall below the level.
    """
    least = next(n for n in range(1, MOST_SEEDS) if smallest_p(n) * tails / 2 < level)
    return None if t_seeds is None else max(least, math.ceil(t_seeds / SIGNED_RANK_EFFICIENCY))
