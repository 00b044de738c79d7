"""Losses between a student and its teachers: over soft targets, and over states and attentions of layers.

Most of a distillation's memory would be the logits of both models, for all positions over 119k pieces, and the
softmaxes that autograd keeps. As in smelt.training.heads, a chunk of positions goes through all decoders, the softmaxes
and the gradients before the next one takes its place. If masked tokens are predicted too, the same logits give their
cross-entropy, and one gradient serves both losses, so their weights must be known in the forward pass.

Layers are compared through projections that learn with the student. Each module turns the passes of the student and of
its teachers over one batch into a sum over all tokens that are not padding, the mean over several teachers.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from smelt.training.examples import IGNORED
from smelt.training.forward_pass import ForwardPass
from smelt.training.heads import Gradients, exact, precision_of, rows_at_once

# Logits that go through a softmax together: on CPUs about as many as their caches hold. All of a chunk at once takes a
# fifth longer; with fewer, threads wait too often for each other on busy cores (measured). GPUs need many.
TOGETHER_ON_CPU = 2**20
TOGETHER_ON_GPU = 2**27

Totals = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True)
class DecoderInputs:
    """The inputs of a decoder at some positions, and its weights; a teacher's need no gradient."""

    states: Tensor
    """Shape (n, width)."""
    weight: Tensor
    """Shape (pieces or more, width)."""
    bias: Tensor
    """Shape (pieces or more,)."""


@dataclass(frozen=True)
class Softening:
    """How to compare predictions."""

    vocabulary: int
    """Rows of the decoders that are pieces; later ones are padding."""
    temperature: float = 1.0
    shared: int | None = None
    """Compare only the predictions of this many first pieces, as if there were no others."""
    ratio: float = 1.0
    """Weight of the labels' cross-entropy in the loss, as a multiple of the divergence's weight."""

    @property
    def compared(self) -> int:
        """The number of pieces that both softmaxes cover."""
        return self.vocabulary if self.shared is None else self.shared


def soft_and_hard_losses(
    states: Tensor,
    weight: Tensor,
    bias: Tensor,
    teacher_inputs: Sequence[DecoderInputs],
    labels: Tensor,
    softening: Softening,
    rows: int | None = None,
) -> Totals:
    """Return the sum of divergences, the sum of cross-entropies, and how many labels have the highest logit.

    The divergence of a position is temperature ** 2 * KL(teachers || student) of the softmaxes of logits divided by the
    temperature (Hinton et al. 2015, section 2), with the mean of the teachers' probabilities; the cross-entropy uses
    the unchanged logits. Both sums carry gradients, for one backward pass in which the second must weigh `ratio` times
    as much as the first. Under autocast the matrix products run in its precision, softmaxes and sums in float32.

    Args:
        states: inputs of the student's decoder, shape (n, width).
        weight: its matrix, shape (pieces or more, width).
        bias: shape (pieces or more,).
        teacher_inputs: of one or several teachers, for the same positions in the same order.
        labels: ids of the first positions, shape (n or fewer,), or IGNORED for those without a loss.
        softening: how to compare them.
        rows: positions to process at once; by default as many as suit the device.
    """
    wanted = torch.is_grad_enabled() and any(part.requires_grad for part in (states, weight, bias))
    rows = rows or rows_at_once(softening.vocabulary, states.device.type)
    totals: Totals = _SoftAndHard.apply(  # type: ignore[no-untyped-call]
        states, weight, bias, teacher_inputs, labels, softening, rows, precision_of(states), wanted
    )
    return totals


class _SoftAndHard(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor,
        teacher_inputs: Sequence[DecoderInputs],
        labels: Tensor,
        softening: Softening,
        rows: int,
        dtype: torch.dtype,
        wanted: bool,
    ) -> Totals:
        gradients = Gradients.to_fill(states, weight, bias, dtype) if wanted else None
        with torch.autocast(states.device.type, enabled=False):
            student = DecoderInputs(states.to(dtype), weight.to(dtype), bias.to(dtype))
            teachers = [
                DecoderInputs(part.states.to(part.weight.dtype), part.weight, part.bias) for part in teacher_inputs
            ]
            totals = _go_through(student, teachers, labels, softening, rows, gradients)
        ctx.gradients, ctx.dtypes = gradients, (states.dtype, weight.dtype, bias.dtype)
        ctx.ratio = softening.ratio if len(labels) else None
        ctx.mark_non_differentiable(totals[2])
        return totals

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_soft: Tensor, of_hard: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            raise RuntimeError("soft_and_hard_losses: its gradients have been used; run the forward pass again")
        if ctx.ratio is not None:  # the assertion does not wait for a GPU
            alike = torch.isclose(of_hard, ctx.ratio * of_soft, rtol=1e-3)
            torch._assert_async(alike, "soft_and_hard_losses: the ratio of weights is not the one given")
        return *gradients.scale(of_soft, *ctx.dtypes), None, None, None, None, None, None


