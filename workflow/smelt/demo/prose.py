"""Sentences about a topic: agents, actions and things that go together, with places and adjectives."""

import random
from collections.abc import Sequence

from smelt.demo.grammar import Aspect, Case, Clause, NameKind, Noun, Phrase, ProperName, Tense, Thing, Word, capitalise
from smelt.demo.languages import InventedLanguage
from smelt.demo.lexicon import Lexicon, Topic

PLACES_OF_CLAUSES = (Case.IN, Case.IN, Case.FROM, Case.TO)


class Writer:
    """Writes clauses in one language, from one lexicon, about one topic.

    Attributes:
        pools: pools that names are drawn from.
        year: the year of the latest event; it only moves forward.
    """

    def __init__(
        self, language: InventedLanguage, lexicon: Lexicon, topic: str, pools: Sequence[str], chance: random.Random
    ) -> None:
        """Start a text in the early times."""
        self.language, self.lexicon, self.pools, self.chance = language, lexicon, pools, chance
        self.topic: Topic = lexicon.topics[topic]
        self.year = chance.randint(1100, 1700)

    def says(self, share: float) -> bool:
        """Return true in that share of cases."""
        return self.chance.random() < share

    def name(self, kind: NameKind) -> ProperName:
        """Return a name of a kind, from any of the pools."""
        return self.lexicon.names[kind, self.chance.choice(self.pools)].draw(self.chance)

    def quality(self) -> str | None:
        """Return an adjective of the topic, of general use, or none."""
        if self.says(0.5):
            return None
        return (self.topic.qualities if self.says(0.6) else self.lexicon.qualities).draw(self.chance)

    def thing(self, noun: Noun, owner: Phrase | None = None) -> Thing:
        """Return a noun with its modifiers."""
        return Thing(
            noun,
            adjective=self.quality(),
            plural=self.says(0.35),
            owned=owner is None and self.says(0.2),
            also=self.says(0.12),
            owner=owner,
        )

    def later(self) -> Thing:
        """Move on by some years, and return the year: "in 1820"."""
        self.year = min(self.year + self.chance.randint(3, 60), 2025)
        return Thing(self.lexicon.nouns["year"], number=str(self.year))

    def topical(self, tense: Tense) -> Clause:
        """Return a clause about the topic: an agent, an action, and a thing that goes with the action."""
        position = self.chance.randrange(3)
        things = self.topic.things.part(position, 3) if self.says(0.85) else self.topic.things
        owner = self.name("LOC") if self.says(0.15) else None
        return Clause(
            verb=self.topic.actions.part(position, 3).draw(self.chance),
            subject=self.agent(),
            object=self.thing(things.draw(self.chance), owner),
            obliques=self.place() if self.says(0.3) else (),
            tense=tense,
            aspect=self.aspect(),
            negated=self.says(0.1),
        )

    def agent(self) -> Phrase:
        """Return a person, an organisation, or people of the topic's trade."""
        fate = self.chance.random()
        if fate < 0.25:
            return self.name("PER")
        if fate < 0.4:
            return self.name("ORG")
        return self.thing(self.topic.agents.draw(self.chance))

    def place(self) -> tuple[tuple[Case, Phrase], ...]:
        """Return where something happens: a place with its name, or a thing of the topic to do it with."""
        if self.says(0.3):
            return ((Case.WITH, self.thing(self.topic.things.draw(self.chance))),)
        return ((self.chance.choice(PLACES_OF_CLAUSES), self.name("LOC")),)

    def aspect(self) -> Aspect:
        """Return the aspect of the event, most often the plain one."""
        return self.chance.choices(tuple(Aspect), weights=(6, 2, 2))[0]

    def sentence(self, clause: Clause) -> list[Word]:
        """Return a clause's words as a sentence, without its full stop."""
        return capitalise(self.language.grammar.clause(clause))
