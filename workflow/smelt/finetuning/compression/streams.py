"""Batches of windows, pass after pass; which one comes at a turn depends on nothing but the seed."""

from functools import lru_cache

import numpy as np
import torch

from smelt.finetuning.batches import Batch, Order
from smelt.finetuning.compression.windows import Whole, Windows


class Stream:
    """Some windows in batches, over and over, each pass in an order of its own."""

    def __init__(
        self, windows: Windows, chosen: Whole, batch: int, seeds: list[int], padding: int, device: torch.device
    ) -> None:
        """Take the windows, the numbers of those that are used, how many make a batch, and what draws their order."""
        self.windows, self._chosen, self._batch = windows, chosen, batch
        self._lengths = windows.lengths[chosen]
        self._seeds, self._padding, self._device = seeds, padding, device
        self._pass = lru_cache(maxsize=1)(self._drawn)

    @property
    def batches(self) -> int:
        """How many make a pass."""
        return -(-len(self._chosen) // self._batch)

    def at(self, phase: int, turn: int) -> tuple[Whole, Batch]:
        """Return the windows and the batch of a turn of a phase; after the last of a pass another one begins."""
        number, place = divmod(turn, self.batches)
        return self.made(self._chosen[self._pass(phase, number)[place]])

    def made(self, numbers: Whole) -> tuple[Whole, Batch]:
        """Return the batch of some windows, with their numbers."""
        return numbers, self.windows.batch(numbers, self._padding, self._device)

    def _drawn(self, phase: int, number: int) -> Order:
        return Order(self._lengths, self._batch, [*self._seeds, phase, number])


def longest_first(windows: Windows, chosen: Whole, batch: int) -> list[Whole]:
    """Return the chosen windows in batches of like length, so that a lack of memory shows at once."""
    order = chosen[np.argsort(windows.lengths[chosen], kind="stable")[::-1]]
    return [order[start : start + batch] for start in range(0, len(order), batch)]
