"""Significance tests: t and Wilcoxon's over scores, and the results of tests."""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

from smelt.statistics.p_values import Alternative, smallest_p
from smelt.statistics.scores import Floats, Summary, as_scores, paired_differences, spread, summarise

WELCH = "Welch's t"
PAIRED_T = "paired t"
_TWO_SEEDS = "only two seeds: little power"
WILCOXON = "Wilcoxon signed-rank"

# Up to these numbers of nonzero differences scipy counts every assignment of signs; above, it approximates.
EXACT_UP_TO = 50
EXACT_WITH_TIES_UP_TO = 13


@dataclass(frozen=True)
class TestResult:
    """The outcome of one significance test.

    `statistic` and `p` are None where nothing can be tested, and `note` says why. `n` counts what the test rests on
    (scores of both models for an unpaired test, pairs for a paired one).
    """

    __test__ = False  # the name starts with Test, but pytest has nothing to collect here

    name: str
    statistic: float | None
    p: float | None
    n: int
    sided: Alternative = "two-sided"
    note: str = ""
    degrees_of_freedom: float | None = None
    estimate: float | None = None
    """The difference that a t-test tests: of means, or the mean of differences."""
    standard_error: float | None = None
    """Of that difference."""


def untestable(name: str, n: int, reason: str, sided: Alternative = "two-sided") -> TestResult:
    """Return the result of a test that could not be made."""
    return TestResult(name, None, None, n, sided, f"cannot be tested: {reason}")


def join_notes(*notes: str) -> str:
    """Return the notes that say something, each once, as one text."""
    return "; ".join(dict.fromkeys(note for note in notes if note))


def welch(a: ArrayLike, b: ArrayLike) -> TestResult:
    """Test two-sided whether two independent sets of scores have the same mean (Welch 1947); `n` counts both sets."""
    return welch_from_summaries(summarise(a), summarise(b))


def welch_from_summaries(a: Summary, b: Summary) -> TestResult:
    """Return Welch's t from numbers, means and standard deviations alone, as papers print them."""
    n = a.n + b.n
    if a.standard_deviation is None or b.standard_deviation is None:
        return untestable(WELCH, n, _one_seed(a.n, b.n))
    if a.standard_deviation == b.standard_deviation == 0:
        if math.isclose(a.mean, b.mean, rel_tol=1e-12):
            return TestResult(WELCH, None, 1.0, n, note="identical scores")
        return untestable(WELCH, n, "neither model varies over its seeds")
    found = stats.ttest_ind_from_stats(
        a.mean, a.standard_deviation, a.n, b.mean, b.standard_deviation, b.n, equal_var=False
    )
    return TestResult(
        WELCH,
        float(found.statistic),
        float(found.pvalue),
        n,
        note=_TWO_SEEDS if min(a.n, b.n) == 2 else "",
        degrees_of_freedom=welch_degrees_of_freedom(a.standard_deviation, a.n, b.standard_deviation, b.n),
        estimate=a.mean - b.mean,
        standard_error=math.sqrt(a.standard_deviation**2 / a.n + b.standard_deviation**2 / b.n),
    )


def welch_degrees_of_freedom(deviation_a: float, n_a: int, deviation_b: float, n_b: int) -> float:
    """Return the degrees of freedom of Welch and Satterthwaite."""
    error_a, error_b = deviation_a**2 / n_a, deviation_b**2 / n_b
    return (error_a + error_b) ** 2 / (error_a**2 / (n_a - 1) + error_b**2 / (n_b - 1))


def paired_t(a: ArrayLike, b: ArrayLike) -> TestResult:
    """Test two-sided whether the differences of paired scores have mean zero; `n` counts pairs."""
    differences = paired_differences(a, b)
    n = len(differences)
    if n < 2:
        return untestable(PAIRED_T, n, "no pairs" if n == 0 else "one seed")
    if not differences.any():
        return TestResult(PAIRED_T, None, 1.0, n, note="identical scores")
    if (deviation := spread(differences)) == 0:
        return untestable(PAIRED_T, n, "the difference is the same in every pair")
    # To the last bit what scipy's ttest_1samp returns, which takes a hundred times as long.
    mean = float(np.mean(differences))
    variance = float(np.mean((differences - mean) ** 2)) * (n / (n - 1))
    statistic = mean / math.sqrt(variance / n)
    return TestResult(
        PAIRED_T,
        statistic,
        2 * float(special.stdtr(n - 1, -abs(statistic))),
        n,
        note=_TWO_SEEDS if n == 2 else "",
        degrees_of_freedom=float(n - 1),
        estimate=mean,
        standard_error=deviation / math.sqrt(n),
    )


