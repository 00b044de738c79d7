"""Bracketed: utterances with their slots in brackets, as MASSIVE is published."""

import re
from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from smelt.errors import SmeltError, quote
from smelt.languages import Language
from smelt.tasks.examples import Sentence
from smelt.tasks.formats.base import FileOrSplit, SlotFormat, SourceFile
from smelt.tasks.formats.rows import read_rows, read_text_cell
from smelt.tasks.lines import split_at_blanks

SLOT = re.compile(r"\[\s*([^\[\]:]+?)\s*:\s*([^\[\]]+?)\s*\]")


class Bracketed(SlotFormat):
    """Rows of Parquet or JSON with slots in brackets, as in MASSIVE: "wake me at [time : five am]"."""

    key: ClassVar[str] = "bracketed"
    reads_rows: ClassVar[bool] = True

    utterance: str
    """Column of the annotated utterance."""
    characters: list[Language] = Field(default_factory=list)
    """Languages written without blanks, whose characters stand as words (MASSIVE's own reading of ja and zh)."""

    def read(self, file: SourceFile) -> Iterator[Sentence]:
        """Yield the utterances of a file."""
        return read_bracketed(file.path, self, file.language)


def read_bracketed(path: FileOrSplit, bracketed: Bracketed, language: str) -> Iterator[Sentence]:
    """Yield utterances whose slots stand in brackets with their names: "wake me at [time : five am]"."""
    separate = list if language in bracketed.characters else split_at_blanks
    for number, row in read_rows(path, bracketed):
        utterance = read_text_cell(row, bracketed.utterance, f"{path}, row {number}")
        sentence = Sentence([], [], [])
        place = 0
        for match in SLOT.finditer(utterance):
            _extend(sentence, separate(utterance[place : match.start()]), None)
            _extend(sentence, separate(match[2]), match[1])
            place = match.end()
        _extend(sentence, separate(utterance[place:]), None)
        if any(mark in word for word in sentence.words for mark in "[]"):
            raise SmeltError(f"{path}, row {number}", f"expected slots as [name : words], found {quote(utterance)}")
        sentence.lines = [number] * len(sentence.words)
        yield sentence


def _extend(sentence: Sentence, words: list[str], slot: str | None) -> None:
    words = [word for word in words if word.strip()]
    sentence.words += words
    sentence.labels += ["O" if slot is None else f"{'I' if place else 'B'}-{slot}" for place in range(len(words))]