def _go_through(
    student: DecoderInputs,
    teachers: Sequence[DecoderInputs],
    labels: Tensor,
    softening: Softening,
    rows: int,
    gradients: Gradients | None,
) -> Totals:
    """Return the sums and the number of right predictions; fill the gradients, if any are given."""
    wide = exact(student.states.dtype)
    soft, hard = (torch.zeros((), dtype=wide, device=student.states.device) for _ in range(2))
    correct = torch.zeros((), dtype=torch.long, device=student.states.device)
    count = len(student.states)
    spaces = [part.states.new_empty(min(rows, count), len(part.weight)) for part in (student, *teachers)]
    for first in range(0, count, rows):
        chunk = slice(first, min(first + rows, count))
        logits, *teacher_logits = (_logits(*pair, chunk) for pair in zip((student, *teachers), spaces, strict=True))
        for some in _parts(logits):
            known = labels[first + some.start : first + some.stop]
            part = _Part(logits[some].to(wide), softening)
            hard_of_part, right = part.predict(known)
            soft += part.compare([of_teacher[some].to(wide) for of_teacher in teacher_logits])
            hard, correct = hard + hard_of_part, correct + right
            if gradients is not None:
                part.write_errors(logits[some], known)
        if gradients is not None:
            ones = torch.ones(len(logits), 1, dtype=wide, device=logits.device)
            gradients.add(chunk, logits, student.states[chunk], student.weight, ones)
    return soft, hard, correct


