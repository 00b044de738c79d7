"""The phases of a compression (XtremeDistil, section 5), each a phase of smelt.training.epochs."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from smelt.finetuning.compression.stage_data import StageData
from smelt.finetuning.compression.students import DistillationStudent, Head, PhasePlan
from smelt.study.strategies import Schedule
from smelt.training.epochs import History, LearntBatch, Measured, Phase

Record = dict[str, Any]
ScoresOf = Callable[[Head], list[Record]]
"""Returns the scores of the student with a head, on validation and test."""


def learning_rate(step: int, steps: int, schedule: Schedule) -> float:
    """Return the rate of a phase's step, from 0: a cosine from high to low over `cycle` epochs, again and again.

    SGDR (Loshchilov and Hutter 2017, equation 5) with cycles of one length. steps: of an epoch.
    """
    last = schedule.cycle * steps - 1
    place = step % (last + 1) / last if last else 0.0
    return schedule.low + (schedule.high - schedule.low) * (1 + math.cos(math.pi * place)) / 2


class CompressionPhase(Phase):
    """A phase of a student: its data and losses, the parts that learn, and the rate of each step."""

    measures_start = keeps_end = True
    advice = "lower `high`, or set settings.clip"

    def __init__(
        self,
        number: int,
        phase: PhasePlan,
        student: DistillationStudent,
        data: StageData,
        clip: float | None,
        scores: ScoresOf,
    ) -> None:
        """Take a phase with its number from 0, the student on its device, its data, and what scores it at the end.

        clip: norm that gradients are clipped to; None leaves them as they are.
        """
        self.number, self.phase, self.student, self.data = number, phase, student, data
        self.scores, self.clip = scores, clip
        self.epochs, self.patience = phase.schedule.epochs, phase.schedule.patience
        self.title = f"stage {phase.stage}, {phase.unfrozen}"

    @property
    def steps_of_epoch(self) -> int:
        """Steps of an epoch."""
        return self.data.steps(self.phase.losses)

    def begin(self) -> tuple[dict[str, nn.Parameter], torch.optim.Optimizer]:
        """Freeze what does not learn in this phase; return what does, by name, and its optimizer."""
        learning = self.student.unfreeze(self.phase)
        return learning, torch.optim.Adam(learning.values(), lr=self.phase.schedule.high, fused=True)

    def learning_rate(self, step: int) -> float:
        """Return the rate of a step, counted from 0."""
        return learning_rate(step, self.steps_of_epoch, self.phase.schedule)

    def learn(self, step: int) -> LearntBatch:
        """Leave the gradients of a step, counted from 0, in the weights."""
        loss, tokens = self.data.learn(self.student, self.phase.losses, self.number, step)
        return LearntBatch(float(loss), 1, tokens)

    def measure(self) -> Measured:
        """Return the loss on validation, and on what is held out of the transfer text."""
        return {"loss": self.data.measure(self.student, self.phase.losses)}

    def better(self, one: Measured, other: Measured) -> bool:
        """Whether one loss is lower than another."""
        return one["loss"] < other["loss"]

    def record(self, history: History) -> Record:
        """Return the record of the phase, as metrics.json holds it."""
        losses = [measured["loss"] for measured in history.validation if measured is not None]
        record = {"stage": self.phase.stage, "unfrozen": self.phase.unfrozen, "losses": self.phase.losses.weights()}
        record |= {"epochs": history.epochs, "steps": history.steps}
        record |= {"best": history.best, "validation_loss": min(losses), "validation_losses": losses}
        return record | {"scores": self.scores(self.phase.head) if self.phase.head else []}
