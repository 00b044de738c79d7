"""The weights of an amplified model: the rows of the old pieces, and behind them rows for the new ones.

Every tensor with a vocabulary axis gains rows in the same way: input embeddings, the output layer (tied or not), its
bias. The old rows are copied block by block, whatever their type.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from smelt.errors import SmeltError
from smelt.model_folder import read_configuration
from smelt.models.amplify.growth import NewPiece
from smelt.models.vocabulary.tensors import Ids, StoredTensor, TensorToWrite, part_of_tensor
from smelt.models.vocabulary.weights import RewrittenWeights, rewrite_weights
from smelt.study.makers.amplify import NewPieces

_TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}

Start = Callable[[StoredTensor, Sequence[NewPiece], int], Tensor]
"""From a tensor, the new pieces and the number of old ones to the new rows, shape (new pieces, width), fp32 or fp64."""


def amplify_weights(
    source: Path, pieces: int, new: Sequence[NewPiece], rule: NewPieces, output: Path, where: str
) -> RewrittenWeights:
    """Write configuration and weights with rows for new pieces behind those of the old ones.

    Args:
        source: a model's folder.
        pieces: number of pieces that its tokenizer has. Rows of the embeddings beyond them are dropped.
        new: the pieces to add.
        rule: how their rows start.
        output: a folder that exists.
        where: the model's name in errors.

    Raises:
        SmeltError: the checkpoint cannot be read or does not fit its tokenizer, or a tensor has its vocabulary in
            another axis than the first, or numbers that are no floats.
    """
    start = _starts(source, rule, where)

    def grow_tensor(tensor: StoredTensor, axis: int) -> TensorToWrite:
        before = tensor.shape[:axis]  # BART's bias has a first axis of one
        if any(size != 1 for size in before) or tensor.dtype not in _TYPES:
            raise SmeltError(where, f"has {tensor.dtype} weights of pieces along axis {axis}: expected floats along 0")
        tensor = replace(tensor, shape=tensor.shape[axis:])
        rows = start(tensor, new, pieces).to(_TYPES[tensor.dtype]).contiguous().view(len(new), *tensor.shape[1:])
        part = extend(part_of_tensor(tensor, np.arange(pieces), 0), rows)
        return replace(part, shape=(*before, *part.shape))

    return rewrite_weights(source, np.arange(pieces + len(new)), output, pieces, where, grow_tensor)


def extend(part: TensorToWrite, rows: Tensor) -> TensorToWrite:
    """Return a tensor with rows at its end, of the same type."""
    data = memoryview(rows.view(torch.uint8).numpy().tobytes())
    shape = (part.shape[0] + len(rows), *part.shape[1:])
    return TensorToWrite(part.dtype, shape, part.bytes + len(data), lambda: chain(part.blocks(), [data]))


def mean(tensor: StoredTensor, new: Sequence[NewPiece], pieces: int) -> Tensor:  # noqa: ARG001 - of every start
    """Return the mean of the rows of each piece's parts (Gee et al. 2022); a repeated part counts each time."""
    parts = [list(piece.parts) for piece in new]
    used, places = np.unique(np.concatenate(parts), return_inverse=True)
    rows = torch.cat(list(_rows(tensor, used))).double()[torch.from_numpy(places)]
    owner = torch.arange(len(new)).repeat_interleave(torch.tensor([len(part) for part in parts]))
    sums = torch.zeros(len(new), rows.shape[1], dtype=torch.float64).index_add_(0, owner, rows)
    return sums / owner.bincount()[:, None]


def gaussian(seed: int) -> Start:
    """Return a start from the normal distribution of the old rows, with their mean and covariance (Hewitt 2021)."""

    def start(tensor: StoredTensor, new: Sequence[NewPiece], pieces: int) -> Tensor:
        average, covariance = _moments(tensor, pieces)
        values, vectors = torch.linalg.eigh(covariance)
        generator = torch.Generator().manual_seed(seed)  # the same for each tensor: aliases of one stay the same
        drawn = torch.randn(len(new), len(average), dtype=torch.float64, generator=generator)
        return torch.as_tensor(average + (drawn * values.clamp(min=0).sqrt()) @ vectors.T)

    return start


def random(deviation: float, seed: int) -> Start:
    """Return the start of a new model: matrices from a normal distribution around 0, biases 0."""

    def start(tensor: StoredTensor, new: Sequence[NewPiece], pieces: int) -> Tensor:  # noqa: ARG001 - of every start
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(len(new), _width(tensor), generator=generator)
        return drawn * (deviation if len(tensor.shape) > 1 else 0.0)

    return start


def _starts(source: Path, rule: NewPieces, where: str) -> Start:
    if rule.start == "mean":
        return mean
    if rule.start == "gaussian":
        return gaussian(rule.seed)
    return random(getattr(read_configuration(source, where), "initializer_range", 0.02), rule.seed)


def _moments(tensor: StoredTensor, pieces: int) -> tuple[Tensor, Tensor]:
    """Return mean and covariance of a tensor's first rows, shapes (width,) and (width, width)."""
    width = _width(tensor)
    total, products = torch.zeros(width, dtype=torch.float64), torch.zeros(width, width, dtype=torch.float64)
    for rows in _rows(tensor, np.arange(pieces)):
        wide = rows.double()
        total += wide.sum(0)
        products += wide.T @ wide
    average = total / pieces
    return average, products / pieces - average.outer(average)


def _rows(tensor: StoredTensor, ids: Ids) -> Iterator[Tensor]:
    """Yield some rows of a tensor, a block at a time, shape (rows, width)."""
    for block in tensor.gather(ids, 0):
        yield torch.frombuffer(bytearray(block), dtype=_TYPES[tensor.dtype]).view(-1, _width(tensor))


def _width(tensor: StoredTensor) -> int:
    return int(np.prod(tensor.shape[1:], dtype=np.int64))
