"""Shards of large data sets: their files and rows, planned before any is read, and how they are read."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from smelt.corpora.data_sets import DataSetReader, check_columns, rows_of_file
from smelt.corpora.documents import Document
from smelt.data_files import ROWS_AT_ONCE
from smelt.entry import Entry, check
from smelt.errors import SmeltError, first_line
from smelt.files import checksum, read_json, write_json
from smelt.study.cleaning import Cleaning
from smelt.study.data_sets import DataSetPart

REMEMBERING = ("duplicate_paragraphs", "near_duplicates")
"""Steps of cleaning whose decisions depend on all documents before."""


class Piece(Entry):
    """Rows of one file: some row groups of Parquet, or a whole file of JSON lines."""

    part: int
    """The number of its data set."""
    file: str
    """Its path."""
    bytes: int
    """The size of the rows, by which a file of another content is noticed."""
    first: int | None = None
    """The number of the first row in its data set; None where rows have no numbers."""
    rows: int | None = None
    """How many rows; None for all of the file."""
    groups: tuple[int, int] = (0, 0)
    """The first row group and the one after the last."""


class ShardPlan(Entry):
    """What is done: which documents, in which shards, and how they are cleaned."""

    language: str
    """Code of the language."""
    cleaning: Cleaning
    """The steps."""
    data_sets: list[DataSetPart]
    """Where documents come from."""
    files: list[list[str]]
    """The files of each data set."""
    tests: dict[str, str]
    """Folders of prepared tasks whose test examples are looked for, by name."""
    test_sums: dict[str, str]
    """Sums of their test examples."""
    shards: list[list[Piece]]
    """The pieces of each shard, in the order of the documents."""

    @property
    def segments(self) -> list[list[str]]:
        """The names of the steps, divided before each one that remembers."""
        found: list[list[str]] = [[]]
        for name in Cleaning.model_fields:
            if getattr(self.cleaning, name):
                found += [[]] if name in REMEMBERING else []
                found[-1].append(name)
        return found

    def steps(self, names: Iterable[str]) -> Cleaning:
        """Return the settings of some steps alone."""
        return Cleaning(**{name: getattr(self.cleaning, name) for name in names})

    def folders_of_tests(self) -> dict[str, Path]:
        """Return the folders of prepared tasks by name."""
        return {name: Path(folder) for name, folder in self.tests.items()}

    def readers(self) -> list[DataSetReader]:
        """Return a reader of each data set."""
        return [DataSetReader(part, files) for part, files in zip(self.data_sets, self.files, strict=True)]

    def documents(self, shard: int, readers: list[DataSetReader]) -> Iterator[Document]:
        """Yield the documents of a shard; `readers` count their rows.

        Raises:
            SmeltError: a file is damaged.
        """
        for piece in self.shards[shard]:
            reader = readers[piece.part]
            yield from reader.read(_rows(piece, reader.part))


def plan_shards(
    language: str, cleaning: Cleaning, readers: list[DataSetReader], tests: Mapping[str, Path], number: int
) -> ShardPlan:
    """Return the plan of at most `number` shards of about one size.

    Raises:
        SmeltError: a file of Parquet is damaged or lacks a column that the study names; two data sets have one name; or
            the first rows of JSON lines are asked for.
    """
    names = [reader.part.name for reader in readers]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise SmeltError("--data-set", f"names {twice} twice: their documents would share ids")
    pieces = [piece for place, reader in enumerate(readers) for piece in _pieces(place, reader)]
    shards: list[list[Piece]] = [[] for _ in range(number)]
    total, before = sum(piece.bytes for piece in pieces) or 1, 0
    for piece in pieces:
        shard = shards[min(before * number // total, number - 1)]
        before += piece.bytes
        if shard and piece.first is not None and _follows(piece, shard[-1]):
            shard[-1] = _joined(shard[-1], piece)
        else:
            shard.append(piece)
    return ShardPlan(
        language=language,
        cleaning=cleaning,
        data_sets=[reader.part for reader in readers],
        files=[reader.files for reader in readers],
        tests={name: str(folder.resolve()) for name, folder in tests.items()},
        test_sums={name: checksum(folder / "test.parquet") for name, folder in tests.items()},
        shards=[shard for shard in shards if shard],
    )


def keep_plan(plan: ShardPlan, path: Path) -> None:
    """Write a plan, or make sure that it is the one that was written before.

    Raises:
        SmeltError: it is another.
    """
    if not path.exists():
        write_json(path, plan.model_dump(mode="json", exclude_defaults=True))
        return
    before = read_plan(path)
    if other := [name for name in ShardPlan.model_fields if getattr(before, name) != getattr(plan, name)]:
        what = "other shards, or files that have changed" if other[0] == "shards" else f"another {other[0]}"
        raise SmeltError(path.parent.parent, f"was begun with {what}: name another --output, or delete it")


def read_plan(path: Path) -> ShardPlan:
    """Return a plan that was written."""
    return check(ShardPlan, read_json(path), str(path))


def _pieces(place: int, reader: DataSetReader) -> Iterator[Piece]:
    """Yield the pieces of a data set, in the order of its rows."""
    before: int | None = 0
    limit = reader.part.limit
    for file in reader.files:
        if not file.endswith(".parquet"):
            if limit:
                raise SmeltError(file, f"limit {limit:,} needs row numbers: expected Parquet")
            before = None
            yield Piece(part=place, file=file, bytes=Path(file).stat().st_size)
            continue
        for group, rows, size in _groups(file, reader.part):
            if limit and before is not None and before >= limit:
                return
            taken = min(rows, limit - before) if limit and before is not None else rows
            first = None if before is None else before + 1
            yield Piece(part=place, file=file, bytes=size, first=first, rows=taken, groups=(group, group + 1))
            before = None if before is None else before + rows


def _groups(file: str, part: DataSetPart) -> list[tuple[int, int, int]]:
    """Return the number, rows and bytes of the row groups of a file."""
    try:
        metadata = pyarrow.parquet.read_metadata(file)
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise SmeltError(file, f"cannot be read: {first_line(error)}") from None
    check_columns(metadata.schema.to_arrow_schema().names, file, part)
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    return [(number, group.num_rows, group.total_byte_size) for number, group in enumerate(groups)]


def _follows(piece: Piece, before: Piece) -> bool:
    return (piece.part, piece.file, piece.groups[0]) == (before.part, before.file, before.groups[1])


def _joined(before: Piece, piece: Piece) -> Piece:
    rows = (before.rows or 0) + (piece.rows or 0)
    groups = (before.groups[0], piece.groups[1])
    return before.model_copy(update={"bytes": before.bytes + piece.bytes, "rows": rows, "groups": groups})


def _rows(piece: Piece, part: DataSetPart) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """Yield the rows of a piece with their numbers."""
    if piece.rows is None:
        yield from ((None, row) for row in rows_of_file(piece.file, part))
        return
    wanted = [part.columns.text, part.columns.id or "id", part.columns.title or "title"]
    try:
        with pyarrow.parquet.ParquetFile(piece.file, pre_buffer=False) as file:  # which would keep all that was read
            there = [column for column in dict.fromkeys(wanted) if column in file.schema_arrow.names]
            batches = file.iter_batches(ROWS_AT_ONCE, row_groups=range(*piece.groups), columns=there)
            rows = (row for batch in batches for row in batch.to_pylist())
            for place, row in zip(range(piece.rows), rows, strict=False):
                yield None if piece.first is None else piece.first + place, row
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise SmeltError(piece.file, f"cannot be read: {first_line(error)}") from None
