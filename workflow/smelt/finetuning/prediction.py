"""Labels of windows from a classifier's logits, whatever the classifier."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from smelt.errors import SmeltError
from smelt.finetuning.batches import Batch, by_length, collate
from smelt.finetuning.encoding import Encoded

DIVERGED = (
    "the model's outputs are not numbers: its training has diverged. Lower the learning rate, or set a lower `clip`"
)

LogitsOf = Callable[[Batch], Tensor]
"""Returns the logits of the labelled tokens of a batch, shape (labelled, labels)."""


@torch.inference_mode()
def predict(
    logits_of: LogitsOf, encoded: Encoded, batch: int, padding: int, device: torch.device
) -> tuple[list[list[int]], list[list[float]]]:
    """Return, for each window, the number of the best label at each of its positions, and its probability.

    Raises:
        SmeltError: the classifier's outputs are NaN or infinite, so that its labels would mean nothing.
    """
    labels: list[list[int]] = [[] for _ in encoded.windows]
    probabilities: list[list[float]] = [[] for _ in encoded.windows]
    chosen = by_length([len(window.ids) for window in encoded.windows], batch)
    for part in collate(encoded, chosen, padding, device):
        highest = logits_of(part).float().softmax(-1).max(-1)
        found = zip(part.rows.tolist(), highest.indices.tolist(), highest.values.tolist(), strict=True)
        for row, label, probability in found:
            if not math.isfinite(probability):
                raise SmeltError("predictions", DIVERGED)
            labels[part.windows[row]].append(label)
            probabilities[part.windows[row]].append(probability)
    return labels, probabilities
