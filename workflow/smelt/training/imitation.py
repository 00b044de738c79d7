"""How far a student's states and attentions are from its teachers', through projections that are learnt with it.

Each module turns the passes of the student and of its teachers over one batch into a sum over all tokens that are no
padding; of several teachers it is the mean.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from smelt.training.passes import Pass


class CosineOfStates(nn.Module):
    """1 less the cosine of the last hidden states (Sanh et al. 2019, section 2), projected where widths differ."""

    def __init__(self, width: int, taught: Sequence[int]) -> None:
        """Take the width of the student's states and of each teacher's."""
        super().__init__()
        self.projections = nn.ModuleList(
            nn.Identity() if width == other else projection(width, other) for other in taught
        )

    def forward(self, output: Pass, taught: Sequence[Pass]) -> Tensor:
        """Return the sum, a scalar."""
        pairs = zip(self.projections, taught, strict=True)
        cosines = [
            functional.cosine_similarity(to(output.hidden).float(), learnable(one.hidden), -1) for to, one in pairs
        ]
        return sum_over_tokens(1 - torch.stack(cosines).mean(0), output)


class HiddenStates(nn.Module):
    """Mean squared error of mapped layers' states, and of the embeddings', each through a projection of its own.

    Equations 8 and 9 of TinyBERT (Jiao et al. 2020), summed over the layers as in its equation 11.
    """

    def __init__(self, width: int, taught: Sequence[int], maps: Sequence[Sequence[int]]) -> None:
        """Take the width of the student and of each teacher, and each one's layers for the student's, from 1."""
        super().__init__()
        self.maps = [[0, *layers] for layers in maps]
        self.projections = nn.ModuleList(
            nn.ModuleList(projection(width, other) for _ in layers)
            for other, layers in zip(taught, self.maps, strict=True)
        )

    def forward(self, output: Pass, taught: Sequence[Pass]) -> Tensor:
        """Return the sum, a scalar."""
        errors = torch.zeros_like(output.hidden[..., 0], dtype=torch.float32)  # (rows, length)
        for one, layers, projections in zip(taught, self.maps, self.projections, strict=True):
            for ours, layer, to in zip(output.hidden_states, layers, projections, strict=True):  # type: ignore[call-overload]
                errors = errors + (to(ours).float() - learnable(one.hidden_states[layer])).square().mean(-1)
        return sum_over_tokens(errors / len(taught), output)


class Attentions(nn.Module):
    """Divergence of mapped layers' attention from the teacher's, the mean of the heads (MobileBERT, section 3.2)."""

    def __init__(self, maps: Sequence[Sequence[int]]) -> None:
        """Take each teacher's layers for those of the student, counted from 1."""
        super().__init__()
        self.maps = maps

    def forward(self, output: Pass, taught: Sequence[Pass]) -> Tensor:
        """Return the sum over layers and tokens, a scalar."""
        divergences = torch.zeros_like(output.hidden[..., 0], dtype=torch.float32)  # (rows, length)
        keys = real_tokens(output)[:, None, None]  # (rows, 1, 1, length)
        for one, layers in zip(taught, self.maps, strict=True):
            for ours, layer in zip(output.attentions, layers, strict=True):
                theirs = learnable(one.attentions[layer - 1])  # (rows, heads, length, length)
                of_keys = theirs.exp() * torch.where(keys, theirs - ours, 0)
                divergences = divergences + of_keys.sum(-1).mean(1)
        return sum_over_tokens(divergences / len(taught), output)


def projection(width: int, taught: int) -> nn.Linear:
    """Return a projection to a teacher's width; where it is the student's, it starts as what changes nothing."""
    to = nn.Linear(width, taught, bias=False)
    if width == taught:
        nn.init.eye_(to.weight)
    return to


def real_tokens(output: Pass) -> Tensor:
    """Return which tokens are no padding, shape (rows, length)."""
    mask = output.batch.attention_mask
    return torch.ones_like(output.batch.input_ids, dtype=torch.bool) if mask is None else mask.bool()


def sum_over_tokens(values: Tensor, output: Pass) -> Tensor:
    """Return the sum of values, shape (rows, length), over tokens that are no padding."""
    return torch.where(real_tokens(output), values, 0).sum()


def learnable(tensor: Tensor) -> Tensor:
    """Return what was made under inference mode in float32, as a tensor that autograd may keep."""
    return tensor.to(torch.float32, copy=True)
