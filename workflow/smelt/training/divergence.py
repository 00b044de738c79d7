"""Whether the training loss diverges: far above its lowest value, for more than a few steps."""

from collections.abc import Mapping

WINDOW = 100  # steps that the mean covers, so that single batches, however small, count for little
SHORTEST = 10  # steps before the mean is used


class Divergence:
    """The mean loss of the last steps, and its lowest value.

    Up to WINDOW steps it is the mean of all, then an exponential one with the weight 1 / WINDOW. That reduces the noise
    of single steps to a fourteenth; after a lasting jump by 7 nats the mean is 3 above its lowest after 56 steps.
    """

    def __init__(self, allowed: float, state: Mapping[str, float] | None = None) -> None:
        """Allow the mean to lie `allowed` nats above its lowest value; begin at step 0, or from a state."""
        self._allowed = allowed
        state = state or {}
        self._steps, self._mean = int(state.get("steps", 0)), state.get("mean", 0.0)
        self._lowest, self._lowest_step = state.get("lowest", float("inf")), int(state.get("lowest_step", 0))

    def state(self) -> dict[str, float]:
        """Return the state that a checkpoint keeps."""
        return {
            "steps": self._steps,
            "mean": self._mean,
            "lowest": self._lowest,
            "lowest_step": self._lowest_step,
        }

    def check(self, step: int, loss: float) -> str | None:
        """Count the loss of a step (a finite number); return a message if it diverges, else None."""
        self._steps += 1
        self._mean += (loss - self._mean) / min(self._steps, WINDOW)
        if self._steps < SHORTEST:
            return None
        if self._mean < self._lowest:
            self._lowest, self._lowest_step = self._mean, step
        if self._mean - self._lowest <= self._allowed:
            return None
        over = f"its mean over about {min(self._steps, WINDOW)} steps is {self._mean:.3f}"
        lowest = f"{self._mean - self._lowest:.3f} above the lowest, {self._lowest:.3f} at step {self._lowest_step:,}"
        return f"the loss diverges at step {step:,} (loss {loss:.3f}): {over}, {lowest}"
