"""The three languages of the demo, each under a private-use code of ISO 639: sounds, grammar, how names are built."""

import random
from dataclasses import dataclass

from smelt.demo.grammar import Gender, Grammar, Noun
from smelt.demo.grammars import Agglutinative, Fusional, Isolating
from smelt.errors import SmeltError


@dataclass(frozen=True)
class Phonology:
    """Onsets, vowels and codas; an empty coda makes an open syllable, a repeated sound is more frequent.

    Attributes:
        vowels: classes of vowels; all vowels of a root come from one class (vowel harmony), or from the only one.
        lengths: numbers of syllables that a root may have.
        closed: whether a root's last syllable must end in a consonant, as stems that take endings do.
    """

    onsets: tuple[str, ...]
    vowels: tuple[tuple[str, ...], ...]
    codas: tuple[str, ...]
    lengths: tuple[int, ...]
    closed: bool = False

    def root(self, chance: random.Random) -> str:
        """Return one root."""
        vowels = chance.choice(self.vowels)
        syllables = [self._syllable(chance, vowels) for _ in range(chance.choice(self.lengths))]
        if self.closed and syllables[-1][-1] in vowels:
            syllables[-1] += chance.choice([coda for coda in self.codas if coda])
        return "".join(syllables)

    def _syllable(self, chance: random.Random, vowels: tuple[str, ...]) -> str:
        return chance.choice(self.onsets) + chance.choice(vowels) + chance.choice(self.codas)


def new_root(phonology: Phonology, chance: random.Random, taken: set[str]) -> str:
    """Return a root that is not taken yet, and take it; after 20 failures, a compound of two roots."""
    for attempt in range(1_000):
        root = phonology.root(chance)
        if attempt > 20:
            root += phonology.root(chance)
        if root not in taken:
            taken.add(root)
            return root
    raise ValueError("the phonology has too few roots for its lexicon")


@dataclass(frozen=True)
class Naming:
    """Turns roots into names; some suffixes are as transparent as "river" in places and "son of" in families.

    Attributes:
        given: endings of given names, with the gender they carry.
        family: suffixes of family names; the empty one leaves a bare root.
        places: suffixes of places; the empty one leaves a bare root.
        brands: suffixes of organisations that are one word.
        apart: whether suffixes are words of their own.
    """

    given: tuple[tuple[str, Gender], ...]
    family: tuple[tuple[str, Gender], ...]
    places: tuple[tuple[str, Gender], ...]
    brands: tuple[str, ...]
    apart: bool = False

    def build(self, root: str, suffix: tuple[str, Gender]) -> tuple[Noun, ...]:
        """Return a name's nouns: the root with its suffix, or the two side by side."""
        ending, gender = suffix
        if self.apart and ending:
            return (Noun(root.title()), Noun(ending.title()))
        return (Noun(root.title() + ending, gender),)


@dataclass(frozen=True, eq=False)
class InventedLanguage:
    """A language and its wiki's local words.

    Attributes:
        namespaces: local names of the wiki's namespaces by number.
    """

    code: str
    label: str
    grammar: Grammar
    phonology: Phonology
    naming: Naming
    namespaces: dict[int, str]

    @property
    def wiki(self) -> str:
        """The wiki's database name."""
        return f"{self.code}wiki"


def _namespaces(*names: str) -> dict[int, str]:
    return dict(zip((1, 2, 3, 4, 6, 8, 10, 12, 14, 828), names, strict=True))


LANGUAGES = {
    "qaa": InventedLanguage(
        code="qaa",
        label="Tavo",
        grammar=Isolating(),
        phonology=Phonology(
            onsets=(*"ptkbdgmnlshwy", "ch"),
            vowels=(tuple("aeiou"),),
            codas=("", "", "n", "l", "k", "m"),
            lengths=(1, 1, 1, 2),
        ),
        naming=Naming(
            given=(("a", "second"), ("in", "first"), ("", "first")),
            family=(("bo", "first"), ("sen", "first"), ("", "first")),
            places=(("tor", "first"), ("lum", "first"), ("", "first"), ("wesh", "first")),
            brands=("kor", "mex"),
            apart=True,
        ),
        namespaces=_namespaces(
            "Kol", "Jin", "Jin kol", "Wikipedia", "Pik", "MediaWiki", "Mola", "Yuda", "Bunch", "Module"
        ),
    ),
    "qab": InventedLanguage(
        code="qab",
        label="ქელდო",
        grammar=Agglutinative(),
        phonology=Phonology(
            onsets=tuple("ბდგკლმნრსტშჩყზ"),
            vowels=(("ა", "ო", "უ"), ("ე", "ი", "ჷ")),
            codas=("", "", "", "ლ", "რ", "ნ", "კ"),
            lengths=(2, 2, 3),
        ),
        naming=Naming(
            given=(("ჯა", "second"), ("ჯო", "first"), ("", "first")),
            family=(("ტური", "first"), ("ფა", "first"), ("", "first")),
            places=(("ვარო", "first"), ("ხევი", "first"), ("", "first"), ("პოლა", "first")),
            brands=("ექსო", "ინტა"),
        ),
        namespaces=_namespaces(
            "განხილვა", "მომხმარებელი", "მომხმარებლის განხილვა", "ვიკიპედია", "ფაილი", "მედიავიკი",
            "თარგი", "დახმარება", "კატეგორია", "მოდული",
        ),
    ),
    "qac": InventedLanguage(
        code="qac",
        label="Žervija",
        grammar=Fusional(),
        phonology=Phonology(
            onsets=(*"bčdgklmnprsštvzž", "br", "dr", "gr", "kl", "st", "tr"),
            vowels=((*"aeiou", "ū"),),
            codas=("", "", "n", "r", "l", "v", "s"),
            lengths=(1, 2, 2),
            closed=True,
        ),
        naming=Naming(
            given=(("in", "second"), ("il", "second"), ("", "first"), ("mir", "first")),
            family=(("ovič", "first"), ("sk", "second"), ("", "first")),
            places=(("grad", "first"), ("išk", "second"), ("", "second"), ("vest", "first")),
            brands=("eks", "prom"),
        ),
        namespaces=_namespaces(
            "Kalba", "Nauder", "Nauder kalba", "Vikipeda", "Vaizd", "MediaWiki", "Šablon", "Pagelb", "Kategor", "Modul"
        ),
    ),
}  # fmt: skip


def language_of(code: str) -> InventedLanguage:
    """Return a language of the demo.

    Raises:
        SmeltError: the demo has no such language.
    """
    if code not in LANGUAGES:
        raise SmeltError(code, f"the demo has no such language; expected one of {', '.join(LANGUAGES)}")
    return LANGUAGES[code]
