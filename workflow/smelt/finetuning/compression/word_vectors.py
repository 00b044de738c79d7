"""Word vectors as text, a line each: the format of FastText (whose first line counts them) and of GloVe."""

import gzip
import math
import zlib
from collections.abc import Collection, Iterable, Iterator
from io import BufferedReader
from pathlib import Path

import torch
from torch import Tensor

from smelt.errors import SmeltError, absent

# What tokenizers set before a piece that goes on with a word, or before one that begins it.
MARKS = ("##", "▁", "Ġ")


def spelling_of(piece: str) -> str:
    """Return a piece without its tokenizer's mark: what a file of words may have it under."""
    return next((piece.removeprefix(mark) for mark in MARKS if piece.startswith(mark)), piece)


def read_vectors(path: Path, wanted: Collection[str], width: int) -> dict[str, Tensor]:
    """Return the vectors, float32, shape (width,), of those of the wanted words that a file has.

    Numbers of other words are not read, which is what makes a file of two million words a matter of seconds.

    Raises:
        SmeltError: the file is missing, has vectors of another width, a line that is no word with so many numbers, or
            not as many lines as its first one says.
    """
    keys = {word.encode(): word for word in wanted}
    found: dict[str, Tensor] = {}
    with _opened(path) as stream:
        for number, line in _lines(stream, path, width):
            # A word may hold spaces, as some of GloVe's do; its numbers do not.
            fields = line.rsplit(b" ", width)
            if len(fields) != width + 1 or not fields[0]:
                count = max(0, len(fields) - 1)
                raise SmeltError(f"{path}:{number}", f"found {count} numbers after a word, expected {width}")
            word = keys.get(fields[0])
            if word is not None and word not in found:
                found[word] = _numbers(fields[1:], f"{path}:{number}")
    return found


def _opened(path: Path) -> gzip.GzipFile | BufferedReader:
    try:
        return gzip.open(path) if path.suffix == ".gz" else path.open("rb")
    except FileNotFoundError:
        raise absent(path, expected="word vectors as text") from None


def _lines(stream: Iterable[bytes], path: Path, width: int) -> Iterator[tuple[int, bytes]]:
    """Yield lines that should be vectors, with their numbers from 1; check width and count where a first line tells."""
    counted = None
    read = 0
    try:
        for number, raw in enumerate(stream, start=1):
            line = raw.rstrip()
            if number == 1:
                counted = _header(line)
                stated = counted[1] if counted else line.count(b" ")
                if stated != width:
                    raise SmeltError(
                        path, f"holds vectors of {stated} numbers, expected {width}, the width of the embedding"
                    )
                if counted:
                    continue
            read += 1
            yield number, line
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise SmeltError(path, f"cannot be unpacked ({error})") from None
    if not read or (counted and counted[0] != read):
        expected = f"{counted[0]:,}, as its first line says" if counted else "at least one"
        raise SmeltError(path, f"holds {read:,} vectors, expected {expected}; is it cut off?")


def _header(line: bytes) -> tuple[int, int] | None:
    """Return count and width, where a line is FastText's first one."""
    fields = line.split()
    return (int(fields[0]), int(fields[1])) if len(fields) == 2 and all(map(bytes.isdigit, fields)) else None


def _numbers(fields: list[bytes], where: str) -> Tensor:
    try:
        values = [float(field) for field in fields]
    except ValueError as error:
        raise SmeltError(where, f"found what is no number ({error})") from None
    if not all(map(math.isfinite, values)):
        raise SmeltError(where, "found a number that is not finite")
    return torch.tensor(values)
