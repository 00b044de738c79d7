"""When to stop before the work is done: a signal, or the end of the job's time."""

import signal
import time
from types import FrameType
from typing import Any, Self

import torch

from smelt.training.processes import ALONE, Processes

# Of the scheduler and of Ctrl-C; SLURM's --signal=USR1@120 gives notice two minutes before a job's end.
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)

# What is kept free at the end of a job's time, for the last checkpoint and for what ran before the clock started.
RESERVED_SHARE, LONGEST_RESERVE = 0.1, 120.0


class StopRequests:
    """Notes signals instead of dying of them, and watches the clock; to be asked between steps.

    Several processes are told the same at the same question, so that they stop at the same step.
    """

    def __init__(
        self, minutes: float | None = None, processes: Processes = ALONE, started: float | None = None
    ) -> None:
        """Take the minutes that the job may run, by default without limit, and when it began, by default now."""
        self._minutes, self._processes = minutes, processes
        self._started = time.monotonic() if started is None else started
        self._asked: float | None = None
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
        """Return why to stop now, or None; the longest time between two questions is left free at the end.

        Several processes must ask equally often: each question exchanges a few numbers among them.
        """
        now = time.monotonic()
        self._longest = max(self._longest, now - (self._asked or now))
        self._asked = now
        heard = [self._signal is number for number in SIGNALS]
        over = self._minutes is not None and now - self._started > self._minutes * 60 - self._reserve(self._minutes)
        if self._processes.size > 1:
            *heard, over = self._processes.sum(torch.tensor([*heard, over], dtype=torch.int64)).bool().tolist()
        for number, was_heard in zip(SIGNALS, heard, strict=True):
            if was_heard:
                return f"stopped by {number.name}"
        return f"the job's {self._minutes:g} minutes are nearly over" if over else None

    def _reserve(self, minutes: float) -> float:
        return min(RESERVED_SHARE * minutes * 60, LONGEST_RESERVE) + self._longest

    def _note(self, number: int, _: FrameType | None) -> None:
        self._signal = signal.Signals(number)
