"""Masking of a batch, in numpy: without a loop over tokens; all random draws are arguments.

Tokens to predict are chosen in runs (single tokens, whole words, n-grams or spans of words) or by their rarity (the
frequency-smoothed choice of DistilBERT's code, which Eliquare uses). 80% of them become the mask, 10% random pieces
and 10% stay (Devlin et al. 2019, section 3.1).

Runs are chosen in one way: the words of a row are cut into runs of random lengths, and runs are taken in random order
up to the rate. All runs are equally likely to be taken, so the lengths keep their distribution. The public codes of
ALBERT and SpanBERT draw beginnings instead and skip overlaps, which makes long runs rarer than the papers say. Like
them, this cuts the last run of a row to the words that the rate still allows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from smelt.training.pieces import Pieces
from smelt.training.recipes import ObjectiveSettings

Ids = NDArray[np.int64]
Draws = NDArray[np.float64]
Flags = NDArray[np.bool_]

SPAN = 0.2  # chance that a span ends after a word (Joshi et al. 2020, section 3.1)


class Runs:
    """Chooses whole runs of words, or of tokens, up to a share of each row."""

    rows_together = 1
    """Each row's choice is independent of other rows."""

    def __init__(self, pieces: Pieces, settings: ObjectiveSettings) -> None:
        """Take the vocabulary and the recipe's masking, rate and limits."""
        self._pieces, self._rate, self._most = pieces, settings.masking_probability, settings.max_predictions
        self._of_words = settings.masking != "tokens"
        self._one_fate = settings.masking == "spans"
        self._cumulative = np.cumsum(length_probabilities(settings.masking, settings.longest_run))
        self.draws_per_token = 1 if len(self._cumulative) == 1 else 2

    def __call__(self, ids: Ids, draws: Draws) -> tuple[Flags, Ids | None]:
        """Return which tokens are to be predicted, and the token whose fate each shares (None: each has its own).

        The word that would cross the rate is taken with the probability that makes the expected share exact. A word
        longer than the whole share is taken piece by piece, because it could never be taken whole.

        Args:
            ids: token ids with special tokens and padding, shape (rows, length).
            draws: numbers in [0, 1), shape (rows, draws_per_token, length). A run's key is the first draw of its first
                token; that of a row's first token, which is special and needs none, decides about the word that
                crosses the rate. The second draws give the runs' lengths.
        """
        special = self._pieces.special[ids]
        allowed = self._rate * (~special).sum(1, keepdims=True)
        starts = self.atoms(ids, special, allowed)
        runs = self.cut_runs(starts, special, draws)
        keys = np.take_along_axis(draws[:, 0], runs, axis=1)
        keys[special] = 2.0  # special tokens are last, and never taken
        order = np.argsort(keys, axis=1, kind="stable")
        taken = self._take(np.take_along_axis(starts, order, axis=1), allowed, draws[:, 0, :1])
        chosen = np.zeros_like(special)
        np.put_along_axis(chosen, order, taken, axis=1)
        return chosen & ~special, runs if self._one_fate else None

    def atoms(self, ids: Ids, special: Flags, allowed: Draws) -> Flags:
        """Return which tokens begin a unit that is taken whole or not at all: a word, or a token of a too long one.

        Args:
            ids: token ids, shape (rows, length).
            special: which of them are special, shape (rows, length).
            allowed: how many tokens of each row may be taken, shape (rows, 1).
        """
        if not self._of_words:
            return np.ones(ids.shape, dtype=bool)
        starts = _after_special(self._pieces.word_start[ids] | special, special)
        lengths = _run_lengths(_first_of_run(starts))
        return np.asarray(starts | (lengths > np.maximum(allowed, 1)))

    def cut_runs(self, starts: Flags, special: Flags, draws: Draws) -> Ids:
        """Return for each token the position of its run's first token; no run crosses a special token.

        Args:
            starts: which tokens begin a word, shape (rows, length).
            special: which tokens are special, shape (rows, length).
            draws: as in the call.
        """
        if self.draws_per_token == 1:
            return _first_of_run(starts)
        lengths = 1 + np.searchsorted(self._cumulative[:-1], draws[:, 1], side="right")
        rows, length = starts.shape
        begins = np.zeros((rows, length + 1), dtype=bool)  # by index of the word
        begins[:, 0] = True
        np.put_along_axis(begins, np.minimum(np.cumsum(lengths, axis=1), length), True, axis=1)
        words = np.cumsum(starts, axis=1) - 1
        run_starts = starts & (np.take_along_axis(begins, words, axis=1) | special)
        return _first_of_run(_after_special(run_starts, special))

    def _take(self, starts: Flags, allowed: Draws, draw: Draws) -> Flags:
        """Return which tokens are taken, given where words begin in the order of their runs' keys.

        A word whose tokens stand from `before` to `after` is taken if `before + draw * (after - before) < allowed`.
        """
        before = _first_of_run(starts)
        lengths = _run_lengths(before)
        if self._most is None:
            return np.asarray(before + draw * lengths < allowed)
        within = before + draw * lengths < np.minimum(allowed, self._most)
        return np.asarray(within & (before + lengths <= self._most))


