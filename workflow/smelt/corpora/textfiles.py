"""Plain text files as documents: a paragraph a line, a blank line between documents.

The text is taken as it is, except for the white space around each line and a byte order mark at the start.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from smelt.corpora.documents import Document
from smelt.errors import SmeltError, absent
from smelt.files import lines_of, refuse_carriage_return

_NO_TEXT = "holds no text: expected a paragraph a line, a blank line between documents"
_MARKUP = re.compile(r"<(\?xml|!doctype|html|mediawiki)\b", re.IGNORECASE)


def read_documents(path: Path) -> Iterator[Document]:
    """Yield the documents of a text file, with ids text:<stem>-<n> counted from 1, one in memory at a time.

    Raises:
        SmeltError: the file is missing, empty, binary, not UTF-8, XML or HTML under a text's name, or has a carriage
            return inside a line.
    """
    number = 0
    paragraphs: list[str] = []
    for line in _lines(path):
        if line:
            paragraphs.append(line)
        elif paragraphs:
            number += 1
            yield Document(f"text:{path.stem}-{number}", "", "\n".join(paragraphs))
            paragraphs = []
    if paragraphs:
        number += 1
        yield Document(f"text:{path.stem}-{number}", "", "\n".join(paragraphs))
    if number == 0:
        raise SmeltError(path, _NO_TEXT)


def check_files(paths: list[Path]) -> None:
    """Check that files are there and no two have one stem, since their documents would share ids, before any is read.

    Raises:
        SmeltError: one is not there, or two have one stem.
    """
    for path in paths:
        if not path.exists():
            raise absent(path, expected="a paragraph a line, a blank line between documents")
    first: dict[str, Path] = {}
    for path in paths:
        if path.stem in first:
            raise SmeltError(path, f"would give documents the ids of {first[path.stem]}: rename one of the two files")
        first[path.stem] = path


def check_beginning(path: Path, lines: int = 1000) -> None:
    """Check that a file begins as text does, without reading more than its first lines.

    Raises:
        SmeltError: as of `read_documents`, as far as these lines show it.
    """
    found = list(islice(_lines(path), lines))
    if len(found) < lines and not any(found):
        raise SmeltError(path, _NO_TEXT)


def _lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as stream:
            for number, line in enumerate(lines_of(stream, path), 1):
                yield _decode(line, number, path)
    except FileNotFoundError:
        raise absent(path, expected="a paragraph a line, a blank line between documents") from None
    except OSError as error:
        raise SmeltError(path, f"cannot be read: {(error.strerror or str(error)).lower()}") from None


def _decode(line: bytes, number: int, path: Path) -> str:
    if b"\0" in line:
        raise SmeltError(f"{path}:{number}", f"is not text: a NUL byte stands at byte {line.index(0) + 1} of the line")
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
    except UnicodeDecodeError as error:
        wrong = error.object[error.start]
        raise SmeltError(
            f"{path}:{number}", f"is not UTF-8: byte 0x{wrong:02x} at byte {error.start + 1} of the line"
        ) from None
    if number == 1 and _MARKUP.match(text):
        raise SmeltError(path, f"is markup, not plain text: it starts with {text[:40]!r}")
    refuse_carriage_return(text, f"{path}:{number}")
    return text
