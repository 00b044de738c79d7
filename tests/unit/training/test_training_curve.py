"""Sums of what was measured, and the rows of a curve."""

import pytest

from smelt.training.curve import LearningCurve, Tally


def tally(**sums: tuple[float, float, float]) -> Tally:
    made = Tally()
    for name, values in sums.items():
        made.add(name, *values)
    return made


def test_joined_tallies_are_that_of_all_batches() -> None:
    one, other = tally(mlm=(6.0, 3, 1)), tally(mlm=(4.0, 1, 1), sop=(0.7, 1, 0))
    one.join(other)
    assert one.sums == {"mlm": [10.0, 4, 2], "sop": [0.7, 1, 0]}
    assert other.sums == {"mlm": [4.0, 1, 1], "sop": [0.7, 1, 0]}


def test_the_loss_is_the_weighted_sum_of_means_over_what_was_predicted() -> None:
    measured = tally(mlm=(6.0, 3, 1), sop=(2.0, 4, 3), nsp=(0.0, 0, 0))
    assert measured.loss({"mlm": 1.0, "sop": 0.5, "nsp": 1.0}) == pytest.approx(2.0 + 0.25)


def test_a_curve_is_the_same_after_its_text_is_read_again() -> None:
    curve = LearningCurve()
    curve.add(0, "validation", "all", {"mlm_loss": 1 / 3})
    curve.add(10, "train", "all", {"mlm_loss": 0.1 + 0.2})
    assert LearningCurve(curve.text()).rows == curve.rows
