"""Tasks and fine-tuning in a study file."""

from itertools import product
from math import prod
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, model_validator

from smelt.entry import Distinct, Entry, Name, Precision, overrides_of
from smelt.numbers import Below1, Count, Decay, LearningRate, Length, Natural, Positive, RowCount, Seed, Steps

Value = TypeVar("Value")
Tried = Annotated[list[Value], Field(min_length=1), Distinct]


LEARNING = ("warmup", "weight_decay", "clip", "learning_rate", "choose", "evaluate_every", "keep", "similarity_loss")
"""Keys that have no effect where nothing is learnt."""
EMBEDDING_KEYS = ("pooling", "prompts", "similarity_loss")
"""Keys that are for tasks of embeddings alone."""


class Prompts(Entry):
    """What stands before texts that are embedded. One word alone is the name of a prompt of the folder: `STS`."""

    query: str | None = None
    """Before each query: `"query: "` for E5, blank included. By default the folder's own prompt `query`, or nothing."""
    document: str | None = None
    """Before each passage. By default the folder's own prompt `document`, `passage` or `corpus`, or nothing."""
    similarity: str | None = None
    """Before both texts of a pair. By default the prompt that the folder names as its default, or nothing."""


class FinetuningBase(Entry):
    """How models are fine-tuned on tasks, apart from what a grid tries."""

    warmup: Below1 | Steps = 0.1
    """Share of the steps before a linear decay, or from 1 on their number; where a run has no more steps, its rate only
    rises."""
    weight_decay: Decay = 0.01
    """Weight decay of AdamW."""
    clip: Positive = 1.0
    """Norm that gradients are clipped to."""
    length: Length = 512
    """Tokens in an example, special ones included; longer sentences of token tasks are read in windows."""
    precision: Precision = "fp32"
    """Of the computation; bf16 is torch's autocast."""
    choose: Literal["metric", "loss"] = "metric"
    """What chooses on the validation set, among the measurements of a run and among the cells of a grid: the task's own
    `metric`, or the lowest `loss`, as scripts of transformers do that name no metric."""
    evaluate_every: Steps | None = None
    """Steps between two measurements on the validation set, and one more after the last step; by default each epoch is
    measured. The best measurement's weights are kept."""
    pooling: Literal["mean", "cls", "max", "lasttoken", "weightedmean"] | None = None
    """Of tasks of embeddings: how an encoder's states become one embedding; by default their `mean`. A folder of
    sentence-transformers (`modules.json`) has modules of its own, and a decoder without such needs `lasttoken`,
    `weightedmean` or `mean` to be named."""
    prompts: Prompts | None = None
    """Of tasks of embeddings: what stands before texts, where that differs from the model's folder."""
    similarity_loss: Literal["cosent", "cosine"] = "cosent"
    """What is learnt of pairs with scores: `cosent`, their order (CoSENT), or `cosine`, the square of the difference
    between cosine and score. For queries it is multiple negatives ranking, with the other passages of the batch as
    negatives: there a larger `batch` is a harder task."""


class FinetuningSettings(FinetuningBase):
    """How a model is fine-tuned on a task: the settings of one run."""

    epochs: Natural = 3
    batch: Count = 32
    learning_rate: LearningRate = 5e-5

    def warmup_steps(self, steps: int) -> int:
        """Return how many of the steps of a run warm up."""
        return round(self.warmup * steps) if self.warmup < 1 else int(self.warmup)


