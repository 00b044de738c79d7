"""The loop of every training: steps, and between them checkpoints, resuming, and the end of the job's time.

A training that was stopped continues from its checkpoint to the same weights and records, bit for bit; with several
processes, to rounding. Two kinds of training define the steps: smelt.training.loop trains on token blocks (pretraining
and distillation), smelt.training.epochs on a task (fine-tuning and compression).
"""

import math
import random
import signal
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Self

import numpy as np
import torch

from smelt.energy import Account
from smelt.errors import Unfinished
from smelt.training.checkpoints import Checkpoints
from smelt.training.distributed import ALONE, Processes
from smelt.training.progress import say

# From the scheduler and Ctrl-C; SLURM's --signal=USR1@120 gives notice two minutes before a job's end.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

# Time kept free at the end of a job, for the last checkpoint and for what ran before the clock started.
RESERVED_SHARE, LONGEST_RESERVE = 0.1, 120.0


def end_of(minutes: float | None, started: float) -> float:
    """Return when a job that began at `started` has to end, by time.monotonic(); infinity where it has no limit."""
    return math.inf if minutes is None else started + minutes * 60 - reserve(minutes)


def reserve(minutes: float) -> float:
    """Return the seconds that are kept free at the end of a job."""
    return min(RESERVED_SHARE * minutes * 60, LONGEST_RESERVE)


class StopRequests:
    """Notes signals instead of ending at them, and watches the clock; `reason` is called between steps.

    Several processes get the same answer at the same call, so that they stop at the same step.
    """

    def __init__(
        self, minutes: float | None = None, processes: Processes = ALONE, started: float | None = None
    ) -> None:
        """Take the minutes that the job may run, by default without limit, and when it began, by default now."""
        self._minutes, self._processes = minutes, processes
        self._started = time.monotonic() if started is None else started
        self._last_call: float | None = None
        self._longest = 0.0
        self._signal: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        """Take over the signals."""
        self._previous = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def reason(self) -> str | None:
        """Return the reason to stop now, or None; the longest time between two calls is kept free at the end.

        Several processes must call it equally often: each call exchanges a few numbers among them.
        """
        now = time.monotonic()
        self._longest = max(self._longest, now - (self._last_call or now))
        self._last_call = now
        heard = [self._signal is number for number in SIGNALS]
        over = now + self._longest > end_of(self._minutes, self._started)
        if self._processes.size > 1:
            *heard, over = self._processes.sum(torch.tensor([*heard, over], dtype=torch.int64)).bool().tolist()
        for number, was_heard in zip(SIGNALS, heard, strict=True):
            if was_heard:
                return f"stopped by {number.name}"
        return f"the job's {self._minutes:g} minutes are nearly over" if over else None

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signal = signal.Signals(number)


def random_state() -> dict[str, Any]:
    """Return the state of every generator that training may draw from."""
    numpy_state: Any = np.random.get_state(legacy=True)
    name, keys, *rest = numpy_state
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if torch.cuda.is_available() else None,  # this process's GPU
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), *rest],
        "python": random.getstate(),
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Put every generator back into a state that random_state returned."""
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))


Values = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How long a training may take and where it keeps its state; neither changes the result."""

    checkpoints: Checkpoints
    """The caller locks them, and ends them once the result is written."""
    account: Account = field(default_factory=Account)
    """Counts time and energy, including earlier parts of the run."""
    minutes: float | None = None
    """Time of the job; training stops with a checkpoint before it is over."""
    checkpoint_minutes: float = 10.0
    """Time between two checkpoints of a training that keeps them by time; a shorter training keeps none."""
    started: float = field(default_factory=time.monotonic)
    """When the job began, by time.monotonic."""


class SteppedTraining(ABC):
    """The state of a training between two steps."""

    name = "training"
    """Its name in messages."""
    stop: StopRequests

    def __init__(self, limits: Limits) -> None:
        """Begin at step 0."""
        self.limits, self.processes = limits, limits.checkpoints.processes
        self.step = self.saved = 0  # steps taken, and those in the last checkpoint

    def go(self) -> None:
        """Train from the newest checkpoint, or from step 0, to the end.

        Raises:
            Unfinished: stopped before the end; running again continues from the checkpoint that it kept.
            SmeltError: a loss is not finite, or a checkpoint is of another run or cannot be written.
        """
        self.resume()
        requests = StopRequests(self.limits.minutes, self.processes, self.limits.started)
        with self.surroundings(), requests as self.stop:
            self.begin()
            self.between_steps()
            while not self.is_over:
                self.take_step()
                self.between_steps()

    def between_steps(self) -> None:
        """Measure, keep a checkpoint and stop, each if it is due.

        Raises:
            Unfinished: stopped before the end.
        """
        loss = self.measure_where_due()
        reason = None if self.is_over else self.stop.reason()
        if reason or self.checkpoint_is_due(loss):
            self.save(loss)
        if reason:
            kept = f"kept a checkpoint of {self.position()}" if self.step else "nothing was done yet"
            raise self.processes.alike(Unfinished(self.name, f"{reason}; {kept}. Run again to go on"))

    def save(self, loss: float | None = None) -> None:
        """Keep a checkpoint of this step, unless the last one is of it and there is no new loss.

        loss: on held-out data; None if it was not measured at this step.
        """
        if self.step == self.saved and (loss is None or self.step == 0):
            return
        shared, own = self.state()
        shared |= self.limits.account.state() | {"random": self.processes.gather(random_state())}
        self.limits.checkpoints.save(self.step, shared, own, loss)
        self.saved = self.step

    def resume(self) -> None:
        """Go back to the newest checkpoint, if there is one."""
        found = self.limits.checkpoints.load()
        if found is None:
            return
        self.step = self.saved = found.step
        self.load(found.shared, found.own)
        self.limits.account.resume(found.shared)
        self.draw_on(found.shared["random"])
        if self.processes.first:
            say(f"going on from the checkpoint of step {self.step:,}")

    def draw_on(self, states: list[Values]) -> None:
        """Restore the random generators of this process to their state at the checkpoint."""
        set_random_state(states[self.processes.rank])

    @property
    @abstractmethod
    def is_over(self) -> bool:
        """Whether the last step is taken and measured."""

    @abstractmethod
    def take_step(self) -> None:
        """Take the next step and count it."""

    def surroundings(self) -> AbstractContextManager[None]:
        """Return the context in which training runs; by default an empty one."""
        return nullcontext()

    @abstractmethod
    def begin(self) -> None:
        """Prepare the first step of this process."""

    def measure_where_due(self) -> float | None:
        """Measure held-out data if that is due; return the loss, or None if it was not measured."""
        return None

    @abstractmethod
    def checkpoint_is_due(self, loss: float | None) -> bool:
        """Return whether to keep a checkpoint of this step, although nothing stops the training."""

    @abstractmethod
    def position(self) -> str:
        """Return how far the training is, as text."""

    @abstractmethod
    def state(self) -> tuple[Values, Values]:
        """Return the contents of a checkpoint: the state that all processes share, and this process's own."""

    @abstractmethod
    def load(self, shared: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Go back to a state."""
