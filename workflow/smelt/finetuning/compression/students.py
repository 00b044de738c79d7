"""Students: the phases in which their parts learn, their first weights, and the two heads that they learn with.

A strategy's stages become phases (XtremeDistil, Algorithm 1): each has its losses, and the parts that learn in it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel

from smelt.architectures import CompactConfig, compact
from smelt.architectures.compact import POSITIONS
from smelt.finetuning.batches import TaskBatch
from smelt.finetuning.compression.embeddings import start
from smelt.finetuning.compression.random_streams import derive_seed
from smelt.finetuning.compression.windows import Windows
from smelt.pretrained import TERMS, WEIGHTS, unreadable
from smelt.study.compression import (
    PARTS,
    Compression,
    Schedule,
    Stage,
    StageLosses,
    StudentPart,
    TransformerShape,
)
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Task
from smelt.tasks.tokenizer import TaskTokenizer

IDS_AT_ONCE = 2**24
Ids = NDArray[np.int64]
HeadName = Literal["classifier", "regression"]


@dataclass(frozen=True)
class PhasePlan:
    """A stretch of training that ends when validation gets no better: a stage, or a step of its unfreezing."""

    stage: int
    """Number of its stage, from 1."""
    unfrozen: str
    """Name of the parts that learn: the lowest one, where all above it that the losses reach learn, too; `all` in a
    stage that freezes none; `only` and the parts otherwise."""
    losses: StageLosses
    parts: tuple[StudentPart, ...]
    """Parts that learn."""
    head: HeadName | None
    """The head that predicts after the phase; None as long as no head has learnt."""
    schedule: Schedule
    """How long it lasts, and its learning rate."""

    @property
    def heads(self) -> tuple[HeadName, ...]:
        """The heads that this phase's losses need, whether they learn or not."""
        wanted = {"classifier": self.losses.labels, "regression": self.losses.logits}
        return tuple(head for head in ("classifier", "regression") if wanted[head])


def phases_of(stages: Sequence[Stage], settings: Schedule) -> list[PhasePlan]:
    """Return the phases of a strategy in their order; settings: the defaults of all stages.

    Logits and labels have separate heads (W^r and W^s of the paper). A stage that learns logits alone predicts by the
    first; a stage of representations alone keeps the head that predicted before it.
    """
    phases: list[PhasePlan] = []
    head: HeadName | None = None
    for number, stage in enumerate(stages, start=1):
        if stage.losses.predicts:
            head = "classifier" if stage.losses.labels else "regression"
        schedule = stage.schedule(settings)
        phases += [
            PhasePlan(number, _name(stage, parts), stage.losses, parts, head, schedule) for parts in stage.phases()
        ]
    return phases


def kept_head(phases: Sequence[PhasePlan]) -> HeadName:
    """Return the head that the student keeps: the one that predicts last, with which the layers below have learnt."""
    head = phases[-1].head
    assert head is not None, "a strategy whose last stage predicts nothing is refused with the settings"
    return head


def _name(stage: Stage, parts: tuple[StudentPart, ...]) -> str:
    if stage.unfreeze == "all":
        return "all"
    above = PARTS[: PARTS.index(parts[-1]) + 1]
    whole = tuple(part for part in above if part in stage.losses.reached)
    return parts[-1] if parts == whole else f"only {', '.join(parts)}"


def seen_pieces(pieces: TaskTokenizer, texts: list[Windows]) -> Ids:
    """Return the ids that occur in some texts, and the special ones, ascending."""
    seen = np.zeros(len(pieces.tokenizer), dtype=bool)
    seen[[*pieces.tokenizer.all_special_ids, pieces.unknown, pieces.padding]] = True
    for windows in texts:
        for first in range(0, len(windows.ids), IDS_AT_ONCE):
            seen |= np.bincount(windows.ids[first : first + IDS_AT_ONCE], minlength=len(seen)) > 0
    return np.flatnonzero(seen)


