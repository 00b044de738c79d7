"""Read some columns of Parquet files, or refuse the file in one line."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from smelt.errors import SmeltError, first_line, not_found


@contextmanager
def refuse_damaged(path: Path) -> Iterator[None]:
    """Turn pyarrow's errors about a missing or damaged file, on opening or reading, into a SmeltError."""
    try:
        yield
    except FileNotFoundError:
        raise not_found(path) from None
    except (pa.ArrowInvalid, OSError) as error:  # pyarrow reports damaged pages as OSError
        raise SmeltError(path, f"is no whole Parquet file ({first_line(error)})") from None


def open_parquet(path: Path, columns: Sequence[str]) -> pq.ParquetFile:
    """Return a Parquet file that has these columns.

    Raises:
        SmeltError: the file is missing, is damaged or no Parquet file, or lacks a column.
    """
    with refuse_damaged(path):
        file = pq.ParquetFile(path, pre_buffer=False)  # which would keep all that was read
    names = file.schema_arrow.names
    if missing := [column for column in columns if column not in names]:
        expected, found = ", ".join(columns), ", ".join(names)
        raise SmeltError(path, f"has no column {', '.join(missing)}: expected {expected}; found {found}")
    return file


def read_columns(path: Path, columns: Sequence[str]) -> Any:
    """Return a pyarrow table of these columns.

    Raises:
        SmeltError: the file is missing, is damaged or no Parquet file, or lacks a column.
    """
    with open_parquet(path, columns) as file, refuse_damaged(path):
        return file.read(columns=list(columns))


def count_rows(path: Path) -> int:
    """Return the number of rows of a Parquet file; errors as for open_parquet."""
    with open_parquet(path, []) as file:
        return int(file.metadata.num_rows)


def predictions_file(path: Path, split: str) -> Path:
    """Return the file of a model's predictions for a split; path: that for the test split."""
    return path if split == "test" else path.with_stem(f"{path.stem}-{split}")
