"""Wikitext to plain text with wikiextractor, every article accounted for.

wikiextractor (https://github.com/attardi/wikiextractor) cleans well, but it reads XML line by line with regular
expressions: it silently loses what has another layout, and a damaged dump may stop or hang it. So it gets no dump:
it reads articles from a pipe, checked by a strict parser, with one element a line. It writes one JSON line an article
to another pipe, in the same order. An article that does not come back is lost, and an error names it.
"""

import json
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from smelt.corpora.census import Census, Skipped, first_copies
from smelt.corpora.dump import DumpFile
from smelt.corpora.export import template_namespace, write_head, write_page
from smelt.corpora.extractor import ExtractionLimits, Extractor
from smelt.corpora.pages import ARTICLE, SiteInfo, read_pages
from smelt.errors import SmeltError, quote

EXAMPLES = 5
Pages: TypeAlias = "queue.SimpleQueue[tuple[int, str]]"


@dataclass(frozen=True)
class Article:
    """An article's id and title in the dump, and the text that wikiextractor made of it.

    `counts` has the numbers of what it dropped or changed, by the names of `counting_extractor`, without zeros.
    """

    id: int
    title: str
    text: str
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass
class _Feeder:
    """A thread that writes articles to the extractor and remembers, in order, which it has written."""

    files: Sequence[DumpFile]
    census: Census
    skipped: Skipped
    output: TextIO
    fed: Pages = field(default_factory=queue.SimpleQueue)
    error: Exception | None = None

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        try:
            with self.output:
                self._feed()
        except BrokenPipeError:
            return  # the extractor has ended: the reader of its output says why
        except (SmeltError, OSError) as error:
            self.error = error  # raised again in the main thread

    def _feed(self) -> None:
        write_head(self.output, self.census.site)
        reserved = template_namespace(self.census.site)
        given: set[int] = set()
        for file in self.files:
            pages = (page for page in read_pages(file, [ARTICLE], SiteInfo()) if page not in self.skipped)
            for page in first_copies(pages, self.census.repeated, given):
                if page.is_article:
                    self.fed.put((page.id, page.title))
                    # wikiextractor drops any article whose title begins as the template namespace is called, such
                    # as "Template engine"; a space before it keeps the article and shows nowhere.
                    title = f" {page.title}" if page.title.startswith(reserved) else page.title
                    write_page(self.output, replace(page, title=title), file.date)


def extract(
    files: Sequence[DumpFile],
    census: Census,
    templates: Path,
    workers: int,
    limits: ExtractionLimits,
    skipped: Skipped | None = None,
) -> Iterator[Article]:
    """Yield the articles of a wiki as plain text, in the order of the dump, whatever the number of workers.

    Args:
        files: the parts of the dump.
        census: what the first pass found.
        templates: the template pages that it gathered.
        workers: processes of wikiextractor.
        limits: how long it may take.
        skipped: the pages to leave out.

    Raises:
        SmeltError: an article was lost, or wikiextractor hung, crashed or took too long.
    """
    where = files[0].path
    with Extractor(templates, workers, limits) as extractor:
        feeder = _Feeder(files, census, skipped or Skipped(), extractor.input)
        thread = feeder.start()
        missing = census.articles
        lost: list[tuple[int, str]] = []
        for answer in _answers(extractor):
            page, passed_over = _next_fed(feeder.fed, int(answer["id"]), where)
            lost += passed_over
            missing -= 1
            yield Article(*page, answer["text"], answer.get("counts", {}))
        if extractor.stopped:
            waiting = _remaining(feeder.fed)
            culprit = _name_page(waiting[0]) if waiting else "the start"
            raise SmeltError(
                where,
                f"wikiextractor {extractor.stopped} at {culprit}, of {census.articles:,} articles."
                f"{_how_to_skip(waiting[:1])}",
            )
        status = extractor.wait()
        thread.join()
    if feeder.error is not None:
        raise feeder.error
    if missing or status != 0:
        lost += _remaining(feeder.fed)
        shown = ", ".join(map(_name_page, lost[:EXAMPLES])) + (", …" if missing > EXAMPLES else "")
        said = f"; it said: {extractor.messages[-1]}" if extractor.messages else ""
        raise SmeltError(
            where,
            f"wikiextractor lost {missing:,} of {census.articles:,} articles: {shown} (exit status {status}){said}."
            f"{_how_to_skip(lost[:EXAMPLES])}",
        )


def _answers(extractor: Extractor) -> Iterator[dict[str, Any]]:
    for line in extractor.output:
        extractor.page_came()
        if line.endswith(b"\n"):  # the last line may be cut, where the process was stopped
            yield json.loads(line)


def _next_fed(fed: Pages, identity: int, where: Path) -> tuple[tuple[int, str], list[tuple[int, str]]]:
    """Return the fed page with this id, and those before it, which did not come back."""
    skipped: list[tuple[int, str]] = []
    try:
        while (page := fed.get_nowait())[0] != identity:
            skipped.append(page)
    except queue.Empty:
        raise SmeltError(where, f"wikiextractor returned a page {identity}, twice or out of order") from None
    return page, skipped


def _remaining(fed: Pages) -> list[tuple[int, str]]:
    return [fed.get_nowait() for _ in range(fed.qsize())]


def _how_to_skip(pages: list[tuple[int, str]]) -> str:
    """Return how a study can leave pages out; it gives their ids, because titles would need quotes."""
    ids = json.dumps([page[0] for page in pages])
    return f" To leave {'it' if len(pages) == 1 else 'them'} out: wikipedia.skip_pages, {ids}." if pages else ""


def _name_page(page: tuple[int, str]) -> str:
    return f"{quote(page[1])} (id {page[0]})"
