"""From a strategy's stages to phases of training: which losses, and which parts of the student learn (Algorithm 1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from smelt.study.compression import Stage, StageLosses

Part = Literal["head", "projection", "encoder", "embeddings"]
Head = Literal["classifier", "regression"]

PARTS: tuple[Part, ...] = ("head", "projection", "encoder", "embeddings")
"""Parts of a student, the top one first: the order in which gradual unfreezing adds them (section 5.3)."""


@dataclass(frozen=True)
class Phase:
    """A stretch of training that ends when validation gets no better: a stage, or a step of its unfreezing."""

    stage: int
    """Number of its stage, from 1."""
    unfrozen: str
    """The lowest part that learns, below which all are frozen; `all` in a stage that freezes none."""
    losses: StageLosses
    parts: tuple[Part, ...]
    """Parts that learn."""
    head: Head | None
    """The head that predicts afterwards; None while none has learnt anything."""
    ends_stage: bool

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads that this phase's losses need, whether they learn or not."""
        wanted = {"classifier": self.losses.labels, "regression": self.losses.logits}
        return tuple(head for head in ("classifier", "regression") if wanted[head])


def phases_of(stages: Sequence[Stage]) -> list[Phase]:
    """Return the phases of a strategy in their order.

    Logits and labels are learnt by heads of their own, as W^r and W^s of the paper. A stage that learns logits alone
    predicts by the former; one of representations alone by what predicted before it.
    """
    phases: list[Phase] = []
    head: Head | None = None
    for number, stage in enumerate(stages, start=1):
        if stage.losses.predicts:
            head = "classifier" if stage.losses.labels else "regression"
        sets = _unfreezing(stage)
        for place, (name, parts) in enumerate(sets, start=1):
            phases.append(Phase(number, name, stage.losses, parts, head, place == len(sets)))
    return phases


def final_head(stages: Sequence[Stage]) -> Head:
    """Return the head that the student keeps: that of labels, where any stage learns them."""
    return "classifier" if any(stage.losses.labels for stage in stages) else "regression"


def _unfreezing(stage: Stage) -> list[tuple[str, tuple[Part, ...]]]:
    """Return for each phase of a stage its name and the parts that learn, whose losses reach them."""
    reached = PARTS if stage.losses.predicts else PARTS[1:]
    if stage.unfreeze == "all":
        return [("all", reached)]
    return [(part, reached[: place + 1]) for place, part in enumerate(reached)]
