"""The count of a wiki's pages before extraction: every file verified, every page assigned to one kind."""

import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from smelt.corpora.articles import ARTICLES, ArticleWriter
from smelt.corpora.dump import DumpFile
from smelt.corpora.pages import ARTICLE, LONGEST_TEXT, TEMPLATE, Page, SiteInfo, read_pages
from smelt.corpora.wikitext.settings import RawPage
from smelt.corpora.wikitext.store import REDIRECTS, TEMPLATES, StoreWriter
from smelt.corpora.wikitext.templates import template_text
from smelt.errors import SmeltError, quote


@dataclass
class Census:
    """Numbers of pages by kind, and the wiki's own names; extraction has to account for every article.

    `duplicates` are further copies of a page, `differing` those of them whose text is not that of the first copy,
    `skipped` what the study leaves out, `too_long` pages that no MediaWiki has; `repeated` are the ids that have
    several copies. The first copy is the one that counts.
    """

    site: SiteInfo = field(default_factory=SiteInfo)
    articles: int = 0
    redirects: int = 0
    other_namespace: int = 0
    duplicates: int = 0
    differing: int = 0
    skipped: int = 0
    too_long: int = 0
    repeated: set[int] = field(default_factory=set)

    @property
    def pages(self) -> int:
        """All pages, of every kind."""
        kept = self.articles + self.redirects + self.other_namespace
        return kept + self.duplicates + self.skipped + self.too_long

    def add(self, page: Page) -> None:
        """Count a page that is neither a copy of an earlier one nor left out."""
        if page.namespace != ARTICLE:
            self.other_namespace += 1
        elif page.redirect is not None:
            self.redirects += 1
        else:
            self.articles += 1


class IdSet:
    """A set of page ids in little memory: one bit an id, in blocks that are made when they are needed."""

    def __init__(self) -> None:
        """Start empty."""
        self._blocks: defaultdict[int, bytearray] = defaultdict(lambda: bytearray(1 << 13))

    def add(self, number: int) -> bool:
        """Add a number; return whether it is new."""
        block, place = self._blocks[number >> 16], number & 0xFFFF
        new = not block[place >> 3] >> (place & 7) & 1
        block[place >> 3] |= 1 << (place & 7)
        return new

    def __contains__(self, number: int) -> bool:
        """Return whether a number has been added."""
        block, place = self._blocks.get(number >> 16), number & 0xFFFF
        return block is not None and bool(block[place >> 3] >> (place & 7) & 1)

    def update(self, other: "IdSet") -> None:
        """Add the numbers of another set."""
        for start, theirs in other._blocks.items():
            ours = self._blocks[start]
            ours[:] = (int.from_bytes(ours) | int.from_bytes(theirs)).to_bytes(len(ours))


class Skipped:
    """The pages that a study leaves out: ids, which are integers, and titles."""

    def __init__(self, pages: Collection[int | str] = ()) -> None:
        """Take ids and titles."""
        self._pages = frozenset(pages)
        self._met: set[int | str] = set()

    def __contains__(self, page: Page) -> bool:
        """Return whether a page is left out."""
        found = self._pages & {page.id, page.title} if self._pages else self._pages
        self._met |= found
        return bool(found)

    @property
    def unmet(self) -> list[int | str]:
        """Ids and titles that no page has had so far."""
        return [page for page in self._pages if page not in self._met]


def take_census(files: Sequence[DumpFile], stores: Path, seen: IdSet, skipped: Skipped, threads: int = 1) -> Census:
    """Read all files of one wiki to their ends, count their pages, and gather all templates and articles.

    Templates have to be known before the first article is extracted, and an article of one part uses templates of
    all others. So this pass comes first, and it also verifies the files.

    Args:
        files: the parts of the dump.
        stores: folder for the articles, the texts of the templates and the targets of redirects to them.
        seen: the ids of pages of earlier dumps; those of this one join them.
        skipped: the pages to leave out.
        threads: how many decompress.

    Raises:
        SmeltError: a file is damaged, a page id is one of an earlier dump, or two pages have one.
    """
    census, own = Census(), IdSet()
    redirects: dict[str, str] = {}
    with StoreWriter(stores / TEMPLATES) as templates, ArticleWriter(stores / ARTICLES) as articles:
        for file in files:
            before, begin = census.pages, time.monotonic()
            for page in read_pages(file, [ARTICLE, TEMPLATE], census.site, threads):
                if page in skipped:
                    census.skipped += 1
                elif page.too_long:
                    census.too_long += 1
                    left_out = f"more than {LONGEST_TEXT:,} characters of text: left out"
                    print(f"{file.path.name}: {quote(page.title)} (id {page.id}) has {left_out}", flush=True)
                elif page.id in seen:
                    raise SmeltError(
                        file.path, f"page {quote(page.title)} has the id {page.id} of a page of an earlier dump"
                    )
                elif own.add(page.id):
                    census.add(page)
                    if page.is_article:
                        articles.add(RawPage(page.id, page.title, page.text, file.date))
                    elif page.namespace == TEMPLATE and page.redirect is None:
                        templates.add(page.title, template_text(page.title, page.text))
                    elif page.namespace == TEMPLATE:
                        redirects[page.title] = page.redirect or ""
                else:
                    census.duplicates += 1
                    census.repeated.add(page.id)
            seconds = time.monotonic() - begin
            print(f"{file.path.name}: verified, {census.pages - before:,} pages in {seconds:.0f} s", flush=True)
    with StoreWriter(stores / REDIRECTS) as targets:
        for title, target in redirects.items():
            targets.add(title, redirects.get(target, target))  # by way of another redirect or not
    if census.repeated:
        _compare_copies(files, census, skipped)
    seen.update(own)
    return census


def _compare_copies(files: Sequence[DumpFile], census: Census, skipped: Skipped) -> None:
    """Read the dump again, which is rarely needed, to compare the copies of repeated pages.

    Raises:
        SmeltError: two pages of other titles or namespaces have one id.
    """
    first: dict[int, tuple[str, int, bytes]] = {}
    for file in files:
        for page in read_pages(file, [ARTICLE, TEMPLATE], SiteInfo()):
            if page.id not in census.repeated or page in skipped or page.too_long:
                continue
            text = blake2b(f"{page.redirect}\n{page.text}".encode("utf-8", "surrogatepass")).digest()
            title, namespace, of_first = first.setdefault(page.id, (page.title, page.namespace, text))
            if (page.title, page.namespace) != (title, namespace):
                raise SmeltError(
                    file.path,
                    f"page {quote(page.title)} has the id {page.id} of an earlier page, {quote(title)}",
                )
            if text != of_first:
                census.differing += 1
                print(
                    f"{quote(page.title)} (id {page.id}): a copy differs from the first, which is the one kept",
                    flush=True,
                )
