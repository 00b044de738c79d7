"""The lines of a document's text: paragraphs, and headings with the marks of Markdown, "## History".

The marks only say that a line is no sentence and no paragraph: what counts or samples lines passes over them, and what
reads on takes their words.
"""

import re
from collections.abc import Iterable

_HEADING = re.compile("#{2,6} ")


def heading_line(level: int, title: str) -> str:
    """Return the line of a heading; the highest level is 2, because the title of a document is not in its text."""
    return f"{'#' * max(level, 2)} {title}"


def is_heading(line: str) -> bool:
    """Return whether a line is a heading."""
    return line.startswith("##") and _HEADING.match(line) is not None


def paragraphs(text: str) -> list[str]:
    """Return the lines of a text that are neither blank nor headings."""
    return [line for line in text.split("\n") if not is_heading(line) and line.strip()]


def lines_without_marks(text: str) -> list[str]:
    """Return the lines of a text that are not blank, headings without their marks."""
    return [line.lstrip("#").lstrip() if is_heading(line) else line for line in text.split("\n") if line.strip()]


def level_of(line: str) -> int:
    """Return the level of a heading; 0 for a paragraph."""
    return len(line) - len(line.lstrip("#")) if is_heading(line) else 0


def without_bare_headings(lines: Iterable[str]) -> str:
    """Return lines as a text, without headings that have no paragraph in their section."""
    kept: list[str] = []
    following = 0  # level of the line below; 0 for a paragraph
    for line in reversed(list(lines)):
        level = level_of(line)
        if level and (not kept or 0 < following <= level):
            continue
        kept.append(line)
        following = level
    return "\n".join(reversed(kept))
