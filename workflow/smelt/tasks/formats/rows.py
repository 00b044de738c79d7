"""Rows of Parquet and JSON, and their cells."""

import json
import math
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, absent, first_line, quote, shorten_text
from smelt.hub import HubSplit, class_names, name_classes
from smelt.tasks.formats.base import FileFormat, FileOrSplit
from smelt.tasks.lines import is_blank, numbered_lines, refuse_equal

ROWS_AT_ONCE = 1000  # of Parquet


def read_rows(path: FileOrSplit, written: FileFormat) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number, row) of a Parquet file, of JSON lines (the number is the line's) or of one JSON array; from 1.

    A split of a data set on the hub has rows of its own.
    """
    if isinstance(path, HubSplit):
        yield from enumerate(path.rows(), start=1)
        return
    if path.suffix == ".parquet":
        if "encoding" in written.model_fields_set:
            raise SmeltError(path, "is Parquet, which has no other encoding than its own: take `encoding` out")
        yield from enumerate(_parquet_rows(path), start=1)
        return
    lines = ((number, line) for number, line in numbered_lines(path, written.encoding) if not is_blank(line))
    first = next(lines, (0, ""))
    rows = chain([first], lines) if first[0] else lines
    yield from _array_rows(path, rows) if first[1].lstrip().startswith("[") else _line_rows(path, rows)


def _line_rows(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in lines:
        yield number, _check_object(_parse(line, f"{path}:{number}"), f"{path}:{number}")


def _array_rows(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, row in enumerate(_parse("\n".join(line for _, line in lines), str(path)), start=1):
        yield number, _check_object(row, f"{path}, row {number}")


def _parse(text: str, place: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_refuse_repeated_keys)
    except ValueError as error:
        raise SmeltError(place, f"is not JSON, lines or one array ({error})") from None


def _refuse_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {quote(next(name for name in names if names.count(name) > 1))} stands twice")
    return row


def _check_object(row: Any, place: str) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise SmeltError(place, f"expected a JSON object, found {type(row).__name__}")
    return row


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    try:
        with parquet.ParquetFile(path, pre_buffer=False) as file:  # which would keep all that was read
            schema = file.schema_arrow
            refuse_equal(schema.names, str(path))
            names = _class_names(schema.metadata or {})
            for batch in file.iter_batches(ROWS_AT_ONCE):
                for row in batch.to_pylist():
                    yield {column: name_classes(value, names.get(column)) for column, value in row.items()}
    except FileNotFoundError:
        raise absent(path) from None
    except arrow.ArrowInvalid as error:
        raise SmeltError(path, f"is not Parquet ({error})") from None
    except OSError as error:  # of Arrow, too, where a part is damaged
        raise SmeltError(path, f"cannot be read: {error.strerror or first_line(error)}") from None


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Return the class names of columns of class numbers; the hub keeps the names in the file's schema."""
    return class_names(json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {}))


def as_integer(value: Any) -> Any:
    """Return a whole number as an integer: pandas turns a column's integers into floats where a cell is empty."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def read_text_cell(row: dict[str, Any], column: str | int | None, place: str, read: Callable[[Any], Any] = str) -> str:
    """Return a cell as text. Lists and bytes are refused: as text, in Python's notation, they would pass for classes.

    Labels are read with `as_integer`, because 1 and 1.0 would be two classes; numbers in a text stay as written.
    """
    cell = _cell(row, column, place)
    if isinstance(cell, list | dict | bytes):
        raise SmeltError(place, f"expected a text or a number in column {column!r}, found {quote(cell)}")
    return str(read(cell)).strip()


def read_list_cell(
    row: dict[str, Any], column: str | int | None, place: str, read: Callable[[Any], Any] = str
) -> list[str]:
    """Return the texts of a cell that holds a list. A text is refused, because its letters would pass for words."""
    cell = _cell(row, column, place)
    if not isinstance(cell, list) or any(_is_missing(part) or isinstance(part, list | dict | bytes) for part in cell):
        raise SmeltError(place, f"expected a list of texts in column {column!r}, found {quote(cell)}")
    return [str(read(part)) for part in cell]


def _cell(row: dict[str, Any], column: str | int | None, place: str) -> Any:
    if not isinstance(column, str) or _is_missing(row.get(column)):
        filled = ", ".join(name for name, value in row.items() if not _is_missing(value))
        raise SmeltError(place, f"lacks column {column!r}: it has {shorten_text(filled) or 'none'}")
    return row[column]


def _is_missing(value: Any) -> bool:
    """Return whether a cell is empty: null, or the NaN that pandas makes of it, which would pass for a class."""
    return value is None or (isinstance(value, float) and math.isnan(value))
