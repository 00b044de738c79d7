"""Offsets: texts with the characters where their spans begin and end, as Facebook's dialogues are published."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from smelt.errors import SmeltError, quote
from smelt.numbers import ColumnNumber
from smelt.tasks.examples import Sentence
from smelt.tasks.formats.base import SlotFormat, SourceFile
from smelt.tasks.lines import Width, is_blank, numbered_lines

WORD = re.compile(r"\w+|[^\w\s]")
SPAN = re.compile(r"(-?\d+):(-?\d+):(.+)")


class Offsets(SlotFormat):
    """Rows of TSV with a text, and its spans as characters: `17:23:datetime,27:30:place`, the end not included."""

    key: ClassVar[str] = "offsets"

    text: ColumnNumber
    """Number of the text's column, from 0. Its words are what stands between blanks, each mark of punctuation apart."""
    spans: ColumnNumber
    """Number of the column of its spans."""
    misplaced: Literal["error", "count"] = "error"
    """A span that begins or ends within a word, outside the text or in another span is an `error`, or is left to
    `count`: it is of every word that it touches and none before it has, and `task.json` has the number."""

    def read(self, file: SourceFile) -> Iterator[Sentence]:
        """Yield the texts of a file."""
        return read_offsets(file.local, self)


def read_offsets(path: Path, written: Offsets) -> Iterator[Sentence]:
    """Yield the words and labels of texts whose spans are given by their characters; empty lines are skipped.

    Raises:
        SmeltError: a span is not `start:end:name`, or is misplaced and not to be counted. The line is named.
    """
    width = Width(path, "\t", max(written.text, written.spans) + 1)
    for number, line in numbered_lines(path, written.encoding):
        if is_blank(line):
            continue
        cells = line.split("\t")
        width.check(cells, number)
        text, place = cells[written.text], f"{path}:{number}"
        words = list(WORD.finditer(text))
        labels, misplaced = ["O"] * len(words), 0
        for start, end, name in sorted(_spans(cells[written.spans], place)):
            if fault := _label(labels, words, start, end, name):
                misplaced += 1
                if written.misplaced == "error":
                    found = f"{name}, {start} to {end} of {quote(text)},"
                    raise SmeltError(place, f"{found} {fault}: expected the characters of whole words")
        yield Sentence([word[0] for word in words], labels, [number] * len(words), misplaced=misplaced)


def _spans(cell: str, place: str) -> Iterator[tuple[int, int, str]]:
    for part in filter(None, (part.strip() for part in cell.split(","))):
        match = SPAN.fullmatch(part)
        if match is None or int(match[1]) >= int(match[2]):
            raise SmeltError(place, f"expected spans as start:end:name, with commas between them, found {quote(part)}")
        yield int(match[1]), int(match[2]), match[3]


def _label(labels: list[str], words: list[re.Match[str]], start: int, end: int, name: str) -> str:
    """Label the words that a span touches and that have no label yet; return what is wrong with its place, or ""."""
    first = bisect_right(words, start, key=lambda word: word.end())
    last = bisect_left(words, end, key=lambda word: word.start())
    free = [position for position in range(first, last) if labels[position] == "O"]
    for position in free:
        labels[position] = f"{'B' if position == free[0] else 'I'}-{name}"
    if not first < last:
        return "has no word"
    if len(free) < last - first:
        return "overlaps another span"
    whole = words[first].start() == start and words[last - 1].end() == end
    return "" if whole else "does not begin and end with words"
