"""Headings are lines of a document, and none of its paragraphs."""

from smelt.corpora.documents import Document, DocumentCounts
from smelt.paragraphs import heading_line, is_heading, lines_without_marks, paragraphs

TEXT = "Lead.\n\n## History\nThen.\n### C# and F#\n#hash ## tag\n####### seven"


def test_a_heading_is_known_by_its_marks() -> None:
    assert [heading_line(level, "A") for level in (1, 2, 6)] == ["## A", "## A", "###### A"]
    assert [line for line in TEXT.split("\n") if is_heading(line)] == ["## History", "### C# and F#"]


def test_paragraphs_are_the_other_lines() -> None:
    assert paragraphs(TEXT) == ["Lead.", "Then.", "#hash ## tag", "####### seven"]


def test_a_heading_without_its_marks_is_its_words() -> None:
    assert lines_without_marks(TEXT) == ["Lead.", "History", "Then.", "C# and F#", "#hash ## tag", "####### seven"]


def test_headings_count_as_no_paragraphs() -> None:
    counts = DocumentCounts()
    counts.add(Document("wikipedia:1", "A", "Lead.\n## Who? Why?\nThen. Dr. Brown came."), False, "en")
    assert (counts.paragraphs, counts.sentences) == (2, 3)
