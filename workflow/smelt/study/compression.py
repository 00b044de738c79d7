"""How a fine-tuned model is compressed into a small one of another architecture, in stages (XtremeDistil)."""

from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from smelt.study.entry import Entry, Name

Below1 = Annotated[float, Field(ge=0, lt=1)]


class BiLstmShape(Entry):
    """A bidirectional LSTM over embeddings of pieces, as XtremeDistil has it (section 3)."""

    kind: Literal["bilstm"]
    embedding: PositiveInt
    """Width of the embeddings: E in the paper."""
    hidden: PositiveInt
    """Hidden states of each of the two directions: H in the paper."""
    layers: PositiveInt = 1

    def __str__(self) -> str:
        """Return it in a few words."""
        return f"BiLSTM {self.embedding}/{self.hidden}"


class TransformerShape(Entry):
    """A narrow Transformer encoder, as XtremeDistil compares with (Table 15)."""

    kind: Literal["transformer"]
    embedding: PositiveInt
    """Width of the embeddings and of all hidden states."""
    layers: PositiveInt
    heads: PositiveInt = 12
    """Attention heads; they divide the width."""

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        if self.embedding % self.heads:
            raise ValueError(f"heads: {self.heads} do not divide an embedding of {self.embedding}")
        return self

    def __str__(self) -> str:
        """Return it in a few words."""
        return f"Transformer {self.embedding}, {self.layers} layers"


CompactShape = Annotated[BiLstmShape | TransformerShape, Field(discriminator="kind")]


class EmbeddingStart(Entry):
    """What the student's embeddings are before it learns (section 4.2 and Table 7)."""

    start: Literal["svd", "ppa", "full", "file", "random"] = "svd"
    """svd: the teacher's, to as few dimensions as the student has; ppa: the same by PCA between two removals of the
    commonest directions (Raunak et al. 2019); full: the teacher's as they are; file: word vectors as text; random:
    uniform in (-0.1, 0.1), as are pieces that a file lacks."""
    of: Literal["finetuned", "pretrained"] = "finetuned"
    """Whose embeddings: the teacher's after it was fine-tuned, or before."""
    file: str | None = None
    """Word vectors of FastText or GloVe: a line each, the word and its numbers; `${NAME}` is filled in."""
    removed: NonNegativeInt | None = None
    """Directions that ppa removes each time: d in the paper, 14 or 17; 14 by default."""

    @model_validator(mode="after")
    def _has_what_its_start_takes(self) -> Self:
        if (self.start == "file") != (self.file is not None):
            raise ValueError("file: expected with start: file, and only there")
        if self.removed is not None and self.start != "ppa":
            raise ValueError(f"removed: is of start: ppa, and means nothing to {self.start}")
        return self

    @property
    def from_teacher(self) -> bool:
        """Whether they come of the teacher's."""
        return self.start in ("svd", "ppa", "full")


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


class Stage(Entry):
    """A part of the training with losses of its own (Algorithm 1); each begins with what the last one came to."""

    losses: StageLosses
    unfreeze: Literal["all", "gradual"] = "all"
    """all: every part learns at once; gradual: the head alone until it learns no more, then the projection with it,
    then the encoder, then the embeddings (section 5.3)."""

    @model_validator(mode="after")
    def _has_a_head_to_begin_with(self) -> Self:
        if self.unfreeze == "gradual" and not self.losses.predicts:
            raise ValueError("unfreeze: gradual begins with the head, which a stage of the representation has none of")
        return self


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


class Transfer(Entry):
    """The unlabelled text on which the teacher is imitated: the task's training texts, and then a corpus's."""

    corpus: Name | None = None
    """A corpus of the study whose documents' lines follow upon the task's own texts, in an order drawn by the seed."""
    sentences: PositiveInt | None = None
    """How many texts in all; by default all of the task's, or, with a corpus, all of both."""


class CompressionSettings(Entry):
    """How a student is trained; defaults are the paper's (appendix A.2) or else its code's."""

    batch: PositiveInt = 512
    dropout: Below1 = 0.2
    length: Annotated[int, Field(ge=16, le=4096)] = 32
    """Tokens in a text, special ones included; longer sentences are read in windows, longer texts are cut."""
    epochs: PositiveInt = 100
    """Passes over the texts that a phase takes at most: a stage, or each of its four parts of gradual unfreezing."""
    patience: PositiveInt = 5
    """A phase ends when so many epochs have brought no lower loss on validation."""
    high: Annotated[float, Field(gt=0)] = 1e-3
    """Learning rate at the start of a cosine."""
    low: Annotated[float, Field(ge=0)] = 1e-8
    """Learning rate at its end."""
    cycle: PositiveInt = 10
    """Epochs from the one to the other, after which the rate is high again."""
    clip: Annotated[float, Field(gt=0)] | None = None
    """Norm that gradients are clipped to; by default they are not."""
    representation: Literal["keras-kl", "kl", "mse"] = "keras-kl"
    """How states are compared: keras-kl is the code's divergence of values clipped to [1e-7, 1], kl that of their
    softmax, mse the mean square of their differences."""
    held_out: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    """Share of the transfer text that is kept from training, for validation."""
    signals: Literal["auto", "stored", "live"] = "auto"
    """What the teacher says of the transfer text is written once (stored), or computed anew in each epoch (live); auto
    stores what takes no more than most_gigabytes."""
    most_gigabytes: Annotated[float, Field(gt=0)] = 50.0
    """What auto stores at most, 10^9 bytes each."""

    @model_validator(mode="after")
    def _falls(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low: expected at most high, {self.high:g}; found {self.low:g}")
        return self


class Compression(Entry):
    """All that decides what a model is compressed into, besides teacher, task, transfer text and seed."""

    student: CompactShape
    embeddings: EmbeddingStart = EmbeddingStart()
    vocabulary: Literal["seen", "all"] = "seen"
    """Pieces that have a row of their own: those that stand in the training set or the transfer text, or all."""
    stages: Annotated[list[Stage], Field(min_length=1)]
    layer: PositiveInt | None = None
    """The teacher's layer that is imitated, counted from 1; by default the one after the middle: 7 of 12."""
    settings: CompressionSettings = CompressionSettings()
    tested_on: list[str] | None = None
    """Languages of the test split that count; all by default."""
    version: int = 0
    """The same settings under another version mean another model."""
    signals_version: int = 0
    """The version of the signals that it learns from."""


class Signals(Entry):
    """All that decides what a teacher says of the transfer text of a task, besides teacher and task."""

    layer: PositiveInt | None = None
    length: Annotated[int, Field(ge=16, le=4096)] = 32
    sentences: PositiveInt | None = None
    held_out: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    mode: Literal["auto", "stored", "live"] = "auto"
    most_gigabytes: Annotated[float, Field(gt=0)] = 50.0
    seed: int = 1
    """Draws the corpus's lines and what is held out."""
    version: int = 0


def needs_transfer(stages: list[Stage]) -> bool:
    """Return whether a strategy imitates a teacher, on transfer text."""
    return any(stage.losses.of_transfer for stage in stages)


def middle(layers: int) -> int:
    """Return the layer of a teacher that is imitated by default, counted from 1: 7 of 12."""
    return min(layers, layers // 2 + 1)
