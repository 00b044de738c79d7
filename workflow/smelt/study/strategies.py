"""In which stages a student learns: what it minimises, which of its parts learn, and for how long (Algorithm 1)."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from smelt.entry import Distinct, Entry

Part = Literal["head", "projection", "encoder", "embeddings"]

PARTS: tuple[Part, ...] = ("head", "projection", "encoder", "embeddings")
"""Parts of a student, the top one first: the order in which gradual unfreezing adds them (section 5.3)."""

Parts = Annotated[list[Part], Field(min_length=1), Distinct]


class StageLosses(Entry):
    """What a stage minimises: each loss with its weight (equation 7)."""

    representation: NonNegativeFloat = 0.0
    """Beta: a layer of the teacher from the student's projected states, on the transfer text (equation 6)."""
    logits: NonNegativeFloat = 0.0
    """Gamma: the teacher's logits, on the transfer text (equation 4)."""
    labels: NonNegativeFloat = 0.0
    """Alpha: the labels of the training set (equation 2)."""

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if not any(self.weights().values()):
            raise ValueError("all weights are 0: expected one of representation, logits, labels above it")
        return self

    def weights(self) -> dict[str, float]:
        """Return the weight of each loss, by its name."""
        return self.model_dump()

    @property
    def of_transfer(self) -> bool:
        """Whether the teacher is imitated, on the transfer text."""
        return bool(self.representation or self.logits)

    @property
    def predicts(self) -> bool:
        """Whether labels or logits are learnt, so that the model predicts something after the stage."""
        return bool(self.labels or self.logits)

    @property
    def reached(self) -> tuple[Part, ...]:
        """The parts that the losses depend on, the top one first: states are compared below the head."""
        return PARTS if self.predicts else PARTS[1:]


class Schedule(Entry):
    """How long a phase of training lasts, and its learning rate; defaults are the paper's (appendix A.2)."""

    epochs: PositiveInt = 100
    """Passes over the texts that a phase takes at most: a stage, or each step of its unfreezing."""
    patience: PositiveInt = 5
    """A phase ends when so many epochs have brought no lower loss on validation."""
    high: PositiveFloat = 1e-3
    """Learning rate at the start of a cosine."""
    low: NonNegativeFloat = 1e-8
    """Learning rate at its end."""
    cycle: PositiveInt = 10
    """Epochs from the one to the other, after which the rate is high again."""

    @model_validator(mode="after")
    def _falls(self) -> Self:
        self.refuse_rising()
        return self

    def refuse_rising(self) -> None:
        """Raise a ValueError where the learning rate would rise."""
        if self.low > self.high:
            raise ValueError(f"low: expected at most high, {self.high:g}; found {self.low:g}")


class Stage(Entry):
    """A part of the training with losses of its own (Algorithm 1); each begins with what the last one came to."""

    losses: StageLosses
    """What it minimises."""
    unfreeze: Literal["all", "gradual"] | Annotated[list[Parts], Field(min_length=1)] = "all"
    """all: every part that the losses reach learns at once; gradual: the top one alone until it learns no more, then
    the next with it, and so on, from head over projection and encoder to embeddings (section 5.3); or the parts that
    learn in each phase, one phase after the other."""
    epochs: PositiveInt | None = None
    """Of each of its phases at most; by default, as all below, what `settings` says."""
    patience: PositiveInt | None = None
    """Epochs without a lower loss on validation that end each of its phases."""
    high: PositiveFloat | None = None
    """Learning rate at the start of a cosine."""
    low: NonNegativeFloat | None = None
    """Learning rate at its end."""
    cycle: PositiveInt | None = None
    """Epochs from the one to the other."""

    @model_validator(mode="after")
    def _unfreezes_what_learns(self) -> Self:
        reached = self.losses.reached
        for part in [part for phase in self.unfreeze if isinstance(phase, list) for part in phase]:
            if part not in reached:
                expected = f"expected some of {', '.join(reached)}"
                raise ValueError(f"unfreeze: {part} is reached by no loss of the stage; {expected}")
        return self

    def phases(self) -> list[tuple[Part, ...]]:
        """Return the parts that learn in each of its phases, the top one first."""
        reached = self.losses.reached
        if self.unfreeze == "all":
            return [reached]
        if self.unfreeze == "gradual":
            return [reached[:count] for count in range(1, len(reached) + 1)]
        return [tuple(part for part in PARTS if part in chosen) for chosen in self.unfreeze]

    def schedule(self, settings: Schedule) -> Schedule:
        """Return the schedule of its phases: the settings', save for what it says itself."""
        own = {key: value for key in Schedule.model_fields if (value := getattr(self, key)) is not None}
        return settings.model_copy(update=own)


def _stage(unfreeze: Literal["all", "gradual"] = "all", **losses: float) -> Stage:
    return Stage(losses=StageLosses(**losses), unfreeze=unfreeze)


STRATEGIES: dict[str, list[Stage]] = {
    "D0": [_stage(labels=1)],
    "D0-S": [_stage(labels=1)],
    "D1": [_stage(labels=1, logits=1)],
    "D2": [_stage(labels=1, logits=1, representation=1)],
    "D3.1": [_stage(representation=1), _stage(labels=1, logits=1)],
    "D3.2": [_stage(representation=1), _stage("gradual", labels=1, logits=1)],
    "D4.1": [_stage(representation=1), _stage(logits=1), _stage(labels=1)],
    "D4.2": [_stage(representation=1), _stage("gradual", logits=1), _stage("gradual", labels=1)],
}
"""XtremeDistil's strategies (Table 3). D0 and D0-S are one: D0 is for tasks of one language each, D0-S for one task of
all languages."""


def needs_transfer(stages: Sequence[Stage]) -> bool:
    """Return whether a strategy imitates a teacher, on transfer text."""
    return any(stage.losses.of_transfer for stage in stages)


def needs_states(stages: Sequence[Stage]) -> bool:
    """Return whether a strategy imitates a layer of a teacher."""
    return any(stage.losses.representation for stage in stages)


def check_stages(stages: Sequence[Stage], settings: Schedule) -> None:
    """Check a strategy against the settings that its stages share.

    Raises:
        ValueError: the rate of a stage would rise, or the head that is kept would lag behind the parts below it, since
            the last stage learns none.
    """
    for number, stage in enumerate(stages, start=1):
        try:
            stage.schedule(settings).refuse_rising()
        except ValueError as error:
            raise ValueError(f"stage {number}: {error}") from None
    if not stages[-1].losses.predicts:
        raise ValueError(
            "the last stage learns neither labels nor logits: no head would predict by what the student has become"
        )
