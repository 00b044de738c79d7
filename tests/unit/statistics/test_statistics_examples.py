"""The paired bootstrap over examples: its error, its interval, and what it draws."""

import numpy as np
import pytest
from scipy import stats

from smelt.statistics.examples import WeightedScorer, bootstrap_interval, bootstrap_p, resample_scores
from smelt.statistics.scores import Floats


def share_of(right: Floats) -> WeightedScorer:
    """Return the scorer of accuracy."""
    return lambda weights: weights @ right / weights.sum(1)


def test_the_interval_is_that_of_scipys_bootstrap() -> None:
    generator = np.random.default_rng(3)
    a, b = (generator.random(300) < share for share in (0.7, 0.6))
    strata = np.zeros(300, dtype=np.int64)
    scores = resample_scores({"a": share_of(a * 1.0), "b": share_of(b * 1.0)}, strata, 9999, 1)
    differences = scores["a"] - scores["b"]
    assert differences[0] == pytest.approx(a.mean() - b.mean())
    found = bootstrap_interval(differences[1:], 0.05)
    expected = stats.bootstrap((a * 1.0 - b,), np.mean, method="percentile", rng=2).confidence_interval
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.004)


def test_of_equal_models_one_in_twenty_is_found_to_differ() -> None:
    generator = np.random.default_rng(4)
    strata = np.zeros(200, dtype=np.int64)
    found = []
    for study in range(400):
        pair = {name: share_of(generator.random(200)) for name in "ab"}
        scores = resample_scores(pair, strata, 500, study)
        found.append(bootstrap_p((scores["a"] - scores["b"])[1:]) < 0.05)
    assert 0.03 <= np.mean(found) <= 0.075


def test_means_of_the_same_runs_in_another_order_do_not_differ() -> None:
    runs = np.tile([[0.1], [0.2], [0.3]], 999)
    differences = np.mean([runs[0], runs[1], runs[2]], axis=0) - np.mean([runs[2], runs[1], runs[0]], axis=0)
    assert differences.all(), "all of them are off by rounding, on one side"
    assert bootstrap_p(differences) == 1.0
    interval = bootstrap_interval(differences, 0.05)
    assert (interval.low, interval.high) == (0.0, 0.0)


def test_p_falls_below_a_level_exactly_where_the_interval_leaves_out_zero() -> None:
    generator = np.random.default_rng(5)
    verdicts = []
    for shift in np.linspace(0, 4, 60):
        differences = generator.normal(shift, 1, 999)
        for level in (0.05, 0.0125, 0.05 / 7):
            interval = bootstrap_interval(differences, level)
            assert interval.low is not None
            verdicts.append(interval.low > 0)
            assert verdicts[-1] == (bootstrap_p(differences) < level)
    assert {True, False} == set(verdicts)
    assert bootstrap_interval(differences, 0.05 + 7e-15).low == bootstrap_interval(differences, 0.05).low, "rounding"
    assert bootstrap_interval(differences, 0.001).low is None, "999 resamples are too few"
    assert bootstrap_p(np.zeros(99)) == 1.0


def test_each_stratum_keeps_its_size_and_all_scorers_see_the_same_examples() -> None:
    strata = np.array([0, 1, 0, 1, 1])

    def of_stratum(weights: Floats) -> Floats:
        return weights[:, strata == 1].sum(1)

    scores = resample_scores({"size": of_stratum, "again": of_stratum, "first": lambda w: w[:, 0]}, strata, 200, 1)
    assert set(scores["size"]) == {3.0}
    assert scores["first"][0] == 1
    assert set(scores["first"]) == {0.0, 1.0, 2.0}
    assert (resample_scores({"first": lambda w: w[:, 0]}, strata, 200, 1)["first"] == scores["first"]).all()


def test_of_equal_models_on_shared_contexts_one_in_twenty_differs_only_where_contexts_are_drawn() -> None:
    generator = np.random.default_rng(6)
    contexts = np.repeat(np.arange(40), 5)
    strata = (contexts % 2).astype(np.int64)  # two languages
    found: dict[str, list[bool]] = {"contexts": [], "examples": []}
    for study in range(300):
        pair = {name: share_of(generator.random(40)[contexts]) for name in "ab"}  # one score a context
        for drawn, clusters in (("contexts", contexts), ("examples", None)):
            scores = resample_scores(pair, strata, 400, study, clusters)
            found[drawn].append(bootstrap_p((scores["a"] - scores["b"])[1:]) < 0.05)
    assert 0.03 <= np.mean(found["contexts"]) <= 0.09
    assert np.mean(found["examples"]) > 0.25


def test_a_drawn_context_brings_all_of_its_examples_and_single_ones_are_drawn_as_without_contexts() -> None:
    strata = np.array([0, 0, 0, 1, 1, 1, 1])
    contexts = np.array([5, 5, 2, 5, 7, 7, 7])
    seen: list[Floats] = []

    def keep(weights: Floats) -> Floats:
        seen.append(weights)
        return weights.sum(1)

    resample_scores({"a": keep}, strata, 50, 1, contexts)
    weights = seen[1]
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 4] == weights[:, 5]).all()
    assert (weights[:, [0, 2]].sum(1) == 2).all()  # two contexts of the first language
    assert (weights[:, [3, 4]].sum(1) == 2).all()
    assert (weights[:, 0] != weights[:, 3]).any(), "one name in two languages is two contexts"
    right = {"a": share_of(np.arange(7.0))}
    single = [resample_scores(right, strata, 50, 1, clusters)["a"] for clusters in (None, np.arange(7))]
    assert (single[0] == single[1]).all()
