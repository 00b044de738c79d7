"""The grammars of the demo's three languages, one for each way in which words can carry grammatical meaning.

Tavo (qaa) is isolating: words never change; particles and word order say everything (subject, verb, object).
Qeldo (qab), in Georgian letters, is agglutinative: chains of suffixes, each with one meaning, in vowel harmony. In a
suffix, A stands for ა or ე and U for უ or ი: the first after a back vowel (ა ო უ), the second after a front one.
Zhervia (qac), in Latin letters with diacritics, is fusional: one ending gives gender, number and case at once.
Adjectives agree with their nouns, plurals change the stem's last vowel, and past verbs change another one.
"""

from collections.abc import Iterable
from typing import ClassVar

from smelt.demo.grammar import (
    Aspect,
    Case,
    Clause,
    ClauseParts,
    Gender,
    Grammar,
    Noun,
    Phrase,
    ProperName,
    Tense,
    Thing,
    Word,
    name_words,
    plain,
)


class Isolating(Grammar):
    """Particles before the verb, prepositions before the noun, everything else after it."""

    PREPOSITIONS: ClassVar = {Case.OF: "ta", Case.IN: "nu", Case.FROM: "we", Case.TO: "lo", Case.WITH: "hi"}
    TENSES: ClassVar = {Tense.PAST: "sa", Tense.FUTURE: "mo", Tense.REQUEST: "yu"}
    ASPECTS: ClassVar = {Aspect.COMPLETED: "pe", Aspect.REPEATED: "gi"}
    PLURAL, OWNED, ALSO, NOT = "ma", "ke", "li", "do"

    @property
    def function_words(self) -> frozenset[str]:
        """All particles."""
        tables = [*self.PREPOSITIONS.values(), *self.TENSES.values(), *self.ASPECTS.values()]
        return frozenset([*tables, self.PLURAL, self.OWNED, self.ALSO, self.NOT])

    def phrase(self, phrase: Phrase, case: Case) -> list[Word]:
        """Return the phrase behind the preposition of its case."""
        preposition = plain([self.PREPOSITIONS[case]]) if case in self.PREPOSITIONS else []
        if isinstance(phrase, ProperName):
            return preposition + name_words(phrase, [part.stem for part in phrase.parts])
        words = [phrase.number, phrase.noun.stem, phrase.adjective]
        particles = [(phrase.plural, self.PLURAL), (phrase.owned, self.OWNED), (phrase.also, self.ALSO)]
        owner = self.phrase(phrase.owner, Case.OF) if phrase.owner else []
        core = [word for word in words if word] + [particle for said, particle in particles if said]
        return preposition + plain(core) + owner

    def verb(self, clause: Clause, plural: bool) -> list[str]:  # noqa: ARG002 - the language has no agreement
        """Return negation, tense and aspect as particles before the bare verb."""
        particles = [
            self.NOT if clause.negated else None,
            self.TENSES.get(clause.tense),
            self.ASPECTS.get(clause.aspect),
        ]
        return [particle for particle in particles if particle] + [clause.verb]

    def order(self, parts: ClauseParts) -> list[Word]:
        """Return subject, verb, object, and the rest."""
        return parts.subject + parts.verb + parts.object + parts.obliques


BACK, FRONT = ("ა", "ო", "უ"), ("ე", "ი", "ჷ")


class Agglutinative(Grammar):
    """Suffixes in a fixed order on the last word of a phrase; modifiers before the noun, the verb at the end."""

    CASES: ClassVar = {
        Case.SUBJECT: "",
        Case.OBJECT: "თA",
        Case.OF: "მUნ",
        Case.IN: "სAლ",
        Case.FROM: "სAლდUნ",
        Case.TO: "რA",
        Case.WITH: "ლUკ",
    }
    TENSES: ClassVar = {Tense.PAST: "დUქ", Tense.PRESENT: "ვA", Tense.FUTURE: "ხAნ", Tense.REQUEST: "წU"}
    ASPECTS: ClassVar = {Aspect.PLAIN: "", Aspect.COMPLETED: "ბAრ", Aspect.REPEATED: "ჩUკ"}
    PLURAL, OWNED, ALSO, NOT, THEM = "გA", "შUმ", "ცUნ", "ზA", "მUხ"

    @property
    def function_words(self) -> frozenset[str]:
        """None: every grammatical meaning is a suffix."""
        return frozenset()

    def phrase(self, phrase: Phrase, case: Case) -> list[Word]:
        """Return the phrase with number, owner, case and emphasis on its last word."""
        if isinstance(phrase, ProperName):
            *first, last = [part.stem for part in phrase.parts]
            return name_words(phrase, [*first, chain(last, [self.CASES[case]])])
        owner = self.phrase(phrase.owner, Case.OF) if phrase.owner else []
        before = [word for word in (phrase.number, phrase.adjective) if word]
        suffixes = [self.PLURAL * phrase.plural, self.OWNED * phrase.owned, self.CASES[case], self.ALSO * phrase.also]
        return owner + plain([*before, chain(phrase.noun.stem, suffixes)])

    def verb(self, clause: Clause, plural: bool) -> list[str]:
        """Return the verb with aspect, negation, a plural object's mark, tense and a plural subject's."""
        many = isinstance(clause.object, Thing) and clause.object.plural
        suffixes = [
            self.ASPECTS[clause.aspect],
            self.NOT * clause.negated,
            self.THEM * many,
            self.TENSES[clause.tense],
            self.PLURAL * plural,
        ]
        return [chain(clause.verb, suffixes)]

    def order(self, parts: ClauseParts) -> list[Word]:
        """Return the verb last."""
        return parts.subject + parts.obliques + parts.object + parts.verb


