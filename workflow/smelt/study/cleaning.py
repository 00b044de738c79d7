"""How the documents of a corpus are cleaned: every step is off unless a study names it."""

from typing import Annotated, Literal

from pydantic import Field

from smelt.entry import Distinct, Entry, Name
from smelt.languages import Language
from smelt.numbers import NO_TRUTH, Count, Share

Hashes = Annotated[int, Field(ge=1, le=1000), NO_TRUTH]
SectionKind = Literal["references", "links", "see_also", "literature"]


class DuplicateParagraphs(Entry):
    """Leave out paragraphs that stand in an earlier document, or earlier in the same, letter by letter."""

    min_characters: Count = 50
    """Shorter paragraphs stay, such as names in lists."""


class NearDuplicates(Entry):
    """Leave out documents that are almost an earlier one (MinHash; the defaults are FineWeb's).

    A document is a set of runs of words. It goes if all hashes of a band are those of a document that was kept: of two
    that share the part s of their runs, the second goes with the probability 1 - (1 - s ** rows) ** bands.
    """

    words: Count = 5
    """Length of the runs. Where a script has no blanks between words, characters stand for parts of them."""
    bands: Hashes = 14
    """Number of bands: more find more."""
    rows: Hashes = 8
    """Hashes of a band: more find less."""


class WrongLanguage(Entry):
    """Leave out documents that py3langid takes for another language, by their first 1,000 characters."""

    certainty: Share = 0.9
    """How probable the other language has to be."""
    accept: dict[Language, list[str]] = Field(default_factory=dict)
    """Of a language: further answers that count as it, as py3langid names them, such as `ms: [id]`."""


class HeldTestExamples(Entry):
    """Find test examples of the study's tasks by runs of words, and leave out what holds them (Brown et al. 2020)."""

    words: Annotated[int, Field(ge=5, le=1000), NO_TRUTH] = 13
    """Length of the runs, which case and punctuation do not matter to; a shorter example cannot be found. Where a
    script has no blanks between words, characters stand for parts of them."""
    remove: Literal["paragraphs", "documents", "nothing"] = "paragraphs"
    """What is left out: the paragraphs that hold a run, their whole documents, or `nothing`, so that they are only
    counted."""
    tasks: Annotated[list[Name], Field(min_length=1), Distinct] | None = None
    """Tasks of the study; by default all. The corpus is made again when their test sets change, or further tasks join
    them, and so is what is trained on it: name those that matter."""


class Cleaning(Entry):
    """Steps that change or leave out documents, in this order; `statistics.json` counts what each one removed."""

    nfc: bool = False
    """Bring text to Unicode's form NFC: letters with marks are one character where there is one."""
    control_characters: bool = False
    """Leave out control characters, byte order marks and soft hyphens, and zero-width spaces except in Burmese, Khmer,
    Lao and Thai. Separators of lines within a paragraph become blanks."""
    boilerplate: Annotated[list[SectionKind], Distinct] = Field(default_factory=list)
    """Leave out sections by their headings in the language: `references` (notes and sources among them), `links`
    (external ones), `see_also` and `literature` (further reading)."""
    duplicate_paragraphs: DuplicateParagraphs | None = None
    """Leave out paragraphs that stood before."""
    min_characters: Count | None = None
    """Leave out documents that are shorter."""
    language: WrongLanguage | None = None
    """Leave out documents in another language."""
    near_duplicates: NearDuplicates | None = None
    """Leave out documents that are almost an earlier one."""
    test_examples: HeldTestExamples | None = None
    """Leave out what stands in the test sets of tasks; counted for each of them."""
