"""The texts of --corpus as documents.parquet, with some lines held out, and the lines of such documents.

Reductions and amplifications without a study start from texts: lines, and documents of several of them. A document
whose lines are partly held out becomes two rows, one of either kind.
"""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from smelt.errors import SmeltError
from smelt.models.vocabulary.sources import CorpusEntry, CorpusSource, open_source, read_entry
from smelt.paragraphs import paragraphs
from smelt.parquet import open_parquet, refuse_damaged

_SCHEMA = pa.schema([("id", pa.string()), ("title", pa.string()), ("text", pa.string()), ("held_out", pa.bool_())])
_DOCUMENTS = 1000
_COLUMNS = ["text", "held_out"]


@dataclass(frozen=True)
class CorpusTexts:
    """The texts of --corpus by language, and how their held-out lines were drawn."""

    sources: Mapping[str, Sequence[CorpusSource]]
    held_out_share: float
    seed: int

    @property
    def files(self) -> list[Path]:
        """The local files."""
        return [file for source in self._all for file in source.files if not source.data_set]

    def record(self) -> dict[str, Any]:
        """Return the share, and what was read of rows, for provenance."""
        rows = [
            {"language": language, **source.record()}
            for language, sources in self.sources.items()
            for source in sources
            if source.column
        ]
        return {"held_out_share": self.held_out_share, **({"corpus": rows} if rows else {})}

    def rows_without_text(self) -> list[str]:
        """Return a line for each place that has rows without text."""
        counts = [(source.name, source.counts) for source in self._all]
        return [f"{name}: {of.empty:,} of {of.rows:,} rows have no text" for name, of in counts if of.empty]

    @property
    def _all(self) -> list[CorpusSource]:
        return list(chain.from_iterable(self.sources.values()))


def texts_by_language(words: Sequence[str], languages: Sequence[str] | None) -> dict[str, list[CorpusSource]]:
    """Return the texts of each language.

    Args:
        words: entries of --corpus (`smelt.models.vocabulary.sources`).
        languages: those wanted; by default all that the entries name.

    Raises:
        SmeltError: a wanted language has no text, a text cannot be found, or one is named twice.
    """
    found: dict[str, list[tuple[str, CorpusEntry]]] = {}
    for entry in map(read_entry, words):
        for language, places in entry.languages().items():
            found.setdefault(language, []).extend((place, entry) for place in places)
    for language in languages or []:
        if language not in found:
            raise SmeltError(
                language,
                f"has no text: expected a file {language}.txt or {language}=<file> among --corpus,"
                f" found texts of {', '.join(found)}",
            )
    sources = {
        language: [open_source(place, entry.column, entry.word) for place, entry in found[language]]
        for language in languages or found
    }
    _refuse_twice(sources)
    return sources


def _refuse_twice(sources: Mapping[str, Sequence[CorpusSource]]) -> None:
    """Refuse a file that would be counted twice; two columns of a file may be two languages.

    Raises:
        SmeltError: there is one.
    """
    first: dict[tuple[Path, str | None], str] = {}
    for language, texts in sources.items():
        for text in ((file.resolve(), source.column) for source in texts for file in source.files):
            if text in first:
                raise SmeltError(text[0], f"is named twice, for {first[text]} and {language}: expected each text once")
            first[text] = language


def documents_by_language(paths: Sequence[Path], flag: str) -> dict[str, Path]:
    """Return documents.parquet of each language, by the names of their folders.

    Raises:
        SmeltError: two folders have one name.
    """
    documents = {path.resolve().parent.name: path for path in paths}
    if len(documents) < len(paths):
        raise SmeltError(flag, "two files lie in folders of one name: expected one file a language")
    return documents


def write_languages(
    texts: Mapping[str, Sequence[CorpusSource]], folder: Path, share: float, seed: int
) -> dict[str, Path]:
    """Write the texts of each language as documents in a folder of its name; return the documents' paths.

    Raises:
        SmeltError: as `write_texts`.
    """
    documents = {}
    for language, sources in texts.items():
        path = documents[language] = folder / "corpora" / language / "documents.parquet"
        path.parent.mkdir(parents=True)
        write_texts(sources, path, share, seed)
    return documents


def write_texts(sources: Sequence[CorpusSource], output: Path, share: float, seed: int) -> None:
    """Write the lines of a language's texts as documents, a share of them held out.

    Every 1/share-th line is held out, from a seeded start, so that all parts of the texts have some. Documents of
    smelt's own that are held out already stay so.

    Raises:
        SmeltError: a text cannot be read, or it has too few lines to hold one out.
    """
    place = random.Random(seed).random()
    lines = held_out = 0
    documents = chain.from_iterable(source.documents() for source in sources)
    with pq.ParquetWriter(output, _SCHEMA, compression="zstd") as writer:
        while group := list(islice(documents, _DOCUMENTS)):
            rows: list[dict[str, str | bool]] = []
            for document, is_held_out in group:
                ends = [int(place + share * number) for number in range(lines, lines + len(document) + 1)]
                lots = [is_held_out or end > begin for begin, end in itertools.pairwise(ends)]
                rows += _rows(f"{lines}", document, lots)
                lines, held_out = lines + len(document), held_out + sum(lots)
            writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
    where, column = sources[0].name, sources[0].column
    if not lines:
        of = f" in column {column!r} of {sources[0].counts.rows:,} rows" if column else ": expected a paragraph a line"
        raise SmeltError(where, f"holds no text{of}")
    if not 0 < held_out < lines:
        raise SmeltError(
            where, f"{held_out} of its {lines} lines are held out: expected more text, or another --held-out-share"
        )


def _rows(name: str, document: list[str], lots: list[bool]) -> Iterator[dict[str, str | bool]]:
    for lot in (False, True):
        lines = [line for line, held_out in zip(document, lots, strict=True) if held_out == lot]
        if lines:
            yield {"id": name, "title": "", "text": "\n".join(lines), "held_out": lot}


def held_out_lines(documents: Path, most: int) -> list[str]:
    """Return the first lines of the held-out documents of a language, without blank ones and headings.

    Raises:
        SmeltError: the file is missing, is damaged, or lacks the columns `text` and `held_out`.
    """
    with open_parquet(documents, _COLUMNS) as file, refuse_damaged(documents):
        return list(islice(_lines_of(file, True), most))


def training_lines(documents: Path) -> Iterator[str]:
    """Yield the lines of the documents of a language that are not held out, without blank ones and headings.

    Raises:
        SmeltError: as `held_out_lines`.
    """
    with open_parquet(documents, _COLUMNS) as file, refuse_damaged(documents):
        yield from _lines_of(file, False)


def _lines_of(file: pq.ParquetFile, wanted: bool) -> Iterator[str]:
    for batch in file.iter_batches(batch_size=512, columns=_COLUMNS):
        for text, held_out in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            if held_out == wanted:
                yield from paragraphs(text)
