"""The phases of a compression, one after the other, each until validation gets no better (XtremeDistil, section 5).

A run that was stopped goes on from its checkpoint to the same weights and the same records, bit for bit.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smelt.errors import SmeltError, Unfinished
from smelt.finetuning.compression.account import Account
from smelt.finetuning.compression.stage_data import StageData
from smelt.finetuning.compression.students import DistillationStudent, Head, Phase
from smelt.study.strategies import Schedule
from smelt.training.checkpoints import Checkpoints
from smelt.training.optimizers import set_learning_rate
from smelt.training.progress import SECONDS_BETWEEN_LINES, Speed, say
from smelt.training.random_states import random_state, set_random_state
from smelt.training.stopping import StopRequests

Record = dict[str, Any]
ScoresOf = Callable[[Head], list[Record]]
"""Returns the scores of the student with a head, on validation and test."""


@dataclass(frozen=True)
class Run:
    """How a compression is run, which decides nothing of what it comes to."""

    checkpoints: Checkpoints
    account: Account
    minutes: float | None = None
    """Time of the job."""
    checkpoint_minutes: float = 10.0
    """Time between two checkpoints within a phase."""
    started: float | None = None
    """When the job began, by the monotonic clock; by default now."""


def learning_rate(turn: int, steps: int, schedule: Schedule) -> float:
    """Return the rate of a phase's step, from 0: a cosine from high to low over `cycle` epochs, again and again.

    SGDR (Loshchilov and Hutter 2017, equation 5) with cycles of one length. steps: of an epoch.
    """
    last = schedule.cycle * steps - 1
    place = turn % (last + 1) / last if last else 0.0
    return schedule.low + (schedule.high - schedule.low) * (1 + math.cos(math.pi * place)) / 2


class Loop:
    """The state of a compression between two steps."""

    def __init__(
        self, student: DistillationStudent, phases: list[Phase], data: StageData, clip: float | None, scores: ScoresOf
    ) -> None:
        """Take the student on its device, its phases, what it learns from, and what scores it after each of them.

        clip: norm that gradients are clipped to; None leaves them as they are.
        """
        self.student, self.phases, self.data, self.clip, self.scores = student, phases, data, clip, scores
        self.number = self.turn = self.step = 0  # the phase, its steps so far, and those of all phases
        self.losses: list[float] = []
        """Of validation: before the phase, and after each of its epochs."""
        self.records: list[Record] = []
        self.learning: dict[str, nn.Parameter] = {}
        self.best: dict[str, Tensor] = {}
        self.optimizer: torch.optim.Optimizer
        self.speed = Speed()
        self.saved = self.said = time.monotonic()

    @property
    def phase(self) -> Phase:
        """The phase that is on."""
        return self.phases[self.number]

    @property
    def steps_of_epoch(self) -> int:
        """Steps that an epoch of the phase takes."""
        return self.data.steps(self.phase.losses)

    @property
    def epoch(self) -> int:
        """Epochs of the phase that are over."""
        return len(self.losses) - 1

    @property
    def best_epoch(self) -> int:
        """The epoch with the lowest loss, the earliest of equals; 0 is before the first."""
        return self.losses.index(min(self.losses))

    @property
    def is_over(self) -> bool:
        """Whether the phase has come to its end."""
        schedule = self.phase.schedule
        return self.epoch >= schedule.epochs or self.epoch - self.best_epoch >= schedule.patience

    def run(self, run: Run) -> list[Record]:
        """Go through the phases that are left; return a record of each.

        Raises:
            Unfinished: stopped before the end; running again continues from the checkpoint that it kept.
            SmeltError: a loss is no number any more, or a checkpoint is another run's or cannot be written.
        """
        self.resume(run)
        self.speed = Speed()
        with StopRequests(run.minutes, started=run.started) as stop:
            while self.number < len(self.phases):
                if not self.losses:
                    self.begin()
                while not self.is_over:
                    self.between_steps(run, stop)
                    self.take_step()
                self.end()
                self.save(run)
        return self.records

    def begin(self) -> None:
        """Begin a phase: freeze what does not learn in it, forget the last one's optimizer, measure what there is."""
        self.prepare()
        self.losses = [self.measured()]
        self.best = {name: weight.detach().clone() for name, weight in self.learning.items()}

    def prepare(self) -> None:
        """Freeze what does not learn in this phase, and make its optimizer."""
        self.learning = self.student.unfreeze(self.phase)
        self.optimizer = torch.optim.Adam(self.learning.values(), lr=self.phase.schedule.high, fused=True)

    def take_step(self) -> None:
        """Take a step, and what is due after the last one of an epoch."""
        self.student.train()
        steps = self.steps_of_epoch
        set_learning_rate(self.optimizer, learning_rate(self.turn, steps, self.phase.schedule))
        loss, tokens = self.data.learn(self.student, self.phase.losses, self.number, self.turn)
        self.refuse_no_number(float(loss))
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.learning.values(), self.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.turn, self.step = self.turn + 1, self.step + 1
        self.speed.add(tokens)
        if time.monotonic() - self.said > SECONDS_BETWEEN_LINES:
            self.say(f"step {(self.turn - 1) % steps + 1:,} of {steps:,}  loss {float(loss):.4f}")
        if self.turn % steps == 0:
            self.end_epoch()

    def end_epoch(self) -> None:
        """Measure an epoch, and keep its weights if it is the best so far."""
        self.losses.append(self.measured())
        self.say(f"validation {self.losses[-1]:.4f}, the best is {self.losses[self.best_epoch]:.4f}")
        if self.best_epoch == self.epoch:
            with torch.no_grad():
                for name, weight in self.learning.items():
                    self.best[name].copy_(weight)

    def end(self) -> None:
        """End a phase: go back to its best weights, and put down what it came to."""
        with torch.no_grad():
            for name, weight in self.learning.items():
                weight.copy_(self.best[name])
        phase = self.phase
        record = {"stage": phase.stage, "unfrozen": phase.unfrozen, "losses": phase.losses.weights()}
        record |= {"epochs": self.epoch, "steps": self.turn}
        record |= {"best": self.best_epoch, "validation_loss": min(self.losses)}
        record |= {"validation_losses": self.losses, "scores": self.scores(phase.head) if phase.head else []}
        self.records.append(record)
        self.number, self.turn, self.losses, self.best = self.number + 1, 0, [], {}

    def measured(self) -> float:
        """Return the loss on validation, leaving its time out of the speed."""
        began = time.perf_counter()
        loss = self.data.measure(self.student, self.phase.losses)
        self.refuse_no_number(loss)
        self.speed.skip(time.perf_counter() - began)
        return loss

    def refuse_no_number(self, loss: float) -> None:
        """Raise a SmeltError where a loss is not finite."""
        if not math.isfinite(loss):
            where = f"step {self.step + 1} (stage {self.phase.stage}, {self.phase.unfrozen})"
            raise SmeltError(where, f"the loss is {loss}: lower `high`, or set settings.clip")

    def between_steps(self, run: Run, stop: StopRequests) -> None:
        """Keep a checkpoint where it is time to, and stop where that is asked for.

        Raises:
            Unfinished: it is.
        """
        reason = stop.reason()
        if reason or time.monotonic() - self.saved > run.checkpoint_minutes * 60:
            self.save(run)
        if reason:
            kept = f"kept a checkpoint of step {self.step:,} (stage {self.phase.stage}, {self.phase.unfrozen})"
            raise Unfinished("compression", f"{reason}; {kept}. Run again to go on")

    def save(self, run: Run) -> None:
        """Keep a checkpoint."""
        within = bool(self.losses)
        state = {"number": self.number, "turn": self.turn, "losses": self.losses, "records": self.records}
        state |= {"student": self.student.state_dict(), "best": self.best, "random": random_state()}
        state |= {"optimizer": self.optimizer.state_dict() if within else {}, "account": run.account.state()}
        run.checkpoints.save(self.step, state, {})
        self.saved = time.monotonic()

    def resume(self, run: Run) -> None:
        """Go back to the newest checkpoint, if there is one."""
        state = run.checkpoints.load()
        if state is None:
            return
        found = state.shared
        self.step, self.number, self.turn = state.step, found["number"], found["turn"]
        self.losses, self.records = found["losses"], found["records"]
        self.student.load_state_dict(found["student"])
        run.account.resume(found["account"])
        if self.losses:
            self.prepare()
            self.optimizer.load_state_dict(found["optimizer"])
            self.best = {name: found["best"][name].to(weight.device) for name, weight in self.learning.items()}
        set_random_state(found["random"])
        say(f"going on from the checkpoint of step {self.step:,}")

    def say(self, what: str) -> None:
        """Say how the phase is doing."""
        where = f"stage {self.phase.stage}, {self.phase.unfrozen}: epoch {self.turn / self.steps_of_epoch:.1f}"
        say(f"{where}  {what}  {self.speed.tokens_per_second:,.0f} tokens/s")
        self.said = time.monotonic()
