"""What --corpus names: text files, Parquet, JSON lines, folders of these, and data sets of the hub.

An entry is `[language=]place[:column]`. Its place is

- a file, or a pattern of files such as `news/*.parquet`;
- a folder that `datasets` reads, `folder[@config[/split]]`;
- a data set of the hub, `organisation/name@commit[/config[/split]]`.

What is there as a file or folder is that file or folder, whatever its name looks like.
"""

import glob
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from smelt.complaints import meaning_of
from smelt.data_files import (
    COMPRESSED,
    DAMAGED,
    ROWS_AT_ONCE,
    RowCounts,
    has_rows,
    open_file,
    read_rows,
    text_of_row,
)
from smelt.errors import SmeltError, expected_one_of, first_line, not_found, quote
from smelt.files import lines_of, refuse_carriage_return
from smelt.hub import HubRequest, check_whole, local_files, open_split
from smelt.parquet import open_parquet
from smelt.study.data_sets import COMMIT, REPOSITORY

SPLIT = "train"
_OURS = "documents.parquet"
_HELD_OUT = "held_out"
_LONGEST = 10_000
"""Lines of a document at most; then the next one begins, even without a blank line."""
_LANGUAGE = re.compile(r"[\w-]+")
_ON_THE_HUB = re.compile(r"([\w-][\w.-]*/[\w.-]+)@([^/]*)(?:/([^/]+))?(?:/([^/]+))?")


class CorpusEntry(NamedTuple):
    """An entry of --corpus."""

    word: str
    """As it was given."""
    language: str | None
    """The language before its place, where it names one."""
    place: str
    """A file, a pattern of files, a folder or a data set of the hub."""
    column: str | None
    """The column behind its place, where it names one."""

    def languages(self) -> dict[str, list[str]]:
        """Return the places of each language; files that the entry names no language for have it in their names.

        Raises:
            SmeltError: a folder or a data set has no language.
        """
        if self.language:
            return {self.language: [self.place]}
        if Path(self.place).is_dir() or _configured(self.place) or _ON_THE_HUB.fullmatch(self.place):
            raise SmeltError(self.word, f"expected the language before it, such as sw={self.word}")
        found: dict[str, list[str]] = {}
        for file in _matches(self.place) or [self.place]:
            found.setdefault(_language_of(file), []).append(file)
        return found


@dataclass(frozen=True)
class CorpusSource:
    """The texts of one place: lines of text files, or a column of rows."""

    name: str
    """The place, as it was given."""
    files: Sequence[Path]
    column: str | None = None
    """The column with the text; None of text files."""
    data_set: Mapping[str, str] = field(default_factory=dict)
    """Repository of the hub, revision, configuration and split; nothing for local files."""
    counts: RowCounts = field(default_factory=RowCounts)
    """Of the rows that were read."""

    def record(self) -> dict[str, str | int]:
        """Return where rows came from and how many, for provenance."""
        where = self.data_set or {"place": self.name}
        read = {"rows": self.counts.rows, "rows_without_text": self.counts.empty}
        return {**where, "column": self.column or "", **read}

    def documents(self) -> Iterator[tuple[list[str], bool]]:
        """Yield the lines of each document, and whether a document of smelt's own is held out already.

        Raises:
            SmeltError: a file cannot be read, or is not what its name says.
        """
        for file in self.files:
            if has_rows(str(file)):
                yield from self._rows(str(file))
            else:
                yield from ((document, False) for document in _documents(file))

    def _rows(self, file: str) -> Iterator[tuple[list[str], bool]]:
        column = self.column or ""
        rows = read_rows(file, [column, _HELD_OUT], lambda there: _refuse_absent(column, there, file))
        for number, row in enumerate(rows, 1):
            self.counts.rows += 1
            text = text_of_row(row[column], f"{file}, row {number}", column)
            self.counts.empty += not text
            lines = text.split("\n") if text else []
            for start in range(0, len(lines), _LONGEST):
                yield lines[start : start + _LONGEST], row.get(_HELD_OUT) is True


def read_entry(word: str) -> CorpusEntry:
    """Return the parts of an entry of --corpus.

    Raises:
        SmeltError: one of them is empty.
    """
    before, equals, after = word.partition("=")
    try:
        has_language = bool(equals) and not _is_there(word) and _LANGUAGE.fullmatch(before) is not None
        language, rest = (before, after) if has_language else (None, word)
        place, colon, column = rest.rpartition(":")
        if not colon or "/" in column or _is_there(rest):
            place, column = rest, ""
    except OSError as error:  # of a path that is too long, say
        raise SmeltError("--corpus", f"{quote(word)} is no path ({error.strerror})") from None
    if not place or (rest != place and not column):
        raise SmeltError(
            "--corpus", f"expected [language=]place[:column], such as sw=news.jsonl:content, found {word!r}"
        )
    return CorpusEntry(word, language, place, column or None)


def open_source(place: str, column: str | None, word: str) -> CorpusSource:
    """Return the texts of a place, after their files and columns were found.

    Args:
        place: as `CorpusEntry.place`.
        column: the one with the text; by default `text`, or the only one that holds text.
        word: the whole entry, for messages.

    Raises:
        SmeltError: there is no such place or column, or a file is no Parquet.
    """
    data_set: dict[str, str] = {}
    if Path(place).is_file():
        files = [place]
    elif glob.has_magic(place):
        files = _matches(place)
        if not files:
            raise SmeltError(place, "no file has such a name")
    elif Path(place).is_dir():
        files = local_files(HubRequest(place, None, None, word, ""), SPLIT)
    elif tail := _configured(place):
        config, _, split = tail.partition("/")
        files = local_files(HubRequest(place.removesuffix(f"@{tail}"), None, config, word, ""), split or SPLIT)
    else:
        data_set, files = _fetch(place, word)
    paths = [Path(file) for file in files]
    return CorpusSource(place, paths, _column(paths, column), data_set)


