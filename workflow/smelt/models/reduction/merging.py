"""How byte-pair merging builds one piece from its characters: the pieces on the way are what it cannot do without."""

from collections.abc import Callable
from itertools import pairwise


def pieces_on_the_way(
    symbols: list[str], rank: Callable[[str, str], float | None], joined: Callable[[str, str], str]
) -> list[str] | None:
    """Return every piece that occurs while `symbols` are merged into one, themselves and the last included.

    The lowest rank goes first, of equal ones the leftmost, until no pair has a rank: what both tokenizers and
    SentencePiece do, though they find the next pair faster.

    Args:
        symbols: the characters of one piece.
        rank: a pair's rank, lower first, or None where it does not merge.
        joined: what a pair merges into.

    Returns:
        The pieces, or None where merging ends in more than one: then no text is ever cut into this piece by merging.
    """
    met = list(symbols)
    while len(symbols) > 1:
        ranks = [rank(left, right) for left, right in pairwise(symbols)]
        known = [number for number in ranks if number is not None]
        if not known:
            return None
        place = ranks.index(min(known))
        symbols = [*symbols[:place], joined(symbols[place], symbols[place + 1]), *symbols[place + 2 :]]
        met.append(symbols[place])
    return met
