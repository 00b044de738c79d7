"""A set of hashes in little memory: sorted arrays of 8 bytes a hash, and a dictionary of the newest."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

NEWEST = 1 << 17  # hashes in the dictionary, which takes about 20 MB, before they become an array
SOURCES = 256  # numbers of sources: the lowest 8 bits of an entry
_HASH = ~np.uint64(SOURCES - 1)


def hash_of(content: bytes) -> int:
    """Return 56 bits that stand for some bytes; the lowest 8 bits of the number are 0.

    Of 100 million different contents, two have the same hash with a probability of 7%.
    """
    return int.from_bytes(blake2b(content, digest_size=7).digest()) << 8


class HashSet:
    """Hashes, each with the number of the source where it was met first.

    It takes 8 bytes a hash, up to twice that while arrays are merged.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._newest: dict[int, int] = {}
        self._arrays: list[NDArray[np.uint64]] = []

    def __len__(self) -> int:
        """The number of hashes."""
        return len(self._newest) + sum(map(len, self._arrays))

    def find(self, hashes: Sequence[int]) -> list[int | None]:
        """Return the source of each hash, None where it was not met."""
        found: list[int | None] = [self._newest.get(number) for number in hashes]
        if not self._arrays or not hashes:
            return found
        wanted = np.array(hashes, np.uint64)
        for array in self._arrays:
            places = np.minimum(np.searchsorted(array, wanted), len(array) - 1)
            for index in np.flatnonzero((array[places] & _HASH) == wanted):
                found[index] = int(array[places[index]]) % SOURCES
        return found

    def add(self, number: int, source: int) -> None:
        """Add a hash that was not met."""
        self._newest[number] = source
        if len(self._newest) >= NEWEST:
            self._store()

    def _store(self) -> None:
        """Make an array of the newest; arrays of about one size become one, so that there are few."""
        entries = [number | source for number, source in self._newest.items()]
        self._newest = {}
        array = np.sort(np.array(entries, np.uint64))
        while self._arrays and len(self._arrays[-1]) < 2 * len(array):
            array = np.concatenate([self._arrays.pop(), array])
            array.sort(kind="stable")  # merges what is sorted in parts
        self._arrays.append(array)
