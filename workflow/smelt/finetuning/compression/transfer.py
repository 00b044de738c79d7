"""The transfer text: unlabelled sentences or texts, drawn once and kept as windows in memory-mapped files.

First come the task's own training texts without their labels, then those that a limit on labels left out, then a
corpus's, up to the wanted number; where one of these is cut short, the seed draws from it, smaller draws within larger
ones. Texts of the corpus that are also in validation or test of the task are left out, and counted: for example, the
sentences of WikiANN are from Wikipedia. A seeded share is held out, text by text.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import chain, compress
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from smelt.errors import SmeltError
from smelt.files import read_json, write_json
from smelt.finetuning.compression.windows import Windows, WindowsWriter, read_windows
from smelt.paragraphs import paragraphs
from smelt.parquet import open_parquet
from smelt.study.compression import SignalSettings
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Task
from smelt.tasks.prepared_task import read_texts
from smelt.tasks.tokenizer import TaskTokenizer
from smelt.tasks.windows import Encoded
from smelt.training.encoding import read_documents
from smelt.training.known_words import batch_by_size

TRAINING, LEFT_OUT = "train", "unlabelled"
EVALUATION = ("validation", "test")
HELD_OUT, ABOUT = "held_out.npy", "transfer.json"
AT_ONCE = 2_000  # texts that are cut into pieces together
_WORDS = re.compile(r"\w+")
AnyText = TypeVar("AnyText")


class TextSource(Protocol):
    """Where texts come from."""

    @property
    def name(self) -> str:
        """`train`, `unlabelled`, or the language of documents."""

    @property
    def texts(self) -> int:
        """How many there are."""

    def windows(self, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, Encoded]]:
        """Yield the windows of the texts that are chosen, in batches, and how many texts each has."""


@dataclass(frozen=True)
class TaskTexts:
    """Sentences or texts of a prepared task's file; its labels are not read."""

    name: str
    path: Path
    task: Task
    pieces: TaskTokenizer
    length: int

    @cached_property
    def texts(self) -> int:
        """How many the file holds."""
        with open_parquet(self.path, [kind_of(self.task).text_column]) as file:
            return int(file.metadata.num_rows)

    def windows(self, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, Encoded]]:
        """Yield the windows of the texts that are chosen, in batches, and how many texts each has."""
        for part in _choose_texts(read_texts(self.path, self.task), chosen):
            kind = kind_of(self.task)
            yield len(part), kind.encode(kind.unlabelled(part), self.task, self.pieces, self.length)


@dataclass(frozen=True)
class DocumentTexts:
    """The texts of a language's documents that are not held out: sentences for a task that labels words, else lines.

    Sentences end where smelt.sentences says so. Texts that validation or test of the task also hold are left out.
    """

    name: str
    path: Path
    task: Task
    pieces: TaskTokenizer
    length: int
    evaluated: frozenset[bytes]
    """Surfaces of the texts of validation and test."""

    @property
    def texts(self) -> int:
        """Their number, found by reading them."""
        return self._counted[0]

    @property
    def evaluation_texts(self) -> int:
        """The number of texts left out because validation or test hold them."""
        return self._counted[1]

    @cached_property
    def _counted(self) -> tuple[int, int]:
        counts = Counter(surface(text) in self.evaluated for text in self._every())
        return counts[False], counts[True]

    def windows(self, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, Encoded]]:
        """Yield the windows of the texts that are chosen, in batches, and how many texts each has."""
        for part in _choose_texts(self._read(), chosen):
            yield len(part), kind_of(self.task).encode_running(part, self.task, self.pieces, self.length)

    def _read(self) -> Iterator[str]:
        return (text for text in self._every() if surface(text) not in self.evaluated)

    def _every(self) -> Iterator[str]:
        for split, documents in read_documents(self.path):
            if split == "train":
                lines = chain.from_iterable(map(paragraphs, documents))
                yield from kind_of(self.task).running_texts(lines, self.name)


def _choose_texts(texts: Iterator[AnyText], chosen: NDArray[np.bool_]) -> Iterator[list[AnyText]]:
    """Yield the texts that are chosen, AT_ONCE at a time."""
    return batch_by_size(compress(texts, chosen), lambda _: 1, AT_ONCE)


