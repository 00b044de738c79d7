"""Steps of cleaning that remember documents: paragraphs that stood before, and documents that almost did."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import rensa

from smelt.corpora.cleaning_step import RememberingStep
from smelt.corpora.hash_set import SOURCES, HashSet, hash_of
from smelt.corpora.word_runs import length_of_runs, units
from smelt.errors import SmeltError
from smelt.paragraphs import is_heading, without_bare_headings
from smelt.study.cleaning import DuplicateParagraphs, NearDuplicates

SEED = 1
RUNS_AT_ONCE = 10_000  # runs of words that are in memory as texts


class DuplicateStep(RememberingStep):
    """A step that remembers hashes with the source where they stood first, and counts what comes again."""

    def __init__(self) -> None:
        """Start without any."""
        super().__init__()
        self._seen = HashSet()
        self._sources: dict[str, int] = {}

    def _number(self, source: str) -> int:
        """Return the number of a source."""
        number = self._sources.setdefault(source, len(self._sources))
        if number >= SOURCES:
            raise SmeltError(source, f"is one source too many: expected at most {SOURCES}")
        return number

    def _count(self, first: int, again: int) -> None:
        """Count something that stood in the source `first` and stands in `again`."""
        self.counted["within_source" if first == again else "across_sources"] += 1

    def details(self) -> dict[str, int]:
        """Return how many stood before in the same source, and in another."""
        return {name: self.counted[name] for name in ("within_source", "across_sources")}


class ParagraphStep(DuplicateStep):
    """Leaves out paragraphs that stood before; memory grows by 8 to 16 bytes for each different paragraph."""

    name: ClassVar = "duplicate_paragraphs"

    def __init__(self, settings: DuplicateParagraphs) -> None:
        """Take the length below which paragraphs stay."""
        super().__init__()
        self._shortest = settings.min_characters

    def _is_long(self, line: str) -> bool:
        return len(line) >= self._shortest and not is_heading(line)

    def hashes(self, text: str) -> list[int]:
        """Return a hash for each paragraph that is long enough."""
        return [hash_of(line.encode()) for line in text.split("\n") if self._is_long(line)]

    def find(self, hashes: Sequence[int], source: str) -> list[bool]:
        """Return which of these paragraphs stood before."""
        own = self._number(source)
        here: set[int] = set()
        found = []
        for number, first in zip(hashes, self._seen.find(hashes), strict=True):
            repeated = first is not None or number in here
            if repeated:
                self._count(own if first is None else first, own)
            else:
                self._seen.add(number, own)
            here.add(number)
            found.append(repeated)
        return found

    def without(self, text: str, found: Sequence[bool]) -> str:
        """Return the text without the paragraphs that stood before."""
        if not any(found):
            return text
        lines = text.split("\n")
        long = (n for n, line in enumerate(lines) if self._is_long(line))
        repeated = {n for n, again in zip(long, found, strict=True) if again}
        return without_bare_headings(line for n, line in enumerate(lines) if n not in repeated)


class NearDuplicateStep(DuplicateStep):
    """Leaves out documents that are almost an earlier one; memory grows by 8 to 16 bytes a band and document."""

    name: ClassVar = "near_duplicates"

    def __init__(self, settings: NearDuplicates, language: str) -> None:
        """Take the length of runs, and the bands."""
        super().__init__()
        self._length = length_of_runs(settings.words, language)
        self._bands, self._rows = settings.bands, settings.rows

    def find(self, hashes: Sequence[int], source: str) -> list[bool]:
        """Return, as the only item, whether the document is almost one that was kept."""
        own = self._number(source)
        first = next((number for number in self._seen.find(hashes) if number is not None), None)
        if first is not None:
            self._count(first, own)
            return [True]
        for number in hashes:
            self._seen.add(number, own)
        return [False]

    def without(self, text: str, found: Sequence[bool]) -> str:
        """Return the text, or nothing where it is almost an earlier one."""
        return "" if any(found) else text

    def hashes(self, text: str) -> list[int]:
        """Return a hash for each band of the text's MinHash."""
        words = units(text)
        sketch = rensa.RMinHash(self._bands * self._rows, SEED)
        runs = max(len(words) - self._length + 1, 1)
        for begin in range(0, runs, RUNS_AT_ONCE):
            end = min(begin + RUNS_AT_ONCE, runs)
            sketch.update([" ".join(words[place : place + self._length]) for place in range(begin, end)])
        bands = np.array(sketch.digest(), "<u4").reshape(self._bands, self._rows)
        return [hash_of(bytes([number % 256, number // 256]) + band.tobytes()) for number, band in enumerate(bands)]
