"""Record when the steps of an optimizer end, whatever calls it: one measure for every training loop."""

import time
from typing import Any, Self

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook


class StepClock:
    """Notes the end of each step inside a `with` block; the first few only warm up.

    A GPU is waited for where measuring begins and ends, and nowhere between.
    """

    def __init__(self, warm: int, steps: int) -> None:
        """Take how many steps warm up, and how many are measured after them."""
        self._warm, self._steps = warm, steps
        self.ends: list[float] = []

    def __enter__(self) -> Self:
        """Watch all optimizers."""
        self._hook = register_optimizer_step_post_hook(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching."""
        self._hook.remove()

    @property
    def seconds(self) -> float:
        """Seconds that the measured steps took.

        Raises:
            RuntimeError: another number of steps was taken.
        """
        if len(self.ends) != self._warm + self._steps:
            raise RuntimeError(f"{len(self.ends)} steps were taken, expected {self._warm + self._steps}")
        return self.ends[-1] - self.ends[self._warm - 1]

    def waited(self, ready: dict[int, float]) -> float:
        """Return the seconds from a step's end to when the next one's batch was ready, over the measured steps.

        ready: when the batch of a step was ready, by the step counted from 1.
        """
        return sum(max(ready[step + 1] - self.ends[step - 1], 0.0) for step in range(self._warm, len(self.ends)))

    def _note(self, *_: Any) -> None:
        if torch.cuda.is_available() and len(self.ends) + 1 in (self._warm, self._warm + self._steps):
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())
