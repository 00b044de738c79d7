"""The words and names of one language, drawn from its sounds: topics, what plots need, and pools of names."""

import random
from dataclasses import dataclass
from functools import cache, partial

from smelt.demo.chance import Ranked, stream
from smelt.demo.grammar import Gender, NameKind, Noun, ProperName
from smelt.demo.languages import InventedLanguage, new_root

# Topics of documents; the first six are also those of the intent task.
TOPICS = ("music", "food", "weather", "travel", "sport", "trade", "science", "sea")
AGENTS, THINGS, ACTIONS, QUALITIES = 8, 24, 6, 6

# Words of the plots, by their meaning.
NOUNS = (
    "year", "person", "house", "street", "school", "river", "mountain", "name", "child", "work", "land", "money",
    "town", "village", "port", "district", "company", "club", "institute", "newspaper", "museum", "list",
)  # fmt: skip
VERBS = (
    "be", "lie", "found", "build", "grow", "open", "close", "live", "come", "go", "bear", "die", "study", "marry",
    "win", "lose", "join", "lead", "have", "know", "see", "want", "give", "find", "show", "write", "buy", "call",
)  # fmt: skip
ADVERBS = ("first", "then", "later", "soon", "finally", "today", "often", "tomorrow", "please", "now")
QUALITIES_OF_ALL = 12
SETTLEMENTS = ("town", "village", "port", "district")
BODIES = ("company", "club", "institute", "newspaper", "museum")

# How many names of each kind a pool holds. "known" names occur in the encyclopaedia and in every split of the tasks,
# "read" ones in the encyclopaedia but not in training splits, "new" ones in validation and test only.
POOLS = ("known", "read", "new")
SIZES: dict[NameKind, int] = {"LOC": 150, "PER": 150, "ORG": 90}
GIVEN_NAMES = 48


@dataclass(frozen=True)
class Topic:
    """The words of one field; the n-th action goes with every third thing, starting with the n-th of three."""

    agents: Ranked[Noun]
    things: Ranked[Noun]
    actions: Ranked[str]
    qualities: Ranked[str]


@dataclass(frozen=True)
class Lexicon:
    """All words of a language.

    Attributes:
        names: names by kind and pool; no name is in two pools.
    """

    topics: dict[str, Topic]
    nouns: dict[str, Noun]
    verbs: dict[str, str]
    adverbs: dict[str, str]
    qualities: Ranked[str]
    names: dict[tuple[NameKind, str], Ranked[ProperName]]

    def names_of(self, kind: NameKind, *pools: str) -> list[ProperName]:
        """Return the names of a kind in some pools."""
        return [name for pool in pools for name in self.names[kind, pool].items]


@cache
def lexicon_of(language: InventedLanguage, seed: int) -> Lexicon:
    """Return the lexicon of a language in the world of a seed."""
    chance = stream(seed, language.code, "lexicon")
    taken = set(language.grammar.function_words)
    root = partial(new_root, language.phonology, chance, taken)
    nouns = {meaning: Noun(root(), _gender(chance)) for meaning in NOUNS}
    verbs = {meaning: root() for meaning in VERBS}
    adverbs = {meaning: root() for meaning in ADVERBS}
    qualities = Ranked([root() for _ in range(QUALITIES_OF_ALL)])
    topics = {
        topic: Topic(
            agents=Ranked([Noun(root(), _gender(chance)) for _ in range(AGENTS)]),
            things=Ranked([Noun(root(), _gender(chance)) for _ in range(THINGS)]),
            actions=Ranked([root() for _ in range(ACTIONS)]),
            qualities=Ranked([root() for _ in range(QUALITIES)]),
        )
        for topic in TOPICS
    }
    common = [noun for topic in topics.values() for noun in topic.things.items]
    names = _Namer(language, nouns, common, stream(seed, language.code, "names"), taken).pools()
    return Lexicon(topics, nouns, verbs, adverbs, qualities, names)


def _gender(chance: random.Random) -> Gender:
    return "first" if chance.random() < 0.5 else "second"


class _Namer:
    """Builds names from roots: mostly roots of their own, at times those of common nouns, as surnames are."""

    def __init__(
        self,
        language: InventedLanguage,
        nouns: dict[str, Noun],
        common: list[Noun],
        chance: random.Random,
        taken: set[str],
    ) -> None:
        self._naming = language.naming
        self._new = partial(new_root, language.phonology, chance, taken)
        self._nouns, self._common, self._chance = nouns, common, chance
        self._given = Ranked([self._built(self._new(), self._naming.given) for _ in range(GIVEN_NAMES)])

    def pools(self) -> dict[tuple[NameKind, str], Ranked[ProperName]]:
        """Return names by kind and pool."""
        makers = {"LOC": self._place, "PER": self._person, "ORG": self._organisation}
        made: dict[tuple[NameKind, str], Ranked[ProperName]] = {}
        for kind, size in SIZES.items():
            names: dict[ProperName, None] = {}
            while len(names) < size * len(POOLS):
                names[makers[kind]()] = None
            shuffled = self._chance.sample(list(names), len(names))
            for position, pool in enumerate(POOLS):
                made[kind, pool] = Ranked(shuffled[position :: len(POOLS)], shift=40)
        return made

    def _root(self) -> str:
        return self._chance.choice(self._common).stem if self._chance.random() < 0.3 else self._new()

    def _built(self, root: str, suffixes: tuple[tuple[str, Gender], ...]) -> tuple[Noun, ...]:
        return self._naming.build(root, self._chance.choice(suffixes))

    def _place(self) -> ProperName:
        return ProperName("LOC", self._built(self._root(), self._naming.places))

    def _person(self) -> ProperName:
        given = self._given.draw(self._chance)
        return ProperName("PER", given + self._built(self._root(), self._naming.family))

    def _organisation(self) -> ProperName:
        """Return an invented brand, or a place's or a family's name before the kind of body: Tamira Club."""
        if self._chance.random() < 0.35:
            ending = self._chance.choice(self._naming.brands)
            return ProperName("ORG", (Noun(self._root().title() + ending),))
        suffixes = self._naming.places if self._chance.random() < 0.6 else self._naming.family
        body = self._nouns[self._chance.choice(BODIES)]
        return ProperName("ORG", (*self._built(self._root(), suffixes), Noun(body.stem.title(), body.gender)))
