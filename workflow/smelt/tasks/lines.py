"""Text files as lines: UTF-8 with or without a byte order mark, Unix or Windows ends of line."""

from collections.abc import Iterator
from pathlib import Path

from smelt.errors import SmeltError, absent


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, line without its end). Only line feeds end a line: texts hold other Unicode separators.

    Raises:
        SmeltError: the file is missing, empty or not UTF-8; the line is named.
    """
    number = 0
    try:
        with path.open("rb") as stream:
            for number, raw in enumerate(stream, start=1):
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                yield number, line.removesuffix("\n").removesuffix("\r")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise absent(path) from None
    except UnicodeDecodeError as error:
        raise SmeltError(f"{path}:{number}", f"is not UTF-8 text ({error.reason})") from None
    if number == 0:
        raise SmeltError(path, "is empty")


def blank_separated(line: str) -> list[str]:
    """Return the words of a line. Only blanks and tabs part them, since no-break spaces may stand within a word."""
    return [word for word in line.replace("\t", " ").split(" ") if word]
