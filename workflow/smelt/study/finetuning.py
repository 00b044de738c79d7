"""Tasks and fine-tuning in a study file."""

from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, model_validator

from smelt.entry import Distinct, Entry, Name, Precision, Seed

Length = Annotated[int, Field(ge=16, le=4096)]


class TaskOptions(Entry):
    """The changes of a study to a task."""

    task: Name | None = None
    """The task file, and its setting, that this is under another name, so that a study can have a task both whole and
    with a limit; by default the one of its own name."""
    limit: PositiveInt | None = None
    """Training examples to draw, seeded; by default all. Validation and test sets stay whole."""
    per: Literal["language", "label"] | None = None
    """The limit is of the examples of each `language`, or of those with each `label` (of texts); by default of all."""
    length: Length | None = None
    """Tokens in an example where models are fine-tuned on it; by default `finetuning.length`. Students of `compress`
    have a `length` of their own."""

    @model_validator(mode="after")
    def _limits_what_it_divides(self) -> Self:
        if self.per is not None and self.limit is None:
            raise ValueError("per: divides a limit, which is missing")
        return self


class Finetuning(Entry):
    """How every model is fine-tuned on every task; the best epoch is chosen on the validation set."""

    seeds: Annotated[list[Seed], Field(min_length=1), Distinct]
    """One run of every model on every task for each."""
    epochs: PositiveInt = 3
    """Passes over the training set; the best one is chosen on the validation set."""
    batch: PositiveInt = 32
    """Examples in a step."""
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    """Highest learning rate."""
    warmup: Annotated[float, Field(ge=0, lt=1)] | PositiveInt = 0.1
    """Share of the steps before a linear decay, or from 1 on their number; where a run has no more steps, its rate only
    rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    """Weight decay of AdamW."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Norm that gradients are clipped to."""
    length: Length = 512
    """Tokens in an example, special ones included; longer sentences of token tasks are read in windows."""
    precision: Precision = "fp32"
    """Of the computation; bf16 is torch's autocast."""

    def warmup_steps(self, steps: int) -> int:
        """Return how many of the steps of a run warm up."""
        return round(self.warmup * steps) if self.warmup < 1 else int(self.warmup)
