"""How a fine-tuned model is compressed into a small one of another architecture, in stages (XtremeDistil).

The parts of an entry of the maker `compress`, which its command gets too: stages and their losses, the student, what
its embeddings start from, and the text on which its teacher is imitated.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from smelt.entry import Distinct, Entry, Name, check_path
from smelt.environment import fill_in
from smelt.families import member_of
from smelt.numbers import (
    Below1,
    Count,
    Heads,
    HeldOut,
    Layers,
    LearningRate,
    Length,
    Natural,
    NonNegative,
    Positive,
    RowCount,
    Seed,
    StateWidth,
)

RENAMED_RATES = {"high": "learning_rate", "low": "minimum_learning_rate"}
RENAMED_LIMIT = {"most_gigabytes": "max_gigabytes"}

StudentPart = Literal["head", "projection", "encoder", "embeddings"]

PARTS: tuple[StudentPart, ...] = ("head", "projection", "encoder", "embeddings")
"""Parts of a student, the top one first: the order in which gradual unfreezing adds them (section 5.3)."""

StudentParts = Annotated[list[StudentPart], Field(min_length=1), Distinct]


class StageLosses(Entry):
    """The losses that a stage minimises, each with its weight (equation 7)."""

    representation: NonNegative = 0.0
    """Weight of the distance of a layer of the teacher from the student's projected states, on the transfer text (beta
    of equation 6)."""
    logits: NonNegative = 0.0
    """Weight of the distance of the teacher's logits, on the transfer text (gamma of equation 4)."""
    labels: NonNegative = 0.0
    """Weight of the labels of the training set (alpha of equation 2)."""

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
    def reached(self) -> tuple[StudentPart, ...]:
        """The parts that the losses depend on, the top one first: states are compared below the head."""
        return PARTS if self.predicts else PARTS[1:]


class Schedule(Entry):
    """How long a phase of training lasts, and its learning rate; defaults are the paper's (appendix A.2)."""

    renamed: ClassVar = RENAMED_RATES

    epochs: Count = 100
    """Passes over the texts that a phase takes at most: a stage, or each step of its unfreezing."""
    patience: Count = 5
    """A phase ends after this many epochs without a lower loss on validation."""
    learning_rate: LearningRate = 1e-3
    """Learning rate at the start of a cosine."""
    minimum_learning_rate: NonNegative = 1e-8
    """Learning rate at its end."""
    cycle: Count = 10
    """Epochs from the one to the other; after them the rate begins again."""

    @model_validator(mode="after")
    def _falls(self) -> Self:
        self.refuse_rising()
        return self

    def refuse_rising(self) -> None:
        """Raise a ValueError where the learning rate would rise."""
        if self.minimum_learning_rate > self.learning_rate:
            found = f"found {self.minimum_learning_rate:g}"
            raise ValueError(f"minimum_learning_rate: expected at most learning_rate, {self.learning_rate:g}; {found}")


class Stage(Entry):
    """A part of the training with losses of its own (Algorithm 1); each begins with the last one's weights."""

    renamed: ClassVar = RENAMED_RATES

    losses: StageLosses
    """The losses that it minimises; the last stage has a weight for `logits` or `labels`."""
    unfreeze: Literal["all", "gradual"] | Annotated[list[StudentParts], Field(min_length=1)] = "all"
    """`all`: every part that the losses reach learns at once; `gradual`: the head alone until the loss on validation
    stops falling, then the projection with it, then the encoder, then the embeddings (section 5.3); or a list of the
    parts that learn in each phase, such as `[[head], [head, projection]]`. A stage of `representation` alone reaches no
    `head` and begins with the `projection`."""
    epochs: Count | None = None
    """Of each of its phases at most; by default, as all below, that of `settings`."""
    patience: Count | None = None
    """Epochs without a lower loss on validation that end each of its phases."""
    learning_rate: LearningRate | None = None
    """Learning rate at the start of a cosine."""
    minimum_learning_rate: NonNegative | None = None
    """Learning rate at its end."""
    cycle: Count | None = None
    """Epochs from the one to the other."""

    @model_validator(mode="after")
    def _unfreezes_what_learns(self) -> Self:
        reached = self.losses.reached
        for part in [part for phase in self.unfreeze if isinstance(phase, list) for part in phase]:
            if part not in reached:
                expected = f"expected some of {', '.join(reached)}"
                raise ValueError(f"unfreeze: {part} is reached by no loss of the stage; {expected}")
        return self

    def phases(self) -> list[tuple[StudentPart, ...]]:
        """Return the parts that learn in each of its phases, the top one first."""
        reached = self.losses.reached
        if self.unfreeze == "all":
            return [reached]
        if self.unfreeze == "gradual":
            return [reached[:count] for count in range(1, len(reached) + 1)]
        return [tuple(part for part in PARTS if part in chosen) for chosen in self.unfreeze]

    def schedule(self, settings: Schedule) -> Schedule:
        """Return the schedule of its phases: the settings' one, with its own values in their place."""
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


