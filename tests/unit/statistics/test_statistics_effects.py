"""Effect sizes and intervals, by hand and by simulation."""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from smelt.statistics.comparison import cohen_dz, compare, hedges_g
from smelt.statistics.intervals import independent_difference_interval, paired_difference_interval, wilson_interval

Effect = Callable[..., float | None]

SETTINGS = {"alpha": 0.05, "confidence": 0.95, "resamples": 500, "seed": 1}


def test_hedges_g_by_hand() -> None:
    # Means 3 and 1, both deviations 1, so d = 2; with 4 degrees of freedom the correction is sqrt(2 / pi) = 0.79788.
    assert hedges_g([2, 3, 4], [0, 1, 2]) == pytest.approx(2 * (2 / np.pi) ** 0.5)


def test_cohen_dz_by_hand() -> None:
    assert cohen_dz([2, 4, 6], [1, 2, 3]) == pytest.approx(2.0)


@pytest.mark.parametrize("effect", [hedges_g, cohen_dz])
@pytest.mark.parametrize(("a", "b"), [([0.5], [0.4]), ([0.3, 0.3], [0.2, 0.2])])
def test_without_spread_there_is_no_effect_size(effect: Effect, a: list[float], b: list[float]) -> None:
    assert effect(a, b) is None


def test_effects_change_sign_when_the_models_change_places() -> None:
    a, b = [0.8, 0.82, 0.85], [0.7, 0.75, 0.71]
    assert hedges_g(a, b) == pytest.approx(-hedges_g(b, a))
    assert cohen_dz(a, b) == pytest.approx(-cohen_dz(b, a))


def test_a_bootstrap_interval_repeats_for_one_seed_and_holds_the_mean() -> None:
    a, b = np.linspace(0.8, 0.9, 12), np.linspace(0.7, 0.75, 12)
    first = paired_difference_interval(a, b, 0.95, 2000, seed=3)
    assert first == paired_difference_interval(a, b, 0.95, 2000, seed=3)
    assert first != paired_difference_interval(a, b, 0.95, 2000, seed=4)
    assert first.low is not None
    assert first.high is not None
    assert first.low < (a - b).mean() < first.high


def test_a_bootstrap_draws_as_numpy_does_and_keeps_less_than_one_drawing_takes() -> None:
    a, b = np.linspace(0.8, 0.9, 12), np.linspace(0.7, 0.75, 12)
    chosen = np.random.default_rng(3).integers(12, size=(100_000, 12))
    expected = np.quantile((a - b)[chosen].mean(axis=1), [0.025, 0.975])
    tracemalloc.start()
    found = paired_difference_interval(a, b, 0.95, 100_000, 3)
    for seed in (3, 4, 5, 6):
        independent_difference_interval(a, b, 0.95, 100_000, seed)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (found.low, found.high) == pytest.approx(expected.tolist(), abs=1e-12)
    assert kept < 1.5 * chosen.nbytes


def test_pairing_narrows_the_interval_of_scores_that_rise_together() -> None:
    b = np.linspace(0.5, 0.9, 12)
    a = b + np.resize([0.01, 0.02], 12)
    paired = paired_difference_interval(a, b, 0.95, 2000, 1)
    independent = independent_difference_interval(a, b, 0.95, 2000, 1)
    assert paired.high - paired.low < 0.1 * (independent.high - independent.low)


def test_bootstrap_intervals_of_many_values_agree_with_the_t_interval() -> None:
    values = np.random.default_rng(5).normal(0.1, 0.05, 200)
    expected = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    found = paired_difference_interval(values, np.zeros(200), 0.9, 4000, 1)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=5e-4)
    assert found.note == ""


def test_a_bootstrap_of_few_seeds_says_that_it_is_too_narrow() -> None:
    found = paired_difference_interval([0.8, 0.9, 0.7], [0.6, 0.5, 0.6], 0.95, 100, 1, "seed pairs")
    assert found.note == "a bootstrap of 3 seed pairs gives too narrow an interval"


def test_one_value_has_no_interval() -> None:
    found = paired_difference_interval([0.8], [0.6], 0.95, 100, 1, "tasks")
    assert (found.low, found.high, found.note) == (None, None, "no interval: fewer than two tasks")


def test_wilson_agrees_with_scipy() -> None:
    expected = stats.binomtest(7, 40).proportion_ci(0.95, "wilson")
    found = wilson_interval(7 / 40, 40, 0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_wilson_of_none_or_all_stays_within_bounds_and_is_no_point(share: float) -> None:
    for n in range(1, 400):
        found = wilson_interval(share, n, 0.95)
        assert 0.0 <= found.low <= share <= found.high <= 1.0
        assert found.high - found.low > 0.5 / n


def test_a_comparison_pairs_by_seed_and_not_by_position() -> None:
    a = {1: 0.80, 2: 0.90, 3: 0.70}
    b = {3: 0.69, 1: 0.78, 2: 0.87}
    found = compare(a, b, **SETTINGS)
    assert found.paired_seeds == (1, 2, 3)
    assert found.paired_t.statistic == pytest.approx(stats.ttest_1samp([0.02, 0.03, 0.01], 0).statistic)


def test_a_comparison_of_unequal_seeds_uses_all_for_welch_and_the_shared_ones_for_pairs() -> None:
    found = compare({1: 0.8, 2: 0.9, 3: 0.7, 4: 0.8}, {2: 0.6, 3: 0.5, 9: 0.4}, **SETTINGS)
    assert (found.welch.n, found.paired_t.n, found.paired_seeds) == (7, 2, (2, 3))
    assert found.difference == pytest.approx(0.8 - 0.5)
    assert "seeds differ (4 and 3): paired tests use seeds 2, 3" in found.note
    assert found.interval.method.endswith("each model by itself")


def test_seeds_that_share_nothing_leave_nothing_to_pair() -> None:
    found = compare({1: 0.8, 2: 0.9}, {3: 0.6, 4: 0.5}, **SETTINGS)
    assert (found.paired_t.p, found.wilcoxon.p) == (None, None)
    assert found.welch.p is not None
    assert "no seed is shared" in found.note
