"""The words of lines, each cut into pieces but once.

Arrow numbers the words: those known come first, so that an old word gets its old number and a new one the next. The
most frequent ones are looked up in a small table before that.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer

from smelt.models.reduction.counts import Numbers
from smelt.models.reduction.loading import Tree
from smelt.models.reduction.splitting import Splitting
from smelt.portions import portions

Ids = NDArray[np.int32]

CHARACTERS_AT_ONCE = 8_000_000  # bounds the memory of a step, together with the longest document
WORDS_AT_ONCE = 64  # of a text that is tokenised to learn new words; more run slower
REMEMBERED = 1_000_000  # words; more would take Arrow longer to look up than they save
FREQUENT = 16_384  # words of which a table stays in the processor's caches; most words of a text are among them
SEPARATOR = "\ufdd0\ufdd1\ufdd0"  # characters that no text may hold
BARE = "\n"  # stands before a word that has no glue; no line holds it


@dataclass(frozen=True)
class Cut:
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


def nothing_cut(lines: int) -> Cut:
    """Return lines that are all tokenised whole."""
    none = np.zeros(0, np.int64)
    return Cut(np.ones(lines, dtype=bool), none, none, none.astype(np.int32), none)


class Words:
    """The words met so far, and their pieces."""

    def __init__(self, tree: Tree, encode_special_tokens: bool, splitting: Splitting) -> None:
        """Take a tokenizer (see `PieceCounter`) and how its lines are cut."""
        self._splitting = replace(splitting, added=(*splitting.added, SEPARATOR))
        self._tokenizer = new_tokenizer(tree, encode_special_tokens)
        # An added token separates texts before they are normalised: so many are tokenised in one call.
        self._tokenizer.add_tokens([AddedToken(SEPARATOR, normalized=False)])
        self._separator = self._tokenizer.token_to_id(SEPARATOR)
        self._forget()

    def _forget(self) -> None:
        self._known = self._frequent = pa.array([], pa.large_string())
        self._numbers_of_frequent = np.zeros(0, np.int64)
        self._dependent = np.zeros(0, dtype=bool)  # words whose pieces depend on their neighbours: they have none here
        self._ids, self._sizes = np.zeros(0, np.int32), np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Return how many words are remembered."""
        return len(self._known)

    def cut(self, lines: Sequence[str]) -> Cut:
        """Return the words of lines and their pieces."""
        if len(self) > REMEMBERED:
            self._forget()
        if self._splitting.bare_start:
            lines = [BARE + line for line in lines]
        split = pc.split_pattern(pa.array(lines, pa.large_string()), " ")
        lengths = np.diff(split.offsets.to_numpy())
        words = self._numbered(split.flatten())
        of_line = np.repeat(np.arange(len(lines)), lengths)
        dependent = np.zeros(len(lines), dtype=bool)
        dependent[of_line[self._dependent[words]]] = True
        if dependent.any():
            words, lengths = words[~dependent[of_line]], lengths[~dependent]
        return Cut(dependent, words, lengths, self._ids, self._sizes)

    def _numbered(self, words: Any) -> Numbers:
        """Return the numbers of an Arrow array of words, after learning the new ones."""
        places = pc.index_in(words, value_set=self._frequent)
        others = np.asarray(places.is_null())
        numbers = np.empty(len(words), np.int64)
        numbers[~others] = self._numbers_of_frequent[places.drop_null().to_numpy()]
        numbers[others] = self._numbered_among_all(words.filter(pa.array(others)))
        if not len(self._frequent):
            self._remember_frequent(numbers)
        return numbers

    def _remember_frequent(self, numbers: Numbers) -> None:
        """Remember the most frequent words of a text, given the numbers of its words."""
        times = np.bincount(numbers, minlength=len(self))
        self._numbers_of_frequent = np.argsort(-times, kind="stable")[:FREQUENT]
        self._frequent = self._known.take(pa.array(self._numbers_of_frequent))

    def _numbered_among_all(self, words: Any) -> Numbers:
        known = len(self)
        encoded = pa.concat_arrays([self._known, words]).dictionary_encode()
        numbers = np.arange(len(encoded.dictionary))
        numbers[known:] = known + self._learn(encoded.dictionary[known:])
        found: Numbers = numbers[encoded.indices.to_numpy()[known:]]
        return found

    def _learn(self, new: Any) -> Numbers:
        """Learn an Arrow array of distinct words, and return which of the new numbers each of them has."""
        texts = self._texts(new)
        alone = self._splitting.alone(texts)
        unchanged = alone.copy()
        unchanged[alone] = self._splitting.unchanged(texts.filter(pa.array(alone)))
        kinds = [unchanged, alone & ~unchanged, ~alone]
        order = np.concatenate([np.flatnonzero(kind) for kind in kinds])
        plain, changed = (texts.filter(pa.array(kind)).to_pylist() for kind in kinds[:2])
        parts = [self._encode_unchanged(plain), self._encode(changed)]
        self._sizes = np.concatenate([self._sizes, *(part[0] for part in parts), np.zeros(kinds[2].sum(), np.int64)])
        self._ids = np.concatenate([self._ids, *(part[1] for part in parts)])
        self._dependent = np.concatenate([self._dependent, ~alone[order]])
        self._known = pa.concat_arrays([self._known, new.take(pa.array(order))])
        numbers = np.empty(len(order), np.int64)
        numbers[order] = np.arange(len(order))
        return numbers

    def _texts(self, words: Any) -> Any:
        """Return what is tokenised for words: distinct ones, as these are."""
        if not self._splitting.glue:
            return words
        glue, nothing = (pa.scalar(text, pa.large_string()) for text in (self._splitting.glue, ""))
        glued = pc.binary_join_element_wise(glue, words, nothing)
        return pc.if_else(pc.starts_with(words, BARE), pc.utf8_slice_codeunits(words, len(BARE)), glued)

    def _encode(self, words: Sequence[str]) -> tuple[Numbers, Ids]:
        """Return how many pieces each word has, and all of them."""
        texts = [
            SEPARATOR.join([*words[start : start + WORDS_AT_ONCE], ""]) for start in range(0, len(words), WORDS_AT_ONCE)
        ]
        _, ids = encode(self._tokenizer, texts)
        ends = np.flatnonzero(ids == self._separator)
        assert len(ends) == len(words)
        return np.diff(ends, prepend=-1) - 1, ids[ids != self._separator]

    def _encode_unchanged(self, words: Sequence[str]) -> tuple[Numbers, Ids]:
        """Do the same for words that the normaliser leaves as they are."""
        normalizer = self._tokenizer.normalizer
        self._tokenizer.normalizer = None
        try:
            return self._encode(words)
        finally:
            self._tokenizer.normalizer = normalizer


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Numbers, Ids]:
    """Return how many pieces each text has, and the ids of all, one text after the other."""
    sizes, ids = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for portion in portions(texts, len, CHARACTERS_AT_ONCE):
        lists = [encoding.ids for encoding in tokenizer.encode_batch_fast(portion, add_special_tokens=False)]
        sizes.append(np.array([len(part) for part in lists], np.int64))
        ids.append(np.fromiter(chain.from_iterable(lists), np.int32, int(sizes[-1].sum())))
    return np.concatenate(sizes), np.concatenate(ids)


def new_tokenizer(tree: Tree, encode_special_tokens: bool) -> Tokenizer:
    """Return a tokenizer that cuts texts whole, on one core: cores are shared out among processes."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer = Tokenizer.from_str(json.dumps(tree))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = encode_special_tokens
    return tokenizer