REMOVED = 14  # directions that ppa takes away by default: the better one of Table 7
Layer = Layers | Literal["middle"]
"""A layer of a teacher, counted from 1; middle is the one after the middle."""


class BiLstmShape(Entry):
    """A bidirectional LSTM over embeddings of pieces, as XtremeDistil has it (section 3)."""

    kind: Literal["bilstm"]
    """A bidirectional LSTM."""
    embedding: StateWidth
    """Width of the embeddings: E in the paper."""
    hidden: StateWidth
    """Hidden states of each of the two directions: H in the paper."""
    layers: Layers = 1
    """Number of layers."""

    @property
    def weights(self) -> int:
        """The weights of the matrices that a token passes: four gates in each direction of a layer."""
        inputs = [self.embedding, *[2 * self.hidden] * (self.layers - 1)]
        return sum(2 * 4 * self.hidden * (width + self.hidden) for width in inputs)

    def __str__(self) -> str:
        """Return it in a few words."""
        return f"BiLSTM {self.embedding}/{self.hidden}"


class TransformerShape(Entry):
    """A narrow Transformer encoder, as XtremeDistil compares with (Table 15)."""

    kind: Literal["transformer"]
    """A narrow Transformer."""
    embedding: StateWidth
    """Width of the embeddings and of all hidden states."""
    layers: Layers
    """Number of layers."""
    heads: Heads = 12
    """Attention heads; they divide the width."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.embedding % self.heads:
            raise ValueError(f"heads: {self.heads} do not divide an embedding of {self.embedding}")
        return self

    @property
    def weights(self) -> int:
        """The weights of the matrices that a token passes: attention, and a feed-forward part four times as wide."""
        return self.layers * (4 + 2 * 4) * self.embedding**2

    def __str__(self) -> str:
        """Return it in a few words."""
        return f"Transformer {self.embedding}, {self.layers} layers"


CompactShape = Annotated[BiLstmShape | TransformerShape, Field(discriminator="kind")]


FileOfLanguage = Annotated[str, AfterValidator(lambda path: check_path(path, "language"))]


class EmbeddingStart(Entry):
    """The student's embeddings before it learns (section 4.2 and Table 7)."""

    start: Literal["svd", "ppa", "full", "file", "random"] = "svd"
    """`svd`: the teacher's, to as few dimensions as the student has; `ppa`: the same by PCA between two removals of the
    commonest directions (Raunak et al. 2019); `full`: the teacher's, as wide as they are; `file`: word vectors;
    `random`: uniform in (-0.1, 0.1), as are pieces without a word vector."""
    of: Literal["finetuned", "pretrained"] = "finetuned"
    """Whose embeddings: the teacher's after it was fine-tuned (`finetuned`), or before (`pretrained`)."""
    file: FileOfLanguage | Annotated[list[FileOfLanguage], Field(min_length=1)] | None = None
    """Word vectors of FastText or GloVe as text, a line each, the word and its numbers; `${NAME}` is filled in. Of
    several files the first that has a word counts; `{language}` makes it a file for each language that the task trains
    on. Needed with `start: file`."""
    removed: Natural | None = None
    """Directions that `ppa` removes each time: d in the paper, 14 or 17; by default 14."""

    @model_validator(mode="after")
    def _has_what_its_start_takes(self) -> Self:
        if (self.start == "file") != (self.file is not None):
            raise ValueError("file: expected with start: file, and only there")
        if self.removed is not None and self.start != "ppa":
            raise ValueError(f"removed: belongs to start: ppa, and has no effect with {self.start}")
        return self

    @property
    def files(self) -> list[str]:
        """Its files, in the order in which words are looked for."""
        return [self.file] if isinstance(self.file, str) else self.file or []

    @property
    def paths(self) -> list[Path]:
        """Its files, with `${NAME}` filled in."""
        return [Path(fill_in(file)) for file in self.files]

    def in_languages(self, languages: Sequence[str]) -> "EmbeddingStart":
        """Return it with a file for each language, where that is meant."""
        files = [member_of(file, language) for file in self.files for language in languages]
        return self.model_copy(update={"file": list(dict.fromkeys(files))}) if files else self

    @property
    def directions(self) -> int:
        """How many directions ppa removes each time."""
        return REMOVED if self.removed is None else self.removed

    @property
    def from_teacher(self) -> bool:
        """Whether they come from the teacher's."""
        return self.start in ("svd", "ppa", "full")


