"""Sentences of text in any script: where they end, by punctuation and by what a language abbreviates.

Two kinds of signs end sentences. Some do so wherever they stand: the ideographic full stop, the dandas, the Armenian,
Ethiopic, Burmese, Khmer and Urdu full stops. Others (. ! ? …) need a blank after them, and end nothing before a small
letter (in text that has capitals), after an abbreviation, an initial or an ordinal, or within parentheses. Thai and Lao
have no full stop: their sentences end at blanks, and so do their phrases. In Thai some words say that one goes on.

The cut loses nothing: the sentences of a text, joined, are the text. docs/corpora.md has its agreement with treebanks.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from smelt.languages import iso_codes

SENTENCES_VERSION = 3
"""Raised when sentences end elsewhere; then blocks that are packed of sentences are made again."""
ALWAYS = frozenset("。！？｡।॥։።፧፨။។៕۔")
"""These end sentences with or without a blank after them."""
DOUBLED = "፡"
"""What lies between words in Ethiopic; two end a sentence."""
BEFORE_BLANK = ".!?…؟‼⁇⁈⁉"
"""These end sentences if a blank follows; ! and ? do so without one in Chinese and Japanese."""
ALSO = {"el": ";\u037e", "hy": ":"} | dict.fromkeys(("as", "bn", "hi", "mr", "ne", "sa"), "|")
"""These end sentences before a blank in some languages: the Greek question mark, and full stops typed as what is like
them."""
CLOSING = "\"'”’“»›)\\]}」』】）》〉"
OPENING = "\"'“”‘’„‚«»‹›([{¿¡–—-−•*「『【（《〈 "
ORDINALS = frozenset(
    "cs da de et eu fi fo hr hu is lb lv nb nn sk sl sr tr".split()  # noqa: SIM905 - codes read better unquoted
)
"""Languages that write ordinal numbers with a full stop."""
PARTICLES = frozenset("とのをがにはもでと、")
"""What continues a sentence after a quotation in Japanese."""
PARENTHESIS = 200
"""Characters after which an open parenthesis is taken for one that nobody closed."""
WORD = 30
"""Characters before a full stop among which its word is looked for."""
PHRASE = 20
"""Characters that a Thai sentence has at least."""

THAI_GOES_ON = "และ|หรือ|ที่|อัน|เพื่อ|โดย|เช่น|คือ|ของ|กับ|แก่|ด้วย|จึง|ก็|จะ|ยัง|ให้|ได้|ๆ|เป็นต้น"
"""What continues a Thai sentence after a blank: and, or, that, which, in order to, by, such as, is, of, with, to, also,
so, then, will, still, for, may, the sign of a word said twice, et cetera."""
THAI_WANTS_MORE = "ว่า|คือ|เช่น|ได้แก่|กับ|ใน|ของ|ถึง|และ|หรือ|ชื่อ"
"""What ends no Thai sentence before a blank: that, is, such as, namely, with, in, of, to, and, or, named."""

_THAI = "\u0e01-\u0eff"  # Lao included
_LAST_WORD = re.compile(r"[^\s\"'“”‘’„«»‹›()\[\]{}/–—,;:·+=-]*\Z")
_ROMAN = re.compile(r"[IVX]{1,6}\Z")
_AFTER_NUMBER = re.compile(r"[0-9IVX]\s*\Z")


def sentences_of(text: str, language: str = "") -> list[str]:
    """Return the sentences of a text, each with the blanks after it; joined, they are the text.

    Args:
        text: a paragraph or several: a newline ends a sentence.
        language: its code, which says what is an abbreviation (abbreviations.txt); a variety has those of its language.
    """
    ends = _rules(language).ends(text)
    if not ends:
        return [text] if text else []
    sentences, begin = [], 0
    for end in ends:
        sentences.append(text[begin:end])
        begin = end
    sentences.append(text[begin:])
    return sentences


def sentence_ends(text: str, language: str = "") -> list[int]:
    """Return where a sentence ends and the next one begins, ascending; neither 0 nor the end of the text."""
    return _rules(language).ends(text)


@dataclass(frozen=True)
class _Rules:
    """What ends sentences in a language."""

    language: str
    end: re.Pattern[str]
    """Signs and what belongs to the sentence after them; its groups are the signs, and the blanks at the end."""
    abbreviations: frozenset[str]
    before_numbers: frozenset[str]
    """Abbreviations if a number follows."""

    longest: int
    """Letters of the longest abbreviation or Roman number."""

    def ends(self, text: str) -> list[int]:
        """Return the ends of sentences."""
        ends, begin = [], 0
        for found in self.end.finditer(text):
            if self._ends(text, begin, found):
                begin = found.end()
                ends.append(begin)
        return ends

    def _ends(self, text: str, begin: int, found: re.Match[str]) -> bool:
        """Return whether the sentence that began at a place ends after signs."""
        signs, blanks = found.groups()
        stop, end = found.span()
        if signs is None:  # a blank in Thai
            return end - begin >= PHRASE
        if signs != ".":
            if signs in ALWAYS and self.language != "ja":
                return True
            if (sure := self._is_sure(text, found)) is not None:
                return sure
        if blanks != " ":
            if "\n" in blanks:
                return True
            if not blanks:
                return False
        following = text[end]
        if following in OPENING:
            following = _following(text, end)
        if following.islower() and not _is_georgian(following) and _has_capitals(text):
            return False
        if "(" in text:
            near = max(begin, stop - PARENTHESIS)
            if text.count("(", near, end) > text.count(")", near, end):
                return False
        return signs != "." or not self._is_short(text, begin, stop, following)

    def _is_sure(self, text: str, found: re.Match[str]) -> bool | None:
        """Return whether a sentence ends after signs that are more than a full stop; None where others decide."""
        signs, blanks = found.groups()
        if "\n" in signs or "\n" in blanks:
            return True
        east_asian = not blanks and _is_east_asian(text, found.start(), signs)
        if east_asian or DOUBLED * 2 in signs or not ALWAYS.isdisjoint(signs):
            return not (self.language == "ja" and text[found.end()] in PARTICLES and found[0][-1] in CLOSING)
        return False if signs == DOUBLED else None

    def _is_short(self, text: str, begin: int, stop: int, following: str) -> bool:
        """Return whether the word before a full stop is an abbreviation, an initial or an ordinal."""
        start = stop - WORD
        if start < begin:
            start = begin
        start = text.rfind(" ", start, stop) + 1 or start
        word = text[start:stop]
        if word.isalpha():
            if len(word) > self.longest and word[0] < "\u0900":
                return False
        else:
            found = _LAST_WORD.search(word)
            if found is None or not found[0]:
                return False
            start, word = start + found.start(), found[0]
            if word.isdecimal():  # the first word of a sentence is the number of a list's item
                return start == begin or (len(word) <= 2 and self.language in ORDINALS)
        if (size := len(word)) <= self.longest:
            lower = word.lower()
            if lower in self.abbreviations or (following.isdecimal() and lower in self.before_numbers):
                return True
        if size == 1:  # an initial; or a unit, which may stand last
            return not (word.islower() and _AFTER_NUMBER.search(text, max(begin, stop - WORD), start))
        if "." in word:
            parts = word.split(".")
            if not word[-1].isdecimal():
                return all(len(part) <= 3 for part in parts)
            is_date = self.language in ORDINALS and all(part.isdecimal() and len(part) <= 2 for part in parts)
            return start == begin or is_date  # the number of a list's item, or two ordinals
        if size <= 6 and self.language in ORDINALS and _ROMAN.match(word):
            return True
        return "\u0900" <= word[0] <= "\u0dff" and _letters(word) <= 2  # in scripts of India: an initial as it sounds


def _letters(word: str) -> int:
    """Return the letters of a word, vowel signs left out."""
    return sum(unicodedata.category(character) == "Lo" for character in word)


@lru_cache(maxsize=1)  # asked again and again about one text
def _has_capitals(text: str) -> bool:
    return text != text.lower()


def _is_georgian(character: str) -> bool:
    """Return whether a letter is Georgian: they count as small, and have no capitals."""
    return "\u10d0" <= character <= "\u10ff"


def _following(text: str, place: int) -> str:
    """Return the first character after a place that opens no quotation, parenthesis or item; "" where there is none."""
    return text[place : place + WORD].lstrip(OPENING)[:1]


def _is_east_asian(text: str, place: int, signs: str) -> bool:
    return signs[-1] in "!?" and place > 0 and "ぁ" <= text[place - 1] <= "鿿"


@cache
def _rules(code: str) -> _Rules:
    [language] = iso_codes([code])
    signs = re.escape("".join(ALWAYS) + DOUBLED + BEFORE_BLANK + ALSO.get(language, "") + "\n")
    closing = rf"[{CLOSING}]*+(?:\s?+(?:»|''|\[[0-9]{{1,3}}\])(?=\s|\[|\Z))*+"  # of a quotation; a reference
    # It begins with one character, which is faster, and lies within the text.
    end = rf"([{signs}][{signs}]*+){closing}(\s*+)(?!\Z)"
    if language in ("th", "lo", ""):
        complete = "".join(f"(?<!{word})" for word in THAI_WANTS_MORE.split("|"))
        end += rf"|(?<=[{_THAI}]){complete} ++(?!{THAI_GOES_ON})(?=[{_THAI}])"
    abbreviations, before_numbers = _abbreviations(language)
    longest = max(6, *map(len, abbreviations | before_numbers))
    return _Rules(language, re.compile(end), abbreviations, before_numbers, longest)


def _abbreviations(language: str) -> tuple[frozenset[str], frozenset[str]]:
    """Return the abbreviations of a language, and those that are one before a number only."""
    everywhere: set[str] = set()
    before_numbers: set[str] = set()
    for line in Path(__file__).with_name("abbreviations.txt").read_text(encoding="utf-8").splitlines():
        code, _, words = line.partition(" ")
        if code in ("*", language):
            always, _, numbers = words.partition(" / ")
            everywhere.update(always.split())
            before_numbers.update(numbers.split())
    return frozenset(everywhere), frozenset(before_numbers)
