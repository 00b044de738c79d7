"""A loss that runs away stops the run; noise and spikes do not."""

import json
import random

from smelt.training.divergence import Divergence


def first_complaint(losses: list[float], allowed: float = 3.0) -> tuple[int, str] | None:
    watch = Divergence(allowed)
    for step, loss in enumerate(losses, 1):
        if message := watch.check(step, loss):
            return step, message
    return None


def falling(steps: int, noise: float = 0.0) -> list[float]:
    draw = random.Random(3)
    return [3 + 7 * 0.99**step + draw.gauss(0, noise) for step in range(steps)]


def test_a_loss_that_falls_is_left_alone_whatever_its_noise() -> None:
    # Batches of three masked tokens, whose losses deviate by 4, deviate by 2.3.
    assert first_complaint(falling(20_000, noise=2.3)) is None


def test_a_loss_that_jumps_for_good_is_noticed_within_a_hundred_steps() -> None:
    found = first_complaint(falling(1000) + [10.4] * 500)
    assert found is not None
    assert 1030 < found[0] < 1100


def test_a_slow_rise_is_noticed() -> None:
    assert first_complaint(falling(1000) + [3 + step / 500 for step in range(3000)]) is not None


def test_a_spike_that_is_over_in_twenty_steps_is_left_alone() -> None:
    assert first_complaint(falling(1000) + [11.0] * 20 + falling(1000)[500:]) is None


def test_a_loss_that_runs_away_from_the_start_is_noticed() -> None:
    found = first_complaint([10.4 + step for step in range(100)])
    assert found is not None
    assert found[0] < 30


def test_what_is_allowed_is_the_recipe_s() -> None:
    losses = falling(1000) + [6.0] * 1000
    assert first_complaint(losses, allowed=2.5) is not None
    assert first_complaint(losses, allowed=3.5) is None


def test_the_message_names_the_step_its_loss_and_the_lowest_with_its_step() -> None:
    found = first_complaint([4.0] * 200 + [9.0] * 200)
    assert found is not None
    step, message = found
    assert message.startswith(f"the loss diverges at step {step} (loss 9.000): its mean over about 100 steps is 7.0")
    assert message.endswith("above the lowest, 4.000 at step 10")


def test_a_watch_goes_on_where_its_state_left_off() -> None:
    losses = falling(300, noise=1) + [10.4] * 100
    straight, stopped = Divergence(3.0), Divergence(3.0)
    said = [straight.check(step, loss) for step, loss in enumerate(losses, 1)]
    before = [stopped.check(step, loss) for step, loss in enumerate(losses[:250], 1)]
    resumed = Divergence(3.0, json.loads(json.dumps(stopped.state())))
    after = [resumed.check(step, loss) for step, loss in enumerate(losses[250:], 251)]
    assert any(said)
    assert before + after == said
