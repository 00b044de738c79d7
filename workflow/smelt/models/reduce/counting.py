"""Counts the pieces of lines as fast as possible, and exactly as a loop over `tokenizer.tokenize(line)` would.

A line's pieces are those of its words: rows of a sparse matrix, words by pieces, make one of lines by pieces.
Transposed, it has the lines of each piece side by side.
"""

import heapq
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, groupby
from typing import Any, Self

import numpy as np
from scipy.sparse import csr_array
from tokenizers import Tokenizer

from smelt.models.reduce.selection import Numbers
from smelt.models.vocabulary.tokenizer_files import Tree
from smelt.paragraphs import paragraphs
from smelt.training import known_words
from smelt.training.known_words import KnownWords, batch_by_size, encode, new_tokenizer, prepare, whole_lines
from smelt.training.splitting import splitting_of

CHARACTERS_AT_ONCE = 2_000_000  # bounds the memory of a step, together with the longest document
SHORTEST = 6  # characters of a line that counts, blanks around it aside


@dataclass
class PieceTally:
    """Counts of lines, documents and pieces; arrays of shape (pieces,)."""

    lines: int
    documents: int
    in_lines: Numbers
    in_documents: Numbers
    occurrences: Numbers

    @classmethod
    def of(cls, pieces: int) -> Self:
        """Return one with all counts zero."""
        return cls(0, 0, *(np.zeros(pieces, np.int64) for _ in range(3)))

    def add(self, other: "PieceTally") -> None:
        """Add other counts."""
        self.lines += other.lines
        self.documents += other.documents
        self.in_lines += other.in_lines
        self.in_documents += other.in_documents
        self.occurrences += other.occurrences


class PieceCounter:
    """Counts documents with one tokenizer, and remembers the words that it has met."""

    def __init__(
        self, tree: Tree, pieces: int, encode_special_tokens: bool, tokenizer: Tokenizer | None = None
    ) -> None:
        """Take a tokenizer.

        Args:
            tree: the tokenizer, as its tokenizer.json would hold it.
            pieces: number of ids.
            encode_special_tokens: whether a special token in a text is read as text.
            tokenizer: the same, loaded, for this counter to use; by default it makes one.
        """
        self._tree, self._encode_special_tokens, self._pieces = tree, encode_special_tokens, pieces
        self._tokenizer = tokenizer or new_tokenizer(tree, encode_special_tokens)
        prepare(self._tokenizer, encode_special_tokens)
        splitting = splitting_of(self._tokenizer, tree)
        self._words = KnownWords(self._tokenizer, splitting) if splitting else None

    @cached_property
    def _without_separator(self) -> Tokenizer:
        """The tokenizer for lines that hold what separates words elsewhere; next to no text has one."""
        return new_tokenizer(self._tree, self._encode_special_tokens)

    def count(self, documents: Iterable[str]) -> PieceTally:
        """Return how many lines and documents hold each piece, and how often it occurs.

        documents: texts with a newline between lines. Lines of at most five characters are left out, and documents
            without other lines.
        """
        tally = PieceTally.of(self._pieces)
        for batch in _batches(documents):
            tally.add(self._count(batch))
        return tally

    def _count(self, documents: Sequence[Sequence[str]]) -> PieceTally:
        lines = list(chain.from_iterable(documents))
        owners = np.repeat(np.arange(len(documents), dtype=np.int32), [len(document) for document in documents])
        by_piece = self._by_line(lines).tocsc()
        return PieceTally(
            lines=len(lines),
            documents=len(documents),
            in_lines=_different(by_piece.indices, by_piece.indptr),
            in_documents=_different(owners[by_piece.indices], by_piece.indptr),
            occurrences=np.diff(by_piece.indptr).astype(np.int64),
        )

    def _by_line(self, lines: list[str]) -> Any:
        """Return the pieces of lines as a sparse matrix; an entry for each time that a piece occurs."""
        cut = self._words.cut(lines) if self._words is not None else whole_lines(len(lines))
        whole = [lines[row] for row in np.flatnonzero(cut.dependent)]
        clean = not any(known_words.SEPARATOR in line for line in whole)
        sizes, ids = encode(self._tokenizer if clean else self._without_separator, whole)
        table = _matrix(np.concatenate([cut.ids, ids]), np.concatenate([cut.sizes, sizes]), self._pieces)
        words = table[cut.words]
        ends = words.indptr[np.concatenate([[0], np.cumsum(cut.lengths)])]
        return csr_array((words.data, words.indices, ends), shape=(len(lines), self._pieces))


def _matrix(columns: Any, lengths: Numbers, width: int) -> Any:
    """Return a sparse matrix of ones, given the columns of all rows and how many each row has; columns may repeat."""
    ends = np.concatenate([[0], np.cumsum(lengths)])
    return csr_array((np.ones(len(columns), np.int8), columns, ends), shape=(len(lengths), width))


def _different(rows: Any, ends: Any) -> Numbers:
    """Return how many different rows each column of a sparse matrix has, given those of all; equal ones stand together.

    ends: where the rows of each column end, after a zero.
    """
    last = np.ones(len(rows) + 1, dtype=bool)  # of its equals, after a place for the zero
    np.not_equal(rows[1:], rows[:-1], out=last[1:-1])
    last[ends] = True
    last[0] = False
    return np.asarray(np.diff(np.cumsum(last, dtype=ends.dtype)[ends]), np.int64)


def counted_lines(document: str) -> list[str]:
    """Return the lines of a document that count."""
    return [line for line in paragraphs(document) if len(line.strip()) >= SHORTEST]


def draw_lines(documents: Iterable[str], size: int, seed: int, language: str) -> list[str]:
    """Return documents of drawn lines, in their order; a document without any is left out.

    Each line that counts gets a random number, and those with the lowest are drawn: all lines are as likely, only drawn
    ones are in memory, and those of a smaller sample are among those of a larger one.

    Args:
        documents: texts with a newline between lines.
        size: lines to draw; all where there are fewer.
        seed: of the draw.
        language: of the documents: each has a draw of its own.
    """
    generator = random.Random(f"{seed} {language}")
    drawn: list[tuple[float, int, int, str]] = []  # the highest number first, as a heap of negative ones
    for document, text in enumerate(documents):
        for place, line in enumerate(counted_lines(text)):
            entry = (-generator.random(), -document, -place, line)
            if len(drawn) < size:
                heapq.heappush(drawn, entry)
            elif entry > drawn[0]:
                heapq.heapreplace(drawn, entry)
    ordered = sorted((-document, -place, line) for _, document, place, line in drawn)
    return ["\n".join(line for *_, line in lines) for _, lines in groupby(ordered, key=lambda entry: entry[0])]


def _batches(documents: Iterable[str]) -> Iterator[list[list[str]]]:
    """Yield the lines that count of consecutive documents, a bounded number of characters at a time."""
    read = map(counted_lines, documents)
    return batch_by_size((lines for lines in read if lines), lambda lines: sum(map(len, lines)), CHARACTERS_AT_ONCE)
