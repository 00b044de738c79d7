"""The fine-tuned model that is imitated: what it says of labelled tokens, and nothing else of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification
from transformers.utils import logging

from smelt.errors import SmeltError, first_line
from smelt.files import read_json
from smelt.finetuning.batches import Batch
from smelt.finetuning.data import Task
from smelt.finetuning.model import longest
from smelt.study.compression import Layer, middle


@dataclass(frozen=True)
class Told:
    """What a teacher says of some labelled tokens; None is what it was not asked."""

    states: Tensor | None
    """Hidden states of one layer, shape (tokens, width), as bfloat16 has them."""
    logits: Tensor | None
    """Shape (tokens, labels)."""


class Teacher:
    """A fine-tuned classifier, frozen."""

    def __init__(self, folder: Path, task: Task, layers: Sequence[Layer], length: int, device: torch.device) -> None:
        """Load it.

        Args:
            folder: of the model.
            task: whose labels it must predict, in their order.
            layers: whose states it will be asked for, from 1.
            length: tokens that it must be able to read at once.
            device: where it runs.

        Raises:
            SmeltError: no model loads from there, it was not fine-tuned, on another task, or lacks a layer.
        """
        self.folder, self.device = folder, device
        self._refuse_other_labels(task)
        self.model = _loaded(folder, task).to(device).eval().requires_grad_(False)
        self.width = int(self.model.config.hidden_size)
        self.labels = len(task.labels)
        depth = int(self.model.config.num_hidden_layers)
        self.layers = sorted({middle(depth) if layer == "middle" else layer for layer in layers})
        if self.layers and self.layers[-1] > depth:
            raise SmeltError("layer", f"{folder} has {depth} layers, counted from 1; found layer {self.layers[-1]}")
        if length > longest(self.model):
            raise SmeltError("length", f"{folder} reads {longest(self.model)} tokens at once; found {length}")

    @property
    def embeddings(self) -> Tensor:
        """Its embeddings of pieces, shape (pieces, width of embeddings)."""
        weight: Tensor = self.model.get_input_embeddings().weight
        return weight

    @torch.no_grad()
    def __call__(self, batch: Batch, layers: Sequence[int]) -> tuple[list[Tensor], Tensor]:
        """Return what it says of the labelled tokens of a batch; on a GPU its products are of bfloat16.

        Returns:
            States of each of the layers, bfloat16, shape (tokens, width); and logits, float32, shape (tokens, labels).
        """
        asked = list(layers) or False  # the other layers' states are not kept
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            found = self.model(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=asked)
        states = [found.hidden_states[layer][batch.rows, batch.positions].bfloat16() for layer in layers]
        by_token = found.logits.ndim == 3  # text classifiers give (windows, labels)
        logits: Tensor = found.logits[batch.rows, batch.positions] if by_token else found.logits[batch.rows]
        return states, logits.float()

    def _refuse_other_labels(self, task: Task) -> None:
        names = read_json(self.folder / "config.json").get("id2label") or {}
        found = [names[key] for key in sorted(names, key=int)]
        if found != task.labels:
            shown, wanted = (", ".join(labels[:12]) or "none" for labels in (found, task.labels))
            raise SmeltError(self.folder, f"its labels are not those of the task {task.name}: {shown}, not {wanted}")


def _loaded(folder: Path, task: Task) -> Any:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    kind = AutoModelForTokenClassification if task.by_word else AutoModelForSequenceClassification
    try:
        model, report = kind.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise SmeltError(folder, f"no model loads from this folder: {first_line(error)}") from None
    if missing := sorted(report["missing_keys"]):
        raise SmeltError(folder, f"is not fine-tuned on {task.name}: it lacks {missing[0]}")
    return model


def as_bits(states: Tensor) -> NDArray[np.uint16]:
    """Return bfloat16 numbers as the 16 bits of each, which numpy can hold."""
    bits: NDArray[np.uint16] = states.cpu().view(torch.int16).numpy().view(np.uint16)
    return bits


def from_bits(bits: NDArray[np.uint16]) -> Tensor:
    """Return the bfloat16 numbers that have these bits."""
    return torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16)
