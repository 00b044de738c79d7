"""Plots: the events of an article in their order, for each kind of subject, from its founding or birth to today.

The order never changes and the years go forward, so that a model can learn which of two passages comes first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from smelt.demo.grammar import Aspect, Case, Clause, Phrase, ProperName, Tense, Thing
from smelt.demo.lexicon import BODIES, SETTLEMENTS
from smelt.demo.prose import Writer

SubjectKind = Literal["LOC", "PER", "ORG", "thing"]
Step = Callable[[Writer, Phrase], Clause]


@dataclass(frozen=True)
class Chapter:
    """One section: its heading (a noun of the lexicon, none for the lead), its tense and its steps in order."""

    heading: str | None
    tense: Tense
    steps: tuple[Step, ...]


def is_settlement(writer: Writer, subject: Phrase) -> Clause:
    """X is a small town of Y."""
    kind = writer.lexicon.nouns[writer.chance.choice(SETTLEMENTS)]
    what = Thing(kind, adjective=writer.quality(), owner=writer.name("LOC"))
    return Clause(writer.lexicon.verbs["be"], subject, what, tense=Tense.PRESENT, equates=True)


def is_person(writer: Writer, subject: Phrase) -> Clause:
    """X is a famous singer from Y."""
    what = Thing(writer.topic.agents.draw(writer.chance), adjective=writer.quality())
    origin = ((Case.FROM, writer.name("LOC")),)
    return Clause(writer.lexicon.verbs["be"], subject, what, origin, tense=Tense.PRESENT, equates=True)


def is_body(writer: Writer, subject: Phrase) -> Clause:
    """X is a large club in Y."""
    kind = writer.lexicon.nouns[writer.chance.choice(BODIES)]
    what = Thing(kind, adjective=writer.quality())
    seat = ((Case.IN, writer.name("LOC")),)
    return Clause(writer.lexicon.verbs["be"], subject, what, seat, tense=Tense.PRESENT, equates=True)


def is_thing(writer: Writer, subject: Phrase) -> Clause:
    """The X is a fine Y."""
    what = Thing(writer.topic.things.draw(writer.chance), adjective=writer.topic.qualities.draw(writer.chance))
    return Clause(writer.lexicon.verbs["be"], subject, what, tense=Tense.PRESENT, equates=True)


def lies(writer: Writer, subject: Phrase) -> Clause:
    """X lies at a wide river."""
    where = writer.thing(writer.lexicon.nouns[writer.chance.choice(("river", "mountain", "land"))])
    return Clause(writer.lexicon.verbs["lie"], subject, obliques=((Case.IN, where),), tense=Tense.PRESENT)


def founded(writer: Writer, subject: Phrase) -> Clause:
    """In 1412 Y founded X."""
    return Clause(writer.lexicon.verbs["found"], writer.name("PER"), subject, opening=writer.later())


def born(writer: Writer, subject: Phrase) -> Clause:
    """In 1412 X is born in Y."""
    home = ((Case.IN, writer.name("LOC")),)
    return Clause(writer.lexicon.verbs["bear"], subject, obliques=home, opening=writer.later())


def first_built(writer: Writer, subject: Phrase) -> Clause:
    """First people built houses in X."""
    nouns = writer.lexicon.nouns
    what = Thing(nouns["house"], adjective=writer.quality(), plural=True)
    people = Thing(nouns["person"], plural=True)
    verb, opening = writer.lexicon.verbs["build"], writer.lexicon.adverbs["first"]
    return Clause(verb, people, what, ((Case.WITH, subject),), opening=opening)


def first_studied(writer: Writer, subject: Phrase) -> Clause:
    """First X studied music in Y."""
    what = writer.thing(writer.topic.things.draw(writer.chance))
    verb, opening = writer.lexicon.verbs["study"], writer.lexicon.adverbs["first"]
    return Clause(verb, subject, what, ((Case.IN, writer.name("ORG")),), opening=opening)


def people_came(writer: Writer, subject: Phrase) -> Clause:
    """Then people came to X from Y."""
    people = Thing(writer.topic.agents.draw(writer.chance), plural=True)
    way = ((Case.FROM, writer.name("LOC")), (Case.TO, subject))
    opening = writer.lexicon.adverbs["then"]
    return Clause(writer.lexicon.verbs["come"], people, None, way, opening=opening, aspect=writer.aspect())


def then_met(writer: Writer, subject: Phrase) -> Clause:
    """Then X married, joined or led Y."""
    verb = writer.lexicon.verbs[writer.chance.choice(("marry", "see", "know"))]
    return Clause(verb, subject, writer.name("PER"), opening=writer.lexicon.adverbs["then"])


def joined(writer: Writer, subject: Phrase) -> Clause:
    """In 1440 X joined the company Y."""
    verb = writer.lexicon.verbs[writer.chance.choice(("join", "lead"))]
    return Clause(verb, subject, writer.name("ORG"), opening=writer.later(), aspect=writer.aspect())


def opened(writer: Writer, subject: Phrase) -> Clause:
    """Later, in 1503, Y opened a school in X."""
    what = writer.thing(writer.lexicon.nouns[writer.chance.choice(("school", "street", "museum"))])
    verb = writer.lexicon.verbs["open"]
    return Clause(verb, writer.name("ORG"), what, ((Case.WITH, subject),), opening=writer.later())


def later_won(writer: Writer, subject: Phrase) -> Clause:
    """Later X won much money."""
    verb = writer.lexicon.verbs[writer.chance.choice(("win", "lose", "give", "buy"))]
    what = writer.thing(writer.lexicon.nouns[writer.chance.choice(("money", "land", "work"))])
    return Clause(verb, subject, what, opening=writer.lexicon.adverbs["later"], aspect=writer.aspect())


def grew(writer: Writer, subject: Phrase) -> Clause:
    """Soon X grew."""
    return Clause(writer.lexicon.verbs["grow"], subject, opening=writer.lexicon.adverbs["soon"], aspect=Aspect.REPEATED)


def died(writer: Writer, subject: Phrase) -> Clause:
    """Finally X died in Y."""
    home = ((Case.IN, writer.name("LOC")),)
    opening = writer.lexicon.adverbs["finally"]
    return Clause(writer.lexicon.verbs["die"], subject, obliques=home, opening=opening, aspect=Aspect.COMPLETED)


def live_today(writer: Writer, subject: Phrase) -> Clause:
    """Today 4210 people live in X."""
    people = Thing(writer.lexicon.nouns["person"], number=str(writer.chance.randint(200, 90_000)), plural=True)
    where = ((Case.IN, subject),)
    opening = writer.lexicon.adverbs["today"]
    return Clause(writer.lexicon.verbs["live"], people, None, where, Tense.PRESENT, opening=opening)


def has_today(writer: Writer, subject: Phrase) -> Clause:
    """Today X has 12 schools."""
    noun = writer.lexicon.nouns[writer.chance.choice(("house", "school", "street"))]
    what = Thing(noun, writer.quality(), number=str(writer.chance.randint(3, 99)), plural=True)
    opening = writer.lexicon.adverbs["today"]
    return Clause(writer.lexicon.verbs["have"], subject, what, tense=Tense.PRESENT, opening=opening)


def will_show(writer: Writer, subject: Phrase) -> Clause:
    """Tomorrow Y will show their things to X."""
    what = writer.thing(writer.topic.things.draw(writer.chance))
    verb, opening = writer.lexicon.verbs["show"], writer.lexicon.adverbs["tomorrow"]
    return Clause(verb, writer.name("ORG"), what, ((Case.TO, subject),), Tense.FUTURE, opening=opening)


def known_today(writer: Writer, subject: Phrase) -> Clause:
    """Today many people know X."""
    people = Thing(writer.topic.agents.draw(writer.chance), plural=True)
    opening = writer.lexicon.adverbs["today"]
    return Clause(writer.lexicon.verbs["know"], people, subject, tense=Tense.PRESENT, opening=opening)


PAST, PRESENT = Tense.PAST, Tense.PRESENT
PLOTS: dict[SubjectKind, tuple[Chapter, ...]] = {
    "LOC": (
        Chapter(None, PRESENT, (is_settlement, lies)),
        Chapter("year", PAST, (founded, first_built, people_came, opened, grew, opened, later_won)),
        Chapter("work", PRESENT, (live_today, has_today, will_show)),
    ),
    "PER": (
        Chapter(None, PRESENT, (is_person,)),
        Chapter("child", PAST, (born, first_studied, then_met)),
        Chapter("work", PAST, (joined, later_won, joined, died)),
        Chapter("name", PRESENT, (known_today, will_show)),
    ),
    "ORG": (
        Chapter(None, PRESENT, (is_body,)),
        Chapter("year", PAST, (founded, first_built, people_came, grew, opened, later_won)),
        Chapter("work", PRESENT, (has_today, known_today, will_show)),
    ),
    "thing": (
        Chapter(None, PRESENT, (is_thing,)),
        Chapter("year", PAST, (founded, people_came, opened)),
        Chapter("work", PRESENT, (known_today, will_show)),
    ),
}


def subject_kind(subject: Phrase) -> SubjectKind:
    """Return the kind of plot for a subject."""
    return subject.kind if isinstance(subject, ProperName) else "thing"
