"""Training on a task, apart from smelt.training.loop because its phases of epochs end with their best weights.

A stretch is an epoch, or the steps between two measurements where a phase measures more often.

Fine-tuning and compression train so, in one process, and keep the best weights by validation in memory. The loop trains
on text blocks for a number of steps: there, processes share a step, losses are read only when a line is due, and the
best weights are on the disk.
"""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, nn

from smelt.errors import SmeltError
from smelt.training.optimizers import set_learning_rate
from smelt.training.progress import SECONDS_BETWEEN_LINES, Speed, say
from smelt.training.steps import Limits, SteppedTraining, Values

# Raise it when `EpochTraining.state` holds other things, or has other names for them: checkpoints of before are then of
# other runs. Version 1 had other names.
CHECKPOINT_FORMAT = 2

Measured = Mapping[str, float]


@dataclass(frozen=True)
class LearntBatch:
    """A step's loss, and the number of tokens in it."""

    loss: float
    labelled: int
    """Labelled tokens; the loss is their mean."""
    tokens: int


@dataclass
class History:
    """Measurements of a phase so far."""

    steps: int = 0
    validation: list[Measured | None] = field(default_factory=list)
    """By stretch; 0 is before the first one; None where it was not measured."""
    train_losses: list[float] = field(default_factory=list)
    """Mean loss of a labelled token, by stretch, from 1."""
    best: int | None = None
    """The stretch with the best validation, the earliest if several are equal."""

    @property
    def stretches(self) -> int:
        """Stretches that are over."""
        return len(self.train_losses)


class Phase(ABC):
    """A stretch of training with its losses, its optimizer and the parts that learn in it."""

    title = ""
    """Its name in lines and messages; empty if there is only one phase."""
    epochs: int
    """Epochs at most."""
    patience: int | None = None
    """The phase ends after this many stretches without a better validation."""
    clip: float | None
    """Norm that gradients are clipped to."""
    measures_start = False
    """Whether the weights before the first step may be the best."""
    keeps_end = False
    """Whether to keep a checkpoint at the end even of a short phase."""
    advice: str
    """Advice for a loss that is not finite, as its error gives it."""

    @property
    @abstractmethod
    def steps_of_epoch(self) -> int:
        """Steps of an epoch."""

    @property
    def steps(self) -> int:
        """Steps at most."""
        return self.epochs * self.steps_of_epoch

    @property
    def steps_of_stretch(self) -> int:
        """Steps between two measurements; the last step is followed by one, too."""
        return self.steps_of_epoch

    @abstractmethod
    def begin(self) -> tuple[dict[str, nn.Parameter], torch.optim.Optimizer]:
        """Freeze all other weights; return those that learn, by name, and their optimizer."""

    @abstractmethod
    def learning_rate(self, step: int) -> float:
        """Return the rate of a step, counted from 0."""

    @abstractmethod
    def learn(self, step: int) -> LearntBatch:
        """Compute the gradients of a step, counted from 0."""

    @abstractmethod
    def measure(self) -> Measured:
        """Return the validation loss or scores."""

    def note_best(self) -> None:  # noqa: B027 - most have nothing to note
        """Note that what was measured last is the best so far."""

    @abstractmethod
    def better(self, one: Measured, other: Measured) -> bool:
        """Return whether one validation is better than another."""

    @abstractmethod
    def record(self, history: History) -> Values:
        """Return the record of the phase; the model has its best weights."""


