"""Unlabelled texts, of a task or of a corpus, read a portion at a time and cut into windows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, compress
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from smelt.finetuning.compression.evaluation import surface
from smelt.finetuning.data import Examples, Task, read_texts
from smelt.finetuning.encoding import Encoded, Window, encode_unlabelled, windows_of_words
from smelt.finetuning.tokenizer import Pieces
from smelt.parquet import opened
from smelt.portions import portions
from smelt.training.pack import read_documents, sentences_of

AT_ONCE = 2_000  # texts that are cut into pieces together

AnyText = TypeVar("AnyText")


class Source(Protocol):
    """Where texts come from."""

    @property
    def name(self) -> str:
        """`train`, `unlabelled`, or the language of documents."""

    @property
    def texts(self) -> int:
        """How many there are."""

    def windows(self, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, Encoded]]:
        """Yield the windows of the texts that are chosen, a portion at a time, and how many texts it has."""


@dataclass(frozen=True)
class TaskTexts:
    """Sentences or texts of a prepared task's file; its labels are not read."""

    name: str
    path: Path
    task: Task
    pieces: Pieces
    length: int

    @cached_property
    def texts(self) -> int:
        """How many the file holds."""
        with opened(self.path, ["words" if self.task.by_word else "text"]) as file:
            return int(file.metadata.num_rows)

    def windows(self, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, Encoded]]:
        """Yield the windows of the texts that are chosen, a portion at a time, and how many texts it has."""
        for part in _drawn(read_texts(self.path, self.task), chosen):
            yield len(part), encode_unlabelled(self._examples(part), self.task, self.pieces, self.length)

    def _examples(self, part: Sequence[list[str] | str]) -> Examples:
        words = [text for text in part if isinstance(text, list)]
        texts = [text for text in part if isinstance(text, str)]
        return Examples(list(range(len(part))), [""] * len(part), words, texts, [])


@dataclass(frozen=True)
class DocumentTexts:
    """What a language's documents that are not held out consist of: sentences for a task that labels words, else lines.

    Sentences end where punctuation says so. What validation or test of the task says as well is left out.
    """

    name: str
    path: Path
    task: Task
    pieces: Pieces
    length: int
    evaluated: frozenset[bytes]
    """Surfaces of the texts of validation and test."""

    @property
    def texts(self) -> int:
        """How many there are, found by reading them."""
        return self._counted[0]

    @property
    def left_out(self) -> int:
        """How many more there would be, were they not of validation or test."""
        return self._counted[1]

    @cached_property
    def _counted(self) -> tuple[int, int]:
        counts = Counter(surface(text) in self.evaluated for text in self._every())
        return counts[False], counts[True]

    def windows(self, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, Encoded]]:
        """Yield the windows of the texts that are chosen, a portion at a time, and how many texts it has."""
        for part in _drawn(self._read(), chosen):
            if self.task.by_word:
                yield len(part), windows_of_sentences(part, self.pieces, self.length)
            else:
                examples = Examples(list(range(len(part))), [""] * len(part), [], part, [])
                yield len(part), encode_unlabelled(examples, self.task, self.pieces, self.length)

    def _read(self) -> Iterator[str]:
        return (text for text in self._every() if surface(text) not in self.evaluated)

    def _every(self) -> Iterator[str]:
        for split, documents in read_documents(self.path):
            if split == "train":
                lines = (line for text in documents for line in text.split("\n") if line.strip())
                yield from chain.from_iterable(map(sentences_of, lines)) if self.task.by_word else lines


def _drawn(texts: Iterator[AnyText], chosen: NDArray[np.bool_]) -> Iterator[list[AnyText]]:
    """Yield the texts that are chosen, AT_ONCE at a time."""
    return portions(compress(texts, chosen), lambda _: 1, AT_ONCE)


def windows_of_sentences(texts: Sequence[str], pieces: Pieces, length: int) -> Encoded:
    """Return running text as windows whose labelled tokens are the first pieces of words, as the tokenizer cuts words.

    What the text spells like a special piece becomes the unknown piece.
    """
    encoded = Encoded()
    capacity = length - pieces.special
    # Where the tokenizer does not know the words of a text apart, they are what stands between blanks.
    apart = pieces.splits_at_blanks
    given = list(texts) if apart else [text.split() for text in texts]
    batch = pieces.for_words(given, is_split_into_words=not apart, add_special_tokens=False, verbose=False)
    for number, ids in enumerate(batch["input_ids"]):
        ids = pieces.as_text(ids)
        owners = batch.word_ids(number)
        firsts = [place for place, word in enumerate(owners) if place == 0 or word != owners[place - 1]]
        encoded.words += len(firsts)
        if len(ids) <= capacity and firsts:
            offset = len(pieces.prefix)
            places = [offset + place for place in firsts]
            window = Window(number, [*pieces.prefix, *ids, *pieces.suffix], places, list(range(len(firsts))))
            encoded.windows.append(window)
        elif firsts:
            words = [ids[start:end] for start, end in zip(firsts, [*firsts[1:], len(ids)], strict=True)]
            encoded.truncated_words += sum(len(word) > capacity for word in words)
            encoded.windows += windows_of_words(number, [word[:capacity] for word in words], pieces, capacity)
    return encoded
