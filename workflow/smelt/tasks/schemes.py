"""Labels of spans: from IOB1, IOB2, BILOU and IOBES to IOB2, the one scheme of every task inside smelt.

IOB2 marks the first word of a span B-type and the others I-type (Tjong Kim Sang and Veenstra 1999); IOB1 writes B only
where two spans of a type touch; BILOU also marks last words and spans of one word (Ratinov and Roth 2009). IOBES and
BIOES are the same scheme with other letters: E for L and S for U.

Sequences that break their scheme are repaired as the conlleval script reads them: a word continues a span of its type
if one is open, and otherwise begins a new span. Every repaired word is counted.
"""

from collections.abc import Sequence

from smelt.errors import quote

PREFIXES = {"iob1": "BI", "iob2": "BI", "bilou": "BILUES", "iobes": "BIES", "bioes": "BIES"}
_LETTERS = {"E": "L", "S": "U"}  # IOBES's to BILOU's, which reads both: no letter has two meanings


class ImpossibleTagError(ValueError):
    """A tag that the scheme does not have; `position` counts from 0."""

    def __init__(self, position: int, tag: str, scheme: str) -> None:
        """Keep its position."""
        self.position = position
        allowed = ", ".join(f"{prefix}-type" for prefix in PREFIXES[scheme])
        super().__init__(f"impossible tag {quote(tag)}: {scheme.upper()} has O, {allowed}")


def convert_to_iob2(tags: Sequence[str], scheme: str) -> tuple[list[str], int]:
    """Return the tags in IOB2 and how many of them broke their own scheme.

    Raises:
        ImpossibleTagError: a tag that is neither O nor one of the scheme's prefixes with a type.
    """
    converted: list[str] = []
    repaired = 0
    previous, previous_type = "O", ""
    for position, tag in enumerate(tags):
        prefix, kind = _split_tag(position, tag, scheme)
        begins, broken = _RULES[scheme](prefix, previous, kind == previous_type)
        repaired += broken
        converted.append("O" if prefix == "O" else f"{'B' if begins else 'I'}-{kind}")
        previous, previous_type = prefix, kind
    if _RULES[scheme] is _check_bilou and previous in ("B", "I"):
        repaired += 1
    return converted, repaired


def _split_tag(position: int, tag: str, scheme: str) -> tuple[str, str]:
    if tag == "O":
        return "O", ""
    prefix, separator, kind = tag.partition("-")
    if not separator or not kind or len(prefix) != 1 or prefix not in PREFIXES[scheme]:
        raise ImpossibleTagError(position, tag, scheme)
    return _LETTERS.get(prefix, prefix), kind


def _check_iob1(prefix: str, previous: str, same: bool) -> tuple[bool, bool]:
    """Return whether the word begins a span, and whether its tag breaks the scheme: a B after no span of its type."""
    inside = previous != "O" and same
    return prefix == "B" or not inside, prefix == "B" and not inside


def _check_iob2(prefix: str, previous: str, same: bool) -> tuple[bool, bool]:
    """Return whether the word begins a span, and whether its tag breaks the scheme: an I that continues no span."""
    lost = prefix == "I" and not (previous != "O" and same)
    return prefix == "B" or lost, lost


def _check_bilou(prefix: str, previous: str, same: bool) -> tuple[bool, bool]:
    """Return whether the word begins a span, and whether its tag breaks the scheme: a span unclosed or never opened."""
    open_span = previous in ("B", "I")
    goes_on = prefix in ("I", "L") and open_span and same
    return not goes_on, (prefix in ("I", "L") or open_span) and not goes_on


_RULES = {"iob1": _check_iob1, "iob2": _check_iob2, "bilou": _check_bilou, "iobes": _check_bilou, "bioes": _check_bilou}
