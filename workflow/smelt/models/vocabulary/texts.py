"""Text files as documents.parquet, with some lines held out, and the lines of such documents.

Reductions and amplifications without a study start from text files: a paragraph a line, and a blank line between
documents. A document whose lines are partly held out becomes two rows, one of either kind.
"""

import itertools
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from smelt.errors import SmeltError
from smelt.files import refuse_carriage_return
from smelt.paragraphs import paragraphs
from smelt.parquet import open_parquet, refuse_damaged

_SCHEMA = pa.schema([("id", pa.string()), ("title", pa.string()), ("text", pa.string()), ("held_out", pa.bool_())])
_DOCUMENTS = 1000
_LONGEST = 10_000
"""Lines of a document at most; then the next one begins, even without a blank line."""
_COLUMNS = ["text", "held_out"]


@dataclass(frozen=True)
class TextFiles:
    """Text files, and how their held-out lines were drawn."""

    files: Sequence[Path]
    held_out_share: float
    seed: int


def texts_by_language(files: Sequence[str], languages: Sequence[str] | None) -> dict[str, list[Path]]:
    """Return the files of each language.

    Args:
        files: paths, each with its language before it (`sw=news.txt`) or in its name (`sw.txt`, `news.sw.txt`).
        languages: those wanted; by default all that the files name.

    Raises:
        SmeltError: a wanted language has no file.
    """
    found: dict[str, list[Path]] = {}
    for file in files:
        before, equals, after = file.partition("=")
        language = before if equals and not Path(file).exists() else Path(file).stem.rsplit(".", 1)[-1]
        found.setdefault(language, []).append(Path(after if equals and not Path(file).exists() else file))
    for language in languages or []:
        if language not in found:
            raise SmeltError(
                language,
                f"has no text: expected a file {language}.txt or {language}=<file> among --corpus,"
                f" found texts of {', '.join(found)}",
            )
    return {language: found[language] for language in languages or found}


def documents_by_language(paths: Sequence[Path], flag: str) -> dict[str, Path]:
    """Return documents.parquet of each language, by the names of their folders.

    Raises:
        SmeltError: two folders have one name.
    """
    documents = {path.resolve().parent.name: path for path in paths}
    if len(documents) < len(paths):
        raise SmeltError(flag, "two files lie in folders of one name: expected one file a language")
    return documents


def write_languages(texts: Mapping[str, Sequence[Path]], folder: Path, share: float, seed: int) -> dict[str, Path]:
    """Write the text files of each language as documents in a folder of its name; return the documents' paths.

    Raises:
        SmeltError: as `write_texts`.
    """
    documents = {}
    for language, files in texts.items():
        path = documents[language] = folder / "corpora" / language / "documents.parquet"
        path.parent.mkdir(parents=True)
        write_texts(files, path, share, seed)
    return documents


def write_texts(files: Sequence[Path], output: Path, share: float, seed: int) -> None:
    """Write the lines of a language's text files as documents, a share of them held out.

    Every 1/share-th line is held out, from a seeded start, so that all parts of the texts have some.

    Raises:
        SmeltError: a file cannot be read or is no UTF-8 text, or it has too few lines to hold one out.
    """
    place = random.Random(seed).random()
    lines = held_out = 0
    with pq.ParquetWriter(output, _SCHEMA, compression="zstd") as writer:
        for group in _group(_documents(files)):
            rows: list[dict[str, str | bool]] = []
            for document in group:
                ends = [int(place + share * number) for number in range(lines, lines + len(document) + 1)]
                lots = [end > begin for begin, end in itertools.pairwise(ends)]
                rows += _rows(f"{lines}", document, lots)
                lines, held_out = lines + len(document), held_out + sum(lots)
            writer.write_table(pa.Table.from_pylist(rows, schema=_SCHEMA))
    if not lines:
        raise SmeltError(files[0], "holds no text: expected a paragraph a line")
    if not 0 < held_out < lines:
        raise SmeltError(
            files[0], f"{held_out} of its {lines} lines are held out: expected more text, or another --held-out-share"
        )


def _group(documents: Iterator[list[str]]) -> Iterator[list[list[str]]]:
    while group := list(itertools.islice(documents, _DOCUMENTS)):
        yield group


def _rows(name: str, document: list[str], lots: list[bool]) -> Iterator[dict[str, str | bool]]:
    for lot in (False, True):
        lines = [line for line, held_out in zip(document, lots, strict=True) if held_out == lot]
        if lines:
            yield {"id": name, "title": "", "text": "\n".join(lines), "held_out": lot}


def _documents(files: Sequence[Path]) -> Iterator[list[str]]:
    for file in files:
        paragraphs: list[str] = []
        for line in _lines(file):
            if line:
                paragraphs.append(line)
            if paragraphs and (not line or len(paragraphs) == _LONGEST):
                yield paragraphs
                paragraphs = []
        if paragraphs:
            yield paragraphs


def _lines(file: Path) -> Iterable[str]:
    try:
        with file.open(encoding="utf-8-sig", newline="\n") as stream:
            for number, line in enumerate(stream, 1):
                if "\0" in line:
                    raise SmeltError(f"{file}:{number}", "is not text: the line holds a NUL byte")
                refuse_carriage_return(text := line.strip(), f"{file}:{number}")
                yield text
    except UnicodeDecodeError as error:
        raise SmeltError(file, f"is not UTF-8: byte 0x{error.object[error.start]:02x}") from None
    except OSError as error:
        raise SmeltError(file, f"cannot be read: {(error.strerror or str(error)).lower()}") from None


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
