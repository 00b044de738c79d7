"""A generated wiki of any size, as a dump: pages of all kinds, texts of a long tail of lengths, none of them twice.

The words are those of `prose`, so new ones never cease, as in a real wiki. Every fifth article has a redirect. Articles
have an infobox, sections, links, references, lists and templates; some are almost the one before them, some hold a
paragraph that others hold, and one in the middle may be very long.
"""

import bz2
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path

import numpy as np

from bench.prose import ProseLexicon
from smelt.demo.dump import TEMPLATE, DemoPage, xml_of
from smelt.demo.languages import LANGUAGES

ARTICLE = 0  # the namespace
LANGUAGE = LANGUAGES["qaa"]
WORDS_AT_ONCE = 500_000
MEDIAN, SPREAD, SHORTEST = 180, 1.2, 12  # words of an article, whose logarithm is normally distributed
LINE, LINES_OF_SECTION = 60, 4
BYTES_OF_WORD = 7.5  # of XML, markup and tags included
NEAR, SHARED = 0.03, 0.05  # shares of articles
TEMPLATES = 200
PARAGRAPH = "This paragraph stands in many articles, as those that robots write, letter by letter and word by word."


@dataclass(frozen=True)
class WikiSize:
    """How large a wiki is, and its longest article."""

    xml: int
    """Bytes, roughly."""
    longest: int = 0
    """Characters; 0 for no very long article."""


def write_wiki(path: Path, size: WikiSize, seed: int = 1) -> int:
    """Write a bz2 file and return the bytes of its XML; the same ones for the same size and seed."""
    written = 0
    compressor = bz2.BZ2Compressor(1)
    with path.open("wb") as file:
        for part in xml_of(LANGUAGE, _pages(size, seed), "20260101", seed):
            data = part.encode()
            written += len(data)
            file.write(compressor.compress(data))
        file.write(compressor.flush())
    return written


def _pages(size: WikiSize, seed: int) -> Iterator[DemoPage]:
    pages = chain(_templates(), _articles(size, seed))
    return (replace(page, number=number) for number, page in enumerate(pages, 1))


def _articles(size: WikiSize, seed: int) -> Iterator[DemoPage]:
    """Yield the pages of the main namespace."""
    generator, lexicon = np.random.default_rng(seed), ProseLexicon()
    left = int(size.xml / BYTES_OF_WORD)
    middle = left // 2 if size.longest else -1
    before: list[str] = []
    numbers = count(1)
    while left > 0:
        words, start = lexicon.drawn(WORDS_AT_ONCE, generator), 0
        while len(words) - start >= SHORTEST and left > 0:
            length = SHORTEST + int(generator.lognormal(np.log(MEDIAN), SPREAD))
            own = words[start : start + length]
            start, left, number = start + length, left - length, next(numbers)
            if generator.random() < NEAR and len(before) > 100:
                own = own[:5] + before[5:]
            before = own
            yield DemoPage(f"Page {number}", ARTICLE, _article(own, generator))
            if number % 5 == 0:
                yield DemoPage(f"P. {number}", ARTICLE, "#REDIRECT", redirect=f"Page {number}")
            if left <= middle:
                middle = -1
                yield DemoPage("Longest", ARTICLE, _long(words, size.longest))


def _templates() -> Iterator[DemoPage]:
    name = LANGUAGE.namespaces[TEMPLATE]
    yield DemoPage(f"{name}:Box", TEMPLATE, '{| class="infobox"\n|-\n! {{{name}}} || {{#if:{{{a|}}}|{{{a}}}|none}}\n|}')
    for number in range(TEMPLATES):
        yield DemoPage(f"{name}:T{number}", TEMPLATE, f"{{{{{{1}}}}}} <small>({number}, {{{{{{2|?}}}}}})</small>")


def _article(words: list[str], generator: np.random.Generator) -> str:
    """Return words as wikitext."""
    template = int(generator.integers(TEMPLATES))
    parts = [f"{{{{Box|name={words[0]}|a={words[1]}}}}}"]
    for place, start in enumerate(range(0, len(words), LINE)):
        line = words[start : start + LINE]
        line[:: LINE // 3] = [f"[[{word}]]" for word in line[:: LINE // 3]]
        if place and place % LINES_OF_SECTION == 0:
            parts.append(f"== {line[-1]} ==")
        reference = f"<ref>{{{{T{template}|{words[start]}|p. {start}}}}}</ref>"
        parts.append(f"{' '.join(line).capitalize()} {{{{T{template}|{words[-1]}}}}}.{reference}")
    if generator.random() < SHARED:
        parts.append(PARAGRAPH)
    parts += [
        "\n".join(f"* [[{word}]] {word}" for word in words[:6:2]),
        f"== References ==\n<references />\n* {words[0]}, {words[1]}",
    ]
    return "\n\n".join(parts)


def _long(words: list[str], characters: int) -> str:
    """Return an article of at least this many characters, as lists of everything are."""
    lines, held, place = [], 0, 0
    while held < characters:
        lines.append(" ".join(words[(place + step) % len(words)] for step in range(0, 7 * LINE, 7)))
        held += len(lines[-1]) + 2
        place += 11
    return "\n\n".join(lines)
