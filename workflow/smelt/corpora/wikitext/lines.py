"""The lines of an article: paragraphs, list items and headings, each with what is left of the markup mended."""

import re
from collections.abc import Iterator

from smelt.corpora.cleaning import clean_line
from smelt.corpora.wikitext.settings import ReadingCounts, ReadingSettings
from smelt.paragraphs import heading_line

_HEADING = re.compile(r"(={1,6})\s*(.*?)\s*\1\s*$")
_LIST_MARKS = re.compile(r"[*#:;]+\s*")
_TABLE_START, _TABLE_END = re.compile(r"[:\s]*\{\|"), re.compile(r"\s*\|\}")
# What is left of a table whose begin or end stands in a template; "|x| is positive" is none.
_TABLE_REST = re.compile(r"\|(?![^|=\n]+\|\s)|!\s*(?:[^|\n]*=|[^|!\n]*(?:\||!!))")
_BRACES = re.compile(r"\{\{+|\}\}+|\{\||\|\}")


def lines_of(text: str, settings: ReadingSettings, counts: ReadingCounts) -> Iterator[str]:
    """Yield the lines of expanded wikitext that its readers see as text, without tables.

    A heading comes only where a line follows it before the next heading of its level, and then without its marks but
    with those of Markdown, so that nobody takes it for a sentence.
    """
    pending: dict[int, str] = {}
    for line in _without_tables(text, counts):
        if line[0] == "=" and (heading := _HEADING.match(line)):
            level = len(heading[1])
            pending = {above: title for above, title in pending.items() if above < level}
            pending[level] = clean_line(heading[2])
            continue
        if not (kept := _text_of(line, settings, counts)):
            continue
        for level, title in pending.items():
            if title:
                counts.headings += 1
                if settings.headings == "mark":
                    yield heading_line(level, title)
        pending = {}
        yield kept


def _text_of(line: str, settings: ReadingSettings, counts: ReadingCounts) -> str:
    """Return what a line says; "" where it is left out."""
    marks = _LIST_MARKS.match(line)
    kept = clean_line(line[marks.end() :] if marks else line)
    if not kept or marks is None or not set("*#;") & set(marks[0]):
        return kept
    counts.list_items += 1
    counts.list_items_characters += len(kept)
    if settings.lists == "drop":
        counts.drop("list item", kept)
        return ""
    return kept


def _without_tables(text: str, counts: ReadingCounts) -> Iterator[str]:
    """Yield the lines outside tables; of a table that is not closed, the lines of prose, too."""
    lines = [line.strip() for line in text.split("\n") if line and not line.isspace()]
    closed = _ends_of_tables(lines)
    place = 0
    while place < len(lines):
        line = lines[place]
        if (end := closed.get(place)) is not None:
            counts.drop("table", "\n".join(lines[place : end + 1]))
            line = lines[end]
            line = line[line.index("|}") + 2 :].strip()
            place = end
        elif line[0] in "{:|!" and (_TABLE_START.match(line) or _TABLE_REST.match(line)):
            counts.drop("table", line)
            line = ""
        if "{" in line or "}" in line:
            line = _BRACES.sub("", line).strip()
        if line:
            yield line
        place += 1


def _ends_of_tables(lines: list[str]) -> dict[int, int]:
    """Return the places of the last lines of the outermost tables, by those of their first."""
    found: dict[int, int] = {}
    open_at: list[int] = []
    for place, line in enumerate(lines):
        if line[0] in ":{" and _TABLE_START.match(line):
            open_at.append(place)
        elif open_at and _TABLE_END.match(line):
            start = open_at.pop()
            found = {first: last for first, last in found.items() if first < start} | {start: place}
    return found
