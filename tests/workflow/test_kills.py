"""A pretraining that is killed at random moments makes the same model (`make bench` does it 30 times)."""

from pathlib import Path

import pytest
from bench.kills import DOCUMENTS, LENGTH, VOCABULARY, PretrainCommand, survive
from bench.synthetic import corpus

pytestmark = pytest.mark.slow


def test_three_kills_leave_no_trace_in_weights_and_curve(tmp_path: Path) -> None:
    made = corpus(tmp_path, VOCABULARY, LENGTH, DOCUMENTS)
    survived = survive(
        PretrainCommand(made, tmp_path / "undisturbed", 60),
        PretrainCommand(made, tmp_path / "killed", 60),
        kills=3,
        seed=4,
    )
    assert survived.kills == 3
    assert survived.values > 1_000_000
    assert survived.same_bits == survived.values
    assert survived.greatest_difference == 0