class EpochTraining(SteppedTraining):
    """Phases one after the other; each begins with the best weights of the one before."""

    def __init__(self, name: str, model: nn.Module, phases: Sequence[Phase], limits: Limits) -> None:
        """Take a model on its device, and its phases."""
        super().__init__(limits)
        self.name, self.model, self.phases = name, model, phases
        self.saved_at = time.monotonic()
        self.history, self.records = History(), list[Values]()
        self.stretch_loss, self.stretch_labelled = 0.0, 0  # summed over the labelled tokens of the present stretch
        self.phase_ended = False  # since the last checkpoint
        self.learning: dict[str, nn.Parameter] = {}
        self.best: dict[str, Tensor] = {}
        self.optimizer: torch.optim.Optimizer
        self.speed, self.said = Speed(), time.perf_counter()
        self.first = 0  # the first step of this process

    @property
    def phase(self) -> Phase:
        """The present phase."""
        return self.phases[len(self.records)]

    @property
    def is_over(self) -> bool:
        """Whether all phases are over."""
        return len(self.records) == len(self.phases)

    def begin(self) -> None:
        """Begin the first phase, unless a checkpoint is past that."""
        self.speed, self.said, self.first = Speed(), time.perf_counter(), self.step
        if not self.is_over and not self.learning:
            self.begin_phase()

    def begin_phase(self) -> None:
        """Begin a phase with a new optimizer, and measure the start."""
        self.learning, self.optimizer = self.phase.begin()
        self.history, self.best = History(validation=[None]), {}
        if self.phase.measures_start:
            self.history.validation = [self.measure()]
            self.keep_best()

    def take_step(self) -> None:
        """Take a step; measure after the last one of a stretch; end the phase after the last stretch."""
        if not self.model.training:
            self.model.train()
        phase, history = self.phase, self.history
        set_learning_rate(self.optimizer, phase.learning_rate(history.steps))
        learnt = phase.learn(history.steps)
        self.refuse_not_finite(learnt.loss)
        if phase.clip is not None:
            nn.utils.clip_grad_norm_(self.learning.values(), phase.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step, history.steps = self.step + 1, history.steps + 1
        self.stretch_loss += learnt.loss * learnt.labelled
        self.stretch_labelled += learnt.labelled
        self.speed.add(learnt.tokens)
        if time.perf_counter() - self.said > SECONDS_BETWEEN_LINES:
            self.report()
        if history.steps % phase.steps_of_stretch == 0 or history.steps == phase.steps:
            self.end_stretch()

    def end_stretch(self) -> None:
        """Measure a stretch and keep its weights if they are the best so far; end the phase if it is over."""
        history, phase = self.history, self.phase
        history.train_losses.append(self.stretch_loss / self.stretch_labelled)
        self.stretch_loss, self.stretch_labelled = 0.0, 0
        found = self.measure()
        history.validation.append(found)
        best = None if history.best is None else history.validation[history.best]
        if best is None or phase.better(found, best):
            self.keep_best()
        shown = " ".join(f"{name} {value:.4f}" for name, value in found.items())
        losses = [f"loss {history.train_losses[-1]:.4f}", f"validation {shown}"]
        if phase.steps_of_stretch == phase.steps_of_epoch:
            self.say(f"epoch {history.stretches} of {phase.epochs}", *losses, f"best in epoch {history.best}")
        else:
            best_step = min((history.best or 0) * phase.steps_of_stretch, phase.steps)
            self.say(f"step {history.steps:,} of {phase.steps:,}", *losses, f"best at step {best_step:,}")
        over = phase.patience is not None and history.stretches - (history.best or 0) >= phase.patience
        if over or history.steps == phase.steps:
            self.end_phase()

    def keep_best(self) -> None:
        """Keep the weights of the present stretch as the best."""
        self.history.best = self.history.stretches
        self.phase.note_best()
        with torch.no_grad():
            for name, weight in self.learning.items():
                if name in self.best:
                    self.best[name].copy_(weight)
                else:
                    self.best[name] = weight.detach().clone()

    def end_phase(self) -> None:
        """Go back to the best weights, record the phase and begin the next one."""
        with torch.no_grad():
            for name, weight in self.learning.items():
                weight.copy_(self.best[name])
        self.phase_ended = self.phase.keeps_end
        self.records.append(self.phase.record(self.history))
        if not self.is_over:
            self.begin_phase()

    def measure(self) -> Measured:
        """Return the validation of the present weights; its time does not count for the speed."""
        began = time.perf_counter()
        found = self.phase.measure()
        for name, value in found.items():
            self.refuse_not_finite(value, f"validation {name}")
        self.speed.skip(time.perf_counter() - began)
        return found

    def refuse_not_finite(self, value: float, name: str = "loss") -> None:
        """Refuse to continue with a loss, or another measured value, that is not finite.

        Raises:
            SmeltError: it is NaN or infinite.
        """
        if not math.isfinite(value):
            where = self.phase.title or f"epoch {self.history.steps // self.phase.steps_of_epoch + 1}"
            raise SmeltError(f"step {self.step + 1} ({where})", f"the {name} is {value}: {self.phase.advice}")

    def checkpoint_is_due(self, loss: float | None) -> bool:  # noqa: ARG002 - checkpoints are kept by time
        """Return whether the last checkpoint is old, or a phase has ended that asks for one."""
        return self.phase_ended or time.monotonic() - self.saved_at > self.limits.checkpoint_minutes * 60

    def save(self, loss: float | None = None) -> None:
        """Keep a checkpoint of this step."""
        super().save(loss)
        self.saved_at, self.phase_ended = time.monotonic(), False

    def position(self) -> str:
        """Return the step and the phase, in words."""
        return f"step {self.step:,}" + (f" ({self.phase.title})" if self.phase.title else "")

    def state(self) -> tuple[Values, Values]:
        """Return the weights and everything else that the next step depends on."""
        state: Values = {"model": self.model.state_dict(), "best": self.best, "records": self.records}
        state |= {"history": vars(self.history), "epoch": (self.stretch_loss, self.stretch_labelled)}
        return state | {"optimizer": {} if self.is_over else self.optimizer.state_dict()}, {}

    def load(self, shared: Mapping[str, Any], own: Mapping[str, Any]) -> None:  # noqa: ARG002 - nothing is its own
        """Go back to a state."""
        self.model.load_state_dict(shared["model"])
        self.records, self.history = shared["records"], History(**shared["history"])
        self.stretch_loss, self.stretch_labelled = shared["epoch"]
        if not self.is_over:
            self.learning, self.optimizer = self.phase.begin()
            self.optimizer.load_state_dict(shared["optimizer"])
            self.best = {name: part.to(self.learning[name].device) for name, part in shared["best"].items()}

    def report(self) -> None:
        """Print a line on the stretch so far."""
        phase, step, steps = self.phase, self.history.steps, self.phase.steps_of_epoch
        figures = [
            f"loss {self.stretch_loss / self.stretch_labelled:.4f}",
            f"{self.speed.tokens_per_second:,.0f} tokens/s",
        ]
        if phase.patience is None:
            last = phase.steps
            pace = self.speed.seconds / (self.step - self.first)
            left = timedelta(seconds=round(pace * (last - step)))
            self.say(f"step {step:,} of {last:,}", *figures, f"{left} left")
        else:
            self.say(f"epoch {step / steps:.1f}", f"step {(step - 1) % steps + 1:,} of {steps:,}", *figures)

    def say(self, *figures: str) -> None:
        """Print how the phase is doing."""
        say("  ".join(filter(None, [self.phase.title, *figures])))
        self.said = time.perf_counter()
