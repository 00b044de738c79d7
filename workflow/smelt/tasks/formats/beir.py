"""BEIR: a corpus, queries, and which passages are relevant to which queries, as BEIR and mteb publish their sets.

A split is a file of judgements, `qrels/test.tsv`, or a split of the hub's data set that holds them. Corpus and queries
are other files beside it, or other configurations. A passage is its title and its text with a blank between.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

from pydantic import Field

from smelt.errors import SmeltError, quote
from smelt.hub import HubSplit
from smelt.tasks.examples import Query, Relevant, is_empty
from smelt.tasks.formats.base import FileFormat, FileOrSplit, SourceFile
from smelt.tasks.formats.rows import as_integer, read_rows, read_text_cell
from smelt.tasks.lines import is_blank, numbered_lines

TABLES = (".tsv", ".txt", ".trec", ".qrels", ".qrel")
"""Endings of judgements in columns: of BEIR with a header, or of TREC (query, 0, passage, grade) without."""


class Judgement(NamedTuple):
    """A line of judgements."""

    place: str
    line: int
    query: str
    passage: str
    grade: int


class Beir(FileFormat):
    """Judgements (query-id, corpus-id, score), and beside them corpus and queries (`_id` or `id`, `title`, `text`)."""

    key: ClassVar[str] = "beir"
    reads_rows: ClassVar[bool] = True

    corpus: Annotated[str, Field(min_length=1)] | None = None
    """File of the passages, from the folder of the judgements: JSON lines or Parquet; by default `../corpus.jsonl`.
    Of a data set on the hub the configuration that holds them; by default as mteb calls it: `sw-corpus` beside
    `sw-qrels`, `corpus` beside `default`. Its split is called as that of the judgements, or is its only one."""
    queries: Annotated[str, Field(min_length=1)] | None = None
    """The same for the queries: `../queries.jsonl`, `sw-queries`, `queries`. Those without a judgement in a split are
    not in it."""
    empty_passages: bool = False
    """Whether passages without title and text may stand in the corpus, which no query should find; by default they are
    an error."""

    @property
    def example_types(self) -> tuple[type[Any], ...]:
        """Queries."""
        return (Query,)

    def names_beside(self, code: str) -> list[str]:
        """Return the names of the files of corpus and queries."""
        parts = {"corpus": self.corpus, "queries": self.queries}
        return [(name or f"../{part}.jsonl").replace("{language}", code) for part, name in parts.items()]

    def sources(self, file: SourceFile) -> list[Path]:
        """Return judgements, corpus and queries."""
        if not isinstance(file.path, HubSplit):
            return super().sources(file)
        return [*file.path.files, *(path for part in self._parts_on_hub(file.path, file.code) for path in part.files)]

    def _parts_on_hub(self, judgements: HubSplit, code: str) -> list[HubSplit]:
        """Return corpus and queries beside judgements, in other configurations."""
        before = judgements.config.removesuffix("qrels") if judgements.config.endswith("-qrels") else ""
        parts = {"corpus": self.corpus, "queries": self.queries}
        names = [(name or f"{before}{part}").replace("{language}", code) for part, name in parts.items()]
        return [judgements.beside(name) for name in names]

    def read(self, file: SourceFile) -> Iterator[Query]:
        """Yield the queries that have a judgement, in the order of these.

        Raises:
            SmeltError: a judgement names a query or passage that is not there, or stands twice; two queries or passages
                have one id, or one is empty; a grade is no whole number.
        """
        corpus, asked = self._parts(file)
        passages, queries = read_corpus(corpus, self), read_queries(asked, self)
        found: dict[str, Query] = {}
        seen: set[tuple[str, str]] = set()
        for place, line, query, passage, grade in read_judgements(file.path, self):
            if query not in queries:
                raise SmeltError(place, f"names the query {quote(query)}, which the queries lack")
            if passage not in passages:
                raise SmeltError(place, f"names the passage {quote(passage)}, which the corpus lacks")
            if (query, passage) in seen:
                raise SmeltError(place, f"judges query {quote(query)} and passage {quote(passage)} a second time")
            seen.add((query, passage))
            each = found.setdefault(query, Query(queries[query], [], query, line, passages))
            if grade > 0:
                each.relevant.append(Relevant(passage, grade))
        yield from found.values()

    def _parts(self, file: SourceFile) -> list[FileOrSplit]:
        """Return corpus and queries beside judgements: files, or splits of other configurations."""
        if isinstance(file.path, HubSplit):
            return [*self._parts_on_hub(file.path, file.code)]
        return [file.path.parent / name for name in self.names_beside(file.code)]


def read_corpus(path: FileOrSplit, written: Beir) -> dict[str, str]:
    """Return the passages by their ids."""
    found: dict[str, str] = {}
    for place, row in _rows(path, written):
        parts = [read_text_cell(row, name, place) for name in ("title", "text") if row.get(name) is not None]
        text = " ".join(part for part in parts if part)
        if is_empty(text) and not written.empty_passages:
            raise SmeltError(
                place, "has an empty passage: expected a text. `empty_passages: true` lets such ones stand"
            )
        _add(found, row, text, place)
    return found


def read_queries(path: FileOrSplit, written: Beir) -> dict[str, str]:
    """Return the queries by their ids."""
    found: dict[str, str] = {}
    for place, row in _rows(path, written):
        text = read_text_cell(row, "text", place)
        if is_empty(text):
            raise SmeltError(place, "has an empty query: expected a text")
        _add(found, row, text, place)
    return found


def _rows(path: FileOrSplit, written: Beir) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((f"{path}:{number}", row) for number, row in read_rows(path, written))


def _add(found: dict[str, str], row: dict[str, Any], text: str, place: str) -> None:
    name = read_text_cell(row, "_id" if "_id" in row else "id", place, as_integer)
    if name in found:
        raise SmeltError(place, f"has the id {quote(name)}, as another line before it: expected an id of its own")
    found[name] = text


def read_judgements(path: FileOrSplit, written: Beir) -> Iterator[Judgement]:
    """Yield the judgements of a file in columns, of rows, or of a split on the hub."""
    if isinstance(path, Path) and path.suffix in TABLES:
        yield from _read_columns(path, written)
        return
    for place, row in _rows(path, written):
        query, passage = (read_text_cell(row, name, place, as_integer) for name in ("query-id", "corpus-id"))
        grade = read_text_cell(row, "score", place, as_integer) if "score" in row else "1"
        yield Judgement(place, int(place.rpartition(":")[2]), query, passage, _grade(grade, place))


def _read_columns(path: Path, written: Beir) -> Iterator[Judgement]:
    lines = ((number, line.split()) for number, line in numbered_lines(path, written.encoding) if not is_blank(line))
    first = next(lines, None)
    if first is None:
        return
    header = first[1][-1].lower() in ("score", "grade", "rel", "relevance")
    for number, cells in lines if header else chain([first], lines):
        place = f"{path}:{number}"
        if len(cells) not in (3, 4):
            found = f"has {len(cells)} columns"
            raise SmeltError(place, f"{found}: expected query-id, corpus-id and score, or TREC's four")
        yield Judgement(place, number, cells[0], cells[-2], _grade(cells[-1], place))


def _grade(text: str, place: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SmeltError(place, f"expected a whole number as the grade, found {quote(text)}") from None
