"""Documents as Parquet: written as they come, counted, and each assigned to training or held out."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from smelt.files import whole_file
from smelt.paragraphs import paragraphs
from smelt.sentences import sentence_ends

ROW_GROUP_CHARACTERS = 8_000_000
SCHEMA = pyarrow.schema(
    [("id", pyarrow.string()), ("title", pyarrow.string()), ("text", pyarrow.string()), ("held_out", pyarrow.bool_())]
)

SHARD = pyarrow.schema([field for field in SCHEMA if field.name != "held_out"])


@dataclass(frozen=True)
class Document:
    """A document: an id that no other has, its title ("" where it has none), its lines separated by newlines.

    A line is a paragraph, or a heading with its marks (`smelt.paragraphs`).
    """

    id: str
    title: str
    text: str


@dataclass
class DocumentCounts:
    """Numbers of a language's documents.

    `words` are runs of characters between white space (Unicode's), as `wc -w` counts them. Scripts written without
    spaces (Han, kana, Thai, Lao, Khmer, Burmese) have few such words: compare those languages by `characters`.
    `paragraphs` are the lines that are no headings, and `sentences` are theirs (`smelt.sentences`). `characters` are
    Unicode code points without the newlines between lines, `bytes` the same in UTF-8.
    """

    documents: int = 0
    held_out_documents: int = 0
    paragraphs: int = 0
    sentences: int = 0
    words: int = 0
    characters: int = 0
    bytes: int = 0

    def add(self, document: Document, held_out: bool, language: str) -> None:
        """Count a document; its language says where sentences end."""
        lines = paragraphs(document.text)
        newlines = document.text.count("\n")
        self.documents += 1
        self.held_out_documents += held_out
        self.paragraphs += len(lines)
        self.sentences += len(lines) + sum(len(sentence_ends(line, language)) for line in lines)
        self.words += len(document.text.split())
        self.characters += len(document.text) - newlines
        self.bytes += len(document.text.encode()) - newlines

    def as_dict(self) -> dict[str, int]:
        """Return the numbers by name."""
        return asdict(self)


def add_counts(counts: Any, other: Any) -> None:
    """Add to the numbers of a dataclass those of another."""
    for field in fields(counts):
        setattr(counts, field.name, getattr(counts, field.name) + getattr(other, field.name))


def write_documents(documents: Iterable[Document], language: str, share: float, path: Path) -> DocumentCounts:
    """Write documents to a zstd Parquet file, a row group at a time, and return their numbers.

    Args:
        documents: any number of them; none is kept in memory longer than its row group.
        language: its code.
        share: of documents to hold out, decided by a hash of the id, so that a document's lot never depends on the
            others. Where there are two documents or more, at least one is held out and one is not.
        path: the file, which appears when it is complete.
    """
    counts, lots = DocumentCounts(), _Lots(share)
    with whole_file(path) as draft:
        with pyarrow.parquet.ParquetWriter(draft, SCHEMA, compression="zstd") as writer:
            group = _RowGroup(writer)
            for document in documents:
                held_out = lots.draw(document.id)
                counts.add(document, held_out, language)
                group.add(document, held_out)
            group.flush()
        if (changed := lots.to_change()) is not None:
            counts.held_out_documents += 1 if lots.held_out == 0 else -1
            _change_lot(draft, changed)
    return counts


def write_shard(documents: Iterable[Document], path: Path) -> None:
    """Write documents to a zstd Parquet file that makes no difference between training and held out."""
    with whole_file(path) as draft, pyarrow.parquet.ParquetWriter(draft, SHARD, compression="zstd") as writer:
        group = _RowGroup(writer)
        for document in documents:
            group.add(document, held_out=False)
        group.flush()


class _RowGroup:
    """The rows that are gathered until they make a row group."""

    def __init__(self, writer: pyarrow.parquet.ParquetWriter) -> None:
        self.writer = writer
        self.rows: list[tuple[str, str, str, bool]] = []
        self.characters = 0

    def add(self, document: Document, held_out: bool) -> None:
        self.rows.append((document.id, document.title, document.text, held_out))
        self.characters += len(document.text)
        if self.characters >= ROW_GROUP_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        if self.rows:
            *texts, lots = zip(*self.rows, strict=True)
            columns = [*map(_strings, texts), _flags(lots)]
            schema = self.writer.schema  # of shards, without the last column
            self.writer.write_table(pyarrow.table(columns[: len(schema)], schema=schema))
            self.rows, self.characters = [], 0


# pyarrow.array asks pandas what it is given: to load pandas takes as long as to read a megabyte of XML.
def _strings(values: Iterable[str]) -> pyarrow.StringArray:
    builder = pyarrow.lib.StringBuilder()
    builder.append_values(values)
    return builder.finish()


def _flags(values: Sequence[bool]) -> pyarrow.BooleanArray:
    bits = pyarrow.py_buffer(np.packbits(values, bitorder="little"))
    return pyarrow.Array.from_buffers(pyarrow.bool_(), len(values), [None, bits])


class _Lots:
    """Draws whether documents are held out; remembers the documents closest to the bound on either side."""

    def __init__(self, share: float) -> None:
        self.bound = share
        self.drawn = self.held_out = 0
        self.lowest, self.highest = (2.0, ""), (-1.0, "")

    def draw(self, identity: str) -> bool:
        number = int.from_bytes(hashlib.sha256(identity.encode()).digest()[:6]) / 2**48
        self.lowest, self.highest = min(self.lowest, (number, identity)), max(self.highest, (number, identity))
        self.drawn += 1
        self.held_out += number < self.bound
        return number < self.bound

    def to_change(self) -> str | None:
        """Return the document whose lot has to change so that both sides have one."""
        if self.drawn < 2 or 0 < self.held_out < self.drawn:
            return None
        return self.lowest[1] if self.held_out == 0 else self.highest[1]


def _change_lot(path: Path, identity: str) -> None:
    source = pyarrow.parquet.ParquetFile(path, pre_buffer=False)  # which would keep all that was read
    with whole_file(path) as draft, pyarrow.parquet.ParquetWriter(draft, SCHEMA, compression="zstd") as writer:
        for index in range(source.num_row_groups):
            rows = source.read_row_group(index).to_pylist()
            for row in rows:
                row["held_out"] ^= row["id"] == identity
            writer.write_table(pyarrow.Table.from_pylist(rows, schema=SCHEMA))
