"""Text files as lines: in any encoding, with or without a byte order mark, Unix or Windows ends of line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from smelt.errors import SmeltError, absent, quote
from smelt.files import refuse_carriage_return

LEFT_OUT = "lines that begin so are left out with `skip`"


def numbered_lines(path: Path, encoding: str = "utf-8", quoted: bool = False) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, line without its end). Only line feeds end a line: texts hold other Unicode separators.

    A carriage return inside a line is refused, except in `quoted` files, where it may stand in a field.

    Raises:
        SmeltError: the file is missing, empty, not in its encoding, or has such a carriage return; the line is named.
    """
    number = 0
    try:
        with path.open(encoding=encoding, newline="\n") as stream:
            for number, line in enumerate(stream, start=1):
                line = line.rstrip("\r\n")
                if "\r" in line and not quoted:  # first, as most lines have none: files have millions of them
                    refuse_carriage_return(line, f"{path}:{number}")
                yield number, line.removeprefix("\ufeff") if number == 1 else line
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise absent(path) from None
    except UnicodeError as error:
        reason = getattr(error, "reason", str(error))
        raise SmeltError(
            f"{path}:{_undecodable(path, encoding)}",
            f"is not {encoding.upper()} text ({reason}). A file in another encoding is read with `encoding` in the task"
            " file's format",
        ) from None
    if number == 0:
        raise SmeltError(path, "is empty")


def split_at_blanks(line: str) -> list[str]:
    """Return the words of a line. Only blanks and tabs separate them: no-break spaces may stand within a word."""
    return [word for word in line.replace("\t", " ").split(" ") if word]


def is_blank(line: str) -> bool:
    """Return whether a line has only blanks and tabs."""
    return not line.strip(" \t")


def refuse_equal(names: Sequence[str], place: str) -> None:
    """Refuse a header with two equal names, because either could be meant; empty names may repeat.

    Raises:
        SmeltError: two names are equal.
    """
    for position, name in enumerate(names):
        if name and name in names[:position]:
            raise SmeltError(place, f"has two columns called {quote(name)}: expected a name of its own for each")


def _undecodable(path: Path, encoding: str) -> int:
    """Return the number of the first line that cannot be decoded: a stream decodes many lines ahead."""
    try:
        path.read_bytes().decode(encoding)
    except UnicodeDecodeError as error:
        return error.object[: error.start].decode(encoding, "replace").count("\n") + 1
    return 1  # an encoding whose error concerns the whole file: UTF-16 without a byte order mark


class Width:
    """The number of columns of rows: that of the header, or else of the first row; any other would mislabel words."""

    def __init__(self, path: Path, separator: str, needed: int, comment: str = "") -> None:
        """Keep the file, what separates its columns, how many of them are read, and what comments begin with."""
        self.path, self.separator, self.needed, self.comment = path, separator, needed, comment
        self.columns = 0
        """The number of columns; 0 where the next row sets it."""
        self.line = 0
        """The line that set it."""

    def check(self, cells: list[str], number: int) -> None:
        """Check a row.

        Raises:
            SmeltError: it has fewer columns than are read, or not as many as the first row.
        """
        if not self.columns:
            self.line, self.columns = number, len(cells)
        if len(cells) == self.columns >= self.needed:
            return
        expected, mend = f"at least {self.needed} columns", ""
        if len(cells) >= self.needed:
            expected = f"{self.columns} columns, as line {self.line} has"
            mend = ". Mend the line, or the separator and quotes that the task file names"
        found = self.separator.join(cells)
        mend = f"; {LEFT_OUT}" if self.comment and found.startswith(self.comment) else mend
        raise SmeltError(f"{self.path}:{number}", f"expected {expected}, found {len(cells)}: {quote(found)}{mend}")
