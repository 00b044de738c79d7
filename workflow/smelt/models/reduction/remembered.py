"""Words that are remembered by number, and found again by their hashes.

Hashes are kept in order, so that sorted ones are looked up in one sweep, whatever was remembered before; Arrow would
hash all words again for each text. What is found is compared with what was looked up: of words that share a hash only
one is ever found. The others are new each time, which costs time and changes nothing.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from smelt.models.reduction.counts import Numbers


class Remembered:
    """Words in the order in which they came, which are their numbers."""

    def __init__(self) -> None:
        """Remember nothing."""
        self.words = pa.array([], pa.large_string())
        self._hashes = np.array([np.iinfo(np.int64).max])  # ascending; the last one is nobody's
        self._numbers = np.array([-1])  # of the words that have them

    def __len__(self) -> int:
        """Return how many they are."""
        return len(self.words)

    def find(self, words: Any) -> Numbers:
        """Return the numbers of an Arrow array of words, -1 where there is none."""
        hashes = _hashes(words)
        order = np.argsort(hashes)
        places = np.searchsorted(self._hashes, hashes[order])
        numbers = np.empty(len(words), np.int64)
        numbers[order] = np.where(self._hashes[places] == hashes[order], self._numbers[places], -1)
        found = np.flatnonzero(numbers >= 0)
        same = pc.equal(self.words.take(pa.array(numbers[found])), words.take(pa.array(found)))
        numbers[found[~same.to_numpy(zero_copy_only=False)]] = -1
        return numbers

    def add(self, words: Any) -> None:
        """Remember an Arrow array of words that were not found."""
        hashes = _hashes(words)
        order = np.argsort(hashes)
        places = np.searchsorted(self._hashes, hashes[order])
        self._hashes = np.insert(self._hashes, places, hashes[order])
        self._numbers = np.insert(self._numbers, places, len(self) + order)
        self.words = pa.concat_arrays([self.words, words])


def _hashes(words: Any) -> Numbers:
    return np.fromiter(map(hash, words.to_pylist()), np.int64, len(words))
