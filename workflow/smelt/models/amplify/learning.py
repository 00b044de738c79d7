"""New pieces, learnt by continuing byte-pair merging (Sennrich et al. 2016) from where the old tokenizer stops.

Words of the texts are cut as the model's tokenizer cuts them, each piece written as one character, and the commonest
pair of neighbours becomes a new piece, again and again. So every new piece is a run of old ones, and none repeats what
an old piece says already.

Lines are all there are, or a seeded sample where that is more than learning takes in hours. Byte-pair merging is exact
on what it is given, but the library that does it is given each word as often as it occurs. A sample of lines bounds
that, as it does where tokenizers are trained. It is drawn uniformly from the lines of all languages together, because
their words are counted together.
"""

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import compress, groupby, islice
from pathlib import Path

from tokenizers import Encoding, Tokenizer, models, pre_tokenizers, trainers

from smelt.errors import SmeltError
from smelt.models.vocabulary.texts import training_lines
from smelt.models.vocabulary.vocabulary import Vocabulary

FIRST = 0x10000  # the first character of Unicode's supplementary planes, which have no blanks
_AT_ONCE = 10_000
_BLANK = "\u2581"  # how SentencePiece writes the blank before a word


def symbol(piece: int) -> str:
    """Return the character that stands for a piece."""
    return chr(FIRST + piece)


def ids_of(word: str) -> tuple[int, ...]:
    """Return the pieces that a word of such characters stands for."""
    return tuple(ord(character) - FIRST for character in word)


class WordCutter:
    """Cut words with the tokenizer of a vocabulary."""

    def __init__(self, vocabulary: Vocabulary, tokenizer: Tokenizer, excluded: Iterable[int]) -> None:
        """Take the vocabulary, its tokenizer, and the ids that no new piece may contain, such as special ones."""
        self._tokenizer = tokenizer
        self._excluded = frozenset(excluded)
        self._marked = vocabulary.tree["model"]["type"] != "WordPiece"
        self._begins = frozenset(
            identity for identity, piece in enumerate(vocabulary.pieces) if self._marked and piece.startswith(_BLANK)
        )

    def count(self, lines: Iterable[str]) -> Counter[str]:
        """Return how often each word of at least two pieces occurs, a character a piece."""
        plain = Counter[str]()
        for line in lines:
            plain.update(line.split())
        found = Counter[str]()
        items = iter(plain.items())
        while some := list(islice(items, _AT_ONCE)):
            # A blank before it, as most words of a text have: some tokenizers cut a text's first word otherwise.
            encodings = self._tokenizer.encode_batch([f" {word}" for word, _ in some], add_special_tokens=False)
            for encoding, (_, times) in zip(encodings, some, strict=True):
                for word in self._words(encoding):
                    found[word] += times
        return found

    def _words(self, encoding: Encoding) -> Iterator[str]:
        """Yield the runs of at least two pieces that may grow together."""
        run = 0
        keys = []
        for identity, word in zip(encoding.ids, encoding.word_ids, strict=True):
            run += identity in self._begins
            keys.append((word, run, identity in self._excluded))
        for (_, _, excluded), group in groupby(zip(keys, encoding.ids, strict=True), key=lambda pair: pair[0]):
            pieces = [identity for _, identity in group]
            if not excluded and len(pieces) > 1:
                yield "".join(map(symbol, pieces))


_LEAST = 2  # times that a pair must occur
_REPEATED = 10_000  # times that a word is written at once


@dataclass(frozen=True)
class Merge:
    """Two runs of old pieces that grow together, each piece written as a character."""

    left: str
    right: str

    @property
    def built(self) -> str:
        """The run that they become."""
        return self.left + self.right

    @property
    def parts(self) -> tuple[int, ...]:
        """The old pieces in it."""
        return ids_of(self.built)


@dataclass(frozen=True)
class Learnt:
    """Merges, the commonest first, and how often each run that they build occurs once all are done."""

    merges: list[Merge]
    counts: Mapping[str, int]
    total: int
    """Pieces of the words, when all merges are done."""


def learn(words: Mapping[str, int], merges: int) -> Learnt:
    """Return at most `merges` merges of words.

    Args:
        words: how often each occurs, written a character a piece.
        merges: how many to learn; fewer come where the words yield no more.
    """
    alphabet = sorted(set().union(*words))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + merges, initial_alphabet=alphabet, min_frequency=_LEAST, show_progress=False
    )
    tokenizer.train_from_iterator(_repeat_words(words), trainer)
    pairs = _merges(tokenizer)
    counts = _counts(tokenizer, words)
    return Learnt([Merge(left, right) for left, right in pairs], counts, sum(counts.values()))


def _repeat_words(words: Mapping[str, int]) -> Iterator[str]:
    for word, times in sorted(words.items()):
        for done in range(0, times, _REPEATED):
            yield f"{word} " * min(_REPEATED, times - done)


def _merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def _counts(tokenizer: Tokenizer, words: Mapping[str, int]) -> Counter[str]:
    counts = Counter[int]()
    for encoding, times in zip(tokenizer.encode_batch_fast(list(words)), words.values(), strict=True):
        for identity in encoding.ids:
            counts[identity] += times
    return Counter({str(tokenizer.id_to_token(identity)): times for identity, times in counts.items()})


@dataclass(frozen=True)
class LineSample:
    """The training lines of some documents that are learnt from; the lines are read again each time, and not kept."""

    documents: Mapping[str, Path]
    """Of each language."""
    lines: Mapping[str, int]
    """How many each has."""
    drawn: Mapping[str, bytearray]
    """1 for each line that is drawn, 0 for the others."""

    def of(self, language: str) -> Iterator[str]:
        """Yield the drawn lines of a language."""
        return compress(training_lines(self.documents[language]), self.drawn[language])

    def count_by_language(self) -> dict[str, dict[str, int]]:
        """Return for each language how many lines it has, and how many are learnt from."""
        return {code: {"lines": lines, "learnt_from": sum(self.drawn[code])} for code, lines in self.lines.items()}


def draw(documents: Mapping[str, Path], size: int, seed: int) -> LineSample:
    """Return a sample of at most `size` training lines; all of them if there are no more.

    Raises:
        SmeltError: a language has no training line, or its documents cannot be read.
    """
    lines = {language: _count_lines(language, path) for language, path in documents.items()}
    total = sum(lines.values())
    if total <= size:
        return LineSample(documents, lines, {language: bytearray(b"\1") * count for language, count in lines.items()})
    marks = bytearray(total)
    for place in random.Random(seed).sample(range(total), size):
        marks[place] = 1
    drawn, first = {}, 0
    for language, count in lines.items():
        drawn[language] = marks[first : first + count]
        first += count
    return LineSample(documents, lines, drawn)


def _count_lines(language: str, path: Path) -> int:
    count = sum(1 for _ in training_lines(path))
    if not count:
        raise SmeltError(path, f"has no text of {language} to learn from: every document is empty or held out")
    return count