def chain(stem: str, suffixes: Iterable[str]) -> str:
    """Return the stem with its suffixes, whose vowels follow the stem's last vowel."""
    vowels = [letter for letter in stem if letter in BACK + FRONT]
    high, low = ("უ", "ა") if vowels[-1] in BACK else ("ი", "ე")
    return stem + "".join(suffixes).replace("U", high).replace("A", low)


CASES = (Case.SUBJECT, Case.OBJECT, Case.OF, Case.IN, Case.FROM, Case.TO, Case.WITH)
# (gender, plural) -> endings in that order.
NOUNS: dict[tuple[Gender, bool], tuple[str, ...]] = {
    ("first", False): ("", "un", "ė", "im", "ęd", "ov", "om"),
    ("first", True): ("i", "us", "ių", "iš", "iad", "iem", "ims"),
    ("second", False): ("a", "ą", "yš", "oj", "azd", "ai", "amu"),
    ("second", True): ("os", "as", "ų", "uose", "ozd", "oms", "amis"),
}
ADJECTIVES: dict[tuple[Gender, bool], tuple[str, ...]] = {
    ("first", False): ("as", "ąn", "eg", "ėm", "egd", "amov", "ym"),
    ("first", True): ("ie", "ius", "yg", "yš", "ygd", "yms", "ymis"),
    ("second", False): ("ė", "ę", "ios", "ioj", "iozd", "iai", "iumi"),
    ("second", True): ("ės", "es", "yg", "iose", "ygd", "ėms", "ėmis"),
}
IN_PLURALS = str.maketrans("aou", "äöü")
IN_THE_PAST = str.maketrans("aeo", "ėiu")


class Fusional(Grammar):
    """Agreeing adjectives before their noun, the owner after it; subject, verb, object."""

    VERBS: ClassVar = {
        Tense.PRESENT: ("at", "ant"),
        Tense.PAST: ("ęl", "ęli"),
        Tense.FUTURE: ("us", "uši"),
        Tense.REQUEST: ("ky", "kyte"),
    }
    ASPECTS: ClassVar = {Aspect.PLAIN: "", Aspect.COMPLETED: "su", Aspect.REPEATED: "žė"}
    NOT, ALSO, OWNED = "nė", "gi", "sav"

    @property
    def function_words(self) -> frozenset[str]:
        """The particles, and the stem of the possessive."""
        return frozenset([self.NOT, self.ALSO, self.OWNED])

    def phrase(self, phrase: Phrase, case: Case) -> list[Word]:
        """Return the phrase with every word of it declined."""
        if isinstance(phrase, ProperName):
            return name_words(phrase, [decline(part, case, plural=False) for part in phrase.parts])
        gender, plural = phrase.noun.gender, phrase.plural
        before = [self.OWNED] if phrase.owned else []
        before += [phrase.adjective] if phrase.adjective else []
        agreeing = [stem + ADJECTIVES[gender, plural][CASES.index(case)] for stem in before]
        number = [phrase.number] if phrase.number else []
        also = [self.ALSO] if phrase.also else []
        owner = self.phrase(phrase.owner, Case.OF) if phrase.owner else []
        return plain([*also, *number, *agreeing, decline(phrase.noun, case, plural)]) + owner

    def verb(self, clause: Clause, plural: bool) -> list[str]:
        """Return the verb with its prefix of aspect, its vowel of tense, and its ending of tense and number."""
        stem = change_last_vowel(clause.verb, IN_THE_PAST) if clause.tense is Tense.PAST else clause.verb
        form = self.ASPECTS[clause.aspect] + stem + self.VERBS[clause.tense][plural]
        return [self.NOT, form] if clause.negated else [form]

    def order(self, parts: ClauseParts) -> list[Word]:
        """Return subject, verb, object, and the rest."""
        return parts.subject + parts.verb + parts.object + parts.obliques


def decline(noun: Noun, case: Case, plural: bool) -> str:
    """Return a noun's form."""
    stem = change_last_vowel(noun.stem, IN_PLURALS) if plural else noun.stem
    return stem + NOUNS[noun.gender, plural][CASES.index(case)]


def change_last_vowel(stem: str, vowels: dict[int, int]) -> str:
    """Return the stem with its last vowel changed, where that vowel changes at all."""
    for position in range(len(stem) - 1, 0, -1):
        if ord(stem[position]) in vowels:
            return stem[:position] + stem[position].translate(vowels) + stem[position + 1 :]
    return stem
