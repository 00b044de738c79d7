"""Batches of windows of similar length, in an order drawn by the seed, and the labels that a classifier predicts."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smelt.errors import SmeltError
from smelt.tasks.kinds.base import TaskKind, WindowPredictions
from smelt.tasks.windows import IGNORED, Encoded

DIVERGED = (
    "the model's outputs are not numbers: its training has diverged. Lower the learning rate, or set a lower `clip`"
)
POOL = 50  # batches that are sorted by length together: enough for little padding, few enough to stay mixed


@dataclass(frozen=True)
class TaskBatch:
    """Windows padded to the longest of them; `rows` and `positions` point at the labelled tokens."""

    windows: list[int]
    ids: Tensor
    """Shape (windows, length)."""
    mask: Tensor
    """1 for tokens, 0 for padding; shape (windows, length)."""
    rows: Tensor
    """Window of each labelled token within the batch; shape (labelled,)."""
    positions: Tensor
    """Its position within the window; shape (labelled,)."""
    targets: Tensor
    """Its label; shape (labelled,)."""
    types: Tensor | None = None
    """Token types of pairs, 0 or 1; shape (windows, length). None where the windows are no pairs."""


class Order:
    """One pass over windows: drawn into pools, sorted by length within each, the batches in drawn order.

    It keeps only two arrays, so there may be many windows.
    """

    def __init__(self, lengths: Sequence[int] | NDArray[Any], batch: int, seeds: Sequence[int]) -> None:
        """Draw a pass, by seeds that no other pass has."""
        lengths = np.asarray(lengths)
        generator = np.random.default_rng(seeds)
        self._batch, self._windows = batch, generator.permutation(len(lengths))
        for start in range(0, len(lengths), batch * POOL):
            pool = self._windows[start : start + batch * POOL]
            pool[:] = pool[np.argsort(lengths[pool], kind="stable")]
        self._order = generator.permutation(-(-len(lengths) // batch))

    def __len__(self) -> int:
        """Return the number of batches."""
        return len(self._order)

    def __getitem__(self, place: int) -> NDArray[np.int64]:
        """Return the windows of the batch at a place of the order."""
        start = self._order[place] * self._batch
        return self._windows[start : start + self._batch]


def draw_batches(lengths: Sequence[int], batch: int, seed: int, epoch: int) -> list[list[int]]:
    """Return all windows in batches, in the order of an epoch."""
    order = Order(lengths, batch, [seed, epoch])
    return [order[place].tolist() for place in range(len(order))]


def batch_by_length(lengths: Sequence[int], batch: int) -> list[list[int]]:
    """Return all windows in batches, the longest first, so that a lack of memory shows at once."""
    order = sorted(range(len(lengths)), key=lambda window: -lengths[window])
    return [order[start : start + batch] for start in range(0, len(order), batch)]


def collate(encoded: Encoded, chosen: Sequence[list[int]], padding: int, device: torch.device) -> Iterator[TaskBatch]:
    """Yield the chosen windows as padded tensors."""
    for numbers in chosen:
        windows = [encoded.windows[number] for number in numbers]
        length = max(len(window.ids) for window in windows)
        ids = torch.tensor([[*window.ids, *[padding] * (length - len(window.ids))] for window in windows])
        mask = torch.tensor([[1] * len(window.ids) + [0] * (length - len(window.ids)) for window in windows])
        rows = torch.tensor([row for row, window in enumerate(windows) for _ in window.positions], dtype=torch.long)
        positions = torch.tensor([place for window in windows for place in window.positions], dtype=torch.long)
        targets = torch.tensor([label for number in numbers for label in encoded.targets[number]], dtype=torch.long)
        parts = [part.to(device, non_blocking=True) for part in (ids, mask, rows, positions, targets)]
        if windows[0].types:
            types = [[*window.types, *[0] * (length - len(window.types))] for window in windows]
            parts.append(torch.tensor(types).to(device, non_blocking=True))
        yield TaskBatch(list(numbers), *parts)


LogitsOf = Callable[[TaskBatch], Tensor]
"""Returns the logits of the labelled tokens of a batch, shape (labelled, labels)."""


@torch.inference_mode()
def predict(
    kind: TaskKind, logits_of: LogitsOf, encoded: Encoded, batch: int, padding: int, device: torch.device
) -> WindowPredictions:
    """Return, for each window, what its kind of task decides, and the loss.

    Raises:
        SmeltError: the classifier's outputs are NaN or infinite, so that its labels would mean nothing.
    """
    numbers: list[list[Any]] = [[] for _ in encoded.windows]
    probabilities: list[list[float]] = [[] for _ in encoded.windows]
    loss, learnt = 0.0, 0
    chosen = batch_by_length([len(window.ids) for window in encoded.windows], batch)
    for part in collate(encoded, chosen, padding, device):
        logits = logits_of(part)
        for window, found, sure in zip(part.windows, *kind.decide(logits, part), strict=True):
            if not all(map(math.isfinite, sure)):
                raise SmeltError("predictions", DIVERGED)
            numbers[window], probabilities[window] = found, sure
        if targets := int((part.targets != IGNORED).sum()):  # a mean over nothing is no number
            loss += kind.loss(logits, part.targets).item() * targets
            learnt += targets
    return WindowPredictions(numbers, probabilities, loss / max(learnt, 1))
