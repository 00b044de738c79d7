"""From a strategy's stages to phases of training: which losses, and which parts of the student learn (Algorithm 1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from smelt.study.strategies import PARTS, Part, Schedule, Stage, StageLosses

Head = Literal["classifier", "regression"]


@dataclass(frozen=True)
class Phase:
    """A stretch of training that ends when validation gets no better: a stage, or a step of its unfreezing."""

    stage: int
    """Number of its stage, from 1."""
    unfrozen: str
    """What learns: the lowest part, where all above it do that the losses reach; `all` in a stage that freezes none;
    `only` and the parts of any other choice."""
    losses: StageLosses
    parts: tuple[Part, ...]
    """Parts that learn."""
    head: Head | None
    """The head that predicts afterwards; None while none has learnt anything."""
    schedule: Schedule
    """How long it lasts, and its learning rate."""

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads that this phase's losses need, whether they learn or not."""
        wanted = {"classifier": self.losses.labels, "regression": self.losses.logits}
        return tuple(head for head in ("classifier", "regression") if wanted[head])


def phases_of(stages: Sequence[Stage], settings: Schedule) -> list[Phase]:
    """Return the phases of a strategy in their order; settings: of all stages, which each may have its own of.

    Logits and labels are learnt by heads of their own, as W^r and W^s of the paper. A stage that learns logits alone
    predicts by the former; one of representations alone by what predicted before it.
    """
    phases: list[Phase] = []
    head: Head | None = None
    for number, stage in enumerate(stages, start=1):
        if stage.losses.predicts:
            head = "classifier" if stage.losses.labels else "regression"
        schedule = stage.schedule(settings)
        phases += [Phase(number, _name(stage, parts), stage.losses, parts, head, schedule) for parts in stage.phases()]
    return phases


def kept_head(phases: Sequence[Phase]) -> Head:
    """Return the head that the student keeps: the one that predicts last, which what lies below it has learnt under."""
    head = phases[-1].head
    assert head is not None, "a strategy whose last stage predicts nothing is refused with the settings"
    return head


def _name(stage: Stage, parts: tuple[Part, ...]) -> str:
    if stage.unfreeze == "all":
        return "all"
    above = PARTS[: PARTS.index(parts[-1]) + 1]
    whole = tuple(part for part in above if part in stage.losses.reached)
    return parts[-1] if parts == whole else f"only {', '.join(parts)}"
