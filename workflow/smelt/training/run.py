"""Settings of a training run that do not change its result, and its outcome."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch

from smelt.energy import Energy
from smelt.training.curve import LearningCurve
from smelt.training.data import Batch
from smelt.training.progress import Gauges
from smelt.training.steps import Limits


@dataclass(frozen=True, kw_only=True)
class Run(Limits):
    """Where a training on token blocks writes its state and curve, where it runs, and how long it may take."""

    curve: Path
    """CSV of the learning curve, rewritten at every measurement."""
    seed: int
    """Of dropout; blocks and masks are seeded by the batches themselves."""
    device: torch.device
    events: Path | None = None
    """Folder for TensorBoard."""
    gauges: Gauges = field(default_factory=Gauges)
    """Measurements that progress shows apart from losses and clock; the loop adds the energy."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a training; the weights are in the model."""

    curve: LearningCurve
    hours: float
    """Time it took, resumed parts included."""
    energy: Energy | None
    """Energy used by all processes, resumed parts included; None where it is not known."""
    step: int
    """The step of the model's weights."""


class BatchSource(Protocol):
    """Makes batches."""

    def train(self, step: int) -> Batch:
        """Return this process's rows of the batch of a step, counted from 1."""

    def validation(self) -> Iterator[tuple[str, Batch]]:
        """Yield (language, batch) of this process's share of the held-out blocks, the same at every call."""

    def describe(self, step: int) -> str:
        """Return which blocks a step's batch is made of."""
