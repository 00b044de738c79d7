"""Decide whether lines may be cut at blanks before they are tokenised, so that each word is tokenised only once.

A word's pieces depend on the word alone where the normaliser works character by character (or grapheme by grapheme),
the pre-tokenizer cuts at blanks, and the model sees one such part at a time. This is known for the kinds listed here
and not assumed for others. Words that do depend on their neighbours (they begin with a combining mark, hold an added
token, lie between two blanks) are found one by one: their lines have to be tokenised whole.
"""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from tokenizers import Tokenizer

Flags = NDArray[np.bool_]
Tree = dict[str, Any]
"""A tokenizer, as its tokenizer.json holds it."""

BLANK_CUTTERS = {"BertPreTokenizer", "Whitespace", "WhitespaceSplit"}
"""Pre-tokenizers that cut at every blank and keep none, so that runs of blanks do not matter."""
WITHIN = {"Punctuation", "Digits", *BLANK_CUTTERS}
"""Pre-tokenizers that may follow them: they cut within a part by its characters alone."""
LOCAL = {"BertNormalizer", "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Strip", "Nmt", "Precompiled"}
"""Normalisers that read no character beyond a blank; Strip touches the ends only."""
LOCAL_PATTERNS = re.compile(r" \{2,\}|\[[^\[\]]*\]")
"""Replaced patterns that read no character beyond a blank either: runs of blanks, single characters of a class."""
# Letters that form a grapheme with a blank before them (SpacingMark and Extend of Unicode's annex 29), or behind them
# (Prepend); marks, modifiers and format characters, which may as well, are recognised by their categories.
JOINING_BEFORE = {0x0E33, 0x0EB3, 0xFF9E, 0xFF9F}
JOINING_BEHIND = {0x0D4E, 0x111C2, 0x111C3, 0x113D1, 0x1193F, 0x11941, 0x11A3A, 0x11D46, 0x11F02}
JOINING_BEHIND |= set(range(0x11A84, 0x11A8A))
# Format characters that form a grapheme with nothing (Control there): soft hyphen, zero-width space, directions, BOM.
SEPARATE = {0xAD, 0x61C, 0x200B, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF} - {0x2065}


@dataclass
class Splitting:
    """How a tokenizer's lines are cut at blanks, and which words may be tokenised apart."""

    tokenizer: Tokenizer
    added: tuple[str, ...]
    """Spellings of added tokens, which no word may hold."""
    glue: str = ""
    """The text before a word that is tokenised apart: nothing, or the blank that belongs to it."""
    bare_start: bool = False
    """Whether the first word of a line lacks it."""
    blank_runs: bool = False
    """Whether an empty word, between two blanks, is ignored."""
    mark: str = ""
    """The pre-tokenizer's character for a blank; a word may not begin or end with it."""
    only_marks: bool = False
    """Whether that is all it does, so that it leaves a word whole that does not hold the mark."""
    by_grapheme: bool = False
    """Whether the normaliser reads graphemes, not characters."""
    replaced: frozenset[str] = frozenset()
    """Characters that no unchanged word holds: those of longer patterns that the normaliser replaces, and the mark."""
    _unchanged: dict[str, bool] = field(default_factory=dict)
    _beginnings: dict[str, bool] = field(default_factory=dict)
    _ends: dict[str, bool] = field(default_factory=dict)

    def alone(self, texts: Any) -> Flags:
        """Return which of some words, with their glue, an Arrow array, have the same pieces in every line.

        Most words begin and end in letters that are known by now; the others are looked at one by one.
        """
        words = (
            texts
            if not self.glue
            else pc.if_else(pc.starts_with(texts, self.glue), pc.utf8_slice_codeunits(texts, len(self.glue)), texts)
        )
        firsts, lasts = pc.utf8_slice_codeunits(words, 0, 1), pc.utf8_slice_codeunits(words, -1)
        fits = _of_each_letter(firsts, self._may_begin) & _of_each_letter(lasts, self._may_end)
        if self.by_grapheme:
            fits &= pc.string_is_ascii(words).to_numpy(zero_copy_only=False)
        doubtful = np.flatnonzero(~fits)
        fits[doubtful] = [self._fits(word) for word in words.take(pa.array(doubtful)).to_pylist()]
        if self.added:
            added = pc.match_substring_regex(texts, "|".join(map(re.escape, self.added)))
            fits &= ~added.to_numpy(zero_copy_only=False)
        return fits

    def are_unchanged(self, texts: Any) -> Flags:
        """Return which of some texts, an Arrow array, the normaliser leaves as they are by every character.

        Most new words are of small letters alone. They need no normaliser, which takes a third of the time.
        """
        changed = [letter for letter in set("".join(texts.to_pylist())) if not self._is_unchanged(letter)]
        if not changed:
            return np.ones(len(texts), dtype=bool)
        found = pc.match_substring_regex(texts, f"[{re.escape(''.join(changed))}]")
        return np.asarray(~found.to_numpy(zero_copy_only=False))

    def _is_unchanged(self, letter: str) -> bool:
        """Return whether a character stays what it is in all company: a letter or number that nothing composes with."""
        known = self._unchanged.get(letter)
        if known is None:
            single = letter.isascii() or (letter.isalnum() and not _is_joining(letter))
            fits = single and letter not in self.replaced
            around = f"x{letter}x {letter}"
            known = self._unchanged[letter] = fits and self._normalise(around) == around
        return known

    def _fits(self, word: str) -> bool:
        if not word:
            return self.blank_runs
        last = word[-1]
        if not last.isalnum():  # marks go with the letter before them
            last = next((letter for letter in reversed(word) if unicodedata.category(letter)[0] != "M"), " ")
        if not (self._may_begin(word[0]) and self._may_end(last)):
            return False
        return not self.by_grapheme or word.isascii() or self._is_kept_apart(word)

    def _may_begin(self, letter: str) -> bool:
        known = self._beginnings.get(letter)
        if known is None:
            fits = _is_seen(letter) and unicodedata.category(letter) != "Sk" and ord(letter) not in JOINING_BEFORE
            known = self._beginnings[letter] = fits and self._is_kept_apart(letter)
        return known

    def _may_end(self, letter: str) -> bool:
        known = self._ends.get(letter)
        if known is None:
            fits = _is_seen(letter) and ord(letter) not in JOINING_BEHIND
            known = self._ends[letter] = fits and self._is_kept_apart(letter)
        return known

    def _is_kept_apart(self, text: str) -> bool:
        """Return whether the normaliser gives the same for a text beside blanks, and adds none where that matters."""
        normalised = self._normalise(text)
        if not self.blank_runs and normalised.strip().strip(self.mark or None) != (normalised or None):
            return False
        return self._normalise(f"x {text} x") == f"{self._normalise('x')} {normalised} {self._normalise('x')}"

    def _normalise(self, text: str) -> str:
        normalizer = self.tokenizer.normalizer
        return text if normalizer is None else str(normalizer.normalize_str(text))


