"""Tasks and fine-tuning in a study file."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from smelt.entry import Distinct, Entry, Name, Precision, Seed

Length = Annotated[int, Field(ge=16, le=4096)]


class TaskOptions(Entry):
    """What a study changes about a task."""

    task: Name | None = None
    """The task file (and its setting) that this is under another name, so that a study can have a task both whole and
    with a limit; by default the one of its own name."""
    limit: PositiveInt | None = None
    """Training examples to draw, seeded; all by default. Validation and test sets stay whole."""
    per: Literal["language", "label"] | None = None
    """The limit is of examples in each language, or with each label (of texts); by default in all."""
    length: Length | None = None
    """Tokens in an example where models are fine-tuned on it; by default `finetuning.length`."""

    @model_validator(mode="after")
    def _limits_what_it_divides(self) -> Self:
        if self.per is not None and self.limit is None:
            raise ValueError("per: divides a limit, which is missing")
        return self


class Finetuning(Entry):
    """How every model is fine-tuned on every task; the best epoch is chosen on the validation set."""

    seeds: Annotated[list[Seed], Field(min_length=1), Distinct]
    epochs: PositiveInt = 3
    batch: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    warmup: Annotated[float, Field(ge=0, lt=1)] | PositiveInt = 0.1
    """Share of the steps that warm up before the linear decay, or, from 1 on, how many steps they are. Where there are
    no more steps than these, the rate only rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Annotated[float, Field(gt=0)] = 1.0
    length: Length = 512
    """Tokens in an example, special ones included; longer sentences of token tasks are read in windows."""
    precision: Precision = "fp32"

    def warmup_steps(self, steps: int) -> int:
        """Return how many of the steps of a run warm up."""
        return round(self.warmup * steps) if self.warmup < 1 else int(self.warmup)
