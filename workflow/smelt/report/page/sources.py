"""The table of the page that names the sources of corpora: files with their sums, data sets with their commits."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from smelt.report.corpus_records import CorpusRecord, by_corpus
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row

_COLUMNS = ["Source", "Version", "Megabytes", "Rows", "Without text"]
SHOWN = 12  # digits of sums and commits


def sources_table(records: Sequence[CorpusRecord]) -> PaperTable | None:
    """Return the sources of each language, a row a file or data set; None where nothing names any."""
    groups = [
        Group([Row(r.language, cells) for r in members for source in r.sources for cells in _cells(source)], corpus)
        for corpus, members in by_corpus(records).items()
    ]
    if not any(group.rows for group in groups):
        return None
    notes = [
        f"Version: the first {SHOWN} digits of a file's SHA-1 (dumps) or SHA-256, or of the commit of a data set on "
        "the hub. statistics.json of each language has all digits."
    ]
    grid = Grid("Language", _COLUMNS, [group for group in groups if group.rows], numeric=False)
    return PaperTable("sources", "Sources of the documents", [grid], notes)


def _cells(source: Mapping[str, Any]) -> Iterator[list[Cell]]:
    """Yield the cells of a file, or of a data set and then of its files."""
    if "dataset" not in source:
        yield _of_file(source)
        return
    place = source.get("hub") or source.get("folder") or ""
    parts = " ".join(source[key] for key in ("config", "split") if source.get(key))
    limit = f", the first {source['limit']:,} rows" if source.get("limit") else ""
    name = f"{source['dataset']}: {place}{f' ({parts})' if parts else ''}{limit}"
    counts = [Cell(f"{source.get(key, 0):,}") for key in ("rows", "empty_rows")]
    yield [Cell(name), Cell(str(source.get("revision") or NONE)[:SHOWN]), Cell(NONE), *counts]
    yield from map(_of_file, source.get("files", []))


def _of_file(source: Mapping[str, Any]) -> list[Cell]:
    digest = str(source.get("sha1") or source.get("sha256") or NONE)
    megabytes = f"{source['bytes'] / 1e6:,.2f}" if "bytes" in source else NONE
    return [Cell(Path(source["file"]).name), Cell(digest[:SHOWN]), Cell(megabytes), Cell(NONE), Cell(NONE)]
