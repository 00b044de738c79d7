"""Seeds of independent random streams, one for each thing that a compression draws."""

import zlib
from typing import Literal

import numpy as np

Drawn = Literal["student", "regression head", "embedding rows", "dropout"]


def derive_seed(seed: int, drawn: Drawn) -> int:
    """Return a seed of 32 bits for the generator of one kind of thing.

    Two generators with the compression's own seed would draw the same numbers twice: a head equal to its embeddings.
    """
    return int(np.random.SeedSequence([seed, zlib.crc32(drawn.encode())]).generate_state(1)[0])
