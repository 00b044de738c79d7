"""Cuts lines into pieces as fast as possible, and exactly as the tokenizer itself would.

Most words of a text are repeated. Where lines may be cut at blanks (see `splitting`), each word is tokenised once and
remembered, and a line's pieces are those of its words. Other lines are tokenised whole, each as one long word.

Words are numbered as they come, and found again by their hashes. The most frequent ones are looked up in a small table
of Arrow's before that.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer

from smelt.errors import SmeltError, first_line
from smelt.training.splitting import Splitting, Tree, splitting_of

Numbers = NDArray[np.int64]
Ids32 = NDArray[np.int32]
Part = TypeVar("Part")
CHARACTERS_AT_ONCE = 8_000_000  # bounds the memory of a step, together with the longest document
WORDS_AT_ONCE = 64  # words of a text that is tokenised to learn new words; more run slower
REMEMBERED = 1_000_000  # words; bounds memory
FREQUENT = 16_384  # words; their table fits the processor's caches, and most words of a text are among them
TRIAL = 10_000  # words after which it shows whether words come again
MOST_NEW = 0.6  # share of new words; with more, tokenising lines whole is faster
SEPARATOR = "\ufdd0\ufdd1\ufdd0"  # characters that no text may hold
BLANK = " "  # stands before a word
BARE = "\n"  # stands there instead if the word has no glue; no line holds it


@dataclass(frozen=True)
class SegmentedLines:
    """Lines as words, and words as pieces."""

    dependent: NDArray[np.bool_]
    """Lines that have to be tokenised whole, shape (lines,)."""
    words: Ids32
    """Words of the lines, one line after the other, as rows of the table. A dependent line is one word, which the table
    lacks: their rows are to follow it, in the order of lines."""
    lengths: Numbers
    """How many words each line has, shape (lines,)."""
    ids: Ids32
    """The table: the pieces of all words, one word after the other."""
    sizes: Numbers
    """How many pieces each word has."""


def whole_lines(lines: int) -> SegmentedLines:
    """Return lines that are all tokenised whole."""
    return SegmentedLines(
        dependent=np.ones(lines, dtype=bool),
        words=np.arange(lines, dtype=np.int32),
        lengths=np.ones(lines, np.int64),
        ids=np.zeros(0, np.int32),
        sizes=np.zeros(0, np.int64),
    )


class KnownWords:
    """The words met so far, and their pieces."""

    def __init__(self, tokenizer: Tokenizer, splitting: Splitting) -> None:
        """Take a tokenizer, which gets a token more, and how its lines are cut."""
        self._splitting = replace(splitting, added=(*splitting.added, SEPARATOR))
        self._tokenizer = tokenizer
        # An added token separates texts before they are normalised, so that one call tokenises many.
        self._tokenizer.add_tokens([AddedToken(SEPARATOR, normalized=False)])
        self._separator = self._tokenizer.token_to_id(SEPARATOR)
        self._forget()

    def _forget(self) -> None:
        self._known = WordNumbers()
        self._frequent = pa.array([], pa.large_string())
        self._numbers_of_frequent = np.zeros(0, np.int32)
        self._dependent = np.zeros(0, dtype=bool)  # words whose pieces depend on their neighbours: they have none here
        self._ids, self._sizes = np.zeros(0, np.int32), np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Return how many words are remembered."""
        return len(self._known)

    def cut(self, lines: Sequence[str]) -> SegmentedLines:
        """Return the words of lines and their pieces."""
        if len(self) > REMEMBERED:
            self._forget()
        texts, lengths = cut_at_blanks(lines, self._splitting.bare_start)
        words = self._number(texts)
        firsts = np.cumsum(lengths) - lengths
        dependent = np.logical_or.reduceat(self._dependent[words], firsts)
        if dependent.any():
            stay = np.repeat(~dependent, lengths)
            stay[firsts[dependent]] = True
            words[firsts[dependent]] = len(self) + np.arange(np.count_nonzero(dependent))
            words, lengths = words[stay], np.where(dependent, 1, lengths)
        return SegmentedLines(dependent, words, lengths, self._ids, self._sizes)

    def _number(self, words: Any) -> Ids32:
        """Return the numbers of an Arrow array of words, after learning the new ones."""
        places = pc.index_in(words, value_set=self._frequent)
        others = np.asarray(places.is_null())
        numbers = np.empty(len(words), np.int32)
        numbers[~others] = self._numbers_of_frequent[places.drop_null().to_numpy()]
        numbers[others] = self._number_among_all(words.filter(pa.array(others)))
        if not len(self._frequent):
            self._remember_frequent(numbers)
        return numbers

    def _remember_frequent(self, numbers: Ids32) -> None:
        """Remember the most frequent words of a text, given the numbers of its words."""
        times = np.bincount(numbers, minlength=len(self))
        self._numbers_of_frequent = np.argsort(-times, kind="stable")[:FREQUENT].astype(np.int32)
        self._frequent = self._known.words.take(pa.array(self._numbers_of_frequent))

    def _number_among_all(self, words: Any) -> Numbers:
        known = len(self)
        encoded = words.dictionary_encode()
        numbers = self._known.find(encoded.dictionary)
        new = numbers < 0
        numbers[new] = known + self._learn(encoded.dictionary.filter(pa.array(new)))
        found: Numbers = numbers[encoded.indices.to_numpy()]
        return found

    def _learn(self, new: Any) -> Numbers:
        """Learn an Arrow array of distinct words, and return which of the new numbers each of them has."""
        texts = self._texts(new)
        alone = self._splitting.alone(texts)
        unchanged = alone.copy()
        unchanged[alone] = self._splitting.are_unchanged(texts.filter(pa.array(alone)))
        kinds = [unchanged, alone & ~unchanged, ~alone]
        order = np.concatenate([np.flatnonzero(kind) for kind in kinds])
        plain, changed = (texts.filter(pa.array(kind)).to_pylist() for kind in kinds[:2])
        parts = [self._encode_unchanged(plain), self._encode(changed)]
        self._sizes = np.concatenate([self._sizes, *(part[0] for part in parts), np.zeros(kinds[2].sum(), np.int64)])
        self._ids = np.concatenate([self._ids, *(part[1] for part in parts)])
        self._dependent = np.concatenate([self._dependent, ~alone[order]])
        self._known.add(new.take(pa.array(order)))
        numbers = np.empty(len(order), np.int64)
        numbers[order] = np.arange(len(order))
        return numbers

    def _texts(self, words: Any) -> Any:
        """Return what is tokenised for words: distinct ones, as these are."""
        bare = pc.utf8_slice_codeunits(words, len(BLANK))
        return pc.if_else(pc.starts_with(words, BARE), bare, words) if self._splitting.glue else bare

    def _encode(self, words: Sequence[str]) -> tuple[Numbers, Ids32]:
        """Return how many pieces each word has, and all of them."""
        texts = [
            SEPARATOR.join([*words[start : start + WORDS_AT_ONCE], ""]) for start in range(0, len(words), WORDS_AT_ONCE)
        ]
        _, ids = encode(self._tokenizer, texts)
        ends = np.flatnonzero(ids == self._separator)
        assert len(ends) == len(words)
        return np.diff(ends, prepend=-1) - 1, ids[ids != self._separator]

    def _encode_unchanged(self, words: Sequence[str]) -> tuple[Numbers, Ids32]:
        """Do the same for words that the normaliser does not change and that hold no mark."""
        tokenizer = self._tokenizer
        normalizer, pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
        tokenizer.normalizer = None
        try:
            if not self._splitting.only_marks:
                return self._encode(words)
            tokenizer.pre_tokenizer = None
            return self._encode([self._splitting.mark + word for word in words])
        finally:
            tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer


class LineEncoder:
    """Returns the ids of lines as a tokenizer does, and remembers words as long as that saves work."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Take a tokenizer that truncates and pads nothing."""
        self.tokenizer = tokenizer
        written = tokenizer.to_str()
        # Scores of unigram pieces may change in their last digit as they are read (tokenizers 0.23). A word that can be
        # cut in two ways of one score is then cut otherwise, so such a tokenizer cuts all lines itself.
        self.written = written if Tokenizer.from_str(written).to_str() == written else None
        """The tokenizer as JSON; None where another would be read from it."""
        splitting = splitting_of(tokenizer, json.loads(written)) if self.written else None
        own = read_written(written, tokenizer.encode_special_tokens) if splitting else None
        self._words = KnownWords(own, splitting) if own and splitting else None
        self._seen = self._learnt = 0

    def encode(self, lines: Sequence[str]) -> tuple[Numbers, Ids32]:
        """Return how many ids each line has, and the ids of all, one line after the other."""
        if self._words is None or not lines:
            return encode(self.tokenizer, lines)
        cut, of_words, ids = self._encode_words(self._words, lines)
        return np.add.reduceat(of_words, np.cumsum(cut.lengths) - cut.lengths), ids

    def encode_with_ends(self, lines: Sequence[str], ends: Sequence[Sequence[int]]) -> tuple[Numbers, Ids32, Numbers]:
        """Do the same, and return how many ids of all lines stand before each end.

        ends: places in each line, ascending. An id across an end stands behind it.
        """
        if self._words is None or not lines:
            return self._encode_with_offsets(lines, ends)
        cut, of_words, ids = self._encode_words(self._words, lines)
        firsts = np.cumsum(cut.lengths) - cut.lengths
        before = np.concatenate([[0], np.cumsum(of_words)])  # ids before each word
        starts = before[firsts]
        places = [np.zeros(0, np.int64)]
        for row, (line, own) in enumerate(zip(lines, ends, strict=True)):
            if not own:
                continue
            if not cut.dependent[row] and all(line.startswith(BLANK, end) for end in own):
                words = [line.count(BLANK, 0, end) + 1 for end in own]
                places.append(before[firsts[row] + np.array(words)])
            else:
                places.append(starts[row] + self._encode_with_offsets([line], [own])[2])
        return np.add.reduceat(of_words, firsts), ids, np.concatenate(places)

    def _encode_words(self, words: KnownWords, lines: Sequence[str]) -> tuple[SegmentedLines, Numbers, Ids32]:
        """Return lines as words, how many ids each word has, and the ids of all."""
        known = len(words)
        cut = words.cut(lines)
        self._seen += len(cut.words)
        self._learnt += max(len(words) - known, 0)
        if self._seen > TRIAL and self._learnt > MOST_NEW * self._seen:
            self._words = None  # a text without blanks, say, whose words are whole sentences
        sizes, ids = encode(self.tokenizer, [lines[int(row)] for row in np.flatnonzero(cut.dependent)])
        sizes, ids = np.concatenate([cut.sizes, sizes]), np.concatenate([cut.ids, ids])
        starts, of_words = (np.cumsum(sizes) - sizes)[cut.words], sizes[cut.words]
        places = np.repeat(starts - (np.cumsum(of_words) - of_words), of_words) + np.arange(of_words.sum())
        return cut, of_words, ids[places]

    def _encode_with_offsets(
        self, lines: Sequence[str], ends: Sequence[Sequence[int]]
    ) -> tuple[Numbers, Ids32, Numbers]:
        encodings = self.tokenizer.encode_batch(list(lines), add_special_tokens=False)
        sizes = np.array([len(encoding.ids) for encoding in encodings], np.int64)
        places = [np.zeros(0, np.int64)]
        for start, encoding, own in zip(np.cumsum(sizes) - sizes, encodings, ends, strict=True):
            if own:
                reach = np.maximum.accumulate(np.array([end for _, end in encoding.offsets], np.int64))
                places.append(start + np.searchsorted(reach, own, side="right"))
        ids = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.int32, int(sizes.sum()))
        return sizes, ids, np.concatenate(places)


