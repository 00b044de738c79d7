"""Random numbers that are a function of where they are used, so that any row of any step can be made on its own."""

import numpy as np
from numpy.typing import NDArray

Draws = NDArray[np.float64]

TRAINING, VALIDATION = 0, 1  # purposes, whose draws differ even for the same step and position

AT_ONCE = 4  # numbers that Philox makes from one value of its counter


def seeded(seed: int, purpose: int, step: int, positions: range, count: int) -> Draws:
    """Return numbers in [0, 1), shape (len(positions), count): a function of seed, purpose, step and position alone.

    Philox is a function of a key and a counter (Salmon et al. 2011), so a batch's stream can be entered at any row.
    """
    width = -(-count // AT_ONCE) * AT_ONCE
    bits = np.random.Philox(key=[seed, purpose], counter=[positions.start * (width // AT_ONCE), 0, step, 0])
    return np.random.Generator(bits).random((len(positions), width))[:, :count]
