"""The study's test of two models on one task, over their seeds."""

from collections.abc import Mapping
from typing import Any

from smelt.statistics.means import paired_t, welch
from smelt.statistics.ranks import wilcoxon
from smelt.statistics.result import TestResult


def p_over_seeds(a: Mapping[int, float], b: Mapping[int, float], significance: Mapping[str, Any]) -> float | None:
    """Return the p of the study's test, None where nothing can be tested; paired ones use the seeds that both have."""
    return over_seeds(a, b, significance).p


def over_seeds(a: Mapping[int, float], b: Mapping[int, float], significance: Mapping[str, Any]) -> TestResult:
    """Return what the study's test finds; paired ones use the seeds that both have."""
    if significance["test"] == "welch":
        return welch(list(a.values()), list(b.values()))
    shared = sorted(set(a) & set(b))
    pairs = [a[seed] for seed in shared], [b[seed] for seed in shared]
    if significance["test"] == "paired-t":
        return paired_t(*pairs)
    return wilcoxon(*pairs, alpha=significance["alpha"], what="seed pairs")
