"""Lines to learn new pieces from: all there are, or a seeded sample where that is more than learning takes in hours.

Byte-pair merging is exact on what it is given, but the library that does it is given each word as often as it occurs.
A sample of lines bounds that, as it does where tokenizers are trained. It is drawn uniformly from the lines of all
languages together, because their words are counted together.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from smelt.errors import SmeltError
from smelt.models.reduction.lines import training_lines


@dataclass(frozen=True)
class Sample:
    """Which training lines of some documents are learnt from; the lines themselves are read anew, and not kept."""

    documents: Mapping[str, Path]
    """Of each language."""
    lines: Mapping[str, int]
    """How many each has."""
    drawn: Mapping[str, bytearray]
    """For each line whether it is drawn, 1 or 0."""

    def of(self, language: str) -> Iterator[str]:
        """Yield the drawn lines of a language."""
        return compress(training_lines(self.documents[language]), self.drawn[language])

    def counted(self) -> dict[str, dict[str, int]]:
        """Return for each language how many lines it has, and how many are learnt from."""
        return {code: {"lines": lines, "learnt_from": sum(self.drawn[code])} for code, lines in self.lines.items()}


def draw(documents: Mapping[str, Path], size: int, seed: int) -> Sample:
    """Return a sample of at most so many training lines; all are in it where there are no more.

    Raises:
        SmeltError: a language has no training line, or its documents cannot be read.
    """
    lines = {language: _counted(language, path) for language, path in documents.items()}
    total = sum(lines.values())
    if total <= size:
        return Sample(documents, lines, {language: bytearray(b"\1") * count for language, count in lines.items()})
    marks = bytearray(total)
    for place in random.Random(seed).sample(range(total), size):
        marks[place] = 1
    drawn, first = {}, 0
    for language, count in lines.items():
        drawn[language] = marks[first : first + count]
        first += count
    return Sample(documents, lines, drawn)


def _counted(language: str, path: Path) -> int:
    count = sum(1 for _ in training_lines(path))
    if not count:
        raise SmeltError(path, f"has no text of {language} to learn from: every document is empty or held out")
    return count
