"""Correlations and their intervals, against scipy, numpy and simulation."""

import numpy as np
import pytest
from scipy import stats

from smelt.statistics.correlation import (
    ClusterBootstrap,
    correlations_of,
    number_clusters,
    partial_correlation,
    pearson,
)


def related(n: int, seed: int = 0) -> np.ndarray:
    """Return x and y that both follow z, and z, shape (n, 3)."""
    generator = np.random.default_rng(seed)
    z = generator.normal(size=n)
    return np.column_stack([z + generator.normal(size=n), z + generator.normal(size=n), z])


def test_pearson_agrees_with_scipy() -> None:
    x, y, _ = related(60).T
    expected = stats.pearsonr(x, y)
    interval = expected.confidence_interval(0.9)
    found = pearson(x, y, 0.9)
    assert (found.r, found.p) == pytest.approx((expected.statistic, expected.pvalue))
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert (found.n, found.degrees_of_freedom) == (60, 58)


def test_a_partial_correlation_is_that_of_the_residuals() -> None:
    columns = related(200)
    x, y, z = columns.T
    left = [values - np.polyval(np.polyfit(z, values, 1), z) for values in (x, y)]
    found = partial_correlation(columns)
    assert found.r == pytest.approx(np.corrcoef(left)[0, 1])
    assert found.degrees_of_freedom == 197
    t = found.r * (197 / (1 - found.r**2)) ** 0.5
    assert found.p == pytest.approx(2 * stats.t.sf(abs(t), 197))


def test_what_a_third_variable_explains_goes_away_when_it_is_given() -> None:
    columns = related(5000)
    assert pearson(columns[:, 0], columns[:, 1]).r == pytest.approx(0.5, abs=0.05)
    assert partial_correlation(columns).r == pytest.approx(0.0, abs=0.05)


def test_a_condition_that_does_not_vary_is_no_condition() -> None:
    columns = related(50)
    columns[:, 2] = 4.0
    assert partial_correlation(columns).r == pytest.approx(pearson(columns[:, 0], columns[:, 1]).r)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (np.array([[1.0, 2.0], [2.0, 1.0]]), "2 observations"),
        (np.array([[1.0, 2.0], [1.0, 1.0], [1.0, 3.0], [1.0, 0.0]]), "does not vary"),
        (np.array([[1.0, 2.0, 1.0], [2.0, 1.0, 2.0], [3.0, 3.0, 3.0], [4.0, 0.0, 4.0]]), "determine each other"),
    ],
)
def test_a_correlation_that_does_not_exist_says_why(columns: np.ndarray, reason: str) -> None:
    found = partial_correlation(columns)
    assert (found.r, found.p, found.low) == (None, None, None)
    assert reason in found.note


def test_a_perfect_correlation_has_an_interval() -> None:
    found = pearson(np.arange(6.0), 2 * np.arange(6.0))
    assert (found.r, found.p) == pytest.approx((1.0, 0.0))
    assert found.low == pytest.approx(1.0)


def test_a_cluster_bootstrap_agrees_with_drawing_the_observations_themselves() -> None:
    columns = related(40)
    clusters = np.repeat(np.arange(10), 4)
    found = ClusterBootstrap(columns, clusters, 300, 5).correlation_interval([0, 1, 2], 0.95)
    drawn = np.random.default_rng(5).integers(10, size=(300, 10))
    values = [partial_correlation(np.concatenate([columns[clusters == cluster] for cluster in row])).r for row in drawn]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])))


def test_words_that_share_a_sentence_widen_the_interval() -> None:
    generator = np.random.default_rng(2)
    sentences = np.repeat(np.arange(60), 15)
    x = generator.normal(size=60)[sentences] + 0.1 * generator.normal(size=900)
    y = x + 2 * generator.normal(size=60)[sentences]
    fisher = pearson(x, y)
    clustered = ClusterBootstrap(np.column_stack([x, y]), sentences, 1000, 1).correlation_interval([0, 1], 0.95)
    assert clustered.high - clustered.low > 2 * (fisher.high - fisher.low)


def test_resamples_without_variation_are_left_out_and_counted() -> None:
    # Resamples of the first sentence alone do not vary, though their sums of tenths leave rounding behind.
    columns = np.array([[0.7, 0.8]] * 6 + [[0.4, 0.1], [0.8, 0.3]])
    found = ClusterBootstrap(columns, np.array([0] * 6 + [1, 1]), 200, 1).correlation_interval([0, 1], 0.95)
    alone = int((np.random.default_rng(1).integers(2, size=(200, 2)) == 0).all(axis=1).sum())
    assert found.note == f"{alone} of 200 resamples without variation left out"
    assert found.low is not None


@pytest.mark.parametrize("count", [0, 3])
def test_one_sentence_has_no_interval(count: int) -> None:
    bootstrap = ClusterBootstrap(related(count), np.zeros(count, dtype=np.int64), 50, 1)
    assert bootstrap.correlation_interval([0, 1], 0.95).note == "no interval: fewer than two sentences"


def test_correlations_of_many_covariances_are_those_of_each() -> None:
    covariances = np.stack([np.cov(related(30, seed), rowvar=False) for seed in range(3)])
    expected = [partial_correlation(related(30, seed)).r for seed in range(3)]
    assert correlations_of(covariances).tolist() == pytest.approx(expected)


def test_clusters_are_numbered_without_gaps_by_all_keys() -> None:
    numbers = number_clusters(np.array(["en", "fr", "en", "fr"]), np.array([7, 7, 9, 7]))
    assert numbers.tolist() == [0, 2, 1, 2]
