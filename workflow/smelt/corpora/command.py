"""`smelt job documents`: a language's documents, from dumps, data sets and texts, with their statistics."""

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import get_args

from smelt.cli import KeyValues, add_examples, mapping_in
from smelt.corpora import textfiles
from smelt.corpora.data_sets import DataSetReader, open_data_set
from smelt.corpora.document_cleaning import Cleaner
from smelt.corpora.documents import Document, write_documents
from smelt.corpora.dump import DumpFile
from smelt.corpora.wikipedia import Wikipedia
from smelt.corpora.wikitext.settings import Headings, Lists
from smelt.entry import check
from smelt.environment import as_written, fill_in
from smelt.errors import SmeltError
from smelt.files import checksum, parse_json, write_json
from smelt.study.cleaning import Cleaning
from smelt.study.data_sets import DataSetPart

TURN = 0.0005  # seconds after which a thread lets others run: those that decompress wait for one that parses XML


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--language", required=True, help="code of the language, for the statistics")
    parser.add_argument("--dump", type=Path, nargs="*", default=[], help="folders of verified dumps, or bz2 files")
    parser.add_argument("--data-set", nargs="*", default=[], help="name, place, columns, limit of each: JSON, @FILE")
    parser.add_argument("--fetched", type=Path, nargs="*", default=[], help="folders of those of the hub, in order")
    parser.add_argument("--text", type=Path, nargs="*", default=[], help="a paragraph a line, blank between documents")
    parser.add_argument("--held-out", type=float, required=True, help="share of documents kept for validation")
    parser.add_argument("--output-documents", type=Path, required=True, help="Parquet file")
    parser.add_argument("--statistics", type=Path, required=True, help="JSON file")
    parser.add_argument("--workers", type=int, default=1, help="processes that extract")
    parser.add_argument("--skip-pages", default="[]", help="JSON list of pages to leave out: titles, or ids as numbers")
    parser.add_argument("--lists", choices=get_args(Lists), default="keep", help="list items of Wikipedia's pages")
    parser.add_argument("--headings", choices=get_args(Headings), default="mark", help="headings of Wikipedia's pages")
    parser.add_argument("--variant", default="", help="language variant to take where a page gives several: zh-hant")
    parser.add_argument(
        "--cleaning", action=KeyValues, kind=Cleaning, default=Cleaning(), help="steps, as in a study; none by default"
    )
    parser.add_argument("--tests", nargs="*", default=[], metavar="TASK=FOLDER", help="prepared tasks to look for")
    add_examples(
        parser,
        "--language sw --text sw.txt --held-out 0.01 --output-documents documents.parquet --statistics statistics.json",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the documents and their statistics."""
    begin = time.monotonic()
    sys.setswitchinterval(TURN)
    if not 0 < arguments.held_out < 1:
        raise SmeltError("--held-out", f"expected a share between 0 and 1; found {arguments.held_out:g}")
    if not arguments.dump and not arguments.data_set and not arguments.text:
        raise SmeltError(arguments.language, "has no source: expected --dump, --data-set or --text")
    texts = [Path(fill_in(str(path))) for path in arguments.text]
    textfiles.check_files(texts)
    data_sets = data_sets_of(arguments.data_set, arguments.fetched)
    wikipedia = Wikipedia(
        arguments.workers,
        _skipped_pages(arguments.skip_pages),
        arguments.lists,
        arguments.headings,
        arguments.variant,
        beside=arguments.output_documents,
    )
    cleaner = Cleaner(arguments.cleaning, arguments.language, tests_of(arguments.tests))
    documents = cleaner.clean(_documents(wikipedia, arguments.dump, data_sets, texts))
    counts = write_documents(documents, arguments.language, arguments.held_out, arguments.output_documents)
    statistics = {
        "language": arguments.language,
        **counts.as_dict(),
        "pages": wikipedia.counts.as_dict(),
        "markup": {"reading": wikipedia.reading, **wikipedia.markup.as_dict()},
        "cleaning": cleaner.record(),
        "sources": [
            *map(_dump_source, wikipedia.files),
            *(reader.record() for reader in data_sets),
            *map(_text_source, texts),
        ],
        "seconds": round(time.monotonic() - begin, 1),
    }
    write_json(arguments.statistics, statistics)
    for line in [*(wikipedia.markup.lines() if arguments.dump else []), *cleaner.lines()]:
        print(f"{arguments.language}: {line}")
    held_out = counts.held_out_documents
    print(f"{arguments.language}: {counts.documents:,} documents, {held_out:,} held out, {counts.words:,} words")


def _skipped_pages(pages: str) -> list[int | str]:
    found = None
    with suppress(SmeltError):  # which would not name what is expected
        found = parse_json(pages, "--skip-pages")
    if not isinstance(found, list) or any(type(page) not in (int, str) for page in found):
        raise SmeltError(
            "--skip-pages", f'expected a JSON list of titles and ids, such as ["Albedo", 12]; found {pages}'
        )
    return found


def tests_of(words: list[str]) -> dict[str, Path]:
    """Return the folders of prepared tasks by name, from words TASK=FOLDER."""
    found = {name: Path(folder) for name, _, folder in (word.partition("=") for word in words)}
    if empty := next((name for name, folder in found.items() if not folder.name), None):
        raise SmeltError("--tests", f"expected TASK=FOLDER, found {empty}")
    return found


def data_sets_of(settings: list[str], fetched: list[Path]) -> list[DataSetReader]:
    """Return readers of data sets that are given as JSON, and the folders of those of the hub."""
    parts = [check(DataSetPart, mapping_in(setting, "--data-set"), "--data-set") for setting in settings]
    folders = iter(fetched)
    return [open_data_set(part, next(folders) if part.hub else None) for part in parts]


def _documents(
    wikipedia: Wikipedia, dumps: list[Path], data_sets: list[DataSetReader], texts: list[Path]
) -> Iterator[Document]:
    yield from wikipedia.documents(dumps)
    for reader in data_sets:
        yield from reader.documents()
    for path in texts:
        yield from textfiles.read_documents(path)
    if not wikipedia.counts.extracted and not data_sets and not texts:
        found = ", ".join(f"{name} {number:,}" for name, number in wikipedia.counts.as_dict().items())
        raise SmeltError(dumps[0], f"gives no document ({found}); expected articles with text")


def _dump_source(file: DumpFile) -> dict[str, str | int]:
    sha1 = file.sha1 or checksum(file.path, "sha1")
    return {"file": str(file.path), "sha1": sha1, "bytes": file.path.stat().st_size}


def _text_source(path: Path) -> dict[str, str | int]:
    return {"file": as_written(str(path)), "sha256": checksum(path), "bytes": path.stat().st_size}
