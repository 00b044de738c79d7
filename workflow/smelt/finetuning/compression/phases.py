"""The phases of a compression: what each minimises on which data, and its rate (XtremeDistil, section 5).

The data are labelled windows, and transfer text with the teacher's outputs. Losses (equations 2, 4 and 6) are summed
over labelled tokens: the first pieces of words, or the first token of a text. Later pieces of words (tagged 'X' in the
paper), special tokens and padding enter none.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from smelt.errors import SmeltError
from smelt.finetuning.batches import TaskBatch
from smelt.finetuning.compression.signals import Signals
from smelt.finetuning.compression.students import DistillationStudent, HeadName, PhasePlan
from smelt.finetuning.compression.windows import Whole, Windows, WindowStream, longest_first
from smelt.study.compression import CompressionSettings, Schedule, StageLosses
from smelt.tasks.windows import IGNORED
from smelt.training.epochs import History, LearntBatch, Measured, Phase

LABELLED, UNLABELLED = 0, 1  # seeds of the two streams
Record = dict[str, Any]
ScoresOf = Callable[[HeadName], list[Record]]
"""Returns the scores of the student with a head, on validation and test."""
Representation = Literal["keras-kl", "kl", "mse"]
FLOOR = 1e-7  # Keras' epsilon


@dataclass(frozen=True)
class LossSums:
    """Losses summed over labelled tokens, and their numbers, by name."""

    totals: dict[str, Tensor]
    counts: dict[str, Tensor]

    def weighted_sum(self, losses: StageLosses) -> Tensor:
        """Return the sum of the means, each times its weight."""
        weights = losses.weights()
        parts = [weights[name] * total / self.counts[name].clamp(min=1) for name, total in self.totals.items()]
        return torch.stack(parts).sum()


class StageData:
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
        self._labelled = WindowStream(training, every, settings.batch, [seed, LABELLED], padding, device)
        self._validation = validation
        self._unlabelled: WindowStream | None = None
        self._held_out: list[Whole] = []
        if signals is not None:
            windows, held_out = signals.transfer.windows, signals.transfer.held_out
            kept = np.flatnonzero(~held_out)
            self._unlabelled = WindowStream(windows, kept, settings.batch, [seed, UNLABELLED], padding, device)
            self._held_out = longest_first(windows, np.flatnonzero(held_out), 2 * settings.batch)
        self._measured = longest_first(validation, np.arange(len(validation)), 2 * settings.batch)

    def steps(self, losses: StageLosses) -> int:
        """Return the steps of an epoch: one pass over the larger of the sets that the losses are of."""
        sizes = [self._labelled.batches] if losses.labels else []
        if losses.of_transfer:
            assert self._unlabelled is not None
            sizes.append(self._unlabelled.batches)
        return max(sizes)

    def learn(self, student: DistillationStudent, losses: StageLosses, phase: int, step: int) -> tuple[Tensor, int]:
        """Leave the gradients of a step in the student; return its loss and how many tokens were read.

        The two sets add to the gradients one after the other, so that only one batch at a time takes memory.
        """
        total, tokens = torch.zeros((), device=next(student.parameters()).device), 0
        if losses.of_transfer:
            assert self._unlabelled is not None
            numbers, batch = self._unlabelled.at(phase, step)
            total += _backward(self._imitate(student, losses, numbers, batch), losses)
            tokens += _tokens(self._unlabelled, numbers)
        if losses.labels:
            numbers, batch = self._labelled.at(phase, step)
            total += _backward(self._labels(student, batch), losses)
            tokens += _tokens(self._labelled, numbers)
        return total, tokens

    @torch.no_grad()
    def measure(self, student: DistillationStudent, losses: StageLosses) -> float:
        """Return the loss on what is held out of the transfer text and on the validation split, as the losses weigh."""
        student.eval()
        parts = []
        if losses.of_transfer:
            assert self._unlabelled is not None
            made = map(self._unlabelled.make_batch, self._held_out)
            parts += [self._imitate(student, losses, numbers, batch) for numbers, batch in made]
        if losses.labels:
            for numbers in self._measured:
                batch = self._validation.batch(numbers, self._padding, self._device)
                parts.append(self._labels(student, batch))
        return float(_together(parts).weighted_sum(losses))

    def _imitate(self, student: DistillationStudent, losses: StageLosses, numbers: Whole, batch: TaskBatch) -> LossSums:
        assert self.signals is not None
        outputs = self.signals.teacher_outputs(numbers, batch, losses.representation > 0, losses.logits > 0)
        features = student(batch)
        totals = {}
        if outputs.states is not None:
            kind = self.settings.representation
            totals["representation"] = representation_loss(features, outputs.states.float(), kind)
        if outputs.logits is not None:
            totals["logits"] = logit_loss(student.head("regression")(features), outputs.logits)
        count = torch.tensor(len(batch.rows), device=features.device)
        return LossSums(totals, dict.fromkeys(totals, count))

    def _labels(self, student: DistillationStudent, batch: TaskBatch) -> LossSums:
        total, count = label_loss(student.logits(batch, "classifier"), batch.targets)
        return LossSums({"labels": total}, {"labels": count})


class CompressionPhase(Phase):
    """A phase of a student: its data and losses, the parts that learn, and the rate of each step."""

    measures_start = keeps_end = True
    advice = "lower `learning_rate`, or set settings.clip"

    def __init__(
        self,
        number: int,
        plan: PhasePlan,
        student: DistillationStudent,
        data: StageData,
        clip: float | None,
        scores: ScoresOf,
    ) -> None:
        """Take a phase with its number from 0, the student on its device, its data, and what scores it at the end.

        clip: norm that gradients are clipped to; None leaves them as they are.
        """
        self.number, self.plan, self.student, self.data = number, plan, student, data
        self.scores, self.clip = scores, clip
        self.epochs, self.patience = plan.schedule.epochs, plan.schedule.patience
        self.title = f"stage {plan.stage}, {plan.unfrozen}"

    @property
    def steps_of_epoch(self) -> int:
        """Steps of an epoch."""
        return self.data.steps(self.plan.losses)

    def begin(self) -> tuple[dict[str, nn.Parameter], torch.optim.Optimizer]:
        """Freeze what does not learn in this phase; return what does, by name, and its optimizer."""
        learning = self.student.unfreeze(self.plan)
        return learning, torch.optim.Adam(learning.values(), lr=self.plan.schedule.learning_rate, fused=True)

    def learning_rate(self, step: int) -> float:
        """Return the rate of a step, counted from 0."""
        return cosine_rate(step, self.steps_of_epoch, self.plan.schedule)

    def learn(self, step: int) -> LearntBatch:
        """Leave the gradients of a step, counted from 0, in the weights."""
        loss, tokens = self.data.learn(self.student, self.plan.losses, self.number, step)
        return LearntBatch(float(loss), 1, tokens)

    def measure(self) -> Measured:
        """Return the loss on validation, and on what is held out of the transfer text."""
        return {"loss": self.data.measure(self.student, self.plan.losses)}

    def better(self, one: Measured, other: Measured) -> bool:
        """Return whether one loss is lower than another."""
        return one["loss"] < other["loss"]

    def record(self, history: History) -> Record:
        """Return the record of the phase, as metrics.json holds it."""
        losses = [measured["loss"] for measured in history.validation if measured is not None]
        record = {"stage": self.plan.stage, "unfrozen": self.plan.unfrozen, "losses": self.plan.losses.weights()}
        record |= {"epochs": history.stretches, "steps": history.steps}
        record |= {"best": history.best, "validation_loss": min(losses), "validation_losses": losses}
        return record | {"scores": self.scores(self.plan.head) if self.plan.head else []}


def cosine_rate(step: int, steps: int, schedule: Schedule) -> float:
    """Return the rate of a step, from 0: a cosine from the highest to the lowest over `cycle` epochs, again and again.

    SGDR (Loshchilov and Hutter 2017, equation 5) with cycles of one length. steps: of an epoch.
    """
    last = schedule.cycle * steps - 1
    place = step % (last + 1) / last if last else 0.0
    low, high = schedule.minimum_learning_rate, schedule.learning_rate
    return low + (high - low) * (1 + math.cos(math.pi * place)) / 2


def _backward(sums: LossSums, losses: StageLosses) -> Tensor:
    loss = sums.weighted_sum(losses)
    if loss.requires_grad:  # the representation's does not, where the head alone learns
        loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _tokens(stream: WindowStream, numbers: Whole) -> int:
    return int(stream.windows.lengths[numbers].sum())


def _together(parts: list[LossSums]) -> LossSums:
    """Return sums of all batches, in double precision so that their order hardly counts."""
    totals: dict[str, Tensor] = {}
    counts: dict[str, Tensor] = {}
    for part in parts:
        for name in part.totals:
            totals[name] = totals.get(name, 0.0) + part.totals[name].double()
            counts[name] = counts.get(name, 0) + part.counts[name]
    return LossSums(totals, counts)


def representation_loss(student: Tensor, teacher: Tensor, kind: Representation) -> Tensor:
    """Return the distance of projected states from a teacher's, summed over tokens (equation 6).

    Args:
        student: projected states, shape (tokens, width).
        teacher: hidden states, of the same shape.
        kind: keras-kl is `keras.losses.kl_divergence` as XtremeDistil's code calls it, on values that are not
            distributions: both clipped to [1e-7, 1], the sum of t log(t / s) over the width, which can be below 0. kl
            is that divergence of their softmax. mse is the mean of squared differences over the width.
    """
    if kind == "keras-kl":
        wanted, found = teacher.clamp(FLOOR, 1.0), student.clamp(FLOOR, 1.0)
        return (wanted * (wanted.log() - found.log())).sum()
    if kind == "kl":
        found, wanted = student.log_softmax(-1), teacher.log_softmax(-1)
        return functional.kl_div(found, wanted, reduction="sum", log_target=True)
    return functional.mse_loss(student, teacher, reduction="sum") / student.shape[-1]


def logit_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Return half the squared distance of logits of shape (tokens, labels), summed over tokens (equation 4).

    The teacher's raw logits are the target, as in the code: log-probabilities, the letter of the equation, differ from
    them by a constant of each token, which no prediction depends on.
    """
    return functional.mse_loss(student, teacher, reduction="sum") / 2


def label_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of labels, summed over tokens, and how many tokens have one (equation 2).

    Args:
        logits: shape (tokens, labels).
        targets: numbers of labels, shape (tokens,); IGNORED where training lacks the label.
    """
    total = functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
    return total, torch.count_nonzero(targets != IGNORED)
