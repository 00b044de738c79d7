"""Counts the pieces of lines as fast as may be, and exactly as a loop over `tokenizer.tokenize(line)` would.

Most words of a text are repeated. Where lines may be cut at blanks (see `splitting`), each word is tokenised once and
remembered, and a line's pieces are those of its words: Arrow numbers the words, and two sparse matrices, lines by words
and words by pieces, give lines by pieces as their product. Other lines are tokenised whole, each as one long word.
"""

import json
import os
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, repeat
from typing import Any, Self, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from tokenizers import AddedToken, Tokenizer

from smelt.models.reduction.counts import Numbers
from smelt.models.reduction.loading import Tree
from smelt.models.reduction.splitting import Splitting, splitting_of

Ids = NDArray[np.int32]
Part = TypeVar("Part")

SHORTEST = 6  # characters of a line that counts, blanks around it aside
CHARACTERS_AT_ONCE = 4_000_000  # bounds the memory of a step, together with the longest document
WORDS_AT_ONCE = 64  # of a text that is tokenised to learn new words; more run slower
REMEMBERED = 200_000_000  # bytes that remembered words may take, about
ENTRY = 150  # bytes of a remembered word besides its characters
UNKNOWN, DEPENDENT = -1, 0
SEPARATOR = "\ufdd0\ufdd1\ufdd0"  # characters that no text may hold


@dataclass
class Tally:
    """What was counted; arrays of shape (pieces,)."""

    lines: int
    documents: int
    in_lines: Numbers
    in_documents: Numbers
    occurrences: Numbers

    @classmethod
    def of(cls, pieces: int) -> Self:
        """Return one of nothing."""
        return cls(0, 0, *(np.zeros(pieces, np.int64) for _ in range(3)))

    def add(self, other: "Tally") -> None:
        """Add what was counted elsewhere."""
        self.lines += other.lines
        self.documents += other.documents
        self.in_lines += other.in_lines
        self.in_documents += other.in_documents
        self.occurrences += other.occurrences


class PieceCounter:
    """Counts documents with one tokenizer, and remembers the words that it has met."""

    def __init__(self, tree: Tree, pieces: int, encode_special_tokens: bool, split: bool = True) -> None:
        """Take a tokenizer.

        Args:
            tree: what the tokenizer consists of, as its tokenizer.json would say.
            pieces: number of ids.
            encode_special_tokens: whether a special token that a text spells out is text.
            split: whether to cut lines at blanks where that is known to be exact.
        """
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # cores are shared out among processes, not within them
        self._tokenizer = _tokenizer(tree, encode_special_tokens)
        self._pieces = pieces
        splitting = splitting_of(self._tokenizer, tree) if split else None
        self._words = _Words(tree, encode_special_tokens, splitting) if splitting else None

    def count(self, documents: Iterable[str]) -> Tally:
        """Return how many lines and documents hold each piece, and how often it occurs.

        documents: texts whose lines are separated by newlines. Lines of five characters and fewer are left out, and so
            are documents that have no other.
        """
        tally = Tally.of(self._pieces)
        for portion in _portions(documents):
            tally.add(self._count(portion))
        return tally

    def _count(self, documents: Sequence[Sequence[str]]) -> Tally:
        lines = list(chain.from_iterable(documents))
        by_line, order = self._cut(lines)
        owners = np.repeat(np.arange(len(documents)), [len(document) for document in documents])[order]
        ones = np.ones(len(lines), np.int32)
        by_document = coo_array((ones, (owners, np.arange(len(lines)))), shape=(len(documents), len(lines))) @ by_line
        return Tally(
            lines=len(lines),
            documents=len(documents),
            in_lines=np.bincount(by_line.indices, minlength=self._pieces),
            in_documents=np.bincount(by_document.indices, minlength=self._pieces),
            occurrences=np.asarray(by_line.sum(axis=0, dtype=np.int64)),
        )

    def _cut(self, lines: list[str]) -> tuple[Any, Numbers]:
        """Return how often each line has each piece, as a sparse matrix without repeated entries, and its lines."""
        cut = self._words.cut(lines) if self._words else _nothing_cut(len(lines))
        whole = np.flatnonzero(cut.dependent)
        sizes, ids = encode(self._tokenizer, [lines[row] for row in whole])
        pieces = _matrix(np.concatenate([cut.ids, ids]), np.concatenate([cut.sizes, sizes]), self._pieces)
        words = np.concatenate([cut.words, len(cut.sizes) + np.arange(len(whole))])
        lengths = np.concatenate([cut.lengths, np.ones(len(whole), np.int64)])
        order = np.concatenate([np.flatnonzero(~cut.dependent), whole])
        return _matrix(words, lengths, len(cut.sizes) + len(whole)) @ pieces, order


