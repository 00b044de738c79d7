"""Rows of Parquet, JSON lines and Arrow files, read piece by piece; and text files, also compressed."""

import io
import json
import logging
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

from smelt.errors import SmeltError, cause, first_line, quote
from smelt.files import LONGEST_LINE, encodable, lines_of

if TYPE_CHECKING:
    import pyarrow

BUILDERS = {".parquet": "parquet", ".arrow": "arrow", ".jsonl": "json", ".json": "json"}
COMPRESSED = {".gz", ".bz2", ".xz", ".zst"}
ROWS_AT_ONCE = 256
MOST_AS_WHOLE = 1 << 30
"""Bytes of a compressed file that is read as a whole, as JSON that is one list is."""
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What the libraries raise for a file that is missing, cut or not compressed as its name says."""


Check = Callable[[list[str]], None]
"""Refuses the columns that a file has."""


@dataclass
class RowCounts:
    """Numbers of rows: all that were read, and those without text."""

    rows: int = 0
    empty: int = 0


def ending(file: str) -> str:
    """Return what the name of a file ends in, before the ending of its compression."""
    path = PurePosixPath(file)
    return PurePosixPath(path.stem).suffix if path.suffix in COMPRESSED else path.suffix


def has_rows(file: str) -> bool:
    """Return whether a file holds rows with columns, by its name."""
    return ending(file) in BUILDERS


def read_rows(file: str, wanted: Sequence[str] | None, check: Check) -> Iterator[dict[str, Any]]:
    """Yield the rows of a file with the wanted columns, as far as they are there.

    Args:
        file: its path or address.
        wanted: names of columns; None for all.
        check: refuses the columns that there are.

    Raises:
        SmeltError: the file is damaged or of another format, or `check` refuses it.
    """
    if not has_rows(file):
        raise SmeltError(file, f"expected a file in {', '.join(BUILDERS)}, the last two also as .gz, .bz2, .xz or .zst")
    if ending(file) == ".parquet":
        try:
            for table in tables_of_parquet(file, wanted, check):
                yield from table.to_pylist()
        except (ValueError, *DAMAGED) as error:
            raise SmeltError(file, f"cannot be read: {first_line(error)}") from None
        return
    import datasets

    datasets.logging.set_verbosity(logging.CRITICAL)  # its errors are ours
    bound_decompression()
    try:
        with suppress(StopIteration):  # which the library raises for JSON lines without a line
            for row in _streamed(file):
                check(list(row))
                yield {column: row[column] for column in (wanted or row) if column in row}
    except (datasets.exceptions.DatasetsError, ValueError, *DAMAGED) as error:
        if ending(file) == ".jsonl":
            _refuse_line(file)
        raise SmeltError(file, f"cannot be read: {first_line(cause(error))}") from None


def tables_of_parquet(
    file: str, wanted: Sequence[str] | None = None, check: Check | None = None
) -> Iterator["pyarrow.Table"]:
    """Yield the rows of a Parquet file, here or elsewhere, some at once; arguments as for `read_rows`.

    `datasets` reads ahead, so that its memory grows with the file. It reads in threads, too: where only the first rows
    are wanted, Python now and then aborts at its end, all work done (pyarrow 26.0.1, apache/arrow issue 45214).

    Raises:
        ValueError, OSError: the file is damaged or not there.
    """
    import pyarrow
    from pyarrow.parquet import ParquetFile

    remote = "://" in file
    with open_file(file) if remote else nullcontext(file) as source, ParquetFile(source, pre_buffer=False) as opened:
        there = opened.schema_arrow.names
        if check:
            check(there)
        columns = [column for column in dict.fromkeys(wanted) if column in there] if wanted else None
        for batch in opened.iter_batches(ROWS_AT_ONCE, columns=columns, use_threads=False):
            yield pyarrow.Table.from_batches([batch])


def _streamed(file: str) -> Iterable[dict[str, Any]]:
    """Return the rows of JSON or of an Arrow file as `datasets` streams them."""
    import datasets

    rows = datasets.load_dataset(BUILDERS[ending(file)], data_files={"train": [file]}, split="train", streaming=True)
    return cast("Iterable[dict[str, Any]]", rows)


def _refuse_line(file: str) -> None:
    """Name the first line of JSON lines that is no object; the library names places in blocks of lines.

    Raises:
        SmeltError: there is such a line.
    """
    with suppress(*DAMAGED), open_file(file) as stream:
        for number, line in enumerate(lines_of(stream, file), 1):
            found: object = line.strip().decode(errors="replace")
            with suppress(ValueError):
                found = json.loads(line) if line.strip() else {}
            if not isinstance(found, dict):
                raise SmeltError(f"{file}:{number}", f"is no JSON object: found {quote(found)}")


def open_file(file: str) -> IO[bytes]:
    """Return the bytes of a file, decompressed by the ending of its name."""
    import fsspec

    compressed = PurePosixPath(file).suffix in COMPRESSED
    if "://" not in file and not compressed:
        return Path(file).open("rb")
    bound_decompression()
    opened: IO[bytes] = fsspec.open(file, "rb", compression="infer" if compressed else None).open()
    return opened


class Decompressed(io.BufferedReader):
    """The bytes of a compressed file; neither a line nor the whole may be larger than memory bears."""

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return a line; ValueError where it is too long."""
        return _at_most(LONGEST_LINE, size, super().readline, "a line")

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, or all; ValueError where these are too many."""
        return _at_most(MOST_AS_WHOLE, size, super().read, "JSON that is one list")


def _at_most(most: int, size: int | None, read: Callable[[int], bytes], what: str) -> bytes:
    if size is not None and size >= 0:
        return read(size)
    found = read(most + 1)
    if len(found) > most:
        raise ValueError(f"{what} of more than {most:,} bytes")
    return found


def bound_decompression() -> None:
    """Let fsspec, by which `datasets` opens files, read compressed ones in bounds; .zst through pyarrow.

    Without it the library would read .zst with a package of its own, which may not be there.
    """
    import pyarrow
    from fsspec.compression import compr, register_compression

    def opener(name: str) -> Callable[..., IO[bytes]]:
        of_library = compr.get(name)

        def opened(stream: IO[bytes], mode: str = "rb", **options: Any) -> IO[bytes]:
            bare: Any = pyarrow.CompressedInputStream(stream, "zstd") if name == "zstd" else None
            return Decompressed(bare or of_library(stream, mode=mode, **options))

        opened.bounded = True  # type: ignore[attr-defined] # so that this is done once
        return opened

    for name, suffix in (("gzip", "gz"), ("bz2", "bz2"), ("xz", "xz"), ("zstd", "zst")):
        if not hasattr(compr.get(name), "bounded"):
            register_compression(name, opener(name), suffix, force=True)


def text_of_row(value: object, where: str, column: str) -> str:
    """Return a row's text with a paragraph a line; "" where it has none.

    Raises:
        SmeltError: it is no text.
    """
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SmeltError(where, f"column {column!r} holds {quote(value)}: expected text")
    lines = encodable(value).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(filter(None, map(str.strip, lines)))
