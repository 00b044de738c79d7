"""Texts by title in three files, which processes map into memory together: templates of a large wiki take 1 GB.

The layout is that of wikiextractor's `template_blob`, whose class reads it.
"""

import mmap
import struct
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wikiextractor.template_blob import RECORD_FORMAT, CompactedTemplates

TEMPLATES, REDIRECTS = "templates", "redirects"  # folders of the stores of a wiki
_PARTS = ("records", "titles", "texts")


class StoreWriter:
    """Writes a store: add texts in any order; leaving the `with` block writes what finds them."""

    def __init__(self, folder: Path) -> None:
        """Make a folder for the store."""
        folder.mkdir(parents=True)
        self._folder = folder
        self._texts = (folder / "texts").open("wb")
        self._places: list[tuple[bytes, int, int]] = []
        self._end = 0

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the titles in their order, and where their texts are."""
        self._texts.close()
        start = 0
        with (self._folder / "titles").open("wb") as titles, (self._folder / "records").open("wb") as records:
            for title, place, length in sorted(self._places):
                records.write(struct.pack(RECORD_FORMAT, start, len(title), place, length))
                titles.write(title)
                start += len(title)

    def add(self, title: str, text: str) -> None:
        """Add a text; no title may come twice."""
        encoded = text.encode()
        self._places.append((title.encode(), self._end, len(encoded)))
        self._texts.write(encoded)
        self._end += len(encoded)


def open_store(folder: Path) -> Any:
    """Return a store as a mapping from titles to texts."""
    return CompactedTemplates(*(_mapped(folder / part) for part in _PARTS))


def _mapped(path: Path) -> bytes | mmap.mmap:
    if path.stat().st_size == 0:
        return b""  # an empty file cannot be mapped
    with path.open("rb") as stream:
        return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