class _Part:
    """The losses of a few positions, and the gradient of the student's logits."""

    def __init__(self, logits: Tensor, softening: Softening) -> None:
        """Take the student's logits, shape (rows, pieces or more)."""
        self._logits, self._softening = logits, softening
        self._soft = self._hard = logits.new_empty(0)

    def predict(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the sum of cross-entropies of the first rows' labels, and the number predicted rightly."""
        log_probabilities = self._logits[: len(labels), : self._softening.vocabulary].log_softmax(1)
        counted = labels[:, None] != IGNORED
        own = log_probabilities.gather(1, labels[:, None].clamp(min=0))
        highest = log_probabilities.amax(1, keepdim=True)
        self._hard = log_probabilities
        return torch.where(counted, -own, 0).sum(), ((own >= highest) & counted).sum()

    def compare(self, teacher_logits: list[Tensor]) -> Tensor:
        """Return the sum of the divergences from the logits of the teachers, each of shape (rows, pieces or more)."""
        temperature = self._softening.temperature
        ours, *theirs = (self._soften(logits) for logits in (self._logits, *teacher_logits))
        mean = _mean_of_probabilities(theirs)
        probabilities = mean.exp()
        losses: Tensor = torch.linalg.vecdot(probabilities, mean.sub_(ours))
        self._soft = ours.exp_().sub_(probabilities).mul_(temperature)
        return losses.sum() * temperature**2

    def write_errors(self, place: Tensor, labels: Tensor) -> None:
        """Write the gradient of the logits into their place; overwrites the tensors that the losses have kept."""
        compared, vocabulary = self._softening.compared, self._softening.vocabulary
        counted, label = labels[:, None] != IGNORED, labels[:, None].clamp(min=0)
        errors = self._hard.exp_()
        errors.scatter_(1, label, errors.gather(1, label) - 1)
        errors.mul_(counted.to(errors.dtype) * self._softening.ratio)
        place[:, compared:] = 0
        place[: len(labels), :vocabulary] = errors
        errors[:, :compared] += self._soft[: len(labels)]
        place[: len(labels), :compared] = errors[:, :compared]
        place[len(labels) :, :compared] = self._soft[len(labels) :]

    def _soften(self, logits: Tensor) -> Tensor:
        """Return logarithms of probabilities at the temperature, shape (rows, compared)."""
        return (logits[:, : self._softening.compared] / self._softening.temperature).log_softmax(1)


def _mean_of_probabilities(logarithms: list[Tensor]) -> Tensor:
    """Return the logarithm of the mean of distributions given as logarithms; may overwrite the first one."""
    mean, *others = logarithms
    for other in others:
        mean = torch.logaddexp(mean, other)
    return mean.sub_(math.log(len(logarithms))) if others else mean


def _logits(decoder: DecoderInputs, space: Tensor, chunk: slice) -> Tensor:
    states = decoder.states[chunk]
    return torch.addmm(decoder.bias, states, decoder.weight.T, out=space[: len(states)])


def _parts(logits: Tensor) -> list[slice]:
    """Return the slices of rows that go through a softmax together."""
    rows, width = logits.shape
    together = max(1, (TOGETHER_ON_CPU if logits.device.type == "cpu" else TOGETHER_ON_GPU) // width)
    return [slice(first, min(first + together, rows)) for first in range(0, rows, together)]


class CosineOfStates(nn.Module):
    """1 less the cosine of the last hidden states (Sanh et al. 2019, section 2), projected where widths differ."""

    def __init__(self, width: int, teacher_widths: Sequence[int]) -> None:
        """Take the width of the student's states and of each teacher's."""
        super().__init__()
        self.projections = nn.ModuleList(
            nn.Identity() if width == other else projection(width, other) for other in teacher_widths
        )

    def forward(self, output: ForwardPass, teacher_outputs: Sequence[ForwardPass]) -> Tensor:
        """Return the sum, a scalar."""
        pairs = zip(self.projections, teacher_outputs, strict=True)
        cosines = [
            functional.cosine_similarity(to(output.hidden).float(), learnable(one.hidden), -1) for to, one in pairs
        ]
        return sum_over_tokens(1 - torch.stack(cosines).mean(0), output)


class HiddenStates(nn.Module):
    """Mean squared error of mapped layers' states, and of the embeddings', each through a projection of its own.

    Equations 8 and 9 of TinyBERT (Jiao et al. 2020), summed over the layers as in its equation 11.
    """

    def __init__(self, width: int, teacher_widths: Sequence[int], maps: Sequence[Sequence[int]]) -> None:
        """Take the widths of student and teachers, and each teacher's layers for the student's, from 1."""
        super().__init__()
        self.maps = [[0, *layers] for layers in maps]
        self.projections = nn.ModuleList(
            nn.ModuleList(projection(width, other) for _ in layers)
            for other, layers in zip(teacher_widths, self.maps, strict=True)
        )

    def forward(self, output: ForwardPass, teacher_outputs: Sequence[ForwardPass]) -> Tensor:
        """Return the sum, a scalar."""
        errors = torch.zeros_like(output.hidden[..., 0], dtype=torch.float32)  # (rows, length)
        for one, layers, projections in zip(teacher_outputs, self.maps, self.projections, strict=True):
            for ours, layer, to in zip(output.hidden_states, layers, projections, strict=True):  # type: ignore[call-overload]
                errors = errors + (to(ours).float() - learnable(one.hidden_states[layer])).square().mean(-1)
        return sum_over_tokens(errors / len(teacher_outputs), output)


class Attentions(nn.Module):
    """Divergence of mapped layers' attention from the teacher's, mean over heads (MobileBERT, section 3.2)."""

    def __init__(self, maps: Sequence[Sequence[int]]) -> None:
        """Take each teacher's layers for those of the student, counted from 1."""
        super().__init__()
        self.maps = maps

    def forward(self, output: ForwardPass, teacher_outputs: Sequence[ForwardPass]) -> Tensor:
        """Return the sum over layers and tokens, a scalar."""
        divergences = torch.zeros_like(output.hidden[..., 0], dtype=torch.float32)  # (rows, length)
        keys = real_tokens(output)[:, None, None]  # (rows, 1, 1, length)
        for one, layers in zip(teacher_outputs, self.maps, strict=True):
            for ours, layer in zip(output.attentions, layers, strict=True):
                theirs = learnable(one.attentions[layer - 1])  # (rows, heads, length, length)
                of_keys = theirs.exp() * torch.where(keys, theirs - ours, 0)
                divergences = divergences + of_keys.sum(-1).mean(1)
        return sum_over_tokens(divergences / len(teacher_outputs), output)


def projection(width: int, teacher_width: int) -> nn.Linear:
    """Return a projection to a teacher's width; if it is also the student's, it starts as the identity."""
    to = nn.Linear(width, teacher_width, bias=False)
    if width == teacher_width:
        nn.init.eye_(to.weight)
    return to


def real_tokens(output: ForwardPass) -> Tensor:
    """Return which tokens are not padding, shape (rows, length)."""
    mask = output.batch.attention_mask
    return torch.ones_like(output.batch.input_ids, dtype=torch.bool) if mask is None else mask.bool()


def sum_over_tokens(values: Tensor, output: ForwardPass) -> Tensor:
    """Return the sum of values, shape (rows, length), over tokens that are not padding."""
    return torch.where(real_tokens(output), values, 0).sum()


def learnable(tensor: Tensor) -> Tensor:
    """Return a tensor made in inference mode as a float32 tensor that autograd may keep."""
    return tensor.to(torch.float32, copy=True)