class TransferText(Entry):
    """The unlabelled text on which the teacher is imitated: the task's training texts, and then a corpus's."""

    renamed: ClassVar = RENAMED_LIMIT

    corpus: Name | None = None
    """A corpus of the study whose text in the task's languages follows the task's own, drawn by the teacher's seed:
    sentences, which end where punctuation says so, for a task that labels words, else lines. Texts that validation or
    test holds too are left out."""
    sentences: RowCount | None = None
    """How many texts in all; by default all of the task's, or, with a corpus, all of both."""
    signals: Literal["auto", "stored", "live"] = "auto"
    """The teacher's predictions for the text are written once (`stored`), or computed in each epoch (`live`); `auto`
    stores them up to the limit below. The choice changes a student only by rounding."""
    max_gigabytes: Positive = 50.0
    """The most that `auto` stores, in units of 10^9 bytes; of students that share signals, the largest counts."""


class CompressionSettings(Schedule):
    """How a student is trained; defaults are the paper's (appendix A.2) or else its code's."""

    batch: Count = 512
    """Texts in a step."""
    dropout: Below1 = 0.2
    """Share of the student's states that are dropped in training."""
    length: Length = 32
    """Tokens in a text, special ones included; longer sentences are read in windows, longer texts are cut. 32 are those
    of the queries that the paper times (section 6.2)."""
    clip: Positive | None = None
    """Norm that gradients are clipped to; by default they are not."""
    representation: Literal["keras-kl", "kl", "mse"] = "keras-kl"
    """How states are compared: `keras-kl`, the divergence of values clipped to [1e-7, 1], as the code has it; `kl`,
    that of their softmax; `mse`, the mean square of their differences."""
    held_out: HeldOut = 0.1
    """Share of the transfer text that is kept from training, for validation."""


class Compression(Entry):
    """All that decides what a model is compressed into, except teacher, task, transfer text and seed."""

    student: CompactShape
    embeddings: EmbeddingStart = EmbeddingStart()
    vocabulary: Literal["seen", "all"] = "seen"
    """Pieces that have a row of their own: those that stand in the training set or the transfer text, or all."""
    stages: Annotated[list[Stage], Field(min_length=1)]
    layer: Layers | None = None
    """The teacher's layer that is imitated, counted from 1; by default the one after the middle: 7 of 12."""
    settings: CompressionSettings = CompressionSettings()
    tested_on: list[str] | None = None
    """Languages of the test split that count; all by default."""
    version: int = 0
    """The same settings under another version mean another model."""
    signals_version: int = 0
    """The version of the signals that it learns from, if it learns from any."""

    @model_validator(mode="after")
    def _stages_can_be(self) -> Self:
        check_stages(self.stages, self.settings)
        return self


class SignalSettings(Entry):
    """All that decides a teacher's signals for the transfer text of a task, except teacher and task."""

    renamed: ClassVar = RENAMED_LIMIT

    layers: list[Layer] = Field(default_factory=list)
    """Layers whose states are signals, beside the logits: those that any student imitates."""
    length: Length = 32
    sentences: RowCount | None = None
    held_out: HeldOut = 0.1
    mode: Literal["auto", "stored", "live"] = "auto"
    max_gigabytes: Positive = 50.0
    seed: Seed = 1
    """Draws the corpus's texts and what is held out: that of the teacher's fine-tuning, in a study."""
    version: int = 0


def needs_finetuned_teacher(stages: Sequence[Stage], start: EmbeddingStart) -> bool:
    """Return whether anything is learnt from a fine-tuned teacher, or starts from its embeddings."""
    return needs_transfer(stages) or (start.from_teacher and start.of == "finetuned")


def middle(layers: int) -> int:
    """Return the layer of a teacher that is imitated by default, counted from 1: 7 of 12."""
    return min(layers, layers // 2 + 1)
