"""Holm's correction: by hand, and by its properties."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smelt.statistics.tests import family_size, holm

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
