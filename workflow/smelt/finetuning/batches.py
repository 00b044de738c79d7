"""Batches of windows of like length: little padding, and an order that the seed draws."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smelt.finetuning.encoding import Encoded

POOL = 50  # batches that are sorted by length together: enough for little padding, few enough to stay mixed


@dataclass(frozen=True)
class Batch:
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


def shuffled(lengths: Sequence[int], batch: int, seed: int, epoch: int) -> list[list[int]]:
    """Return all windows in batches: drawn into pools, sorted by length within each, the batches in drawn order."""
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), batch * POOL):
        pool = sorted(order[start : start + batch * POOL].tolist(), key=lambda window: lengths[window])
        batches += [pool[first : first + batch] for first in range(0, len(pool), batch)]
    return [batches[number] for number in generator.permutation(len(batches))]


def by_length(lengths: Sequence[int], batch: int) -> list[list[int]]:
    """Return all windows in batches, the longest first, so that a lack of memory shows at once."""
    order = sorted(range(len(lengths)), key=lambda window: -lengths[window])
    return [order[start : start + batch] for start in range(0, len(order), batch)]


def collate(encoded: Encoded, chosen: Sequence[list[int]], padding: int, device: torch.device) -> Iterator[Batch]:
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
        yield Batch(list(numbers), *parts)
