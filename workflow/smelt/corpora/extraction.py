"""Wikitext to plain text with wikiextractor, every article accounted for.

wikiextractor (https://github.com/attardi/wikiextractor) expands templates and reads markup well, but it reads XML line
by line with regular expressions: it silently loses what has another layout, and a damaged dump may stop or hang it. So
it gets no dump: a strict parser reads the articles, and processes of our own call its functions (`wikitext`). An
article that cannot be read is named by an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from smelt.corpora.articles import ARTICLES, read_articles
from smelt.corpora.census import Census
from smelt.corpora.dump import DumpFile
from smelt.corpora.extractor import Extractor, Unread
from smelt.corpora.wikitext.settings import ReadingCounts, ReadingSettings
from smelt.errors import Killed, SmeltError, quote


@dataclass(frozen=True)
class Article:
    """An article's id and title in the dump, its text, and what was kept and dropped."""

    id: int
    title: str
    text: str
    counts: ReadingCounts


def extract(
    extractor: Extractor, files: Sequence[DumpFile], census: Census, stores: Path, settings: ReadingSettings
) -> Iterator[Article]:
    """Yield the articles of a wiki as plain text, in the order of the dump, whatever the number of workers.

    Args:
        extractor: the processes that read them, which have read nothing before.
        files: the parts of the dump.
        census: what the first pass found.
        stores: the articles and templates that it gathered.
        settings: how articles are read.

    Raises:
        SmeltError: an article could not be read, or a process hung or ended.
        Killed: a process was killed.
    """
    given = 0
    try:
        for page, read in extractor.read(read_articles(stores / ARTICLES), settings, stores):
            given += 1
            yield Article(page.id, page.title, read.text, read.counts)
    except Unread as lost:
        page = lost.page
        where = f"at {quote(page.title)} (id {page.id}), after {given:,} of {census.articles:,} articles"
        if lost.killed:
            advice = "most likely for want of memory: run again with fewer --workers, or more memory"
            raise Killed(files[0].path, f"wikiextractor {lost.reason} {where}, {advice}") from None
        advice = f"To leave it out: wikipedia.skip_pages, [{page.id}]."
        raise SmeltError(files[0].path, f"wikiextractor {lost.reason} {where}. {advice}") from None
    if given != census.articles:
        raise SmeltError(
            files[0].path, f"had {census.articles:,} articles when they were counted, and {given:,} afterwards"
        )
