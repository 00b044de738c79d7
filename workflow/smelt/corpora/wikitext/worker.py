"""A process that reads articles: pickled pages come in, and texts with their counts go out in the same order.

It ends when its input does, so that none is left behind when the job is killed.
"""

import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from smelt.corpora.wikitext.article import ArticleReader
from smelt.corpora.wikitext.settings import RawPage, ReadingCounts, ReadingSettings, ReadPage
from smelt.corpora.wikitext.store import REDIRECTS, TEMPLATES, open_store

RECURSION = 10_000  # templates are nested some hundred calls deep


def main() -> None:
    """Answer until the input ends."""
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no answer
    sys.setrecursionlimit(RECURSION)
    questions = sys.stdin.buffer
    try:
        settings, stores = _next(questions)
    except EOFError:
        return  # the job ended before its first article
    reader = ArticleReader(settings, open_store(stores / TEMPLATES), open_store(stores / REDIRECTS))
    while True:
        try:
            pages: Sequence[RawPage] = pickle.load(questions)
        except EOFError:
            return
        for page in pages:
            pickle.dump(_read(reader, page), answers, pickle.HIGHEST_PROTOCOL)
            answers.flush()  # so that the page is known at which this process ends or hangs


def _next(questions: BinaryIO) -> tuple[ReadingSettings, Path]:
    settings, stores = pickle.load(questions)
    return settings, stores


def _read(reader: ArticleReader, page: RawPage) -> ReadPage:
    try:
        return ReadPage(page.id, *reader.read(page.id, page.title, page.wikitext, page.date))
    except Exception as error:  # whatever it is, the page has to be named
        return ReadPage(page.id, "", ReadingCounts(), f"{type(error).__name__}: {error}"[:300])