def cut_at_blanks(lines: Sequence[str], bare_start: bool) -> tuple[Any, Numbers]:
    """Return the words of lines as an Arrow array, and how many each line has.

    Words are places in one text, so that none is copied: each begins with the blank before it. The first of a line has
    one too, or BARE where it shall lack it.
    """
    text = np.frombuffer(bytearray(BARE.join(["", *lines, ""]), "utf-8"), np.uint8)
    ends_line = text == ord(BARE)
    firsts, places = np.flatnonzero(ends_line), np.flatnonzero(ends_line | (text == ord(BLANK)))
    if not bare_start:
        text[firsts] = ord(BLANK)
    words = pa.LargeStringArray.from_buffers(len(places) - 1, pa.py_buffer(places), pa.py_buffer(text))
    return words, np.diff(np.searchsorted(places, firsts))


def encode(tokenizer: Tokenizer, texts: Sequence[str]) -> tuple[Numbers, Ids32]:
    """Return how many pieces each text has, and the ids of all, one text after the other.

    Raises:
        SmeltError: the tokenizer finds no pieces for a text, and lacks the unknown piece that it names.
    """
    sizes, ids = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
    for batch in batch_by_size(texts, len, CHARACTERS_AT_ONCE):
        try:
            lists = [encoding.ids for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False)]
        except Exception as error:  # tokenizers raises no narrower class
            raise SmeltError("tokenizer", f"cannot cut these texts ({first_line(error)})") from None
        sizes.append(np.array([len(part) for part in lists], np.int64))
        ids.append(np.fromiter(chain.from_iterable(lists), np.int32, int(sizes[-1].sum())))
    return np.concatenate(sizes), np.concatenate(ids)


def new_tokenizer(tree: Tree, encode_special_tokens: bool) -> Tokenizer:
    """Return a tokenizer that cuts texts whole, on one core: each process has one."""
    return read_written(json.dumps(tree), encode_special_tokens)


def read_written(written: str, encode_special_tokens: bool) -> Tokenizer:
    """Return the same of a tokenizer that was written as JSON."""
    tokenizer = Tokenizer.from_str(written)
    prepare(tokenizer, encode_special_tokens)
    return tokenizer


def prepare(tokenizer: Tokenizer, encode_special_tokens: bool) -> None:
    """Let a tokenizer cut texts whole, on one core."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.encode_special_tokens = encode_special_tokens


class WordNumbers:
    """Words in the order in which they came, which are their numbers.

    Hashes are kept in order, so that sorted ones are looked up in one sweep, whatever was remembered before; Arrow
    would hash all words again for each text. What is found is compared with what was looked up: of words that share a
    hash only one is ever found. The others are new each time, which costs time and changes nothing.
    """

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


def batch_by_size(parts: Iterable[Part], size: Callable[[Part], int], limit: int) -> Iterator[list[Part]]:
    """Yield batches of consecutive parts, each of at most `limit` in total unless a single part is larger.

    size: returns the size of a part, in the limit's unit.
    """
    batch: list[Part] = []
    held = 0
    for part in parts:
        if batch and held + size(part) > limit:
            yield batch
            batch, held = [], 0
        batch.append(part)
        held += size(part)
    if batch:
        yield batch
