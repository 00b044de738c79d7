"""What surrounds a training, and what comes of it."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch

from smelt.energy import Energy, Meter
from smelt.training.checkpoints import Checkpoints
from smelt.training.curve import LearningCurve
from smelt.training.data import Batch
from smelt.training.distributed import ALONE, Processes
from smelt.training.progress import Gauges


@dataclass(frozen=True)
class Run:
    """What surrounds a training: where its state and curve go, and how long it may take."""

    checkpoints: Checkpoints
    """Locked by the caller, who removes them once the model is written."""
    curve: Path
    """CSV of the learning curve, written anew at every measurement."""
    seed: int
    """Of dropout; blocks and masks are seeded by the batches themselves."""
    device: torch.device
    minutes: float | None = None
    """Time of the job; training stops with a checkpoint before it is over."""
    processes: Processes = ALONE
    meter: Meter | None = None
    """Measures this process's energy since it began; what earlier processes used comes with the checkpoint."""
    events: Path | None = None
    """Folder for TensorBoard."""
    gauges: Gauges = field(default_factory=Gauges)
    """What progress is told by besides losses and clock; the energy is the loop's to add."""
    started: float = field(default_factory=time.monotonic)
    """When the job began, by time.monotonic: its minutes are counted from there."""


@dataclass(frozen=True)
class Outcome:
    """What a training came to."""

    curve: LearningCurve
    hours: float
    """Time it took, resumed parts included."""
    energy: Energy | None
    """What all processes used, resumed parts included; None where it is not known."""
    step: int
    """Step whose weights the model has."""


class BatchSource(Protocol):
    """What makes batches."""

    def train(self, step: int) -> Batch:
        """Return this process's rows of the batch of a step, counted from 1."""

    def validation(self) -> Iterator[tuple[str, Batch]]:
        """Yield (language, batch) of this process's share of what is held out, the same at every call."""

    def described(self, step: int) -> str:
        """Return which blocks a step's batch is made of."""
