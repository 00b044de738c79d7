"""How languages use the pieces of a tokenizer: which ones, how often, and into how many their words are cut."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from smelt.models.inspect.pieces import InspectedTokenizer
from smelt.models.reduce.counting import SHORTEST, PieceCounter
from smelt.models.reduce.selection import Numbers
from smelt.models.vocabulary.texts import held_out_lines, training_lines

SHARES = (0.5, 0.9, 0.99, 0.999)
"""Shares of a language's occurrences whose most used pieces are counted."""


@dataclass(frozen=True)
class LanguageUse:
    """How the texts of one language are cut."""

    language: str
    lines: int
    """Lines of more than five characters; others are not looked at."""
    words: int
    """Between blanks."""
    characters: int
    occurrences: Numbers
    """Times that each piece occurs, by id."""
    unknown: int
    """Times that the unknown piece does."""

    @property
    def tokens(self) -> int:
        """All occurrences of pieces."""
        return int(self.occurrences.sum())

    @property
    def seen(self) -> int:
        """Number of different pieces that occur."""
        return int(np.count_nonzero(self.occurrences))

    @property
    def fertility(self) -> float | None:
        """Pieces a word."""
        return self.tokens / self.words if self.words else None

    @property
    def characters_per_piece(self) -> float | None:
        """Characters a piece, blanks between words among them."""
        return self.characters / self.tokens if self.tokens else None

    @property
    def unknown_share(self) -> float | None:
        """Share of the occurrences that are the unknown piece."""
        return self.unknown / self.tokens if self.tokens else None

    def pieces_for(self, share: float) -> int:
        """Return how many of the most used pieces make a share of all occurrences."""
        ordered = np.sort(self.occurrences)[::-1]
        return int(np.searchsorted(np.cumsum(ordered), share * self.tokens)) + 1 if self.tokens else 0


@dataclass(frozen=True)
class Usage:
    """How several languages use the pieces of one tokenizer."""

    languages: Sequence[LanguageUse]

    @property
    def users(self) -> Numbers:
        """How many of the languages use each piece, by id."""
        return np.asarray(np.sum([use.occurrences > 0 for use in self.languages], axis=0), np.int64)

    def alone(self, use: LanguageUse) -> int:
        """Return how many pieces only this language uses."""
        return int(np.count_nonzero((use.occurrences > 0) & (self.users == 1)))

    def used_by(self, number: int) -> int:
        """Return how many pieces exactly this number of languages uses."""
        return int(np.count_nonzero(self.users == number))


def all_lines(documents: Path) -> Iterator[str]:
    """Yield all lines of a language that are long enough to count, whether they are held out or not."""
    lines = chain(training_lines(documents), held_out_lines(documents, sys.maxsize))
    return (line for line in lines if len(line.strip()) >= SHORTEST)


def usage_of(tokenizer: InspectedTokenizer, documents: Mapping[str, Path]) -> Usage:
    """Return how languages use the pieces of a tokenizer; `documents` are those of each."""
    vocabulary = tokenizer.vocabulary
    counter = PieceCounter(vocabulary.tree, vocabulary.size, encode_special_tokens=True)
    return Usage([_use(tokenizer, counter, language, path) for language, path in documents.items()])


def _use(tokenizer: InspectedTokenizer, counter: PieceCounter, language: str, documents: Path) -> LanguageUse:
    words = characters = 0

    def noted(lines: Iterable[str]) -> Iterator[str]:
        nonlocal words, characters
        for line in lines:
            words += len(line.split())
            characters += len(line)
            yield line

    found = counter.count(noted(all_lines(documents)))
    unknown = 0 if tokenizer.unknown is None else int(found.occurrences[tokenizer.unknown])
    return LanguageUse(language, found.lines, words, characters, found.occurrences, unknown)
