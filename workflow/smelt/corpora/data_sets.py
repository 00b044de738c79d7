"""Data sets as documents: rows of Parquet or JSON lines, streamed by the `datasets` library, one column the text."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from smelt import hub
from smelt.corpora.documents import Document
from smelt.data_files import RowCounts, read_rows, text_of_row
from smelt.environment import as_written, fill_in
from smelt.errors import SmeltError, absent, not_found
from smelt.files import checksum, encodable, read_json
from smelt.study.data_sets import DataSetPart

FETCHED = "source.json"
"""In the folder of what was brought here from the hub: what it is, and where its files are."""


class DataSetReader:
    """Reads one language of a data set; its counts are complete when the documents have been read."""

    def __init__(self, part: DataSetPart, files: list[str]) -> None:
        """Take what to read, and the files that hold it, in their order."""
        self.part = part
        self.files = files
        self.counts = RowCounts()

    def documents(self) -> Iterator[Document]:
        """Yield the documents, with ids <name>:<id> or, without a column of ids, <name>:<number of the row>.

        Raises:
            SmeltError: a file is damaged, or lacks a column that the study names; or no row holds text.
        """
        yield from self.read(enumerate(rows_of(self.part, self.files), 1))
        self.check()

    def read(self, rows: Iterable[tuple[int | None, dict[str, Any]]]) -> Iterator[Document]:
        """Yield the documents of numbered rows, and count these.

        Raises:
            SmeltError: a row has neither an id nor a number.
        """
        columns = self.part.columns
        for number, row in rows:
            self.counts.rows += 1
            text = text_of_row(row[columns.text], f"{self.part.name}, row {number or self.counts.rows}", columns.text)
            if not text:
                self.counts.empty += 1
                continue
            named = row.get(columns.id or "id")
            if named is None:
                named = number
            if named is None:
                raise SmeltError(self.part.name, "has a row without an id: expected one where rows have no numbers")
            title = row.get(columns.title or "title")
            yield Document(self._identity(named), encodable("" if title is None else str(title)), text)

    def check(self) -> None:
        """Refuse a data set without text, after it was read.

        Raises:
            SmeltError: no row held any.
        """
        if self.counts.rows == self.counts.empty:
            column = self.part.columns.text
            raise SmeltError(self.part.name, f"holds no text in column {column!r} of {self.counts.rows:,} rows")

    def _identity(self, named: object) -> str:
        # Documents of smelt's own have such ids already.
        start = f"{self.part.name}:"
        return encodable(str(named) if str(named).startswith(start) else f"{start}{named}")

    def record(self) -> dict[str, Any]:
        """Return what was read, for the statistics: where from, and the numbers of rows."""
        part = self.part
        read: dict[str, Any] = {"dataset": part.name}
        read |= {key: value for key in ("hub", "revision", "folder", "config") if (value := getattr(part, key))}
        read |= {"split": part.split} if part.config else {}
        read |= {"limit": part.limit} if part.limit else {}
        read |= {"rows": self.counts.rows, "empty_rows": self.counts.empty}
        if part.hub is None:
            sizes = {file: Path(file).stat().st_size for file in self.files}
            read["files"] = [
                {"file": as_written(file), "sha256": checksum(Path(file)), "bytes": sizes[file]} for file in sizes
            ]
        return read


def open_data_set(part: DataSetPart, fetched: Path | None) -> DataSetReader:
    """Return the reader of one language of a data set.

    Args:
        part: what to read.
        fetched: the folder of what was brought here from the hub; None for a local folder.

    Raises:
        SmeltError: its files are not there.
    """
    if fetched is not None:
        files = [str(fetched / file["path"]) for file in read_json(fetched / FETCHED)["files"]]
        if missing := [file for file in files if not Path(file).exists()]:
            raise SmeltError(missing[0], f"no such file: it was brought here before. Delete {fetched} and run again")
        return DataSetReader(part, files)
    folder = Path(fill_in(str(part.folder)))
    if not folder.is_dir():
        raise absent(folder, "folder", "one of Parquet or JSON lines")
    if part.config:
        keys = f"datasets.{part.name}"
        return DataSetReader(
            part, hub.local_files(hub.HubRequest(str(folder), None, part.config, keys, ""), part.split)
        )
    return DataSetReader(part, [file for pattern in part.files for file in _matches(folder, pattern)])


def _matches(folder: Path, pattern: str) -> list[str]:
    found = sorted(str(path) for path in folder.glob(pattern) if path.is_file())
    if not found:
        raise not_found(folder / pattern, expected="Parquet or JSON lines")
    return found


def rows_of(part: DataSetPart, files: list[str]) -> Iterator[dict[str, Any]]:
    """Yield the rows of files, up to the limit, each with the columns that make a document, as far as they are there.

    Raises:
        SmeltError: a file is damaged, is of another format, or lacks a column that the study names.
    """
    left = part.limit
    for file in files:
        for row in rows_of_file(file, part):
            if left is not None and left <= 0:
                return
            left = None if left is None else left - 1
            yield row


def rows_of_file(file: str, part: DataSetPart) -> Iterator[dict[str, Any]]:
    """Yield the rows of one file; arguments and errors as for `rows_of`."""
    wanted = [part.columns.text, part.columns.id or "id", part.columns.title or "title"]
    return read_rows(file, wanted, lambda there: check_columns(there, file, part))


def check_columns(there: list[str], file: str, part: DataSetPart) -> None:
    """Refuse a file that lacks a column that the study names.

    Raises:
        SmeltError: it does.
    """
    if missing := [column for column in part.columns.named if column not in there]:
        found = f"has no column {missing[0]!r}, which datasets.{part.name}.columns names"
        raise SmeltError(file, f"{found}: it has {', '.join(there)}")
