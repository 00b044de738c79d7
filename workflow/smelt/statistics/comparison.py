"""Two models on one task: every test, interval and effect size over their seeds, at once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from smelt.statistics.intervals import Interval, independent_difference_interval, paired_difference_interval
from smelt.statistics.scores import Summary, as_scores, paired_differences, spread, summarise
from smelt.statistics.tests import TestResult, join_notes, paired_t, welch_from_summaries, wilcoxon


@dataclass(frozen=True)
class Comparison:
    """The difference of models a and b (a - b) on one task, over their seeds.

    Welch's t, Hedges' g and `difference` use all seeds of both; the paired tests and Cohen's dz use `paired_seeds`,
    those that both models were run with. The interval resamples pairs where all seeds are shared, and each model by
    itself otherwise.
    """

    a: Summary
    b: Summary
    paired_seeds: tuple[int, ...]
    difference: float
    interval: Interval
    welch: TestResult
    paired_t: TestResult
    wilcoxon: TestResult
    hedges_g: float | None
    cohen_dz: float | None
    paired_deviation: float
    """Standard deviation of the paired differences; 0 for fewer than two."""
    note: str


def compare(
    a: Mapping[int, float], b: Mapping[int, float], *, alpha: float, confidence: float, resamples: int, seed: int
) -> Comparison:
    """Return every test and interval over the scores of two models on one task.

    Args:
        a: scores of the first model by seed; at least one.
        b: scores of the second, likewise.
        alpha: for the notes on what could not be reached.
        confidence: of the interval.
        resamples: of the bootstrap.
        seed: of the bootstrap.
    """
    shared = tuple(sorted(set(a) & set(b)))
    all_a, all_b = [a[key] for key in sorted(a)], [b[key] for key in sorted(b)]
    pairs = [a[key] for key in shared], [b[key] for key in shared]
    if len(shared) == len(a) == len(b):
        interval = paired_difference_interval(*pairs, confidence, resamples, seed, "seed pairs")
    else:
        interval = independent_difference_interval(all_a, all_b, confidence, resamples, seed)
    summaries = summarise(all_a), summarise(all_b)
    tests = welch_from_summaries(*summaries), paired_t(*pairs), wilcoxon(*pairs, alpha=alpha, what="seed pairs")
    return Comparison(
        *summaries,
        shared,
        summaries[0].mean - summaries[1].mean,
        interval,
        *tests,
        hedges_g(all_a, all_b),
        cohen_dz(*pairs),
        spread(paired_differences(*pairs)) if shared else 0.0,
        join_notes(_seeds_note(len(a), len(b), shared), interval.note),
    )


def _seeds_note(n_a: int, n_b: int, shared: tuple[int, ...]) -> str:
    if len(shared) == n_a == n_b:
        return ""
    pairs = f"paired tests use seeds {', '.join(map(str, shared))}" if shared else "no seed is shared: nothing to pair"
    return f"seeds differ ({n_a} and {n_b}): {pairs}"


def hedges_g(a: ArrayLike, b: ArrayLike) -> float | None:
    """Return Hedges' g of independent sets: (mean a - mean b) / pooled standard deviation, corrected for small n.

    The correction is the exact one, gamma(m / 2) / (sqrt(m / 2) gamma((m - 1) / 2)) with m = n_a + n_b - 2 degrees
    of freedom (Hedges 1981). None where a set has fewer than two scores or neither set varies.
    """
    first, second = as_scores(a), as_scores(b)
    freedom = len(first) + len(second) - 2
    if min(len(first), len(second)) < 2:
        return None
    squares = (len(first) - 1) * spread(first) ** 2 + (len(second) - 1) * spread(second) ** 2
    if squares == 0:
        return None
    correction = math.exp(math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2)) / math.sqrt(freedom / 2)
    return float((np.mean(first) - np.mean(second)) / math.sqrt(squares / freedom) * correction)


def cohen_dz(a: ArrayLike, b: ArrayLike) -> float | None:
    """Return Cohen's dz of paired scores: mean difference / standard deviation of the differences (Cohen 1988).

    None for fewer than two pairs, or where the difference is the same in every pair.
    """
    differences = paired_differences(a, b)
    deviation = spread(differences) if len(differences) else 0.0
    return float(np.mean(differences) / deviation) if deviation else None
