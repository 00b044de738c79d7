"""Power of tests over seeds, against scipy's noncentral t, simulation, and the intervals of the same tests."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from smelt.statistics.intervals import difference_interval
from smelt.statistics.noninferiority import no_worse_by_t
from smelt.statistics.p_values import smallest_p
from smelt.statistics.power import detectable_difference, seeds_needed, signed_rank_seeds, t_power
from smelt.statistics.tests import paired_t, welch, welch_degrees_of_freedom


@pytest.mark.parametrize(("effect", "freedom", "level"), [(3.0, 2.0, 0.05), (4.0, 4.0, 0.0125), (3.0, 30.0, 0.01)])
def test_power_is_that_of_the_noncentral_t(effect: float, freedom: float, level: float) -> None:
    critical = stats.t.isf(level / 2, freedom)
    expected = stats.nct.sf(critical, freedom, effect) + stats.nct.cdf(-critical, freedom, effect)
    assert t_power(effect, freedom, level) == pytest.approx(expected, abs=1e-4)


def test_power_exists_where_scipys_noncentral_t_has_none() -> None:
    assert math.isnan(stats.nct.cdf(-stats.t.isf(0.025, 1.5), 1.5, 8.0)), "scipy is mended: use its nct"
    assert 0.5 < t_power(8.0, 1.5, 0.05) < 1.0


def test_without_a_difference_power_is_the_level() -> None:
    assert t_power(0.0, 3.0, 0.05) == pytest.approx(0.05, abs=1e-4)


def test_studies_of_the_detectable_size_find_it_as_often_as_stated() -> None:
    generator = np.random.default_rng(1)
    seeds, deviation = 5, 0.02
    size = detectable_difference(deviation / math.sqrt(seeds), seeds - 1, 0.05)
    drawn = generator.normal(size, deviation, (4000, seeds))
    assert np.mean(stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("deviations", [(0.02,), (0.02, 0.005)])
def test_one_seed_fewer_would_not_do(deviations: tuple[float, ...]) -> None:
    generator = np.random.default_rng(2)
    seeds = seeds_needed(0.02, deviations, 0.05)
    assert seeds is not None

    def share_found(number: int) -> float:
        drawn = [generator.normal(0, deviation, (6000, number)) for deviation in deviations]
        if len(drawn) == 1:
            return float(np.mean(stats.ttest_1samp(drawn[0] + 0.02, 0, axis=1).pvalue < 0.05))
        return float(np.mean(stats.ttest_ind(drawn[0] + 0.02, drawn[1], axis=1, equal_var=False).pvalue < 0.05))

    assert share_found(seeds) > 0.79
    assert share_found(seeds - 1) < 0.8


@pytest.mark.parametrize("deviations", [(0.02,), (0.02, 0.005)])
def test_as_many_seeds_show_that_of_two_equal_models_one_is_no_worse(deviations: tuple[float, ...]) -> None:
    generator = np.random.default_rng(3)
    margin, level = 0.02, 0.01
    seeds = seeds_needed(margin, deviations, level, tails=1)
    assert seeds is not None

    def share_shown(number: int) -> float:
        drawn = [generator.normal(0.7, deviation, (1500, number)) for deviation in deviations]
        if len(drawn) == 1:
            tests = [paired_t(differences, np.zeros(number)) for differences in drawn[0] - 0.7]
        else:
            tests = [welch(a, b) for a, b in zip(*drawn, strict=True)]
        found = [no_worse_by_t(test, margin) for test in tests]
        return float(np.mean([one is not None and one.p < level for one in found]))

    assert share_shown(seeds) > 0.78
    assert share_shown(seeds - 1) < 0.8


@given(
    st.floats(0.0001, 0.2),
    st.lists(st.floats(0.001, 0.05), min_size=1, max_size=2),
    st.sampled_from([0.05, 0.0003]),
    st.sampled_from([20, 1000]),
)
def test_the_seeds_needed_are_the_fewest_that_suffice(
    difference: float, deviations: list[float], level: float, most: int
) -> None:
    def power(seeds: int) -> float:
        error = math.sqrt(sum(deviation**2 for deviation in deviations) / seeds)
        freedom = float(seeds - 1)
        if len(deviations) == 2:
            freedom = welch_degrees_of_freedom(deviations[0], seeds, deviations[1], seeds)
        return t_power(difference / error, freedom, level)

    seeds = seeds_needed(difference, deviations, level, most=most)
    if seeds is None:
        assert power(most) < 0.8
    else:
        assert power(seeds) >= 0.8
        assert seeds == 2 or power(seeds - 1) < 0.8


def test_a_difference_of_nothing_is_never_found() -> None:
    assert seeds_needed(0.0, [0.02], 0.05) is None
    assert seeds_needed(0.01, [0.0], 0.05) == 2


def test_the_signed_rank_test_needs_at_least_the_seeds_of_its_smallest_p() -> None:
    assert smallest_p(5) > 0.05 > smallest_p(6)
    assert signed_rank_seeds(2, 0.05) == 6
    assert signed_rank_seeds(100, 0.05) == math.ceil(100 * math.pi / 3)
    assert signed_rank_seeds(None, 0.05) is None
    assert signed_rank_seeds(2, 0.05, tails=1) == 5


@pytest.mark.parametrize("test", [welch, paired_t])
def test_the_interval_at_a_tests_own_p_ends_at_zero(test: object) -> None:
    found = test([0.5, 0.52, 0.49], [0.55, 0.56, 0.57])  # type: ignore[operator]
    interval = difference_interval(found.estimate, found.standard_error, found.degrees_of_freedom, 1 - found.p)
    assert interval.low is not None
    assert interval.high == pytest.approx(0.0, abs=1e-12)
    assert interval.low < found.estimate < 0
