"""Read and write the tidy CSV files between the parts of a report.

pandas is loaded only where a file is read or written: the study imports the kinds of tables for every job.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError, not_found
from smelt.files import whole_file

if TYPE_CHECKING:
    import pandas as pd

# A model may be called 007 and a language na or nan: text columns stay text.
_TEXT = ("model", "task", "unit", "language", "languages", "setting", "split", "metric", "model_a", "model_b")


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
    if missing := [column for column in columns if column not in table.columns]:
        found = ", ".join(map(str, table.columns)) or "none"
        raise SmeltError(path, f"has no column {', '.join(missing)}: expected {', '.join(columns)}; found {found}")
    return table


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
