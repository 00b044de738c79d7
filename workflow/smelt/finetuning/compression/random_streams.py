"""Streams of random numbers: what chance decides in a compression is drawn from streams that have nothing in common."""

import zlib
from typing import Literal

import numpy as np

Drawn = Literal["student", "regression head", "embedding rows", "dropout"]


def derived_seed(seed: int, drawn: Drawn) -> int:
    """Return the seed of a generator that draws one kind of thing, of 32 bits, as torch's generator of a CPU takes.

    Two generators with the compression's own seed would give the same numbers twice: a head that is its embeddings.
    """
    return int(np.random.SeedSequence([seed, zlib.crc32(drawn.encode())]).generate_state(1)[0])
