"""Reading and writing the tidy files between the parts of a report."""

from pathlib import Path

import pandas as pd

from smelt.errors import SmeltError
from smelt.files import whole_file


def read_csv(path: Path, columns: list[str]) -> pd.DataFrame:
    """Return a CSV file's table; names are never taken for missing values or numbers.

    Raises:
        SmeltError: the file or one of `columns` is missing.
    """
    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype=_TEXT)
    except FileNotFoundError:
        raise SmeltError(path, "no such file") from None
    except pd.errors.EmptyDataError:
        raise SmeltError(path, f"is empty: expected the columns {', '.join(columns)}") from None
    except ValueError as error:
        raise SmeltError(path, f"is not a CSV table ({str(error).strip()})") from None
    require(path, table, columns)
    return table


def require(path: Path, table: pd.DataFrame, columns: list[str]) -> None:
    """Refuse a table without the columns that are to be used."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        found = ", ".join(map(str, table.columns)) or "none"
        raise SmeltError(path, f"has no column {', '.join(missing)}: expected {', '.join(columns)}; found {found}")


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV with numbers in full, whole or not at all."""
    with whole_file(path) as draft:
        table.to_csv(draft, index=False)


# A model may be called 007 and a language na or nan: text columns stay text.
_TEXT = dict.fromkeys(
    ("model", "task", "language", "languages", "setting", "split", "metric", "model_a", "model_b"), "str"
)
