"""The meaning of a sentence (names, things and clauses), and the interface of a grammar that puts it into words."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal

NameKind = Literal["PER", "LOC", "ORG"]
Gender = Literal["first", "second"]
KINDS: tuple[NameKind, ...] = ("LOC", "PER", "ORG")


class Case(Enum):
    """The part that a phrase plays in its clause."""

    SUBJECT = "subject"
    OBJECT = "object"
    OF = "of"
    IN = "in"
    FROM = "from"
    TO = "to"
    WITH = "with"


class Tense(Enum):
    """The time of a clause; a request is one of them."""

    PAST = "past"
    PRESENT = "present"
    FUTURE = "future"
    REQUEST = "request"


class Aspect(Enum):
    """The course of a clause's event."""

    PLAIN = "plain"
    COMPLETED = "completed"
    REPEATED = "repeated"


@dataclass(frozen=True)
class Noun:
    """A stem and its gender, which matters in the fusional language only."""

    stem: str
    gender: Gender = "first"


@dataclass(frozen=True)
class ProperName:
    """A person, place or organisation: one noun or several."""

    kind: NameKind
    parts: tuple[Noun, ...]


@dataclass(frozen=True)
class Thing:
    """A common noun with its modifiers: "also her three old boats of Tamira"."""

    noun: Noun
    adjective: str | None = None
    number: str | None = None
    plural: bool = False
    owned: bool = False
    also: bool = False
    owner: "ProperName | Thing | None" = None


Phrase = ProperName | Thing


@dataclass(frozen=True)
class Clause:
    """Who does what to whom, when, and where; `opening` is an adverb or a time."""

    verb: str
    subject: Phrase | None = None
    object: Phrase | None = None
    obliques: tuple[tuple[Case, Phrase], ...] = ()
    tense: Tense = Tense.PAST
    aspect: Aspect = Aspect.PLAIN
    negated: bool = False
    opening: str | Thing | None = None
    equates: bool = False
    """The object is what the subject is, and stands in the subject's case."""


@dataclass(frozen=True)
class Word:
    """A word of a sentence, and the name that it is part of."""

    text: str
    name: ProperName | None = None
    begins: bool = False


@dataclass(frozen=True)
class ClauseParts:
    """The words of a clause's parts, which each language puts in its own order."""

    subject: list[Word]
    verb: list[Word]
    object: list[Word]
    obliques: list[Word]


class Grammar(ABC):
    """Puts names, things and clauses into the words of one language."""

    @property
    @abstractmethod
    def function_words(self) -> frozenset[str]:
        """Words that no root of the lexicon may look like."""

    @abstractmethod
    def phrase(self, phrase: Phrase, case: Case) -> list[Word]:
        """Return the words of a phrase in a case."""

    @abstractmethod
    def verb(self, clause: Clause, plural: bool) -> list[str]:
        """Return the words of a clause's verb, which agrees with a plural subject where the language has agreement."""

    @abstractmethod
    def order(self, parts: ClauseParts) -> list[Word]:
        """Return a clause's parts in the order of the language."""

    def clause(self, clause: Clause) -> list[Word]:
        """Return the words of a clause, without punctuation."""
        object_case = Case.SUBJECT if clause.equates else Case.OBJECT
        plural = isinstance(clause.subject, Thing) and clause.subject.plural
        parts = ClauseParts(
            subject=self.phrase(clause.subject, Case.SUBJECT) if clause.subject else [],
            verb=plain(self.verb(clause, plural)),
            object=self.phrase(clause.object, object_case) if clause.object else [],
            obliques=[word for case, phrase in clause.obliques for word in self.phrase(phrase, case)],
        )
        return self._opening(clause.opening) + self.order(parts)

    def title(self, name: ProperName) -> str:
        """Return a name's citation form."""
        return " ".join(word.text for word in self.phrase(name, Case.SUBJECT))

    def citation(self, noun: Noun) -> str:
        """Return a common noun's citation form."""
        return self.phrase(Thing(noun), Case.SUBJECT)[0].text

    def _opening(self, opening: str | Thing | None) -> list[Word]:
        if opening is None:
            return []
        return plain([opening]) if isinstance(opening, str) else self.phrase(opening, Case.IN)


def plain(texts: list[str]) -> list[Word]:
    """Return words that belong to no name."""
    return [Word(text) for text in texts]


def name_words(name: ProperName, texts: list[str]) -> list[Word]:
    """Return the words of a name."""
    return [Word(text, name, begins=position == 0) for position, text in enumerate(texts)]


def capitalise(words: list[Word]) -> list[Word]:
    """Return a sentence with a capital first letter; scripts without capitals stay as they are.

    Titlecase, not uppercase: it does not change Georgian's Mkhedruli letters, which have no capitals in running text.
    """
    first = words[0]
    return [replace(first, text=first.text[:1].title() + first.text[1:]), *words[1:]]