def length_probabilities(masking: str, longest: int) -> Draws:
    """Return the probability of each length of a run in words (from 1 on), shape (longest,).

    n-grams: in proportion to 1/n (Lan et al. 2019, section 4.1). Spans: geometric, truncated at the longest (Joshi et
    al. 2020, section 3.1). Tokens and words are runs of one.
    """
    lengths = np.arange(1, longest + 1, dtype=np.float64)
    weights = {"ngrams": 1 / lengths, "spans": SPAN * (1 - SPAN) ** (lengths - 1)}.get(masking, np.ones(1))
    return np.asarray(weights / weights.sum())


def _after_special(starts: Flags, special: Flags) -> Flags:
    starts[:, 0] = True
    starts[:, 1:] |= special[:, :-1]
    return starts


def _first_of_run(starts: Flags) -> Ids:
    return np.maximum.accumulate(np.where(starts, np.arange(starts.shape[1]), 0), axis=1)


def _run_lengths(firsts: Ids) -> Ids:
    rows, length = firsts.shape
    flat = firsts + np.arange(rows)[:, None] * length
    return np.asarray(np.bincount(flat.ravel(), minlength=rows * length)[flat])


class RareTokens:
    """Draws tokens without replacement over many rows, with p in proportion to max(count, 1) ** -smoothing."""

    rows_together = 64
    """Rows that share one draw: each 64 of the step's whole batch, which is all of a batch of up to 64. A row's masks
    must not depend on the number of processes that share the batch, and with one draw over a larger batch each process
    would have to make every row. The public code draws over the rows that one process passes at once."""

    draws_per_token = 1

    def __init__(self, pieces: Pieces, settings: ObjectiveSettings, counts: Ids) -> None:
        """Take the vocabulary, the recipe's rate, smoothing and limit, and how often each piece occurs in training."""
        self._rate, self._most = settings.masking_probability, settings.max_predictions
        self._padding = pieces.padding
        self._weights = np.where(pieces.special, 0.0, np.maximum(counts, 1.0) ** -settings.smoothing)

    def __call__(self, ids: Ids, draws: Draws) -> tuple[Flags, None]:
        """Return which tokens are to be predicted, ceil(rate * tokens that are not padding) of each 64 rows.

        Special tokens are never drawn, but count among the tokens that are not padding, as in the public code.

        Args:
            ids: token ids with special tokens and padding, shape (rows, length); row 0 is the first of 64.
            draws: numbers in [0, 1), shape (rows, 1, length).
        """
        keys = self._keys(ids, draws[:, 0])
        chosen = np.zeros(ids.shape, dtype=bool)
        for first in range(0, len(ids), self.rows_together):
            rows = slice(first, first + self.rows_together)
            chosen[rows] = _smallest(keys[rows], math.ceil(self._rate * np.count_nonzero(ids[rows] != self._padding)))
        return self._limit(chosen, keys), None

    def _keys(self, ids: Ids, draws: Draws) -> Draws:
        """Return exponential variables with the weights as rates, infinite for special tokens.

        The smallest k of them are a draw of k without replacement (Efraimidis and Spirakis 2006).
        """
        weights = self._weights[ids]
        return np.asarray(np.divide(-np.log1p(-draws), weights, out=np.full(ids.shape, np.inf), where=weights > 0))

    def _limit(self, chosen: Flags, keys: Draws) -> Flags:
        """Keep at most the limit of each row, those with the smallest keys."""
        if self._most is None or self._most >= keys.shape[1]:
            return chosen
        last = np.partition(np.where(chosen, keys, np.inf), self._most - 1, axis=1)[:, self._most - 1 : self._most]
        return np.asarray(chosen & (keys <= last))


