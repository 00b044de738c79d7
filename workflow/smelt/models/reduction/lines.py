"""Lines of a language's documents: held-out ones, as many as are wanted, or all those to learn from."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from smelt.parquet import damage_named, opened

_COLUMNS = ["text", "held_out"]


def held_out_lines(documents: Path, most: int) -> list[str]:
    """Return the first lines of the held-out documents of a language, without blank ones; no more is read than needed.

    Raises:
        SmeltError: the file is missing, is damaged, or lacks the columns `text` and `held_out`.
    """
    with opened(documents, _COLUMNS) as file, damage_named(documents):
        return list(islice(_lines(file, True), most))


def training_lines(documents: Path) -> Iterator[str]:
    """Yield the lines of the documents of a language that are not held out, without blank ones.

    Raises:
        SmeltError: as `held_out_lines`.
    """
    with opened(documents, _COLUMNS) as file, damage_named(documents):
        yield from _lines(file, False)


def _lines(file: pq.ParquetFile, wanted: bool) -> Iterator[str]:
    for batch in file.iter_batches(batch_size=512, columns=_COLUMNS):
        for text, held_out in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if held_out == wanted:
                yield from (line for line in text.split("\n") if line.strip())