@dataclass(frozen=True)
class _Cut:
    """Lines as words, and words as pieces."""

    dependent: NDArray[np.bool_]
    """Lines that have to be tokenised whole, shape (lines,)."""
    words: Numbers
    """The words of all other lines, one line after the other, as rows of the table of words."""
    lengths: Numbers
    """How many words each of them has."""
    ids: Ids
    """The table: the pieces of all words, one word after the other."""
    sizes: Numbers
    """How many pieces each word has."""


def _nothing_cut(lines: int) -> _Cut:
    none = np.zeros(0, np.int64)
    return _Cut(np.ones(lines, dtype=bool), none, none, none.astype(np.int32), none)


class _Words:
    """The words met so far, and their pieces."""

    def __init__(self, tree: Tree, encode_special_tokens: bool, splitting: Splitting) -> None:
        self._splitting = replace(splitting, added=(*splitting.added, SEPARATOR))
        self._tokenizer = _tokenizer(tree, encode_special_tokens)
        self._bare = _tokenizer(tree | {"normalizer": None}, encode_special_tokens)
        for tokenizer in (self._tokenizer, self._bare):
            # An added token separates texts before they are normalised: so many are tokenised in one call.
            tokenizer.add_tokens([AddedToken(SEPARATOR, normalized=False)])
        self._separator = self._tokenizer.token_to_id(SEPARATOR)
        self._forget()

    def _forget(self) -> None:
        self._rows: dict[str, int] = {}  # DEPENDENT is the row of all words whose pieces depend on their neighbours
        self._ids, self._ends = array("i", [0]), array("q", [1, 1])  # where each row ends; row 0 has no pieces
        self._size = 0

    def cut(self, lines: list[str]) -> _Cut:
        """Return the words of lines and their pieces."""
        if self._size > REMEMBERED:
            self._forget()
        texts, words, lengths = self._numbered(lines)
        rows = self._learnt(texts)
        of_line = np.repeat(np.arange(len(lines)), lengths)
        dependent = np.zeros(len(lines), dtype=bool)
        dependent[of_line[(rows == DEPENDENT)[words]]] = True
        ids, sizes = self._pieces_of(rows)
        return _Cut(dependent, words[~dependent[of_line]], lengths[~dependent], ids, sizes)

    def _numbered(self, lines: list[str]) -> tuple[list[str], Numbers, Numbers]:
        """Return the distinct words, and those of all lines as numbers of them, with how many each line has."""
        split = pc.split_pattern(pa.array(lines, pa.large_string()), " ")
        encoded = split.flatten().dictionary_encode()
        starts = split.offsets.to_numpy()
        words, distinct = encoded.indices.to_numpy().astype(np.int64), encoded.dictionary.to_pylist()
        texts = [self._splitting.glue + word for word in distinct]
        if self._splitting.bare_start:
            firsts, words[starts[:-1]] = _renumbered(words[starts[:-1]], len(texts))
            texts += [distinct[number] for number in firsts]
        return texts, words, np.diff(starts).astype(np.int64)

    def _learnt(self, texts: list[str]) -> Numbers:
        """Return the words' rows, after learning the new ones."""
        rows = np.fromiter(map(self._rows.get, texts, repeat(UNKNOWN)), np.int64, len(texts))
        unknown = np.flatnonzero(rows == UNKNOWN)
        if len(unknown):
            new = [texts[number] for number in unknown.tolist()]
            self._learn(new)
            rows[unknown] = np.fromiter(map(self._rows.__getitem__, new), np.int64, len(new))
        return rows

    def _learn(self, new: list[str]) -> None:
        unchanged, changed = self._splitting.parted(self._splitting.alone(new))
        alone = unchanged + changed
        parts = [self._encode(self._bare, unchanged), self._encode(self._tokenizer, changed)]
        sizes, ids = (np.concatenate(part) for part in zip(*parts, strict=True))
        first = len(self._ends) - 1
        self._ends.frombytes((self._ends[-1] + np.cumsum(sizes)).astype(np.int64).tobytes())
        self._ids.frombytes(ids.tobytes())
        self._rows.update(dict.fromkeys(new, DEPENDENT))
        self._rows.update(zip(alone, range(first, first + len(alone)), strict=True))
        self._size += sum(map(len, new)) + ENTRY * len(new)

    def _pieces_of(self, rows: Numbers) -> tuple[Ids, Numbers]:
        ends, ids = np.frombuffer(self._ends, np.int64), np.frombuffer(self._ids, np.int32)
        starts, sizes = ends[rows], ends[rows + 1] - ends[rows]
        before = np.cumsum(sizes) - sizes
        return ids[np.arange(sizes.sum()) + np.repeat(starts - before, sizes)], sizes

    def _encode(self, tokenizer: Tokenizer, words: list[str]) -> tuple[Numbers, Ids]:
        """Return how many pieces each word has, and all of them."""
        texts = [
            SEPARATOR.join([*words[start : start + WORDS_AT_ONCE], ""]) for start in range(0, len(words), WORDS_AT_ONCE)
        ]
        _, ids = encode(tokenizer, texts)
        ends = np.flatnonzero(ids == self._separator)
        assert len(ends) == len(words)
        return np.diff(ends, prepend=-1) - 1, ids[ids != self._separator]


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Numbers, Ids]:
    """Return how many pieces each text has, and the ids of all, one text after the other."""
    sizes, ids = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for portion in _limited(texts, len):
        lists = [encoding.ids for encoding in tokenizer.encode_batch_fast(portion, add_special_tokens=False)]
        sizes.append(np.array([len(part) for part in lists], np.int64))
        ids.append(np.fromiter(chain.from_iterable(lists), np.int32, int(sizes[-1].sum())))
    return np.concatenate(sizes), np.concatenate(ids)


