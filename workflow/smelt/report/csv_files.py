"""Read and write the tidy CSV files between the parts of a report.

pandas is loaded only where a table is read whole or written: the study imports the kinds of tables for every job, and
the page, which only shows rows, is written sooner than pandas is loaded.
"""

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError, not_found
from smelt.files import whole_file

if TYPE_CHECKING:
    import pandas as pd

# A model may be called 007 and a language na or nan: text columns stay text. Verdicts are True, False or empty.
_TEXT = (
    *("model", "task", "unit", "language", "languages", "setting", "split", "metric", "model_a", "model_b"),
    *("test", "correction", "interval_method", "note", "significant", "no_worse_a_shown", "no_worse_b_shown"),
)
_WHOLE = re.compile(r"-?[0-9]+")
_NUMBER = re.compile(r"-?([0-9]+(\.[0-9]*)?(e[+-]?[0-9]+)?|inf)")
"""Numbers as pandas writes them."""


def read_csv(path: Path, columns: Sequence[str]) -> "pd.DataFrame":
    """Return the table of a CSV file; names are never read as missing values or numbers.

    Raises:
        SmeltError: the file or one of `columns` is missing.
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=dict.fromkeys(_TEXT, "str"))
    except FileNotFoundError:
        raise not_found(path) from None
    except pd.errors.EmptyDataError:
        raise SmeltError(path, f"is empty: expected the columns {', '.join(columns)}") from None
    except ValueError as error:
        raise SmeltError(path, f"is not a CSV table ({str(error).strip()})") from None
    _check_columns(path, columns, list(map(str, table.columns)))
    return table


def read_rows(path: Path, columns: Sequence[str]) -> list[dict[str, Any]]:
    """Return some columns of a CSV file, a mapping a row; names are never read as missing values or numbers.

    Columns of texts are named in this module. The cells of others are whole numbers where all are, or else numbers.
    Empty cells are nan.

    Raises:
        SmeltError: the file or one of `columns` is missing, it is no CSV table, or a cell is no number and should be.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            lines = csv.reader(file, strict=True)
            heads = next(lines, [])
            _check_columns(path, columns, heads)
            rows = [row for row in lines if row]
    except FileNotFoundError:
        raise not_found(path) from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise SmeltError(path, f"is not a CSV table ({error})") from None
    for number, row in enumerate(rows, 1):
        if len(row) != len(heads):
            raise SmeltError(path, f"row {number} has {len(row)} cells: expected {len(heads)}, one a column")
    places = [heads.index(column) for column in columns]
    read = [_values(path, column, [row[place] for row in rows]) for column, place in zip(columns, places, strict=True)]
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*read, strict=True)]


def _check_columns(path: Path, columns: Sequence[str], found: Sequence[str]) -> None:
    if not found:
        raise SmeltError(path, f"is empty: expected the columns {', '.join(columns)}")
    if missing := [column for column in columns if column not in found]:
        raise SmeltError(
            path, f"has no column {', '.join(missing)}: expected {', '.join(columns)}; found {', '.join(found)}"
        )


def _values(path: Path, column: str, cells: Sequence[str]) -> list[Any]:
    if column in _TEXT:
        return [cell or math.nan for cell in cells]
    for number, cell in enumerate(cells, 1):
        if cell and not _NUMBER.fullmatch(cell):
            raise SmeltError(path, f"{column} of row {number} is {cell!r}: expected a number")
    kind = int if all(_WHOLE.fullmatch(cell) for cell in cells if cell) else float
    return [kind(cell) if cell else math.nan for cell in cells]


def write_csv(
    path: Path,
    rows: Iterable[Mapping[str, Any]] | Iterable[tuple[Any, ...]],
    columns: Sequence[str] | None = None,
    counts: Sequence[str] = (),
) -> None:
    """Write rows as CSV with numbers in full, whole or not at all.

    Args:
        path: the file.
        rows: mappings of column to value, or tuples.
        columns: the columns; by default those of the rows.
        counts: columns of whole numbers, also where cells are empty.
    """
    import pandas as pd

    table = pd.DataFrame(list(rows), columns=None if columns is None else list(columns))
    table = table.astype(dict.fromkeys(counts, "Int64"))
    with whole_file(path) as draft:
        table.to_csv(draft, index=False)
