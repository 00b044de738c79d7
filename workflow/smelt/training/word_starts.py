"""Which pieces of a vocabulary begin a word, told by the pieces alone.

Punctuation does (ALBERT's rule), and so do pieces of scripts without spaces between words.
"""

import unicodedata
from functools import cache
from typing import Any

from tokenizers import models

from smelt.errors import SmeltError
from smelt.training.byte_level import BLANK, bytes_of, first_characters, is_byte_level

SPACE = "▁"  # SentencePiece's mark of a word's beginning

# There a piece is the nearest thing to a word.
UNSPACED = {"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "JAVANESE", "BALINESE"}


def word_starts(tokenizer: Any, texts: list[str]) -> list[bool]:
    """Return for each piece of a fast tokenizer, given as texts in the order of ids, whether it begins a word.

    Raises:
        SmeltError: pieces of a kind that marks neither beginnings nor continuations of words.
    """
    model = tokenizer.backend_tokenizer.model
    if is_byte_level(tokenizer):
        return [text.startswith(BLANK) or _begins(first_characters(bytes_of(text))) for text in texts]
    if isinstance(model, models.WordPiece):
        mark = model.continuing_subword_prefix
        return [not text.startswith(mark) or _begins(_first(text.removeprefix(mark))) for text in texts]
    if any(text.startswith(SPACE) for text in texts):
        return [text.startswith(SPACE) or _begins(_first(text)) for text in texts]
    raise SmeltError(
        "tokenizer", "expected pieces marked with ▁ (SentencePiece), ## (WordPiece) or Ġ (byte-level BPE); found none"
    )


def _first(text: str) -> range:
    return range(ord(text[0]), ord(text[0]) + 1) if text else range(0)


@cache
def _begins(characters: range) -> bool:
    """Return whether most of the characters that a piece may begin with begin a word; only assigned ones count.

    A byte-level piece may be the first bytes of one of many characters, nearly always all of one script.
    """
    assigned = [chr(point) for point in characters if unicodedata.name(chr(point), "")]
    return 2 * sum(map(_is_start, assigned)) > len(assigned)


def _is_start(character: str) -> bool:
    return unicodedata.name(character).split(" ")[0] in UNSPACED or unicodedata.category(character)[0] in "PS"
