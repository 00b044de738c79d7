"""The articles of a wiki as they stand in its dump, kept in a file between the two passes over them.

To decompress bz2 a second time takes about five times as long as to write this file and read it.
"""

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow

from smelt.corpora.wikitext.settings import RawPage

ARTICLES = "articles"  # name of the file among the stores of a wiki
CODEC = "zstd"  # 1.4 to 1.5 times the size of the dump's bz2


class ArticleWriter:
    """Writes articles to a compressed file."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self._stream = pyarrow.CompressedOutputStream(str(path), CODEC)

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left."""
        self._stream.close()

    def add(self, page: RawPage) -> None:
        """Add an article."""
        pickle.dump(page, self._stream, pickle.HIGHEST_PROTOCOL)


def read_articles(path: Path) -> Iterator[RawPage]:
    """Yield the articles in their order."""
    with io.BufferedReader(pyarrow.CompressedInputStream(str(path), CODEC), 1 << 20) as stream:
        while True:
            try:
                page: RawPage = pickle.load(stream)
            except EOFError:
                return
            yield page