def _one_seed(n_a: int, n_b: int) -> str:
    return "one seed" if n_a == n_b else f"one seed against {max(n_a, n_b)}"


def wilcoxon(
    a: ArrayLike, b: ArrayLike, alternative: Alternative = "two-sided", alpha: float = 0.05, what: str = "pairs"
) -> TestResult:
    """Test whether paired scores differ by a distribution symmetric about zero (Wilcoxon 1945).

    Zero differences are left out, as Wilcoxon did, and counted in the note. The p is exact where no two differences
    tie in size and at most 50 are left, or up to 13 with ties (the permutation distribution of the mean ranks); else
    it comes from the normal approximation with corrections for ties and continuity. The note names the method.

    Args:
        a: scores, shape (n,).
        b: scores paired with a's, shape (n,).
        alternative: "less" asks whether a is below b, "greater" whether it is above.
        alpha: the note says so where no data of this n could give a p below it.
        what: what the pairs are, for the notes: seeds, tasks.

    Returns:
        The statistic is the sum of ranks of positive differences for a one-sided test and the smaller of both sums
        for a two-sided one; `n` counts nonzero differences.
    """
    differences = paired_differences(a, b)
    kept = differences[differences != 0]
    if len(differences) < 2:
        return untestable(WILCOXON, len(kept), f"fewer than two {what}", alternative)
    dropped = len(differences) - len(kept)
    if len(kept) == 0:
        return TestResult(WILCOXON, 0.0, 1.0, 0, alternative, "identical scores")
    sizes = np.unique(np.abs(kept), return_inverse=True)[1] + 1
    statistic, p = _signed_rank(tuple(sorted((np.sign(kept) * sizes).tolist())), alternative)
    smallest = smallest_p(len(kept), alternative)
    note = join_notes(
        _method(kept),
        f"{dropped} zero difference{'s' * (dropped > 1)} left out" if dropped else "",
        out_of_reach(smallest, len(kept), alternative, alpha, what),
    )
    return TestResult(WILCOXON, statistic, p, len(kept), alternative, note)


@lru_cache(maxsize=1024)
def _signed_rank(differences: tuple[float, ...], alternative: Alternative) -> tuple[float, float]:
    """Return statistic and p of the signed-rank test of nonzero differences.

    It sees only their signs and which of two is larger: many pairs of models have these in common.
    """
    found = stats.wilcoxon(differences, alternative=alternative, method="auto", correction=True)
    return float(found.statistic), float(found.pvalue)


def out_of_reach(smallest: float, n: int, alternative: Alternative, alpha: float, what: str) -> str:
    """Return a note where no data could bring the test below alpha, and nothing where some could."""
    if smallest < alpha:
        return ""
    sided = "two-sided" if alternative == "two-sided" else "one-sided"
    return f"with {n} {what} the smallest {sided} p is {smallest:.3g}: {alpha:g} is out of reach"


def rank_biserial(a: ArrayLike, b: ArrayLike) -> float | None:
    """Return the matched-pairs rank-biserial correlation: (W+ - W-) / (W+ + W-), from -1 to 1 (Kerby 2014).

    1 means that every nonzero difference favours a. None where all differences are zero.
    """
    differences = paired_differences(a, b)
    kept = differences[differences != 0]
    if len(kept) == 0:
        return None
    ranks = as_scores(stats.rankdata(np.abs(kept)))
    return float((np.sign(kept) * ranks).sum() / ranks.sum())


def _method(kept: Floats) -> str:
    """Return what scipy's "auto" does with nonzero differences."""
    if len(np.unique(np.abs(kept))) < len(kept):
        return "exact, with ties" if len(kept) <= EXACT_WITH_TIES_UP_TO else "normal approximation, with ties"
    return "exact" if len(kept) <= EXACT_UP_TO else "normal approximation"
