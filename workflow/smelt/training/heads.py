"""Cross-entropy of predicted tokens with a tied decoder, a few positions at a time.

The logits of all masked positions over 128k pieces would be by far the largest tensor of a step, and autograd would
hold it three times (logits, their logarithmic softmax, its gradient). Here a chunk of positions goes through the
decoder, the softmax and both gradients before the next one takes its place, as in Wijmans et al. 2025 (Cut Your
Losses, section 4), but without computing any logit twice: gradients are computed in the forward pass.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from smelt.training.examples import IGNORED


@dataclass
class Gradients:
    """Gradients of a sum of losses, filled chunk by chunk in float32 or wider."""

    states: Tensor
    weight: Tensor
    bias: Tensor
    begun: bool
    """Whether the tensors hold values: the first chunk is written, later ones are added."""

    @classmethod
    def to_fill(cls, states: Tensor, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> Self:
        """Return gradients to fill, for products in a precision; zeros if there are no states."""
        make = torch.empty_like if len(states) else torch.zeros_like
        of_states, of_weight, of_bias = (make(part, dtype=exact(dtype)) for part in (states, weight, bias))
        return cls(of_states, of_weight, of_bias, begun=len(states) == 0)

    def add(self, chunk: slice, errors: Tensor, states: Tensor, weight: Tensor, scale: Tensor) -> None:
        """Add the gradients of a chunk.

        Args:
            chunk: the positions.
            errors: the gradient of the logits before each row is multiplied by its scale, shape (rows, pieces).
            states: of the chunk, shape (rows, embedding).
            weight: shape (pieces, embedding).
            scale: shape (rows, 1).
        """
        self.states[chunk] = (errors @ weight).mul_(scale)
        put = _add_product if self.begun else _write_product
        put(self.weight, errors.T, (states * scale).to(errors.dtype))
        put(self.bias[:, None], errors.T, scale.to(errors.dtype))
        self.begun = True

    def scale(self, upstream: Tensor, *dtypes: torch.dtype) -> list[Tensor]:
        """Return the gradients multiplied in place (so valid for one backward pass), in the types given."""
        parts = (self.states, self.weight, self.bias)
        return [part.mul_(upstream).to(dtype) for part, dtype in zip(parts, dtypes, strict=True)]


def exact(dtype: torch.dtype) -> torch.dtype:
    """Return the type of sums: float32, or a wider one."""
    return torch.promote_types(dtype, torch.float32)


def precision_of(states: Tensor) -> torch.dtype:
    """Return the precision of matrix products: autocast's, or the states'."""
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


# Positions at once: on CPUs few enough for their logits to stay in the caches, and enough to pass over the weight's
# gradient rarely (measured: 64 is 5 to 10% slower, as is 600). GPUs need thousands.
ROWS_ON_CPU = 256
LOGITS_ON_GPU = 2**28  # 1 GiB in float32


def masked_cross_entropy(
    states: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, vocabulary: int, rows: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the sum of the losses, and how many labels have the highest logit.

    Equal to cross_entropy(linear(states, weight, bias)) to rounding. Under autocast the matrix products run in its
    precision, softmax and sums in float32. The sum carries the gradient, for one backward pass.

    Args:
        states: inputs of the decoder, shape (n, embedding).
        weight: its matrix, shape (pieces or more, embedding).
        bias: shape (pieces or more,).
        labels: ids, shape (n,), or IGNORED for positions without a loss.
        vocabulary: rows of the weight that are pieces; later ones are padding, and get no gradient.
        rows: positions to process at once; by default as many as suit the device.
    """
    wanted = torch.is_grad_enabled() and any(part.requires_grad for part in (states, weight, bias))
    rows = rows or rows_at_once(vocabulary, states.device.type)
    total, correct = _MaskedCrossEntropy.apply(  # type: ignore[no-untyped-call]
        states, weight, bias, labels, vocabulary, rows, precision_of(states), wanted
    )
    return total, correct


def rows_at_once(vocabulary: int, device: str) -> int:
    """Return how many positions to process at once on a kind of device."""
    return ROWS_ON_CPU if device == "cpu" else max(ROWS_ON_CPU, LOGITS_ON_GPU // vocabulary)


class _MaskedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor,
        labels: Tensor,
        vocabulary: int,
        rows: int,
        dtype: torch.dtype,
        wanted: bool,
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast(states.device.type, enabled=False):
            total, correct, gradients = _go_through(
                states.to(dtype),
                weight.to(dtype),
                _silent(bias.to(dtype), vocabulary),
                labels,
                rows,
                Gradients.to_fill(states, weight, bias, dtype) if wanted else None,
            )
        ctx.gradients, ctx.dtypes = gradients, (states.dtype, weight.dtype, bias.dtype)
        ctx.mark_non_differentiable(correct)
        return total, correct

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None  # scaled in place, so valid for one pass
        if gradients is None:
            raise RuntimeError("masked_cross_entropy: its gradients have been used; run the forward pass again")
        return *gradients.scale(upstream, *ctx.dtypes), None, None, None, None, None


def _go_through(
    states: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, rows: int, gradients: Gradients | None
) -> tuple[Tensor, Tensor, Gradients | None]:
    """Return the sum of the losses, the number of right predictions and the gradients, if any were given."""
    wide = exact(states.dtype)
    total = torch.zeros((), dtype=wide, device=states.device)
    correct = torch.zeros((), dtype=torch.long, device=states.device)
    space = states.new_empty(min(rows, len(states)), len(weight))
    for first in range(0, len(states), rows):
        chunk = slice(first, first + rows)
        logits = torch.addmm(bias, states[chunk], weight.T, out=space[: len(states[chunk])])
        counted = labels[chunk, None] != IGNORED
        label = labels[chunk, None].clamp(min=0)
        powers, sums, losses, right = _softmax(logits.to(wide), label)
        total += torch.where(counted, losses, 0).sum()
        correct += (right & counted).sum()
        if gradients is not None:
            powers.scatter_(1, label, powers.gather(1, label) - sums)
            errors = powers if powers is logits else logits.copy_(powers)
            gradients.add(chunk, errors, states[chunk], weight, counted / sums)
    return total, correct, gradients


def _silent(bias: Tensor, vocabulary: int) -> Tensor:
    """Return a bias with which rows that pad the vocabulary are never predicted.

    The rows are not cut off, because matrix units need round sizes of products.
    """
    if len(bias) == vocabulary:
        return bias
    bias = bias.clone()
    bias[vocabulary:] = -torch.inf
    return bias


def _softmax(logits: Tensor, label: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return powers of e, in the place of the logits, their sums, the losses, and which labels have the highest logit.

    logits: shape (rows, vocabulary); label: shape (rows, 1), like all results but the powers.
    """
    own = logits.gather(1, label)
    highest = logits.amax(1, keepdim=True)
    powers = logits.sub_(highest).exp_()
    sums = powers.sum(1, keepdim=True)
    return powers, sums, sums.log() + highest - own, own >= highest
