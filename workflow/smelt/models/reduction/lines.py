"""Held-out lines of a language, as many as are wanted."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from smelt.errors import SmeltError

_COLUMNS = ["text", "held_out"]


def held_out_lines(documents: Path, most: int) -> list[str]:
    """Return the first lines of the held-out documents of a language, without blank ones; no more is read than needed.

    Raises:
        SmeltError: the file is missing, is damaged, or lacks the columns `text` and `held_out`.
    """
    try:
        with pq.ParquetFile(documents) as file:
            missing = [column for column in _COLUMNS if column not in file.schema_arrow.names]
            if missing:
                expected = "expected documents as `smelt documents` writes them"
                raise SmeltError(documents, f"has no column {missing[0]!r}: {expected}")
            return list(islice(_lines(file), most))
    except FileNotFoundError:
        raise SmeltError(documents, "no such file") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise SmeltError(documents, f"is no whole Parquet file ({str(error).splitlines()[0]})") from None


def _lines(file: pq.ParquetFile) -> Iterator[str]:
    for batch in file.iter_batches(batch_size=512, columns=_COLUMNS):
        for text, held_out in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if held_out:
                yield from (line for line in text.split("\n") if line.strip())