def surface(text: list[str] | str) -> bytes:
    """Return a digest of the letters and digits of a sentence, given by words or running, or of a text.

    Case, punctuation and the borders of words make no difference, because a task and a corpus may have different rules
    for cutting words.
    """
    letters = "".join(_WORDS.findall(text if isinstance(text, str) else " ".join(text))).casefold()
    return blake2b(letters.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def surfaces_of_evaluation(folder: Path, task: Task) -> frozenset[bytes]:
    """Return the surfaces of all texts in validation and test of a prepared task.

    Raises:
        SmeltError: a split is missing or damaged.
    """
    paths = [folder / f"{split}.parquet" for split in EVALUATION]
    return frozenset(surface(text) for path in paths for text in read_texts(path, task))


@dataclass(frozen=True)
class Draw:
    """The number of texts drawn from one source."""

    source: TextSource
    drawn: int
    seed: int

    def choose(self) -> NDArray[np.bool_]:
        """Return which of the source's texts are drawn, shape (texts,)."""
        found = np.zeros(self.source.texts, dtype=bool)
        if self.drawn == self.source.texts:
            found[:] = True
        else:
            generator = np.random.default_rng([self.seed, zlib.crc32(self.source.name.encode())])
            found[generator.permutation(self.source.texts)[: self.drawn]] = True
        return found


@dataclass(frozen=True)
class Transfer:
    """Transfer text as it was written."""

    windows: Windows
    held_out: NDArray[np.bool_]
    """Which windows are kept from training, for validation; shape (windows,)."""
    about: dict[str, Any]


def sources_of(
    folder: Path, task: Task, documents: Sequence[Path], pieces: TaskTokenizer, length: int
) -> list[list[TextSource]]:
    """Return the sources of transfer text, in groups: texts are drawn from a group once those before it are used up.

    Raises:
        SmeltError: two files of one language; or validation or test cannot be read, where a corpus follows.
    """
    groups: list[list[TextSource]] = [[TaskTexts(TRAINING, folder / "train.parquet", task, pieces, length)]]
    left_out = folder / "unlabelled.parquet"
    if left_out.is_file():
        groups.append([TaskTexts(LEFT_OUT, left_out, task, pieces, length)])
    languages: dict[str, TextSource] = {}
    evaluated = surfaces_of_evaluation(folder, task) if documents else frozenset()
    for path in documents:
        language = path.resolve().parent.name
        if language in languages:
            raise SmeltError(path, f"is a second file of {language!r}: a language's folder names it, so give it once")
        languages[language] = DocumentTexts(language, path, task, pieces, length, evaluated)
    return [*groups, list(languages.values())] if languages else groups


def draws_of(groups: Sequence[Sequence[TextSource]], texts: int | None, seed: int) -> list[Draw]:
    """Return the draw from each source: `texts` in all, or all of them; evenly from a corpus's languages."""
    draws = []
    for group in groups:
        available = [source.texts for source in group] if texts != 0 else [0] * len(group)
        shares = available if texts is None else even_shares(available, texts)
        draws += [Draw(source, share, seed) for source, share in zip(group, shares, strict=True)]
        texts = None if texts is None else texts - sum(shares)
    return draws


def even_shares(available: Sequence[int], wanted: int) -> list[int]:
    """Return the number of texts from each source: equal numbers, or all of a source with fewer, and more of others."""
    shares = [0] * len(available)
    order = sorted(range(len(available)), key=lambda number: (available[number], number))
    for place, number in enumerate(order):
        shares[number] = min(available[number], wanted // (len(order) - place))
        wanted -= shares[number]
    return shares


def write_transfer(
    folder: Path,
    task_folder: Path,
    task: Task,
    documents: Sequence[Path],
    pieces: TaskTokenizer,
    settings: SignalSettings,
) -> None:
    """Draw transfer text and write it into a folder that exists.

    Raises:
        SmeltError: documents or the task cannot be read, or there is too little text to hold any of it out.
    """
    groups = sources_of(task_folder, task, documents, pieces, settings.length)
    draws = [draw for draw in draws_of(groups, settings.sentences, settings.seed) if draw.drawn]
    held_out = _draw_held_out(sum(draw.drawn for draw in draws), settings, task_folder)
    held: list[NDArray[np.bool_]] = []
    text = truncated = 0
    with WindowsWriter(folder, len(pieces.tokenizer)) as writer:
        for draw in draws:
            end = text + draw.drawn
            for count, encoded in draw.source.windows(draw.choose()):
                writer.add(encoded.windows)
                owners = np.array([window.example for window in encoded.windows], np.int64)
                held.append(held_out[text + owners])
                text += count
                truncated += encoded.truncated_words
            if text != end:
                raise SmeltError(task_folder, f"{draw.source.name}: its texts changed while they were read")
    _refuse_empty(np.concatenate(held), settings, task_folder)
    np.save(folder / HELD_OUT, np.concatenate(held))
    about: dict[str, Any] = {"texts": {draw.source.name: draw.drawn for draw in draws}, "truncated_words": truncated}
    # Of the languages that give any; the others' documents were not read.
    corpus = [draw.source for draw in draws if isinstance(draw.source, DocumentTexts)]
    about["of_evaluation_left_out"] = {source.name: source.evaluation_texts for source in corpus}
    write_json(folder / ABOUT, about)


def read_transfer(folder: Path, pieces: int) -> Transfer:
    """Return the transfer text of a folder; pieces: the size of its vocabulary."""
    return Transfer(read_windows(folder, pieces), np.load(folder / HELD_OUT), read_json(folder / ABOUT))


def _draw_held_out(texts: int, settings: SignalSettings, where: Path) -> NDArray[np.bool_]:
    """Return which texts are held out.

    Raises:
        SmeltError: none or all would be.
    """
    count = round(texts * settings.held_out)
    if not 0 < count < texts:
        found = f"{texts} texts of transfer text, and held_out: {settings.held_out:g} keeps {count} for validation"
        raise SmeltError(where, f"{found}: expected at least one, and one to train on; more text, or another share")
    chosen = np.zeros(texts, dtype=bool)
    chosen[np.random.default_rng([settings.seed, 1]).permutation(texts)[:count]] = True
    return chosen


def _refuse_empty(held_out: NDArray[np.bool_], settings: SignalSettings, where: Path) -> None:
    """Refuse windows where none, or all, are held out: texts may have no pieces.

    Raises:
        SmeltError: none or all are held out.
    """
    if not len(held_out):
        raise SmeltError(where, "no transfer text has a piece: there is nothing to learn from")
    if held_out.all() or not held_out.any():
        which = "left to learn from" if held_out.all() else "held out for validation"
        raise SmeltError(where, f"no text {which} has a piece: expected more texts than {settings.held_out:g} of these")