def splitting_of(tokenizer: Tokenizer, tree: Tree) -> Splitting | None:
    """Return how lines may be cut, or None where that is not known to be exact.

    Args:
        tokenizer: of the tokenizers library.
        tree: the same, as its tokenizer.json would hold it.
    """
    normalizers = _parts(tree["normalizer"], "normalizers")
    added = tree["added_tokens"]
    unknown = (
        any(re.search(r"\s", token["content"]) for token in added)
        or (normalizers and any(token["normalized"] for token in added))
        or not all(_is_local(part) for part in normalizers)
        or tree["model"].get("dropout")
        or _lacks_ids(tree["model"]["vocab"])
    )
    kinds = {part["type"] for part in normalizers}
    places = _places(_parts(tree["pre_tokenizer"], "pretokenizers"))
    if unknown or places is None or (places.get("glue") and "Strip" in kinds):
        return None
    spellings = tuple(token["content"] for token in added if token["content"])
    patterns = [part["pattern"].get("String", "") for part in normalizers if "pattern" in part]
    replaced = frozenset("".join([*patterns, places.get("mark", "")]))
    return Splitting(tokenizer, spellings, by_grapheme="Precompiled" in kinds, replaced=replaced, **places)


def _lacks_ids(vocabulary: dict[str, int] | list[Any]) -> bool:
    """Return whether ids are left out, as where a line stands twice in a vocab.txt.

    A token that is added, such as the one that separates words, may then get the id of a piece.
    """
    return isinstance(vocabulary, dict) and max(vocabulary.values(), default=-1) >= len(vocabulary)


def _places(parts: list[Tree]) -> dict[str, Any] | None:
    """Return what a pre-tokenizer makes of blanks, as fields of Splitting."""
    kinds = [part["type"] for part in parts]
    if kinds == ["ByteLevel"] and parts[0].get("use_regex", True):
        return {"glue": " ", "bare_start": not parts[0]["add_prefix_space"]}
    if kinds and kinds[-1] == "Metaspace" and parts[-1].get("split", True):
        cut_before = bool(kinds[:-1]) and _cuts_at_blanks(kinds[:-1])
        if parts[-1].get("prepend_scheme") == "always" and (cut_before or len(kinds) == 1):
            return {"mark": parts[-1]["replacement"], "only_marks": len(kinds) == 1, "blank_runs": cut_before}
    return {"blank_runs": True} if _cuts_at_blanks(kinds) else None


def _cuts_at_blanks(kinds: list[str]) -> bool:
    return bool(kinds) and kinds[0] in BLANK_CUTTERS and set(kinds) <= WITHIN


def _parts(tree: Tree | None, name: str) -> list[Tree]:
    """Return the steps of a normaliser or pre-tokenizer, one after the other."""
    if tree is None:
        return []
    if tree["type"] == "Sequence":
        return [step for part in tree[name] for step in _parts(part, name)]
    return [tree]


def _is_local(part: Tree) -> bool:
    if part["type"] != "Replace":
        return part["type"] in LOCAL
    content, pattern = part["content"], part["pattern"]
    if "String" in pattern:
        return content == content.strip() != "" and not re.search(r"\s", pattern["String"])
    return bool(LOCAL_PATTERNS.fullmatch(pattern["Regex"])) and content == " "


def _of_each_letter(letters: Any, holds: Callable[[str], bool]) -> Flags:
    """Return whether a condition holds of each letter of an Arrow array, computed once for each different one."""
    encoded = letters.dictionary_encode()
    found = [bool(letter) and holds(letter) for letter in encoded.dictionary.to_pylist()]
    return np.asarray(np.array(found, dtype=bool)[encoded.indices.to_numpy()])


def _is_seen(letter: str) -> bool:
    """Return whether it is a letter, number, punctuation mark or symbol, or separate as these are."""
    return unicodedata.category(letter)[0] in "LNPS" or ord(letter) in SEPARATE


def _is_joining(letter: str) -> bool:
    """Return whether a letter may form a grapheme with, or be composed with, another one: jamo and a few others."""
    jamo = unicodedata.name(letter, "").startswith(("HANGUL CHOSEONG", "HANGUL JUNGSEONG", "HANGUL JONGSEONG"))
    return jamo or unicodedata.category(letter) == "Lm" or ord(letter) in JOINING_BEFORE | JOINING_BEHIND
