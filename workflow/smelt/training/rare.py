"""Rare tokens are predicted more often: the frequency-smoothed choice of DistilBERT's code, which Eliquare uses."""

import math

import numpy as np
from numpy.typing import NDArray

from smelt.training.pieces import Pieces
from smelt.training.recipes import Recipe

Ids = NDArray[np.int64]
Draws = NDArray[np.float64]
Flags = NDArray[np.bool_]


class RareTokens:
    """Draws tokens without replacement over many rows, with p in proportion to max(count, 1) ** -smoothing."""

    rows_together = 64
    """Rows that one draw is over: those 64 by 64 of the step's whole batch. What a row shows must not depend on how
    many processes share the batch, and a draw over all of it would have each of them make every row; where the batch
    has no more than 64 rows, this is the whole batch. The public code draws over what one process passes at once."""

    draws_per_token = 1

    def __init__(self, pieces: Pieces, recipe: Recipe, counts: Ids) -> None:
        """Take the vocabulary, the recipe's rate, smoothing and limit, and how often each piece occurs in training."""
        self._rate, self._most = recipe.mask_rate, recipe.most_predictions
        self._padding = pieces.padding
        self._weights = np.where(pieces.special, 0.0, np.maximum(counts, 1.0) ** -recipe.smoothing)

    def __call__(self, ids: Ids, draws: Draws) -> tuple[Flags, None]:
        """Return which tokens are to be predicted, ceil(rate * tokens that are no padding) of each 64 rows.

        Special tokens are never drawn, yet they count towards how many are, as in the public code.

        Args:
            ids: token ids with special tokens and padding, shape (rows, length); the first is the first of 64.
            draws: numbers in [0, 1), shape (rows, 1, length).
        """
        keys = self._keys(ids, draws[:, 0])
        chosen = np.zeros(ids.shape, dtype=bool)
        for first in range(0, len(ids), self.rows_together):
            rows = slice(first, first + self.rows_together)
            chosen[rows] = _smallest(keys[rows], math.ceil(self._rate * np.count_nonzero(ids[rows] != self._padding)))
        return self._limited(chosen, keys), None

    def _keys(self, ids: Ids, draws: Draws) -> Draws:
        """Return exponential variables with the weights as rates, infinite for special tokens.

        The smallest k of them are a draw of k without replacement (Efraimidis and Spirakis 2006).
        """
        weights = self._weights[ids]
        return np.asarray(np.divide(-np.log1p(-draws), weights, out=np.full(ids.shape, np.inf), where=weights > 0))

    def _limited(self, chosen: Flags, keys: Draws) -> Flags:
        """Leave each row no more than the limit, those with the smallest keys."""
        if self._most is None or self._most >= keys.shape[1]:
            return chosen
        last = np.partition(np.where(chosen, keys, np.inf), self._most - 1, axis=1)[:, self._most - 1 : self._most]
        return np.asarray(chosen & (keys <= last))


def _smallest(keys: Draws, number: int) -> Flags:
    """Return which keys are the `number` smallest of all, infinite ones never."""
    if number >= keys.size:
        return np.isfinite(keys)
    chosen = np.zeros(keys.size, dtype=bool)
    chosen[np.argpartition(keys, number, axis=None)[:number]] = True
    return np.asarray(chosen.reshape(keys.shape) & np.isfinite(keys))
