"""Seeded chance: one independent stream for each purpose, and words drawn as often as their rank implies."""

import random
from collections.abc import Sequence
from itertools import accumulate
from typing import Generic, TypeVar

Item = TypeVar("Item")


def stream(seed: int, *purpose: str) -> random.Random:
    """Return the random stream of one purpose; it is independent of other purposes' streams."""
    return random.Random("/".join([str(seed), *purpose]))


class Ranked(Generic[Item]):
    """Items in order of frequency, drawn by Zipf's law with Mandelbrot's shift: in proportion to 1 / (rank + shift)."""

    def __init__(self, items: Sequence[Item], shift: float = 2.7) -> None:
        """Take the items, the most frequent first."""
        self.items = tuple(items)
        self._shift = shift
        self._bounds = list(accumulate(1 / (rank + shift) for rank in range(1, len(self.items) + 1)))

    def draw(self, chance: random.Random) -> Item:
        """Return one item."""
        return chance.choices(self.items, cum_weights=self._bounds)[0]

    def part(self, remainder: int, divisor: int) -> "Ranked[Item]":
        """Return every `divisor`-th item, in the same order, so that frequencies keep their shape."""
        return Ranked(self.items[remainder::divisor], self._shift)