def draw_student(settings: Compression, task: Task, pieces: TaskTokenizer, kept: Ids, width: int, seed: int) -> Any:
    """Return a student whose weights the seed draws.

    Args:
        settings: its shape, its dropout and the length of its texts.
        task: its labels.
        pieces: its tokenizer's.
        kept: ids that have rows of their own, ascending.
        width: of the teacher's states, to which the student projects its own.
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
        **kind_of(task).configuration(task),
        **numbers,
    )
    torch.manual_seed(derive_seed(seed, "student"))
    student = getattr(compact, kind_of(task).student)(config)
    student.compact.keep_pieces(kept.tolist(), pieces.unknown)
    return student


def start_embeddings(
    student: Any, settings: Compression, pieces: TaskTokenizer, kept: Ids, teacher: Tensor | None, seed: int
) -> dict[str, Any]:
    """Set a student's first embeddings; return facts about them for metrics.json.

    teacher: embeddings of all pieces, shape (pieces or more, width); None where the start does not use them.
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
        model = AutoModel.from_pretrained(folder, dtype=torch.float32, **WEIGHTS)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise unreadable(folder, folder, "no model loads from this folder", error) from None
    weight: Tensor = model.get_input_embeddings().weight
    return weight


def width_of(folder: Path) -> int:
    """Return the width of a model's hidden states.

    Raises:
        SmeltError: its configuration does not load, or has none.
    """
    try:
        return int(AutoConfig.from_pretrained(folder, **TERMS).hidden_size)
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise unreadable(folder, folder, "no model loads from this folder", error) from None


class DistillationStudent(nn.Module):
    """A compact model with a second head."""

    def __init__(self, model: Any, seed: int) -> None:
        """Take the compact model, whose classifier predicts labels; the seed draws the head of logits likewise."""
        super().__init__()
        self.model = model
        classifier = model.classifier
        self.regression = nn.Linear(classifier.in_features, classifier.out_features)
        generator = torch.Generator().manual_seed(derive_seed(seed, "regression head"))
        nn.init.xavier_uniform_(self.regression.weight, generator=generator)
        nn.init.zeros_(self.regression.bias)
        self.by_token = type(model).__name__.endswith("ForTokenClassification")

    def forward(self, batch: TaskBatch) -> Tensor:
        """Return the projected states of the labelled tokens, shape (labelled, width).

        Later pieces of words, special tokens and padding are read, but neither projected nor returned.
        """
        if not self.by_token:
            features: Tensor = self.model.features(batch.ids, batch.mask)
            return features[batch.rows]
        states = self.model.compact(batch.ids, batch.mask).last_hidden_state[batch.rows, batch.positions]
        return functional.gelu(self.model.projection(states))

    def head(self, name: HeadName) -> nn.Linear:
        """Return the head of labels or that of logits."""
        head: nn.Linear = self.model.classifier if name == "classifier" else self.regression
        return head

    def logits(self, batch: TaskBatch, head: HeadName) -> Tensor:
        """Return a head's logits of the labelled tokens, shape (labelled, labels)."""
        logits: Tensor = self.head(head)(self(batch))
        return logits

    def unfreeze(self, phase: PhasePlan) -> dict[str, nn.Parameter]:
        """Freeze all but what learns in a phase; return that, by its name."""
        self.requires_grad_(False)
        for part in phase.parts:
            for module in self._modules_of(part, phase):
                module.requires_grad_(True)
        return {name: weight for name, weight in self.named_parameters() if weight.requires_grad}

    def keep(self, head: HeadName) -> Any:
        """Return the student with this head as its classifier."""
        if head == "regression":
            self.model.classifier.load_state_dict(self.regression.state_dict())
        return self.model.requires_grad_(True).eval()

    def _modules_of(self, part: StudentPart, phase: PhasePlan) -> Iterator[nn.Module]:
        if part == "head":
            yield from map(self.head, phase.heads)
        elif part == "projection":
            yield self.model.projection
        elif part == "encoder":
            yield self.model.compact.encoder
        else:
            yield self.model.compact.embeddings