def _tokenizer(tree: Tree, encode_special_tokens: bool) -> Tokenizer:
    tokenizer = Tokenizer.from_str(json.dumps(tree))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = encode_special_tokens
    return tokenizer


def _matrix(columns: Any, lengths: Numbers, width: int) -> Any:
    """Return a sparse matrix of ones, given the columns of all rows and how many each row has; columns may repeat."""
    ends = np.concatenate([[0], np.cumsum(lengths)])
    return csr_array((np.ones(len(columns), np.int32), columns, ends), shape=(len(lengths), width))


def _renumbered(numbers: Numbers, start: int) -> tuple[Numbers, Numbers]:
    """Return the distinct numbers, and for each its place among them, counted from `start`."""
    distinct, places = np.unique(numbers, return_inverse=True)
    return distinct, places + start


def _portions(documents: Iterable[str]) -> Iterator[list[list[str]]]:
    """Yield the lines that count of consecutive documents, a bounded number of characters at a time."""
    read = ([line for line in text.split("\n") if len(line.strip()) >= SHORTEST] for text in documents)
    return _limited((lines for lines in read if lines), lambda lines: sum(map(len, lines)))


def _limited(parts: Iterable[Part], size: Callable[[Part], int]) -> Iterator[list[Part]]:
    """Yield consecutive parts, no more than CHARACTERS_AT_ONCE at a time unless a single one is longer."""
    portion: list[Part] = []
    held = 0
    for part in parts:
        if portion and held + size(part) > CHARACTERS_AT_ONCE:
            yield portion
            portion, held = [], 0
        portion.append(part)
        held += size(part)
    if portion:
        yield portion
