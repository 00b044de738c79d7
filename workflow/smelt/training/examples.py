"""Rows of text before masking: blocks become [CLS] A [SEP] B [SEP] or [CLS] A [SEP], by a recipe's `sentences`.

order  A and B swapped in a share of the blocks (Lan et al. 2019, section 3.1)
next   B replaced in a share of the blocks by as long a piece of another block (Devlin et al. 2019, section 3.1)
none   one segment; the block has one more token, in place of the second [SEP], so that rows keep their length
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smelt.training.blocks import SPECIAL_TOKENS, TokenBlocks
from smelt.training.pieces import Pieces
from smelt.training.recipes import Recipe

Ids = NDArray[np.int64]
Draws = NDArray[np.float64]
Flags = NDArray[np.bool_]

IGNORED = -100  # torch's label for positions without a loss

SHORTEST = 8  # no block is cut to fewer tokens: with 8, about one is predicted

SPLIT, CHANGE, CUT, OTHER = range(4)  # the uses of a row's draws
DRAWS_PER_ROW = 4


@dataclass(frozen=True)
class Segments:
    """The two segments of each row, one after the other."""

    content: Ids
    """Shape (rows, width): ids of the first segment, then of the second; the rest is arbitrary."""
    first: Ids
    """Shape (rows,): tokens of the first segment."""
    lengths: Ids
    """Shape (rows,): tokens of both."""
    labels: Ids
    """Shape (rows,): 1 where the segments were swapped or the second is from elsewhere, 0 where not, else IGNORED."""
    dropped: Ids
    """Shape (rows,): tokens of the block that are not in the row."""

    @classmethod
    def empty(cls, rows: int, width: int) -> "Segments":
        """Return zeros for a number of rows."""
        return cls(np.zeros((rows, width), np.int64), *(np.zeros(rows, np.int64) for _ in range(4)))

    def put(self, rows: Flags, part: "Segments") -> None:
        """Fill some rows."""
        for name, values in vars(self).items():
            values[rows] = getattr(part, name)


@dataclass(frozen=True)
class Rows:
    """Rows of ids before masking."""

    ids: Ids
    """Shape (rows, length)."""
    types: Ids
    """Shape (rows, length): 0 up to the first [SEP], 1 from there to the second."""
    real: Flags
    """Shape (rows, length): which are not padding."""


class TrainingExamples:
    """Turns blocks into rows by a recipe."""

    def __init__(self, pieces: Pieces, recipe: Recipe) -> None:
        """Take the pieces and the recipe's length, sentence prediction and swap probability."""
        self._pieces = pieces
        self._sentences, self._rate = recipe.objective.sentences, recipe.objective.swap_probability
        self._special = SPECIAL_TOKENS - (recipe.objective.sentences == "none")
        self.width = recipe.data.length - self._special

    def segments(self, source: TokenBlocks, blocks: Ids, draws: Draws, short_probability: float) -> Segments:
        """Return the segments of blocks of one language.

        Args:
            source: the blocks of the language.
            blocks: their numbers, shape (rows,).
            draws: numbers in [0, 1), shape (rows, DRAWS_PER_ROW).
            short_probability: share of blocks to cut; the tail of a cut block is skipped this time.
        """
        content, whole = source.content(blocks, self.width), source.lengths(blocks, self.width)
        lengths = shorten(whole, draws[:, CUT], short_probability)
        dropped = whole - lengths
        if self._sentences == "none":
            return Segments(content, lengths, lengths, np.full(len(blocks), IGNORED), dropped)
        splits = source.split_positions(blocks, draws[:, SPLIT], lengths)
        changed = draws[:, CHANGE] < self._rate
        if self._sentences == "order":
            return in_order(Segments(content, splits, lengths, changed.astype(np.int64), dropped))
        others = source.others(blocks, draws[:, OTHER])
        # A true second segment never begins a document, so a replaced one must not do so either.
        splits = np.where((others < 0) | source.begins_document(others.clip(0), splits.clip(0)), -1, splits)
        elsewhere = source.content(others.clip(0), self.width)
        return from_elsewhere(Segments(content, splits, lengths, changed.astype(np.int64), dropped), elsewhere)

    def rows(self, segments: Segments) -> Rows:
        """Return the segments with special tokens and padding around them."""
        first, length = segments.first[:, None], segments.lengths[:, None]
        position = np.arange(self.width + self._special)[None, :]
        second = position > first + 1
        source = np.clip(position - 1 - (second if self._special == SPECIAL_TOKENS else 0), 0, self.width - 1)
        ids = np.take_along_axis(segments.content, source, axis=1)
        last = length + self._special - 1
        ids[:, 0] = self._pieces.classification
        ids[(position == first + 1) | (position == last)] = self._pieces.separator
        real = position <= last
        ids[~real] = self._pieces.padding
        return Rows(ids, (second & real).astype(np.int64), np.asarray(real))


def shorten(lengths: Ids, draws: Draws, rate: float) -> Ids:
    """Cut a share of lengths; all shorter lengths down to SHORTEST are equally likely."""
    if not rate:
        return lengths
    cut = SHORTEST + (draws / rate * (lengths - SHORTEST)).astype(np.int64)
    return np.where((draws < rate) & (lengths > SHORTEST), cut, lengths)


def in_order(blocks: Segments) -> Segments:
    """Return the segments, swapped where the label is 1; splits of -1 leave one segment, without a label."""
    known = blocks.first >= 0
    swapped = known & (blocks.labels == 1)
    first = np.where(known, blocks.first, blocks.lengths)
    begin = np.where(swapped, first, 0)[:, None]  # where the row begins in the block
    length = blocks.lengths[:, None]
    position = np.arange(blocks.content.shape[1])[None, :] + begin
    source = np.where(position < length, position, position - length).clip(0)
    content = np.take_along_axis(blocks.content, np.minimum(source, blocks.content.shape[1] - 1), axis=1)
    return Segments(
        content=content,
        first=np.where(swapped, blocks.lengths - first, first),
        lengths=blocks.lengths,
        labels=np.where(known, swapped, IGNORED),
        dropped=blocks.dropped,
    )


def from_elsewhere(blocks: Segments, elsewhere: Ids) -> Segments:
    """Return the segments; where the label is 1, replace the second by the same places of another block.

    elsewhere: ids of the other blocks, shape (rows, width). Taking the same places keeps the lengths of both segments.
    Splits of -1 leave one segment, without a label.
    """
    known = blocks.first >= 0
    replaced = known & (blocks.labels == 1)
    first = np.where(known, blocks.first, blocks.lengths)
    second = np.arange(elsewhere.shape[1])[None, :] >= first[:, None]
    return Segments(
        content=np.where(second & replaced[:, None], elsewhere, blocks.content),
        first=first,
        lengths=blocks.lengths,
        labels=np.where(known, replaced, IGNORED),
        dropped=blocks.dropped + np.where(replaced, blocks.lengths - first, 0),
    )
