"""Lines as blocks: which lines of a text are worth a block of their own, as DistilBERT's code has it.

There a line is a paragraph, one that is longer than a block goes on in further blocks, and lines that say too little
are left out: the shortest ones, and those that are unknown pieces for a good part. What is left out is counted.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]

SPECIAL_OF_A_LINE = 2  # [CLS] line [SEP]
TOO_SHORT = 11  # tokens of a line that is left out, special ones included, at the most
TOO_UNKNOWN = 0.5  # share of unknown pieces among them of a line that is left out, at the least


@dataclass(frozen=True)
class Lines:
    """The lines that are kept, one after the other, with where each and where each document begins."""

    ids: Ids
    documents: Ids
    starts: Ids
    left_out: dict[str, int]
    """Lines that were left out, and tokens of them: all (dropped), and for each reason."""


def kept_lines(ids: Ids, documents: Ids, starts: Ids, content: int, unknown: int) -> Lines:
    """Return the lines of some documents that are kept, cut to `content` tokens each, the rest being lines of its own.

    Args:
        ids: of all documents, shape (tokens,).
        documents: where documents begin, ascending.
        starts: where lines begin, ascending, those at the beginning of a document included.
        content: most tokens of a line, special ones not counted.
        unknown: id of the unknown piece.
    """
    starts = cut(starts, len(ids), content)
    lengths = np.diff(starts, append=len(ids))
    unknowns = np.add.reduceat(ids == unknown, starts, dtype=np.int64) if len(starts) else lengths
    whole = lengths + SPECIAL_OF_A_LINE
    short = whole <= TOO_SHORT
    strange = ~short & (unknowns >= TOO_UNKNOWN * whole)
    kept = ~(short | strange)
    begins = np.cumsum(np.append(0, lengths[kept]))[:-1]
    document = np.searchsorted(documents, starts[kept], side="right")
    _, firsts = np.unique(document, return_index=True)
    left_out = {"dropped": int(lengths[~kept].sum())}
    for reason, lines in (("short", short), ("unknown", strange)):
        left_out |= {f"{reason}_lines": int(lines.sum()), f"{reason}_line_tokens": int(lengths[lines].sum())}
    return Lines(ids[np.repeat(kept, lengths)], begins[firsts], begins, left_out)


def cut(starts: Ids, end: int, content: int) -> Ids:
    """Return where lines begin when those longer than `content` tokens go on in further ones; `end` is the last's."""
    lengths = np.diff(starts, append=end)
    pieces = -(-lengths // content)
    within = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    return np.asarray(np.repeat(starts, pieces) + content * within, np.int64)
