"""A Wikipedia dump as documents, with an account of every page."""

import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from smelt.corpora.census import Census, IdSet, Skipped, take_census
from smelt.corpora.documents import Document
from smelt.corpora.dump import DumpFile, files_of
from smelt.corpora.extraction import Article, extract
from smelt.corpora.extractor import Extractor
from smelt.corpora.wikitext.settings import SIZE, Headings, Lists, ReadingSettings
from smelt.errors import SmeltError
from smelt.languages import WIKIPEDIAS

REPORT_SECONDS = 10.0
MOST_FREQUENT = 20  # names of templates in the statistics


@dataclass
class PageCounts:
    """Numbers of the dumps' pages by their outcome; `pages` is the sum of the others; a `lost` page fails the job.

    `duplicate` ones are further copies of a page, `differing` further copies with another text than the first;
    `skipped` ones are left out by the study, `too_long` ones because no page of MediaWiki has so much text.
    """

    pages: int = 0
    extracted: int = 0
    redirect: int = 0
    other_namespace: int = 0
    empty: int = 0
    duplicate: int = 0
    differing: int = 0
    skipped: int = 0
    too_long: int = 0
    lost: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the numbers by name."""
        return asdict(self)


@dataclass
class MarkupCounts:
    """What reading kept, dropped and could not expand in all articles, and the markup that is left in documents.

    The fields are those of `ReadingCounts`; `left_in` has the documents that hold each kind of markup.
    """

    headings: int = 0
    list_items: int = 0
    list_items_characters: int = 0
    empty_with_list_items: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    lua: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    functions: Counter[str] = field(default_factory=Counter)
    documents_with_markup_left: int = 0
    left: Counter[str] = field(default_factory=Counter)
    left_in: Counter[str] = field(default_factory=Counter)

    def add(self, article: Article) -> None:
        """Count an article."""
        counts = article.counts
        self.headings += counts.headings
        self.list_items += counts.list_items
        self.list_items_characters += counts.list_items_characters
        self.empty_with_list_items += not article.text and counts.list_items > 0
        for total, one in (
            (self.dropped, counts.dropped),
            (self.lua, counts.lua),
            (self.missing, counts.missing),
            (self.functions, counts.functions),
            (self.left, counts.left),
        ):
            total.update(one)
        self.left_in.update(counts.left.keys())
        self.documents_with_markup_left += bool(counts.left)

    def as_dict(self) -> dict[str, Any]:
        """Return the numbers by name."""
        kinds = sorted(kind for kind in self.dropped if not kind.endswith(SIZE))
        return {
            "headings": self.headings,
            "list_items": self.list_items,
            "list_items_characters": self.list_items_characters,
            "empty_with_list_items": self.empty_with_list_items,
            "dropped": {
                kind: {"number": self.dropped[kind], "characters": self.dropped[kind + SIZE]} for kind in kinds
            },
            "not_expanded": {
                "lua": _most_frequent(self.lua),
                "missing": _most_frequent(self.missing),
                "functions": _most_frequent(self.functions),
            },
            "documents_with_markup_left": self.documents_with_markup_left,
            "left": {
                kind: {"occurrences": self.left[kind], "documents": self.left_in[kind]} for kind in sorted(self.left)
            },
        }

    def lines(self) -> list[str]:
        """Return the lines for the log."""
        dropped = ", ".join(
            f"{kind} {self.dropped[kind]:,} ({self.dropped[kind + SIZE]:,} characters)"
            for kind in sorted(self.dropped)
            if not kind.endswith(SIZE)
        )
        left = ", ".join(
            f"{kind} {n:,} in {self.left_in[kind]:,} document{'s' * (self.left_in[kind] != 1)}"
            for kind, n in sorted(self.left.items())
        )
        return [
            f"list items: {self.list_items:,} ({self.list_items_characters:,} characters); headings: {self.headings:,}",
            f"dropped by extraction: {dropped or 'nothing'}",
            f"articles empty but for list items: {self.empty_with_list_items:,}",
            f"templates in Lua, not expanded: {_named(self.lua)}; not in the dump: {_named(self.missing)}",
            f"markup left: {left or 'none'}",
        ]


def _most_frequent(names: Counter[str]) -> dict[str, Any]:
    """Return how often all names were used, and each of the most frequent ones; of equals the first by name."""
    ranked = sorted(names.items(), key=lambda item: (-item[1], item[0]))
    return {"uses": names.total(), "names": len(names), "most_frequent": dict(ranked[:MOST_FREQUENT])}


def _named(names: Counter[str]) -> str:
    first = sorted(names, key=lambda name: (-names[name], name))[:3]
    shown = ", ".join(f"{name} {names[name]:,}" for name in first)
    return f"{names.total():,} uses ({shown}{', …' * (len(names) > len(first))})" if names else "none"


class Wikipedia:
    """Reads dumps one after the other; its counts are complete when the documents have been read."""

    def __init__(
        self,
        workers: int,
        skip_pages: Collection[int | str] = (),
        lists: Lists = "keep",
        headings: Headings = "mark",
        variant: str = "",
        beside: Path | None = None,
    ) -> None:
        """Take how to read.

        Args:
            workers: processes that read articles.
            skip_pages: pages to leave out, ids and titles.
            lists: whether list items are lines.
            headings: whether headings are lines.
            variant: the language variant to take where a page gives several.
            beside: a file to be written; what is kept of a dump while it is read lies there as a draft of it. By
                default, it lies where temporary files do.
        """
        self.counts = PageCounts()
        self.files: list[DumpFile] = []
        self._workers = workers
        self._beside = beside
        self.reading = {"lists": lists, "headings": headings, "variant": variant}
        self._settings = ReadingSettings(lists, headings, variant, languages=WIKIPEDIAS)
        self.markup = MarkupCounts()
        self._seen = IdSet()
        self._skipped = Skipped(skip_pages)

    def documents(self, dumps: Sequence[Path]) -> Iterator[Document]:
        """Yield the documents of dumps, with ids wikipedia:<page id>, in the order of their pages.

        Raises:
            SmeltError: a dump is damaged, a page could not be read, two pages have one id, or a page to leave out is
                in no dump.
        """
        for number, dump in enumerate(dumps, 1):
            yield from self._documents(dump, number == len(dumps))

    def _documents(self, dump: Path, last: bool) -> Iterator[Document]:
        files = files_of(dump)
        self.files += files
        with self._drafts() as folder, Extractor(self._workers) as extractor:
            census = take_census(files, Path(folder), self._seen, self._skipped, self._workers)
            if last:
                self._check_skipped(dump)
            self._add(census)
            report = _Reporter(dump, census.articles)
            settings = self._settings.of_wiki(census.site.namespaces)
            for article in extract(extractor, files, census, Path(folder), settings):
                self.counts.extracted += bool(article.text)
                self.counts.empty += not article.text
                self.markup.add(article)
                report.one_more()
                if article.text:
                    yield Document(f"wikipedia:{article.id}", article.title, article.text)

    def _drafts(self) -> tempfile.TemporaryDirectory[str]:
        if self._beside is None:
            return tempfile.TemporaryDirectory(prefix="smelt-")
        return tempfile.TemporaryDirectory(".draft", f".{self._beside.name}.", self._beside.parent)

    def _add(self, census: Census) -> None:
        counts = self.counts
        counts.pages += census.pages
        counts.redirect += census.redirects
        counts.other_namespace += census.other_namespace
        counts.duplicate += census.duplicates - census.differing
        counts.differing += census.differing
        counts.skipped += census.skipped
        counts.too_long += census.too_long

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
