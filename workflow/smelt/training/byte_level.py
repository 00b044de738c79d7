"""Pieces of byte-level BPE: words over 256 letters that each stand for a byte of UTF-8 (Radford et al. 2019).

Printable bytes of Latin-1 stand for themselves, the others for the code points from U+0100 on (GPT-2's encoder.py).
"""

from typing import Any

from tokenizers import decoders

BLANK = "Ġ"

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_OTHERS = [byte for byte in range(256) if byte not in _PRINTABLE]
_BYTES = {chr(byte): byte for byte in _PRINTABLE} | {chr(0x100 + place): byte for place, byte in enumerate(_OTHERS)}
_ESCAPED = 0xDC00  # where Python keeps bytes that are no text


def is_byte_level(tokenizer: Any) -> bool:
    """Return whether the pieces of a fast tokenizer are words over bytes."""
    return isinstance(tokenizer.backend_tokenizer.decoder, decoders.ByteLevel)


def bytes_of(piece: str) -> bytes:
    """Return the bytes that a piece stands for; what is no byte's letter, as in added tokens, stands for itself."""
    return b"".join(bytes([_BYTES[letter]]) if letter in _BYTES else letter.encode() for letter in piece)


def shown(piece: str) -> str:
    """Return a piece as people read it: `Ġcafé`, not `ĠcafÃ©`; a byte that is part of a character as `<0xC3>`."""
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