def _is_there(place: str) -> bool:
    return Path(place).exists() or bool(_matches(place))


def _matches(pattern: str) -> list[str]:
    """Return the files whose paths fit a pattern; none for the path of a file that is there, whatever its name."""
    if not glob.has_magic(pattern) or Path(pattern).exists():
        return []
    return sorted(path for path in glob.glob(pattern, recursive=True) if Path(path).is_file())  # noqa: PTH207


def _configured(place: str) -> str:
    """Return the configuration, and perhaps the split, behind the name of a folder; "" where there is none."""
    folder, _, tail = place.rpartition("@")
    return tail if folder and Path(folder).is_dir() and not Path(place).exists() else ""


def _language_of(file: str) -> str:
    path = Path(file)
    if path.name == _OURS:
        return path.resolve().parent.name
    name = path.stem if path.suffix in COMPRESSED else path.name
    return Path(name).stem.rsplit(".", 1)[-1]


def _fetch(place: str, word: str) -> tuple[dict[str, str], list[str]]:
    """Return what a data set of the hub is, and its files, which are in the cache then.

    Raises:
        SmeltError: it has no commit, or the hub does not have it.
    """
    found = _ON_THE_HUB.fullmatch(place)
    if found is None:
        if re.fullmatch(REPOSITORY, place) and not has_rows(place):
            raise SmeltError(place, f"no such file or folder; a data set of the hub needs its commit: {place}@<commit>")
        raise not_found(place)
    repository, revision, config, split = found.groups()
    if not re.fullmatch(COMMIT, revision):
        expected = f"expected {meaning_of(COMMIT)}, which pins the data set"
        raise SmeltError(place, f"no such file or folder, and {revision!r} is no commit: {expected}")
    request = HubRequest(repository, revision, config, word, "")
    fetched = open_split(request, split or SPLIT)
    check_whole(fetched, request)
    data_set = {"hub": repository, "revision": revision, "config": fetched.config, "split": fetched.split}
    return data_set, list(map(str, fetched.files))


def _column(files: Sequence[Path], named: str | None) -> str | None:
    """Return the column with the text; None where all files are text files.

    Raises:
        SmeltError: there is no such column, or it holds no text.
    """
    tables = [file for file in files if has_rows(str(file))]
    if named and not tables:
        raise SmeltError(files[0], f"is text, which has no column {named!r}: expected Parquet or JSON lines")
    column = named
    for file in tables:
        if column is None or file == tables[0] or file.suffix == ".parquet":
            kinds = _kinds(file)
            column = column or _only_text(kinds, file)
            if kinds:  # JSON lines without a line have none
                _refuse_absent(column, kinds, str(file))
            if (kind := kinds.get(column, "null")) not in ("string", "null"):
                raise SmeltError(file, f"column {column!r} holds {kind}: expected text")
    return column


def _only_text(kinds: Mapping[str, str], file: Path) -> str:
    of_text = ["text"] if "text" in kinds else [column for column, kind in kinds.items() if kind == "string"]
    if len(of_text) == 1 or not kinds:
        return of_text[0] if of_text else "text"
    found = f"has no column 'text', and {len(of_text) or 'none'} of text: it has {', '.join(kinds)}"
    raise SmeltError(file, f"{found}. Name one behind the file: {file}:{(of_text or list(kinds))[0]}")


def _kinds(file: Path) -> dict[str, str]:
    """Return what each column of a file holds: string, null or another type; of JSON lines, by its first rows."""
    if file.suffix == ".parquet":
        schema = open_parquet(file, []).schema_arrow
        return {part.name: str(part.type).removeprefix("large_").removesuffix("_view") for part in schema}
    kinds: dict[str, str] = {}
    for row in islice(read_rows(str(file), None, lambda _: None), ROWS_AT_ONCE):
        for column, value in row.items():
            kind = {"str": "string", "NoneType": "null"}.get(type(value).__name__, type(value).__name__)
            if kinds.setdefault(column, kind) == "null":
                kinds[column] = kind
    return kinds


def _refuse_absent(column: str, there: Iterable[str], file: str) -> None:
    if column not in there:
        raise SmeltError(file, f"has no column {column!r}: {expected_one_of(column, there)}")


def _documents(file: Path) -> Iterator[list[str]]:
    paragraphs: list[str] = []
    for line in _lines(file):
        if line:
            paragraphs.append(line)
        if paragraphs and (not line or len(paragraphs) == _LONGEST):
            yield paragraphs
            paragraphs = []
    if paragraphs:
        yield paragraphs


def _lines(file: Path) -> Iterator[str]:
    try:
        with open_file(str(file)) as stream:
            for number, raw in enumerate(lines_of(stream, file), 1):
                line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
                if "\0" in line:
                    raise SmeltError(f"{file}:{number}", "is not text: the line holds a NUL byte")
                refuse_carriage_return(text := line.strip(), f"{file}:{number}")
                yield text
    except UnicodeDecodeError as error:
        raise SmeltError(file, f"is not UTF-8: byte 0x{error.object[error.start]:02x}") from None
    except DAMAGED as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
        raise SmeltError(file, f"cannot be read: {reason.lower()}") from None
