"""What a thread makes while the loop uses what was made before it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(make: Callable[[int], Item], first: int, last: int) -> Iterator[Item]:
    """Yield make(first) ... make(last), each made by a thread while the one before it is used."""
    if first > last:
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as worker:
        following = worker.submit(make, first)
        for number in range(first, last + 1):
            current = following.result()
            if number < last:
                following = worker.submit(make, number + 1)
            yield current
