"""Examples as formats yield them, and where each came from: sentences, texts, questions, queries, and what is right."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

INVISIBLE = frozenset(["Cc", "Cf", "Zl", "Zp", "Zs"])
"""Unicode's categories of blanks, control characters, zero-width spaces, joiners and marks of direction."""


MISPLACED = -1  # where an answer begins that does not stand where its file has it


class Example(Protocol):
    """An example of any kind of task."""

    language: str

    @property
    def labels(self) -> list[str]:
        """Its labels."""

    @labels.setter
    def labels(self, labels: list[str]) -> None: ...

    @property
    def lines(self) -> Sequence[int]:
        """The line of each label in its file, counted from 1."""

    @property
    def words(self) -> list[str]:
        """Its words, to count them; none where nothing can be seen."""

    @property
    def surface(self) -> str:
        """All that a model reads of it as one text, by which repeated examples are found."""

    @property
    def sides(self) -> list[str]:
        """The texts of a pair; none for other examples."""


@dataclass(slots=True)
class Sentence:
    """Words with a label each."""

    words: list[str]
    labels: list[str]
    lines: list[int]
    """The line of each word in its file, counted from 1."""
    language: str = ""
    misplaced: int = 0
    """Spans that do not begin and end with words of their own."""

    @property
    def sides(self) -> list[str]:
        """None: a sentence is no pair."""
        return []

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
    def sides(self) -> list[str]:
        """Both texts of a pair."""
        return [] if self.pair is None else [self.text, self.pair]

    @property
    def surface(self) -> str:
        """The text or both texts of a pair, by which repeated ones are found."""
        return self.text if self.pair is None else f"{self.text}\n{self.pair}"


@dataclass(slots=True)
class Question:
    """A question about a context, and its answers, each a part of the context."""

    question: str
    context: str
    answers: list[str]
    """What answers it: one text in most training sets, one from each annotator in others."""
    starts: list[int]
    """Character of the context where each answer begins; MISPLACED where it does not stand at the place given."""
    id: str
    """The question's name in its data set."""
    number: int
    """Its place in the file, counted from 1."""
    misplaced: int = 0
    """Answers that do not stand at their place in the context, or are empty; empty ones are left out."""
    language: str = ""

    @property
    def labels(self) -> list[str]:
        """The answers, which stand where other examples have labels."""
        return self.answers

    @labels.setter
    def labels(self, labels: list[str]) -> None:
        self.answers = labels

    @property
    def lines(self) -> list[int]:
        """The question's place in the file, for each answer."""
        return [self.number] * len(self.answers)

    @property
    def words(self) -> list[str]:
        """The question and the context, cut at blanks."""
        return [*self.question.split(), *self.context.split()]

    @property
    def sides(self) -> list[str]:
        """None: question and context are never empty."""
        return []

    @property
    def surface(self) -> str:
        """Question and context, by which repeated ones are found."""
        return f"{self.question}\n{self.context}"


class Relevant(NamedTuple):
    """A passage that is relevant to a query."""

    passage: str
    """Its id."""
    grade: int
    """How relevant it is: 1, or more where a set has grades."""


@dataclass(slots=True)
class Query:
    """A text that passages are searched for, and those that are relevant to it."""

    text: str
    relevant: list[Relevant]
    """None where no passage is: such a query is left out."""
    id: str
    """The query's name in its data set."""
    line: int
    """Where it is judged first, counted from 1."""
    passages: Mapping[str, str]
    """All passages of its file by their ids, among which those that are relevant are sought."""
    language: str = ""

    @property
    def labels(self) -> list[str]:
        """The ids of relevant passages, which stand where other examples have labels."""
        return [each.passage for each in self.relevant]

    @labels.setter
    def labels(self, labels: list[str]) -> None:
        raise NotImplementedError("ids of passages have no other names")

    @property
    def lines(self) -> list[int]:
        """The line of each judgement, as far as it is known."""
        return [self.line] * len(self.relevant)

    @property
    def words(self) -> list[str]:
        """The query, cut at blanks."""
        return self.text.split()

    @property
    def sides(self) -> list[str]:
        """None: formats look at passages themselves."""
        return []

    @property
    def surface(self) -> str:
        """The query, by which repeated ones are found."""
        return self.text


def is_empty(text: str) -> bool:
    """Return whether a text has no character that can be seen."""
    return all(unicodedata.category(character) in INVISIBLE for character in text)
