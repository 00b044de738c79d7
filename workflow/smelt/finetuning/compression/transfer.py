"""The transfer text: unlabelled sentences or texts, drawn once and kept as windows in memory-mapped files.

First the task's own training texts without their labels, then those that a limit on labels left out, then a corpus's,
up to as many as are wanted; where one of these is cut short, the seed draws from it, smaller draws within larger ones.
Validation and test of the task are read for one end alone: what a corpus shares with them is left out, and counted. A
seeded share is held out, text by text.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smelt.errors import SmeltError
from smelt.files import read_json, write_json
from smelt.finetuning.compression.evaluation import surfaces_of_evaluation
from smelt.finetuning.compression.texts import DocumentTexts, Source, TaskTexts
from smelt.finetuning.compression.windows import Windows, WindowsWriter, read_windows
from smelt.finetuning.data import Task
from smelt.finetuning.tokenizer import Pieces
from smelt.study.compression import Signals as Settings

TRAINING, LEFT_OUT = "train", "unlabelled"
HELD_OUT, ABOUT = "held_out.npy", "transfer.json"


@dataclass(frozen=True)
class Draw:
    """How many texts come from where."""

    source: Source
    drawn: int
    seed: int

    def chosen(self) -> NDArray[np.bool_]:
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


def sources_of(folder: Path, task: Task, documents: Sequence[Path], pieces: Pieces, length: int) -> list[list[Source]]:
    """Return where transfer text comes from, in groups: each gives its texts only once those before it gave all.

    Raises:
        SmeltError: two files of one language; or validation or test cannot be read, where a corpus follows.
    """
    groups: list[list[Source]] = [[TaskTexts(TRAINING, folder / "train.parquet", task, pieces, length)]]
    left_out = folder / "unlabelled.parquet"
    if left_out.is_file():
        groups.append([TaskTexts(LEFT_OUT, left_out, task, pieces, length)])
    languages: dict[str, Source] = {}
    evaluated = surfaces_of_evaluation(folder, task) if documents else frozenset()
    for path in documents:
        language = path.resolve().parent.name
        if language in languages:
            raise SmeltError(path, f"is a second file of {language!r}: a language's folder names it, so give it once")
        languages[language] = DocumentTexts(language, path, task, pieces, length, evaluated)
    return [*groups, list(languages.values())] if languages else groups


def draws_of(groups: Sequence[Sequence[Source]], texts: int | None, seed: int) -> list[Draw]:
    """Return what is drawn: `texts` in all, or all there are; the languages of a corpus give evenly."""
    draws = []
    for group in groups:
        available = [source.texts for source in group] if texts != 0 else [0] * len(group)
        shares = available if texts is None else even_shares(available, texts)
        draws += [Draw(source, share, seed) for source, share in zip(group, shares, strict=True)]
        texts = None if texts is None else texts - sum(shares)
    return draws


def even_shares(available: Sequence[int], wanted: int) -> list[int]:
    """Return how many each gives of what is wanted: equally many, or all where that is less, the others more."""
    shares = [0] * len(available)
    order = sorted(range(len(available)), key=lambda number: (available[number], number))
    for turn, number in enumerate(order):
        shares[number] = min(available[number], wanted // (len(order) - turn))
        wanted -= shares[number]
    return shares


def write_transfer(
    folder: Path, task_folder: Path, task: Task, documents: Sequence[Path], pieces: Pieces, settings: Settings
) -> None:
    """Draw transfer text and write it into a folder that exists.

    Raises:
        SmeltError: documents or the task cannot be read, or there is too little text to hold any of it out.
    """
    groups = sources_of(task_folder, task, documents, pieces, settings.length)
    draws = [draw for draw in draws_of(groups, settings.sentences, settings.seed) if draw.drawn]
    held_out = _held_out(sum(draw.drawn for draw in draws), settings, task_folder)
    held: list[NDArray[np.bool_]] = []
    text = truncated = 0
    with WindowsWriter(folder, len(pieces.tokenizer)) as writer:
        for draw in draws:
            end = text + draw.drawn
            for count, encoded in draw.source.windows(draw.chosen()):
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
    about["of_evaluation_left_out"] = {source.name: source.left_out for source in corpus}
    write_json(folder / ABOUT, about)


def _refuse_empty(held_out: NDArray[np.bool_], settings: Settings, where: Path) -> None:
    """Refuse windows of which none, or all, are held out, since texts may have no pieces.

    Raises:
        SmeltError: it is so.
    """
    if not len(held_out):
        raise SmeltError(where, "no transfer text has a piece: there is nothing to learn from")
    if held_out.all() or not held_out.any():
        which = "left to learn from" if held_out.all() else "held out for validation"
        raise SmeltError(where, f"no text {which} has a piece: expected more texts than {settings.held_out:g} of these")


def read_transfer(folder: Path, pieces: int) -> Transfer:
    """Return the transfer text of a folder, whose vocabulary has so many pieces."""
    return Transfer(read_windows(folder, pieces), np.load(folder / HELD_OUT), read_json(folder / ABOUT))


def _held_out(texts: int, settings: Settings, where: Path) -> NDArray[np.bool_]:
    """Return which texts are held out.

    Raises:
        SmeltError: none or all would be.
    """
    count = round(texts * settings.held_out)
    if not 0 < count < texts:
        found = f"{texts} texts of transfer text, of which held_out: {settings.held_out:g} keeps {count} for validation"
        raise SmeltError(where, f"{found}: expected at least one, and one to train on; more text, or another share")
    chosen = np.zeros(texts, dtype=bool)
    chosen[np.random.default_rng([settings.seed, 1]).permutation(texts)[:count]] = True
    return chosen
