"""The model to fine-tune: a pretrained encoder with a new classifier, seeded."""

from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig
from transformers.utils import logging

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.model_families import of_encoder
from smelt.pretrained import TERMS, WEIGHTS, unreadable
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Task


def load_configuration(folder: Path, task: Task) -> Any:
    """Return the configuration of the folder's model with a classifier for the task.

    Raises:
        SmeltError: the folder holds none that transformers reads.
    """
    read_json(folder / "config.json")  # refused here where it is no JSON object: the library would fail on it
    try:
        return AutoConfig.from_pretrained(folder, **TERMS, **kind_of(task).configuration(task))
    except (OSError, ValueError, KeyError) as error:
        raise _no_model(folder, error) from None


def refuse_other_labels(folder: Path, task: Task) -> None:
    """Refuse a fine-tuned model whose labels are not those of a task, in their order.

    Raises:
        SmeltError: they are others, or it was not fine-tuned.
    """
    names = read_json(folder / "config.json").get("id2label") or {}
    found = [names[key] for key in sorted(names, key=int)]
    if found != task.labels:
        shown, wanted = (", ".join(labels[:12]) or "none" for labels in (found, task.labels))
        raise SmeltError(folder, f"its labels are not those of the task {task.name}: {shown}, not {wanted}")


def load_with_classifier(folder: Path, task: Task, seed: int) -> Any:
    """Return the folder's encoder with a classifier that the seed draws, in training mode.

    Raises:
        SmeltError: the folder holds no model that transformers loads, or one that lacks encoder weights.
    """
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    config = load_configuration(folder, task)
    torch.manual_seed(seed)
    try:
        model, report = getattr(transformers, kind_of(task).head).from_pretrained(
            folder,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **WEIGHTS,
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise _no_model(folder, error) from None
    _check_encoder(folder, model, report)
    _draw_classifier(model, seed)
    return model.train()


def _no_model(folder: Path, error: Exception) -> SmeltError:
    return unreadable(folder, folder, "no model loads from this folder", error)


def _check_encoder(folder: Path, model: Any, report: dict[str, Any]) -> None:
    """Refuse a model whose encoder, apart from a pooler, which not all models have, would start from random weights."""
    lost = {*report["missing_keys"], *(mismatch[0] for mismatch in report["mismatched_keys"])}
    if lacking := of_encoder(model, lost):
        listed = ", ".join(lacking[:3])
        raise SmeltError(folder, f"model.safetensors lacks {len(lacking)} weights of the encoder, such as {listed}")


def _draw_classifier(model: Any, seed: int) -> None:
    """Draw the classifier by BERT's initialisation, whatever weights the folder or the loading has given it."""
    torch.manual_seed(seed)
    spread = getattr(model.config, "initializer_range", 0.02)
    for name, part in model.named_children():
        if name == model.base_model_prefix:
            continue
        for module in part.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=spread)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
