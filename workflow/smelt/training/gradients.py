"""Gradients of a tied decoder and of what it is given, made a few positions at a time on the way forward."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor


@dataclass
class Gradients:
    """Gradients of a sum of losses, filled chunk by chunk in float32 or wider."""

    states: Tensor
    weight: Tensor
    bias: Tensor
    begun: bool
    """Whether the tensors hold anything yet: the first chunk is written where zeros would have to be added to."""

    @classmethod
    def to_fill(cls, states: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Self:
        """Return gradients to fill, of products in a precision; they are zeros where there are no states."""
        make = torch.empty_like if len(states) else torch.zeros_like
        of_states, of_weight, of_bias = (make(part, dtype=exact(dtype)) for part in (states, weight, bias))
        return cls(of_states, of_weight, of_bias, begun=len(states) == 0)

    def add(self, chunk: slice, errors: Tensor, states: Tensor, weight: Tensor, scale: Tensor) -> None:
        """Add those of a chunk.

        Args:
            chunk: which positions.
            errors: the gradient of the logits, each row still to be multiplied by its scale, shape (rows, pieces).
            states: of the chunk, shape (rows, embedding).
            weight: shape (pieces, embedding).
            scale: shape (rows, 1).
        """
        self.states[chunk] = (errors @ weight).mul_(scale)
        put = _add_product if self.begun else _write_product
        put(self.weight, errors.T, (states * scale).to(errors.dtype))
        put(self.bias[:, None], errors.T, scale.to(errors.dtype))
        self.begun = True

    def scaled(self, upstream: Tensor, *dtypes: torch.dtype) -> list[Tensor]:
        """Return them multiplied in place, so good for one backward pass, in the types of what they are of."""
        parts = (self.states, self.weight, self.bias)
        return [part.mul_(upstream).to(dtype) for part, dtype in zip(parts, dtypes, strict=True)]


def exact(dtype: torch.dtype) -> torch.dtype:
    """Return the type that sums are taken in: float32, or what is wider."""
    return torch.promote_types(dtype, torch.float32)


def precision_of(states: Tensor) -> torch.dtype:
    """Return the precision of matrix products here: that of autocast, or of the states."""
    kind = states.device.type
    return torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else states.dtype


def _write_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Write a matrix product into a total, which may be of a wider type."""
    if total.dtype == left.dtype:
        torch.mm(left, right, out=total)
    else:
        total.copy_(left @ right)


def _add_product(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add a matrix product to a total, which may be of a wider type."""
    if total.dtype == left.dtype:
        total.addmm_(left, right)
    else:
        total.add_(left @ right)
