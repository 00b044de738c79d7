"""A Wikipedia dump as documents, with an account of every page."""

import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from smelt.corpora.census import Census, IdSet, Skipped, take_census
from smelt.corpora.cleaning import Leftovers, clean
from smelt.corpora.documents import Document
from smelt.corpora.dump import DumpFile, files_of
from smelt.corpora.extraction import extract
from smelt.corpora.extractor import ExtractionLimits
from smelt.corpora.pages import FILE
from smelt.errors import SmeltError

REPORT_SECONDS = 10.0
SIZE = "_characters"  # ending of the names of sizes in `counting_extractor`


@dataclass
class PageCounts:
    """Numbers of the dumps' pages by their outcome; `pages` is the sum of the others; a `lost` page fails the job.

    `duplicate` ones are further copies of a page, `differing` further copies with another text than the first;
    `skipped` ones are left out by the study.
    """

    pages: int = 0
    extracted: int = 0
    redirect: int = 0
    other_namespace: int = 0
    empty: int = 0
    duplicate: int = 0
    differing: int = 0
    skipped: int = 0
    lost: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the numbers by name."""
        return asdict(self)


@dataclass
class MarkupCounts:
    """Counts of what extraction dropped or changed in the articles, and of markup left in the documents.

    `dropped` has the numbers of `counting_extractor`: of list items, elements and lines, and of the characters in them.
    `left` has the occurrences of each kind of markup, `left_in` the documents that hold it.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    left_in: Counter[str] = field(default_factory=Counter)
    documents_with_markup_left: int = 0
    empty_with_list_items: int = 0

    def add(self, counts: Mapping[str, int], left: Mapping[str, int], has_text: bool) -> None:
        """Count an article."""
        self.dropped.update(counts)
        self.left.update(left)
        self.left_in.update(left.keys())
        self.documents_with_markup_left += bool(left)
        self.empty_with_list_items += not has_text and "list_items" in counts

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers by name."""
        always = ("headings", "headings_with_full_stop_added", "list_items", "list_items_characters")
        numbers = {name: self.dropped[name] for name in (*always, "<small>", "<small>_characters")}
        kinds = sorted(self.left)
        return {
            **numbers,
            **{name: number for name, number in sorted(self.dropped.items()) if name not in numbers},
            "empty_with_list_items": self.empty_with_list_items,
            "documents_with_markup_left": self.documents_with_markup_left,
            "left": {kind: {"occurrences": self.left[kind], "documents": self.left_in[kind]} for kind in kinds},
        }

    def lines(self) -> list[str]:
        """Return the lines for the log."""
        dropped = self.dropped
        shown = ", ".join(
            f"{kind.removesuffix(SIZE).replace('_', ' ')} {dropped[kind.removesuffix(SIZE)]:,} ({size:,} characters)"
            for kind, size in dropped.items()
            if kind.endswith(SIZE)
        )
        left = ", ".join(
            f"{kind} {n:,} in {self.left_in[kind]:,} document{'s' * (self.left_in[kind] != 1)}"
            for kind, n in sorted(self.left.items())
        )
        added, headings = dropped["headings_with_full_stop_added"], dropped["headings"]
        return [
            f"dropped by extraction: {shown or 'nothing'}",
            f"articles empty but for list items that were dropped: {self.empty_with_list_items:,}",
            f"headings kept as lines: {headings:,}, {added:,} of them with a full stop that the page does not have",
            f"markup left: {left or 'none'}",
        ]


class Wikipedia:
    """Reads dumps one after the other; its counts are complete when the documents have been read."""

    def __init__(self, workers: int, minutes: float | None, skip_pages: Collection[int | str] = ()) -> None:
        """Take the number of wikiextractor's processes, the minutes that all dumps may take, and pages to leave out."""
        self.counts = PageCounts()
        self.files: list[DumpFile] = []
        self._workers = workers
        self._limits = ExtractionLimits(minutes)
        self.markup = MarkupCounts()
        self._seen = IdSet()
        self._skipped = Skipped(skip_pages)

    def documents(self, dumps: Sequence[Path]) -> Iterator[Document]:
        """Yield the documents of dumps, with ids wikipedia:<page id>, in the order of their pages.

        Raises:
            SmeltError: a dump is damaged, a page was lost, two pages have one id, a page to leave out is in no dump, or
                the time is over.
        """
        for number, dump in enumerate(dumps, 1):
            yield from self._documents(dump, number == len(dumps))

    def _documents(self, dump: Path, last: bool) -> Iterator[Document]:
        files = files_of(dump)
        self.files += files
        with tempfile.TemporaryDirectory(prefix="smelt-") as folder:
            templates = Path(folder) / "templates.xml"
            census = take_census(files, templates, self._seen, self._skipped)
            if last:
                self._check_skipped(dump)
            self._add(census)
            leftovers = Leftovers([census.site.namespaces.get(FILE, "")])
            report = _Reporter(dump, census.articles)
            for article in extract(files, census, templates, self._workers, self._limits, self._skipped):
                text = clean(article.text)
                self.counts.extracted += bool(text)
                self.counts.empty += not text
                self.markup.add(article.counts, leftovers.count(text), bool(text))
                report.one_more()
                if text:
                    yield Document(f"wikipedia:{article.id}", article.title, text)

    def _add(self, census: Census) -> None:
        counts = self.counts
        counts.pages += census.pages
        counts.redirect += census.redirects
        counts.other_namespace += census.other_namespace
        counts.duplicate += census.duplicates - census.differing
        counts.differing += census.differing
        counts.skipped += census.skipped

    def _check_skipped(self, dump: Path) -> None:
        if unmet := self._skipped.unmet:
            names = ", ".join(repr(page) for page in sorted(unmet, key=str))
            raise SmeltError(dump, f"holds no page {names}, which skip_pages names: expected titles, or ids as numbers")


class _Reporter:
    """Prints the progress of extraction, every few seconds and at its end."""

    def __init__(self, dump: Path, total: int) -> None:
        self.dump, self.total = dump, total
        self.done = 0
        self.begin = self.last = time.monotonic()

    def one_more(self) -> None:
        self.done += 1
        now = time.monotonic()
        if self.done == self.total or now - self.last > REPORT_SECONDS:
            self.last = now
            rate = self.done / max(now - self.begin, 0.001)
            print(f"{self.dump}: {self.done:,} of {self.total:,} articles, {rate:,.0f} a second", flush=True)
