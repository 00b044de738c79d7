"""Masking of a batch, in numpy: no loop over tokens, all draws given from outside.

What is to be predicted is chosen by smelt.training.runs or smelt.training.rare; of that 80% become the mask, 10% random
pieces and 10% stay (Devlin et al. 2019, section 3.1).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from smelt.training.pieces import Pieces
from smelt.training.rare import RareTokens
from smelt.training.recipes import Recipe
from smelt.training.runs import Runs

Ids = NDArray[np.int64]
Draws = NDArray[np.float64]
Flags = NDArray[np.bool_]

MASKED, REPLACED = 0.8, 0.1  # of the chosen tokens; the rest stays as it is

FATE, PIECE = 0, 1  # the draws of a token that say what becomes of it; those after them are the choice's
OF_FATE = 2


class Choose(Protocol):
    """What chooses the tokens to predict."""

    draws_per_token: int
    rows_together: int
    """Rows whose choices hang together, counted from the first of a batch."""

    def __call__(self, ids: Ids, draws: Draws) -> tuple[Flags, Ids | None]:
        """Return which tokens are to be predicted, and the token whose fate each shares (None: each has its own)."""


@dataclass(frozen=True)
class Masking:
    """Puts masks over what is chosen."""

    pieces: Pieces
    choose: Choose

    @property
    def draws_per_token(self) -> int:
        """How many draws each token takes."""
        return OF_FATE + self.choose.draws_per_token

    def __call__(self, ids: Ids, draws: Draws) -> tuple[Ids, Flags]:
        """Return the ids with the masks in them, and which tokens are to be predicted, both of shape (rows, length).

        Args:
            ids: token ids with special tokens and padding, shape (rows, length).
            draws: numbers in [0, 1), shape (rows, draws_per_token, length), the same ones for the same masks.
        """
        chosen, units = self.choose(ids, draws[:, OF_FATE:])
        fates = draws[:, FATE] if units is None else np.take_along_axis(draws[:, FATE], units, axis=1)
        masked = ids.copy()
        masked[chosen] = self._replacements(ids[chosen], fates[chosen], draws[:, PIECE][chosen])
        return masked, chosen

    def _replacements(self, ids: Ids, fates: Draws, choices: Draws) -> Ids:
        """Return what stands for each chosen token: the mask, a random ordinary piece, or itself; all (chosen,)."""
        ordinary = self.pieces.ordinary
        random = ordinary[(choices * len(ordinary)).astype(np.int64)]
        replaced = np.where(fates < MASKED + REPLACED, random, ids)
        return np.where(fates < MASKED, self.pieces.mask, replaced)


def masking_of(recipe: Recipe, pieces: Pieces, counts: Callable[[], Ids]) -> Masking:
    """Return a recipe's masking; `counts`, asked only if needed, tells how often each piece occurs."""
    if recipe.masking == "rare":
        return Masking(pieces, RareTokens(pieces, recipe, counts()))
    return Masking(pieces, Runs(pieces, recipe))
