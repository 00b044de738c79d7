"""Tests over test examples: the paired bootstrap of Koehn (2004).

A test over seeds asks whether other runs would differ on the same examples; this one, whether the same runs would
differ on other examples like these. It needs no second run. Each resample draws as many examples of each stratum
(language) as there are, with replacement, the same for all models: a difference is of two scores on the same examples.
Examples that share a context are not independent: whole contexts are drawn there, with all of their examples.
"""

import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from smelt.statistics.intervals import Interval
from smelt.statistics.scores import Floats, snap

WeightedScorer = Callable[[Floats], Floats]
"""From weights of examples, shape (resamples, examples), to scores, shape (resamples,)."""
Key = TypeVar("Key", bound=Hashable)
BOOTSTRAP = "paired bootstrap over examples"
_CHUNK = 4_000_000  # weights at a time: 32 MB


def resample_scores(
    scorers: Mapping[Key, WeightedScorer],
    strata: NDArray[np.int64],
    resamples: int,
    seed: int,
    clusters: NDArray[np.int64] | None = None,
) -> dict[Key, Floats]:
    """Return the scores of each scorer on the examples themselves and then on each resample, shape (1 + resamples,).

    Args:
        scorers: what scores the examples of each run or model.
        strata: the stratum of each example, numbered from 0.
        resamples: how many to draw.
        seed: of the drawing.
        clusters: the cluster of each example, such as its context, which are drawn whole within each stratum; by
            default each example is one.
    """
    ones = np.ones((1, len(strata)))
    found = {key: [scorer(ones)] for key, scorer in scorers.items()}
    for weights in _weights(strata, clusters, resamples, np.random.default_rng(seed)):
        for key, scorer in scorers.items():
            found[key].append(scorer(weights))
    return {key: np.concatenate(parts) for key, parts in found.items()}


def _weights(
    strata: NDArray[np.int64], clusters: NDArray[np.int64] | None, resamples: int, generator: np.random.Generator
) -> Iterator[Floats]:
    """Yield how often each example is drawn, shape (some resamples, examples)."""
    single = np.arange(len(strata)) if clusters is None else clusters
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    parts = [(own, *np.unique(single[own], return_inverse=True)) for own in members]
    step = max(1, _CHUNK // max(1, len(strata)))
    for start in range(0, resamples, step):
        rows = min(step, resamples - start)
        weights = np.zeros((rows, len(strata)))
        for own, names, cluster in parts:
            size = len(names)
            drawn = generator.integers(size, size=(rows, size)) + np.arange(rows)[:, None] * size
            weights[:, own] = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)[:, cluster]
        yield weights


def bootstrap_p(differences: Floats) -> float:
    """Return the two-sided p of resampled differences: twice the share on the other side of 0, at least 2 / (R + 1)."""
    resampled = snap(differences, 0.0)
    beyond = min(int((resampled <= 0).sum()), int((resampled >= 0).sum()))
    return min(1.0, 2 * (1 + beyond) / (len(resampled) + 1))


def bootstrap_interval(differences: Floats, level: float) -> Interval:
    """Return the percentile interval of resampled differences; it leaves out 0 exactly where `bootstrap_p` < level."""
    share = round(level * (len(differences) + 1) / 2, 6)  # 0.05 * p / p is more than 0.05 for some p
    beyond = math.ceil(share) - 2  # of sorted differences, those left out on each side
    if beyond < 0:
        return Interval(None, None, 1 - level, BOOTSTRAP, f"too few resamples for an interval at {1 - level:.4g}")
    ordered = np.sort(snap(differences, 0.0))
    return Interval(float(ordered[beyond]), float(ordered[-1 - beyond]), 1 - level, BOOTSTRAP)
