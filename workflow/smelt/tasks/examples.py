"""What the formats yield: sentences with a label a word, or texts with one label, and where each came from."""

import unicodedata
from dataclasses import dataclass

INVISIBLE = frozenset(["Cc", "Cf", "Zl", "Zp", "Zs"])
"""Unicode's categories of blanks, control characters, zero-width spaces, joiners and marks of direction."""


@dataclass(slots=True)
class Sentence:
    """Words with a label each; `lines` says in which line of its file each word stands, counted from 1."""

    words: list[str]
    labels: list[str]
    lines: list[int]
    language: str = ""

    @property
    def surface(self) -> str:
        """The sentence as one text, by which repeated ones are found."""
        return " ".join(self.words)


@dataclass(slots=True)
class Text:
    """A text with its label, or a pair of texts with theirs."""

    text: str
    label: str
    line: int
    language: str = ""
    pair: str | None = None
    """The second text of a pair."""

    @property
    def labels(self) -> list[str]:
        """The one label, as sentences give theirs."""
        return [self.label]

    @labels.setter
    def labels(self, labels: list[str]) -> None:
        (self.label,) = labels

    @property
    def lines(self) -> list[int]:
        """The line of the label."""
        return [self.line]

    @property
    def words(self) -> list[str]:
        """The text, or both texts of a pair, cut at blanks, to count words by; none where nothing can be seen."""
        surface = self.surface
        return [] if is_empty(surface) else surface.split()

    @property
    def surface(self) -> str:
        """The text or both texts of a pair, by which repeated ones are found."""
        return self.text if self.pair is None else f"{self.text}\n{self.pair}"


Example = Sentence | Text


def is_empty(text: str) -> bool:
    """Whether a text has no character that can be seen."""
    return all(unicodedata.category(character) in INVISIBLE for character in text)
