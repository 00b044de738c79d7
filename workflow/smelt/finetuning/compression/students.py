"""The student before it learns: its shape, the pieces that have rows of their own, and what these rows are at first."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor
from transformers import AutoConfig, AutoModel

from smelt.architectures import CompactConfig, CompactForSequenceClassification, CompactForTokenClassification
from smelt.architectures.compact import POSITIONS
from smelt.errors import SmeltError, first_line
from smelt.finetuning.compression.embeddings import start
from smelt.finetuning.compression.random_streams import stream
from smelt.finetuning.compression.windows import Windows
from smelt.finetuning.data import Task
from smelt.finetuning.tokenizer import Pieces
from smelt.study.compression import Compression, TransformerShape

IDS_AT_ONCE = 2**24
Ids = NDArray[np.int64]


def seen_pieces(pieces: Pieces, texts: list[Windows]) -> Ids:
    """Return the ids that stand in some texts, and the special ones, ascending."""
    seen = np.zeros(len(pieces.tokenizer), dtype=bool)
    seen[[*pieces.tokenizer.all_special_ids, pieces.unknown, pieces.padding]] = True
    for windows in texts:
        for first in range(0, len(windows.ids), IDS_AT_ONCE):
            seen |= np.bincount(windows.ids[first : first + IDS_AT_ONCE], minlength=len(seen)) > 0
    return np.flatnonzero(seen)


def new_student(settings: Compression, task: Task, pieces: Pieces, kept: Ids, width: int, seed: int) -> Any:
    """Return a student whose weights the seed draws.

    Args:
        settings: its shape, its dropout and the length of its texts.
        task: its labels.
        pieces: its tokenizer's.
        kept: ids that have rows of their own, ascending.
        width: of the teacher's states, which it projects its own to.
        seed: draws its weights.
    """
    shape = settings.student
    numbers: dict[str, Any] = {"kind": shape.kind, "embedding_size": shape.embedding, "num_hidden_layers": shape.layers}
    if isinstance(shape, TransformerShape):
        longest = max(POSITIONS, settings.settings.length)
        numbers |= {"num_attention_heads": shape.heads, "max_position_embeddings": longest}
    else:
        numbers["hidden_size"] = shape.hidden
    config = CompactConfig(
        vocab_size=len(pieces.tokenizer),
        rows=len(kept),
        projection_size=width,
        dropout=settings.settings.dropout,
        pad_token_id=pieces.padding,
        num_labels=len(task.labels),
        id2label=dict(enumerate(task.labels)),
        label2id={label: number for number, label in enumerate(task.labels)},
        **numbers,
    )
    torch.manual_seed(stream(seed, "student"))
    student = (CompactForTokenClassification if task.by_word else CompactForSequenceClassification)(config)
    student.compact.keep_pieces(kept.tolist(), pieces.unknown)
    return student


def start_embeddings(
    student: Any, settings: Compression, pieces: Pieces, kept: Ids, teacher: Tensor | None, seed: int
) -> dict[str, Any]:
    """Give a student's rows their start; return what is to be said of it.

    teacher: embeddings of all pieces, shape (pieces or more, width); None where the start does not come of them.
    """
    rows = None if teacher is None else teacher.detach().cpu()[torch.from_numpy(kept)]
    texts = pieces.tokenizer.convert_ids_to_tokens(kept.tolist())
    first, facts = start(settings.embeddings, len(kept), settings.student.embedding, rows, texts, seed)
    with torch.no_grad():
        student.get_input_embeddings().weight.copy_(first)
    return facts


def pretrained_embeddings(folder: Path) -> Tensor:
    """Return the embeddings of a model before it was fine-tuned, shape (pieces, width).

    Raises:
        SmeltError: no model loads from there.
    """
    try:
        model = AutoModel.from_pretrained(folder, local_files_only=True, dtype=torch.float32)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise SmeltError(folder, f"no model loads from this folder: {first_line(error)}") from None
    weight: Tensor = model.get_input_embeddings().weight
    return weight


def width_of(folder: Path) -> int:
    """Return the width of a model's hidden states.

    Raises:
        SmeltError: its configuration does not load, or has none.
    """
    try:
        return int(AutoConfig.from_pretrained(folder, local_files_only=True).hidden_size)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise SmeltError(folder, f"no model loads from this folder: {first_line(error)}") from None
