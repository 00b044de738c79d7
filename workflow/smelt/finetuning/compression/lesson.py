"""What a student learns from: labelled windows, and transfer text with what a teacher says of it; losses of both."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smelt.errors import SmeltError
from smelt.finetuning.batches import Batch
from smelt.finetuning.compression.losses import label_loss, logit_loss, representation_loss
from smelt.finetuning.compression.pupil import Pupil
from smelt.finetuning.compression.signals import Signals
from smelt.finetuning.compression.streams import Stream, longest_first
from smelt.finetuning.compression.windows import Whole, Windows
from smelt.study.compression import CompressionSettings
from smelt.study.strategies import StageLosses

LABELLED, UNLABELLED = 0, 1  # seeds that tell the streams apart


@dataclass(frozen=True)
class Sums:
    """Losses summed over labelled tokens, and their numbers, by name."""

    totals: dict[str, Tensor]
    counts: dict[str, Tensor]

    def weighted(self, losses: StageLosses) -> Tensor:
        """Return the sum of the means, each times its weight."""
        weights = losses.weights()
        parts = [weights[name] * total / self.counts[name].clamp(min=1) for name, total in self.totals.items()]
        return torch.stack(parts).sum()


class Lesson:
    """Windows to learn from and to measure by."""

    def __init__(
        self,
        training: Windows,
        validation: Windows,
        signals: Signals | None,
        settings: CompressionSettings,
        seed: int,
        padding: int,
        device: torch.device,
    ) -> None:
        """Take the labelled windows of training and validation, and the transfer text where any stage needs it.

        Raises:
            SmeltError: training or validation has none.
        """
        for split, windows in (("train", training), ("validation", validation)):
            if not len(windows):
                raise SmeltError(split, "none of its sentences has a word")
        self.settings, self.signals = settings, signals
        self._padding, self._device = padding, device
        every = np.arange(len(training))
        self._labelled = Stream(training, every, settings.batch, [seed, LABELLED], padding, device)
        self._validation = validation
        self._unlabelled: Stream | None = None
        self._held_out: list[Whole] = []
        if signals is not None:
            windows, held_out = signals.transfer.windows, signals.transfer.held_out
            kept = np.flatnonzero(~held_out)
            self._unlabelled = Stream(windows, kept, settings.batch, [seed, UNLABELLED], padding, device)
            self._held_out = longest_first(windows, np.flatnonzero(held_out), 2 * settings.batch)
        self._measured = longest_first(validation, np.arange(len(validation)), 2 * settings.batch)

    def steps(self, losses: StageLosses) -> int:
        """Return the steps of an epoch: one pass over the larger of the sets that the losses are of."""
        sizes = [self._labelled.batches] if losses.labels else []
        if losses.of_transfer:
            assert self._unlabelled is not None
            sizes.append(self._unlabelled.batches)
        return max(sizes)

    def learn(self, pupil: Pupil, losses: StageLosses, phase: int, turn: int) -> tuple[Tensor, int]:
        """Leave the gradients of a step in the pupil; return its loss and how many tokens were read.

        What the two sets add to the gradients is added one after the other, so that one batch at a time takes memory.
        """
        total, tokens = torch.zeros((), device=next(pupil.parameters()).device), 0
        if losses.of_transfer:
            assert self._unlabelled is not None
            numbers, batch = self._unlabelled.at(phase, turn)
            total += _backward(self._imitated(pupil, losses, numbers, batch), losses)
            tokens += _tokens(self._unlabelled, numbers)
        if losses.labels:
            numbers, batch = self._labelled.at(phase, turn)
            total += _backward(self._labels(pupil, batch), losses)
            tokens += _tokens(self._labelled, numbers)
        return total, tokens

    @torch.no_grad()
    def measure(self, pupil: Pupil, losses: StageLosses) -> float:
        """Return the loss on what is held out of the transfer text and on the validation split, as the losses weigh."""
        pupil.eval()
        parts = []
        if losses.of_transfer:
            assert self._unlabelled is not None
            made = map(self._unlabelled.made, self._held_out)
            parts += [self._imitated(pupil, losses, numbers, batch) for numbers, batch in made]
        if losses.labels:
            for numbers in self._measured:
                batch = self._validation.batch(numbers, self._padding, self._device)
                parts.append(self._labels(pupil, batch))
        return float(_together(parts).weighted(losses))

    def _imitated(self, pupil: Pupil, losses: StageLosses, numbers: Whole, batch: Batch) -> Sums:
        assert self.signals is not None
        told = self.signals.told(numbers, batch, losses.representation > 0, losses.logits > 0)
        features = pupil(batch)
        totals = {}
        if told.states is not None:
            kind = self.settings.representation
            totals["representation"] = representation_loss(features, told.states.float(), kind)
        if told.logits is not None:
            totals["logits"] = logit_loss(pupil.head("regression")(features), told.logits)
        count = torch.tensor(len(batch.rows), device=features.device)
        return Sums(totals, dict.fromkeys(totals, count))

    def _labels(self, pupil: Pupil, batch: Batch) -> Sums:
        total, count = label_loss(pupil.logits(batch, "classifier"), batch.targets)
        return Sums({"labels": total}, {"labels": count})


def _backward(sums: Sums, losses: StageLosses) -> Tensor:
    loss = sums.weighted(losses)
    if loss.requires_grad:  # the representation's does not, where the head alone learns
        loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _tokens(stream: Stream, numbers: Whole) -> int:
    return int(stream.windows.lengths[numbers].sum())


def _together(parts: list[Sums]) -> Sums:
    """Return sums of all batches, in double precision so that their order hardly counts."""
    totals: dict[str, Tensor] = {}
    counts: dict[str, Tensor] = {}
    for part in parts:
        for name in part.totals:
            totals[name] = totals.get(name, 0.0) + part.totals[name].double()
            counts[name] = counts.get(name, 0) + part.counts[name]
    return Sums(totals, counts)
