"""Dumps to measure on: the pages of real or invented ones, repeated under new ids and titles up to a size."""

import bz2
import os
import re
from collections.abc import Sequence
from pathlib import Path

from smelt.corpora.dump import files_of

_PAGE = re.compile(rb"  <page>\n.*?</page>\n", re.DOTALL)
_TITLE, _ID = re.compile(rb"(?<=<title>)([^<]*)"), re.compile(rb"(?<=    <id>)\d+")


def real_dumps() -> dict[str, Path]:
    """Return the folders of the dumps in SMELT_DATA by their wikis; empty where it is not set."""
    data = os.environ.get("SMELT_DATA")
    folders = sorted(Path(data, "dumps").glob("*wiki")) if data else []
    return {folder.name: next(folder.iterdir()) for folder in folders}


def one_file(dump: Path, size: int, path: Path) -> int:
    """Write the pages of a dump to one bz2 file, again and again until it has `size` bytes of XML; return its bytes.

    Pages come as often as in the dump, templates included; the first copy has their own ids and titles. An article's
    templates are those of the first copy.
    """
    parts = [bz2.decompress(file.path.read_bytes()) for file in files_of(dump)]
    pages = [page for part in parts for page in _PAGE.findall(part)]
    head = parts[0][: parts[0].index(pages[0])]
    highest = max(int(found[0]) for page in pages if (found := _ID.search(page)))
    once = sum(map(len, pages))
    with bz2.open(path, "wb") as stream:
        written = stream.write(head)
        for copy in range(max(1, round(size / once))):
            written += sum(stream.write(_copied(page, copy, copy * highest) if copy else page) for page in pages)
        written += stream.write(b"</mediawiki>\n")
    return written


def _copied(page: bytes, copy: int, added: int) -> bytes:
    renamed = _TITLE.sub(rb"\1 %d" % copy, page, count=1)
    return _ID.sub(lambda found: b"%d" % (int(found[0]) + added), renamed, count=1)


def paths_of(dumps: Sequence[Path]) -> list[Path]:
    """Return the bz2 files of dumps, since wikiextractor takes single ones."""
    return [file.path for dump in dumps for file in files_of(dump)]