def _smallest(keys: Draws, number: int) -> Flags:
    """Return which keys are the `number` smallest of all, never infinite ones."""
    if number >= keys.size:
        return np.isfinite(keys)
    chosen = np.zeros(keys.size, dtype=bool)
    chosen[np.argpartition(keys, number, axis=None)[:number]] = True
    return np.asarray(chosen.reshape(keys.shape) & np.isfinite(keys))


MASKED, REPLACED = 0.8, 0.1  # of the chosen tokens; the rest stays as it is

FATE, PIECE = 0, 1  # the draws that decide what replaces a token; later ones choose the tokens
OF_FATE = 2


class Choose(Protocol):
    """Chooses the tokens to predict."""

    draws_per_token: int
    rows_together: int
    """Rows whose choices depend on each other, counted from the first of a batch."""

    def __call__(self, ids: Ids, draws: Draws) -> tuple[Flags, Ids | None]:
        """Return which tokens are to be predicted, and the token whose fate each shares (None: each has its own)."""


@dataclass(frozen=True)
class Masking:
    """Chooses tokens and masks them."""

    pieces: Pieces
    choose: Choose

    @property
    def draws_per_token(self) -> int:
        """How many draws each token takes."""
        return OF_FATE + self.choose.draws_per_token

    def __call__(self, ids: Ids, draws: Draws) -> tuple[Ids, Flags]:
        """Return the masked ids, and which tokens are to be predicted, both of shape (rows, length).

        Args:
            ids: token ids with special tokens and padding, shape (rows, length).
            draws: numbers in [0, 1), shape (rows, draws_per_token, length); the same draws give the same masks.
        """
        chosen, units = self.choose(ids, draws[:, OF_FATE:])
        fates = draws[:, FATE] if units is None else np.take_along_axis(draws[:, FATE], units, axis=1)
        masked = ids.copy()
        masked[chosen] = self._replacements(ids[chosen], fates[chosen], draws[:, PIECE][chosen])
        return masked, chosen

    def _replacements(self, ids: Ids, fates: Draws, choices: Draws) -> Ids:
        """Return the replacement of each chosen token: the mask, a random ordinary piece, or itself; all (chosen,)."""
        ordinary = self.pieces.ordinary
        random = ordinary[(choices * len(ordinary)).astype(np.int64)]
        replaced = np.where(fates < MASKED + REPLACED, random, ids)
        return np.where(fates < MASKED, self.pieces.mask, replaced)


def masking_of(settings: ObjectiveSettings, pieces: Pieces, counts: Callable[[], Ids]) -> Masking:
    """Return an objective's masking; `counts` returns how often each piece occurs, and is called only if needed."""
    if settings.masking == "rare":
        return Masking(pieces, RareTokens(pieces, settings, counts()))
    return Masking(pieces, Runs(pieces, settings))