class FinetuningGrid(FinetuningBase):
    """How models are fine-tuned on tasks. A list of batches, rates or epochs is a grid of runs; one is chosen."""

    epochs: Natural | Tried[Count] = 3
    """Passes over the training set; the best one is chosen on the validation set. Each number of a list is a run with a
    decay of its own. With 0, models are evaluated as they are on tasks of embeddings, which need no classifier: in one
    run, because nothing is drawn."""
    batch: Count | Tried[Count] = 32
    """Examples in a step, or a list of numbers to try."""
    learning_rate: LearningRate | Tried[LearningRate] = 5e-5
    """Highest learning rate, or a list of rates to try. Lists of batches, rates and epochs are a grid: every
    combination is a run for each seed, the best one on the validation set is chosen, and it alone is tested."""
    keep: Literal["none", "best"] = "none"
    """Weights that stay: `best` keeps those of each run, in a folder `model` beside its scores that transformers loads,
    with a card."""
    runs_per_job: Count | None = None
    """Runs of one model on one task that a job makes, one after the other: they share libraries, tokenizer and windows,
    and each gives what it gives alone. By default as many as take five minutes by estimate: on a cluster, and where
    `--resources gpu=` counts GPUs, at least, elsewhere at most. It is no part of a result."""

    @property
    def learns(self) -> bool:
        """Whether models learn, instead of being evaluated as they are."""
        return self.epochs != 0

    @property
    def _tried(self) -> list[list[Any]]:
        return [
            value if isinstance(value, list) else [value] for value in (self.batch, self.learning_rate, self.epochs)
        ]

    @property
    def runs(self) -> int:
        """How many runs the grid has, for each seed."""
        return prod(map(len, self._tried))

    @property
    def cells(self) -> dict[str, FinetuningSettings]:
        """The settings of each run of the grid, by the name of its folder; one where no key has a list."""
        shared = self.model_dump(include=set(FinetuningBase.model_fields))
        found = {}
        for batch, rate, epochs in product(*self._tried):
            settings = shared | {"batch": batch, "learning_rate": rate, "epochs": epochs}
            found[f"batch-{batch}_rate-{rate}_epochs-{epochs}"] = FinetuningSettings(**settings)
        return found

    def override(self, *others: Entry | None) -> "FinetuningGrid":
        """Return these settings with those that others set, the last one first."""
        changes = {key: value for other in others if other for key, value in dict(other).items() if value is not None}
        return self.model_copy(update=changes)


if TYPE_CHECKING:
    FinetuningOverrides = Entry
else:
    FinetuningOverrides = overrides_of(
        FinetuningGrid, "FinetuningOverrides", "Any settings of `finetuning` to override."
    )


class Finetuning(FinetuningGrid):
    """How every model is fine-tuned on every task; the best epoch is chosen on the validation set."""

    seeds: Annotated[list[Seed], Field(min_length=1), Distinct]
    """One run of every model on every task for each."""
    sets: dict[Name, FinetuningOverrides] = Field(default_factory=dict)
    """Named settings, which a task takes with `finetuned_as`: such as `published`, those of a paper's scripts, beside
    `smelt`, those of smelt. What a set leaves out is as above. Notes under tables name the set of each task."""

    def named(self, name: str | None) -> FinetuningGrid:
        """Return the settings with those of a set, or of none."""
        return self.override(self.sets[name]) if name else self

    def differences(self) -> dict[str, dict[str, object]]:
        """Return for each set the values of all keys that a set of the study has."""
        keys = [
            key for key in FinetuningGrid.model_fields if any(dict(own)[key] is not None for own in self.sets.values())
        ]
        return {name: {key: getattr(self.named(name), key) for key in keys} for name in self.sets}


class TaskOptions(Entry):
    """The changes of a study to a task."""

    task: Name | None = None
    """The task file, and its setting, that this is under another name, so that a study can have a task both whole and
    with a limit; by default the one of its own name."""
    limit: RowCount | None = None
    """Training examples to draw, seeded; by default all. The test set stays whole."""
    validation_limit: RowCount | None = None
    """Validation examples to draw in the same way; by default all. A language with few examples has no large validation
    set either: notes under tables name tasks that draw for training alone."""
    per: Literal["language", "label"] | None = None
    """The limit is of the examples of each `language`, or of those with each `label` (of texts); by default of all."""
    length: Length | None = None
    """Tokens in an example where models are fine-tuned on it; by default `finetuning.length`. Students of `compress`
    have a `length` of their own."""
    finetuned_as: Name | None = None
    """A set of `finetuning.sets`."""
    finetuning: FinetuningOverrides | None = None
    """Settings of `finetuning`, and of the set, that differ for this task; a model's own come before them."""

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if self.length is not None and self.finetuning is not None and dict(self.finetuning)["length"] is not None:
            raise ValueError("finetuning.length: has no effect beside length; leave one of them out")
        return self

    @model_validator(mode="after")
    def _limits_what_it_divides(self) -> Self:
        if self.per is not None and self.limit is None and self.validation_limit is None:
            raise ValueError("per: divides a limit, which is missing")
        return self
