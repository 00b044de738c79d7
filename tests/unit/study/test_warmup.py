"""Warm-up of fine-tuning, as a share of the steps or as a number of them."""

import pytest
from pydantic import ValidationError

from smelt.study.finetuning import Finetuning, FinetuningSettings


@pytest.mark.parametrize(("warmup", "steps"), [(0.1, 20), (0, 0), (1, 1), (500, 500)])
def test_below_one_warm_up_is_a_share_of_the_steps_and_from_one_on_their_number(warmup: float, steps: int) -> None:
    assert FinetuningSettings.model_validate({"warmup": warmup}).warmup_steps(200) == steps


@pytest.mark.parametrize("warmup", [-1, 1.5, "many"])
def test_parts_of_steps_are_refused(warmup: float | str) -> None:
    with pytest.raises(ValidationError, match="warmup"):
        Finetuning.model_validate({"seeds": [1], "warmup": warmup})
