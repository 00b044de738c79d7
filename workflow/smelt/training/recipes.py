"""Recipes: named sets of pretraining settings, any of which a study may override.

Light on purpose (no torch): the study file's types are built on it.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import model_validator

from smelt import numbers
from smelt.entry import Entry, Precision, merge, move_renamed, overrides_of

# Part of every training rule's params: raise it when the same settings give another model, and every model is trained
# again. Comments and refactorings leave it alone.
RECIPE_VERSION = 4

# The same for the files of token blocks, which are made again when it is raised.
BLOCKS_VERSION = 3

WIDTH_WITHOUT_DROPOUT = 4096  # ALBERT-xxlarge's

# The parts of a recipe that do not change the model: speed and memory, checkpoints, and when to give up. With dropout,
# another micro-batch or kernel draws other units, as another machine does. Snakemake and checkpoints compare neither
# part.
BESIDE_THE_MODEL = {"machine", "checkpoints"}

Packing = Literal["stream", "sentences", "lines"]


class DataSettings(Entry):
    """The token blocks of a step."""

    batch: numbers.Count
    """Blocks in a step."""
    length: numbers.Length = 512
    """Tokens in a block, special ones included."""
    packing: Packing = "stream"
    """Contents of a block. `stream`: the next tokens of a language's documents, without a gap. `sentences`: whole
    sentences of one document; the block is then split between two of them (Lan et al. 2019, section 3.1; with
    `sentences: order` or `none`). `lines`: one line, that is a paragraph (with `sentences: none`; as DistilBERT's
    code); a longer line continues in further blocks, and a line is left out if it has at most 11 tokens, or is half
    unknown pieces or more, `[CLS]` and `[SEP]` counted."""
    short_sequence_probability: numbers.Share = 0.0
    """Share of blocks cut to a random shorter length, not of held-out ones (Devlin et al. 2019, appendix A.2: 10%)."""


class ModelSettings(Entry):
    """The first weights and dropout of a model, and the precision of its training."""

    dropout: numbers.Below1 | None = None
    """Dropout of hidden states and attention; with `null` 0.1, or 0 for widths of 4,096 and more, as ALBERT has it."""
    initializer_range: numbers.Deviation | None = 0.02
    """Standard deviation of the first weights; with `null` 0.02 * sqrt(768 / hidden), BERT-base's in proportion to the
    width, without which narrow models start very slowly."""
    precision: Precision = "fp32"
    """`fp32`, or `bf16` for what autocast runs in it."""

    def initial_deviation(self, hidden: int) -> float:
        """Return the standard deviation of the first weights of a model of that width."""
        return self.initializer_range or 0.02 * math.sqrt(768 / hidden)

    def dropout_of(self, hidden: int) -> float:
        """Return the dropout of a model of that width (ALBERT's where the recipe names none)."""
        if self.dropout is None:
            return 0.0 if hidden >= WIDTH_WITHOUT_DROPOUT else 0.1
        return self.dropout


class ObjectiveSettings(Entry):
    """The training objective: masked tokens, and a prediction about sentences."""

    masking: Literal["tokens", "words", "ngrams", "spans", "rare"] = "words"
    """Unit of masking: single `tokens`; whole `words`; `ngrams` of words, n with p in proportion to 1/n (Lan et
    al. 2019, section 4.1); `spans` of words, of geometric length (Joshi et al. 2020, section 3.1); or `rare`, single
    tokens over 64 blocks of the batch at a time, with p in proportion to max(count, 1) ** -smoothing (DistilBERT's
    code, over what a process passes at once)."""
    masking_probability: numbers.Within1 = 0.15
    """Share of a block's tokens to predict: 80% become `[MASK]`, 10% random pieces, 10% stay."""
    max_ngram: numbers.Count | None = None
    """Longest run of words that `ngrams` or `spans` mask together; with `null` 3 for `ngrams`, 10 for `spans`."""
    max_predictions: numbers.Count | None = None
    """Tokens to predict in a block, at most; with `null` there is no limit."""
    smoothing: numbers.NonNegative = 0.7
    """Exponent of a piece's count in `rare` masking."""
    sentences: Literal["order", "next", "none"] = "order"
    """Prediction about a block's two segments: their `order` (ALBERT), whether the second is the `next` (BERT; with
    `packing: stream`), or `none`; then a block is one segment. If no block can be split into two segments of one
    document, the run ends with an error; if few can, the log and the card say so."""
    swap_probability: numbers.Within1 = 0.5
    """Share of blocks whose segments are swapped, or whose second segment comes from elsewhere."""

    @property
    def longest_run(self) -> int:
        """Words that may be masked together."""
        return self.max_ngram or {"ngrams": 3, "spans": 10}.get(self.masking, 1)

    def idle(self) -> dict[str, str]:
        """Return the settings that have no effect under the choice of masking and of sentences, each with why."""
        masking, sentences = f"with masking: {self.masking}", "with sentences: none"
        return {
            **({} if self.masking in ("ngrams", "spans") else {"max_ngram": f"{masking}, which masks no longer runs"}),
            **({} if self.masking == "rare" else {"smoothing": f"{masking}; it belongs to masking: rare"}),
            **(
                {}
                if self.sentences != "none"
                else {"swap_probability": f"{sentences}, which leaves segments as they are"}
            ),
        }


class OptimizerSettings(Entry):
    """The optimizer, which updates weights by their gradients."""

    name: Literal["lamb", "adamw"]
    """LAMB (You et al. 2020) or AdamW; LayerNorm and biases stay outside decay, and outside LAMB's adaptation."""
    learning_rate: numbers.LearningRate | None = None
    """Highest learning rate; with `null` ALBERT's rule, 5e-3 * sqrt(batch / 32768)."""
    weight_decay: numbers.Decay = 0.01
    """Weight decay of matrices."""
    clip: numbers.Positive = 1.0
    """Highest norm of the gradient."""
    epsilon: numbers.Within1 = 1e-6
    """Epsilon of the optimizer."""
    beta1: numbers.Below1 = 0.9
    """First beta of the optimizer."""
    beta2: numbers.Below1 = 0.999
    """Second beta of the optimizer."""
    zero: Annotated[Literal[0, 1, 2], numbers.NO_TRUTH] = 0
    """Stage of DeepSpeed's ZeRO: it divides among processes nothing (0), optimizer states (1), or gradients too (2)."""

    @model_validator(mode="after")
    def _lamb_keeps_its_matrices_whole(self) -> Self:
        if self.zero and self.name == "lamb":
            raise ValueError(
                f"optimizer.zero: {self.zero} cuts the matrices whose norms LAMB adapts by; expected 0, or name: adamw"
            )
        return self


class ScheduleSettings(Entry):
    """How long training is, and how the learning rate rises and falls."""

    steps: numbers.Steps | None = None
    """Length of the schedule: a linear rise, then a linear fall to 0; this or `epochs`."""
    epochs: numbers.Positive | None = None
    """Length of the schedule in passes over all training blocks, instead of `steps`; the log names the steps as
    training begins."""
    stop_at: numbers.Steps | None = None
    """Step to stop at before the schedule ends; by default its end."""
    warmup: numbers.Share | None = None
    """Share of the schedule that warms up; with `null` ALBERT's rule, 0.2 * batch / 32768."""

    @model_validator(mode="after")
    def _has_one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("expected either schedule.steps or schedule.epochs")
        return self

    @model_validator(mode="after")
    def _stops_within_schedule(self) -> Self:
        if self.steps is not None:
            refuse_late_stop(self.stop_at, self.steps)
        return self

    @property
    def total_steps(self) -> int:
        """Steps of the learning-rate schedule.

        Raises:
            ValueError: they depend on the number of blocks, and `Recipe.for_blocks` has not been called.
        """
        if self.steps is None:
            raise ValueError(f"the number of steps in {self.epochs:g} epochs depends on the number of blocks")
        return self.steps

    @property
    def last_step(self) -> int:
        """The step at which training ends."""
        return self.stop_at or self.total_steps

    @property
    def duration(self) -> str:
        """How long training is, in words."""
        passes = f"{self.epochs:g} passes over its texts" if self.epochs and self.stop_at is None else ""
        steps = f"{self.last_step:,} steps" if self.stop_at or self.steps else ""
        return ", ".join(filter(None, [steps, passes]))


class ValidationSettings(Entry):
    """When held-out documents are measured, and which weights they choose."""

    every: numbers.Steps | None = 1000
    """Steps between measurements on held-out documents, at most as many as the run has; the last step is always
    measured. With `null` a pass over all training blocks, to the nearest step."""
    blocks: numbers.Count = 256
    """Held-out blocks to measure on, at most, shared among the languages."""
    choose: Literal["last", "best"] = "last"
    """The weights that become the model: those of the `last` step, or the `best` ones on held-out documents."""


class MachineSettings(Entry):
    """Speed and memory of training. None of these settings changes the model."""

    micro_batch: numbers.Count | None = None
    """Blocks that a process passes at once; with `null` as many as its memory holds. The batch stays the same."""
    grouped: bool = False
    """Put a step's blocks in the order of their length, so that those that pass at once are hardly padded; the step
    learns the same, but dropout falls on other rows."""
    gradient_checkpointing: bool = False
    """Keep only each layer's input and compute the rest again, for a third more time and far less memory."""
    compile: bool | None = None
    """Compile the model with `torch.compile`; with `null` on GPUs only, because it brings CPUs nothing."""
    attention: Literal["sdpa", "flash", "eager"] | None = None
    """Attention kernel: `sdpa` (torch's), `flash` (FlashAttention) or `eager`; with `null` `flash` where it is
    installed, on GPUs in `bf16`, else `sdpa`."""


class CheckpointSettings(Entry):
    """Checkpoints of a run, and when to give up. None of these settings changes the model."""

    every: numbers.Steps = 500
    """Steps between checkpoints."""
    keep: numbers.Count = 2
    """Newest checkpoints to keep, in addition to the best; two or more outlive a damaged one."""
    divergence: numbers.Positive = 3.0
    """Stop when the training loss lies this far (in nats) above the lowest of the run."""


class Recipe(Entry):
    """How a model is pretrained or distilled."""

    data: DataSettings
    """The token blocks of a step."""
    model: ModelSettings = ModelSettings()
    """The first weights, dropout and precision."""
    objective: ObjectiveSettings = ObjectiveSettings()
    """The training objective."""
    optimizer: OptimizerSettings
    """The optimizer."""
    schedule: ScheduleSettings
    """How long it learns."""
    validation: ValidationSettings = ValidationSettings()
    """How it is measured on held-out documents."""
    machine: MachineSettings = MachineSettings()
    """Use of the machine; another choice does not change the model."""
    checkpoints: CheckpointSettings = CheckpointSettings()
    """Checkpoints of the run; another choice does not change the model."""

    renamed: ClassVar[Mapping[str, str]] = {
        "batch": "data.batch",
        "length": "data.length",
        "packing": "data.packing",
        "short_rate": "data.short_sequence_probability",
        "dropout": "model.dropout",
        "initializer_range": "model.initializer_range",
        "precision": "model.precision",
        "masking": "objective.masking",
        "mask_rate": "objective.masking_probability",
        "longest": "objective.max_ngram",
        "most_predictions": "objective.max_predictions",
        "smoothing": "objective.smoothing",
        "sentences": "objective.sentences",
        "swap_rate": "objective.swap_probability",
        "optimizer": "optimizer.name",
        "learning_rate": "optimizer.learning_rate",
        "weight_decay": "optimizer.weight_decay",
        "clip": "optimizer.clip",
        "epsilon": "optimizer.epsilon",
        "beta1": "optimizer.beta1",
        "beta2": "optimizer.beta2",
        "zero": "optimizer.zero",
        "steps": "schedule.steps",
        "epochs": "schedule.epochs",
        "stop_at": "schedule.stop_at",
        "warmup": "schedule.warmup",
        "validate_every": "validation.every",
        "validation_blocks": "validation.blocks",
        "choose": "validation.choose",
        "micro_batch": "machine.micro_batch",
        "grouped": "machine.grouped",
        "gradient_checkpointing": "machine.gradient_checkpointing",
        "compile": "machine.compile",
        "attention": "machine.attention",
        "checkpoint_every": "checkpoints.every",
        "checkpoints_kept": "checkpoints.keep",
        "divergence": "checkpoints.divergence",
    }

    @model_validator(mode="after")
    def _a_line_is_one_segment(self) -> Self:
        sentences = self.objective.sentences
        if self.data.packing == "lines" and sentences != "none":
            raise ValueError(
                f"data.packing: lines goes with objective.sentences: none; with {sentences}, expected another"
            )
        return self

    @model_validator(mode="after")
    def _replaced_segments_are_of_a_stream(self) -> Self:
        if self.data.packing == "sentences" and self.objective.sentences == "next":
            # A second segment from elsewhere, as long as the first needs it, would end in the middle of a sentence.
            raise ValueError(
                "data.packing: sentences goes with objective.sentences: order or none; with next, expected stream"
            )
        return self

    def idle(self) -> dict[str, str]:
        """Return the settings that have no effect under the recipe's other choices, each with why."""
        return {f"objective.{key}": why for key, why in self.objective.idle().items()}

    def identity(self) -> dict[str, Any]:
        """Return the settings that a checkpoint must share with the run that continues from it.

        The parts BESIDE_THE_MODEL are left out: a run may continue with another micro-batch or attention kernel, for
        example after it ran out of memory. Without dropout the result then equals that of an uninterrupted run to
        rounding; with the same settings, to the bit.
        """
        return self.model_dump(mode="json", exclude=BESIDE_THE_MODEL)

    def override(self, overrides: Mapping[str, Any]) -> Self:
        """Return the recipe with other values of some settings, given by part.

        Raises:
            ValueError: settings that do not go together.
        """
        return self.model_validate(merge(self.model_dump(), overrides))

    def trained_tokens(self, available: float) -> float:
        """Return the tokens that a run passes, of texts with some tokens in all."""
        schedule = self.schedule
        steps = schedule.stop_at or schedule.steps
        if steps is None:
            return float(schedule.epochs or 0) * available
        return float(steps * self.data.batch * self.data.length)

    def for_blocks(self, blocks: int) -> Self:
        """Return the recipe for this number of training blocks, with epochs turned into steps.

        Raises:
            ValueError: stop_at lies beyond the schedule.
        """
        steps = self.schedule.steps or math.ceil((self.schedule.epochs or 1) * blocks / self.data.batch)
        refuse_late_stop(self.schedule.stop_at, steps)
        every = self.validation.every or max(round(blocks / self.data.batch), 1)
        schedule = self.schedule.model_copy(update={"steps": steps})
        validation = self.validation.model_copy(update={"every": every})
        return self.model_copy(update={"schedule": schedule, "validation": validation})

    def measures_after(self, step: int) -> bool:
        """Return whether held-out documents are measured after a step."""
        every = self.validation.every
        return step == self.schedule.last_step or (every is not None and step % every == 0)

    @property
    def peak_rate(self) -> float:
        """The highest learning rate (ALBERT's square-root rule where the recipe names none)."""
        return self.optimizer.learning_rate or 5e-3 * math.sqrt(self.data.batch / 32768)

    @property
    def warmup_steps(self) -> int:
        """Steps of warm-up (ALBERT's rule where the recipe names no share)."""
        share = min(0.2 * self.data.batch / 32768, 1) if self.schedule.warmup is None else self.schedule.warmup
        return round(share * self.schedule.total_steps)


def refuse_late_stop(stop_at: int | None, steps: int) -> None:
    """Refuse to stop after the end.

    Raises:
        ValueError: stop_at lies beyond the schedule.
    """
    if stop_at is not None and stop_at > steps:
        raise ValueError(f"schedule.stop_at ({stop_at}) lies beyond the schedule's {steps} steps")


if TYPE_CHECKING:
    RecipeOverrides = Entry
else:
    RecipeOverrides = overrides_of(Recipe, "RecipeOverrides")

RECIPES = {
    # ALBERT (Lan et al. 2019) as published, at mALBERT's batch (section 2.3): its rate of 3.125e-4 is the rule's.
    "albert": Recipe(
        data=DataSettings(batch=128, packing="sentences", short_sequence_probability=0.1),
        objective=ObjectiveSettings(masking="ngrams"),
        optimizer=OptimizerSettings(name="lamb"),
        schedule=ScheduleSettings(steps=4_000_000),
    ),
    # Fast: MosaicBERT's recipe (Portes et al. 2023) without any dropout, and with smelt's first weights.
    "fast": Recipe(
        data=DataSettings(batch=4096, length=128),
        model=ModelSettings(dropout=0.0, initializer_range=None, precision="bf16"),
        objective=ObjectiveSettings(masking="tokens", masking_probability=0.3),
        optimizer=OptimizerSettings(name="adamw", learning_rate=5e-4, weight_decay=0.02, beta2=0.98),
        schedule=ScheduleSettings(steps=70_000, warmup=0.06),
    ),
    # For a small machine: short blocks, AdamW, and a learning rate that suits small batches.
    "small": Recipe(
        data=DataSettings(batch=32, length=128),
        model=ModelSettings(dropout=0.0, initializer_range=None, precision="fp32"),
        optimizer=OptimizerSettings(name="adamw", learning_rate=1e-3),
        schedule=ScheduleSettings(steps=2_000, warmup=0.1),
        validation=ValidationSettings(every=250),
        checkpoints=CheckpointSettings(every=100),
    ),
    # Distillation as published by Eliquare; what the paper does not say is from its public code, which is DistilBERT's.
    "eliquare": Recipe(
        data=DataSettings(batch=1600, packing="lines"),
        model=ModelSettings(dropout=0.1),
        objective=ObjectiveSettings(masking="rare", sentences="none"),
        optimizer=OptimizerSettings(name="adamw", learning_rate=5e-4, weight_decay=0.0, clip=5.0, beta2=0.98),
        schedule=ScheduleSettings(epochs=10, warmup=0.05),
        validation=ValidationSettings(every=None, blocks=1_000_000, choose="best"),
        machine=MachineSettings(micro_batch=32, grouped=True),
        checkpoints=CheckpointSettings(divergence=10.0),
    ),
    # Fast distillation: full blocks of one stream, more of their tokens masked, no dropout, bf16, fewer passes.
    "distil": Recipe(
        data=DataSettings(batch=256, length=128),
        model=ModelSettings(dropout=0.0, precision="bf16"),
        objective=ObjectiveSettings(masking="tokens", masking_probability=0.3, sentences="none"),
        optimizer=OptimizerSettings(name="adamw", learning_rate=5e-4, weight_decay=0.0, clip=5.0, beta2=0.98),
        schedule=ScheduleSettings(epochs=3, warmup=0.05),
        validation=ValidationSettings(every=500),
        checkpoints=CheckpointSettings(every=200, divergence=10.0),
    ),
}


def override_recipe(name: str, own: Mapping[str, Any]) -> Recipe:
    """Return a named recipe with some settings replaced; a length in steps replaces one in epochs, and vice versa.

    Raises:
        ValueError: settings that do not go together.
    """
    replaced = {"steps": "epochs", "epochs": "steps"}
    schedule = own.get("schedule", {})
    freed = {other: None for key, other in replaced.items() if schedule.get(key) is not None}
    return RECIPES[name].override(merge({"schedule": freed}, own))


def upgrade_identity(identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity in a checkpoint with a recipe of an earlier version, which was flat, divided into parts."""
    settings = identity.get("settings")
    if not isinstance(settings, Mapping) or not isinstance(settings.get("recipe"), Mapping):
        return dict(identity)
    return {**identity, "settings": {**settings, "recipe": move_renamed(Recipe, settings["recipe"])}}
