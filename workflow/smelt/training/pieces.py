"""Properties of every piece of a vocabulary that packing and masking need, as tables indexed by token id.

A piece of byte-level BPE is a word over 256 letters that each stand for a byte of UTF-8 (Radford et al. 2019):
printable bytes of Latin-1 stand for themselves, the others are code points from U+0100 on (GPT-2's encoder.py).
The text of a piece shows whether it begins a word: punctuation does (ALBERT's rule), and so do pieces of scripts
without spaces.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import decoders, models

from smelt.errors import SmeltError
from smelt.model_folder import read_tokenizer

BLANK = "Ġ"

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
_BYTES = {chr(byte): byte for byte in _PRINTABLE} | {chr(0x100 + place): byte for place, byte in enumerate(_OTHERS)}
_ESCAPED = 0xDC00  # Python's code points for bytes that are not valid text start here


def is_byte_level(tokenizer: Any) -> bool:
    """Return whether a fast tokenizer is byte-level."""
    return isinstance(tokenizer.backend_tokenizer.decoder, decoders.ByteLevel)


def bytes_of(piece: str) -> bytes:
    """Return the bytes of a piece; characters that are no byte's letter, as in added tokens, stand for themselves."""
    return b"".join(bytes([_BYTES[letter]]) if letter in _BYTES else letter.encode() for letter in piece)


def readable(piece: str) -> str:
    """Return a readable piece: `Ġcafé`, not `ĠcafÃ©`; a byte that is part of a character becomes `<0xC3>`."""
    text = bytes_of(piece).decode(errors="surrogateescape").replace(" ", BLANK)
    escaped = range(_ESCAPED + 0x80, _ESCAPED + 0x100)
    return "".join(f"<0x{ord(letter) - _ESCAPED:02X}>" if ord(letter) in escaped else letter for letter in text)


def first_characters(text: bytes) -> range:
    """Return the code points that UTF-8 text, cut anywhere, may begin with: one, many, or none within a character."""
    if not text or not (text[0] < 0x80 or 0xC2 <= text[0] < 0xF5):
        return range(0)
    length = 1 + sum(text[0] >= lead for lead in (0xC2, 0xE0, 0xF0))
    known = text[:length]
    value = known[0] if length == 1 else known[0] & (0xFF >> (length + 1))
    for byte in known[1:]:
        value = value << 6 | byte & 0x3F
    missing = 6 * (length - len(known))
    return range(value << missing, min((value + 1) << missing, 0x110000))


SPACE = "▁"  # SentencePiece's mark of a word's beginning

# In these scripts a piece is the closest thing to a word.
UNSPACED = {"CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN", "JAVANESE", "BALINESE"}


def word_starts(tokenizer: Any, texts: list[str]) -> list[bool]:
    """Return for each piece of a fast tokenizer, given as texts in the order of ids, whether it begins a word.

    Raises:
        SmeltError: the pieces mark neither beginnings nor continuations of words.
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


Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Pieces:
    """A vocabulary's special ids and its tables, each of shape (vocabulary,)."""

    size: int
    padding: int
    unknown: int
    classification: int
    separator: int
    mask: int
    digest: str
    """Digest of everything that decides how text becomes ids."""
    special: Flags
    word_start: Flags
    """Pieces that begin a word; punctuation does (ALBERT's rule), and so do pieces of scripts without spaces."""

    @property
    def dtype(self) -> type[np.uint16] | type[np.uint32]:
        """The narrowest type for token ids: 16 bits up to 65,535 pieces."""
        return np.uint16 if self.size <= 65_535 else np.uint32

    @property
    def ordinary(self) -> NDArray[np.int64]:
        """Ids of the pieces that are not special, ascending."""
        return np.flatnonzero(~self.special)


def load_tokenizer(folder: Path) -> Any:
    """Return the fast tokenizer of a folder, which reads a special piece that a text spells out as text.

    Raises:
        SmeltError: the folder has no tokenizer, or one without the five special tokens of pretraining.
    """
    tokenizer = read_tokenizer(folder)
    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    missing = [role for role in roles if getattr(tokenizer, f"{role}_id") is None]
    if missing or not tokenizer.is_fast:
        raise SmeltError(folder, f"expected a fast tokenizer with {', '.join(roles)}; lacks {', '.join(missing)}")
    return tokenizer


def pieces_of(tokenizer: Any) -> Pieces:
    """Return the tables of a fast tokenizer.

    Raises:
        SmeltError: the pieces do not show where words begin (see `word_starts`).
    """
    texts = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    special = np.zeros(len(texts), dtype=bool)
    special[list(tokenizer.all_special_ids)] = True
    return Pieces(
        size=len(texts),
        padding=tokenizer.pad_token_id,
        unknown=tokenizer.unk_token_id,
        classification=tokenizer.cls_token_id,
        separator=tokenizer.sep_token_id,
        mask=tokenizer.mask_token_id,
        digest=hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest(),
        special=special,
        word_start=special | np.array(word_starts(tokenizer, texts), dtype=bool),
    )
