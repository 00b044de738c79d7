"""Holm's correction: by hand, and by its properties."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from smelt.statistics.p_values import family_size, holm, holm_levels

P_VALUES = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12)


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04: times 4, 3, 2, 1 gives 0.02, 0.03, 0.06, 0.04, and the last rises to 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_never_exceeds_one() -> None:
    assert holm([0.6, 0.7]) == [1.0, 1.0]


def test_what_could_not_be_tested_stays_out_of_the_family() -> None:
    assert holm([None, 0.01, None, 0.02]) == [None, 0.02, None, 0.02]
    assert family_size([None, 0.01, None, 0.02]) == 2


@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_holm_refuses_what_is_no_probability(wrong: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, wrong])


@given(P_VALUES)
def test_corrected_is_never_below_raw(p_values: list[float | None]) -> None:
    for raw, corrected in zip(p_values, holm(p_values), strict=True):
        assert (raw is None) == (corrected is None)
        assert raw is None or (corrected is not None and raw <= corrected <= 1)


@given(P_VALUES)
def test_correction_keeps_the_order_of_p_values(p_values: list[float | None]) -> None:
    tested = sorted((raw, new) for raw, new in zip(p_values, holm(p_values), strict=True) if raw is not None)
    corrected = [new for _, new in tested if new is not None]
    assert corrected == sorted(corrected)


@given(P_VALUES, st.randoms(use_true_random=False))
def test_correction_does_not_depend_on_the_order_given(p_values: list[float | None], generator: random.Random) -> None:
    places = generator.sample(range(len(p_values)), len(p_values))
    straight, mixed = holm(p_values), holm([p_values[place] for place in places])
    assert mixed == [straight[place] for place in places]


def test_levels_by_hand() -> None:
    assert holm_levels([0.6, 0.01, None, 0.9, 0.3], 0.05) == pytest.approx([0.05 / 3, 0.0125, None, 0.05 / 3, 0.05 / 3])
    assert holm_levels([0.001, 0.001], 0.05) == [0.025, 0.025]


@given(P_VALUES)
def test_a_p_is_below_its_level_exactly_where_it_is_rejected_and_above_it_all_levels_are_one(
    p_values: list[float | None],
) -> None:
    found = [each for each in zip(p_values, holm(p_values), holm_levels(p_values, 0.05), strict=True) if each[0]]
    kept = set()
    for p, corrected, level in found:
        assert p is not None
        assert corrected is not None
        assert level is not None
        if abs(corrected - 0.05) > 1e-9:
            assert (p < level) == (corrected < 0.05)
            kept |= set() if corrected < 0.05 else {level}
    assert len(kept) <= 1, "a larger p gives no narrower interval"


def test_intervals_of_pairs_without_significance_miss_a_true_difference_in_few_studies() -> None:
    generator, missed, studies = np.random.default_rng(7), 0, 2000
    truth = np.full(10, 2.2)
    for seen in generator.normal(truth, 1, (studies, 10)):
        p_values = 2 * stats.norm.sf(np.abs(seen))
        levels = np.array(holm_levels(list(p_values), 0.05), dtype=float)
        beyond = np.abs(seen - truth) > stats.norm.isf(levels / 2)
        missed += bool((beyond & (p_values >= levels)).any())
    assert missed / studies <= 0.05
