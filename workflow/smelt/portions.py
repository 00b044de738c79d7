"""Consecutive things a bounded amount at a time: what bounds the memory of a step, whatever the size of the whole."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Part = TypeVar("Part")


def portions(parts: Iterable[Part], size: Callable[[Part], int], limit: int) -> Iterator[list[Part]]:
    """Yield consecutive parts, no more than `limit` at a time in all unless a single one is larger.

    size: of a part, in the limit's unit.
    """
    portion: list[Part] = []
    held = 0
    for part in parts:
        if portion and held + size(part) > limit:
            yield portion
            portion, held = [], 0
        portion.append(part)
        held += size(part)
    if portion:
        yield portion
