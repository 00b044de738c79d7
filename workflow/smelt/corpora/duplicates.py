"""Steps of cleaning that remember documents: paragraphs that stood before, and documents that almost did."""

from collections import Counter
from typing import ClassVar

import numpy as np
import rensa

from smelt.corpora.hash_set import SOURCES, HashSet, hash_of
from smelt.corpora.word_runs import length_of_runs, units
from smelt.errors import SmeltError
from smelt.paragraphs import is_heading, without_bare_headings
from smelt.study.cleaning import DuplicateParagraphs, NearDuplicates

SEED = 1
RUNS_AT_ONCE = 10_000  # runs of words that are in memory as texts


class Sources:
    """Numbers of sources, by their names, and how often something stood within one or in two."""

    def __init__(self) -> None:
        """Start without any."""
        self._numbers: dict[str, int] = {}
        self.counts: Counter[str] = Counter()

    def number(self, source: str) -> int:
        """Return the number of a source."""
        number = self._numbers.setdefault(source, len(self._numbers))
        if number >= SOURCES:
            raise SmeltError(source, f"is one source too many: expected at most {SOURCES}")
        return number

    def count(self, first: int, again: int) -> None:
        """Count something that stood in the source `first` and stands in `again`."""
        self.counts["within_source" if first == again else "across_sources"] += 1

    def details(self) -> dict[str, int]:
        """Return the counts, as statistics.json holds them."""
        return {name: self.counts[name] for name in ("within_source", "across_sources")}


class ParagraphStep:
    """Leaves out paragraphs that stood before; memory grows by 8 to 16 bytes for each different paragraph."""

    name: ClassVar = "duplicate_paragraphs"

    def __init__(self, settings: DuplicateParagraphs) -> None:
        """Take the length below which paragraphs stay."""
        self._shortest = settings.min_characters
        self._seen = HashSet()
        self._sources = Sources()

    def apply(self, text: str, source: str) -> str:
        """Return the text without paragraphs that stood before."""
        lines = text.split("\n")
        long = [n for n, line in enumerate(lines) if len(line) >= self._shortest and not is_heading(line)]
        hashes = [hash_of(lines[n].encode()) for n in long]
        own = self._sources.number(source)
        here: set[int] = set()
        repeated = set()
        for n, number, first in zip(long, hashes, self._seen.find(hashes), strict=True):
            if first is not None or number in here:
                self._sources.count(own if first is None else first, own)
                repeated.add(n)
            here.add(number)
            if n not in repeated:
                self._seen.add(number, own)
        kept = (line for n, line in enumerate(lines) if n not in repeated)
        return without_bare_headings(kept) if repeated else text

    def details(self) -> dict[str, int]:
        """Return how many stood before in the same source, and in another."""
        return self._sources.details()


class NearDuplicateStep:
    """Leaves out documents that are almost an earlier one; memory grows by 8 to 16 bytes a band and document."""

    name: ClassVar = "near_duplicates"

    def __init__(self, settings: NearDuplicates, language: str) -> None:
        """Take the length of runs, and the bands."""
        self._length = length_of_runs(settings.words, language)
        self._bands, self._rows = settings.bands, settings.rows
        self._seen = HashSet()
        self._sources = Sources()

    def apply(self, text: str, source: str) -> str:
        """Return the text, or nothing where it is almost an earlier one."""
        hashes = self._hashes(text)
        own = self._sources.number(source)
        first = next((number for number in self._seen.find(hashes) if number is not None), None)
        if first is not None:
            self._sources.count(first, own)
            return ""
        for number in hashes:
            self._seen.add(number, own)
        return text

    def _hashes(self, text: str) -> list[int]:
        """Return a hash for each band of the text's MinHash."""
        words = units(text)
        sketch = rensa.RMinHash(self._bands * self._rows, SEED)
        runs = max(len(words) - self._length + 1, 1)
        for begin in range(0, runs, RUNS_AT_ONCE):
            end = min(begin + RUNS_AT_ONCE, runs)
            sketch.update([" ".join(words[place : place + self._length]) for place in range(begin, end)])
        bands = np.array(sketch.digest(), "<u4").reshape(self._bands, self._rows)
        return [hash_of(bytes([number % 256, number // 256]) + band.tobytes()) for number, band in enumerate(bands)]

    def details(self) -> dict[str, int]:
        """Return how many were almost one of the same source, and of another."""
        return self._sources.details()
