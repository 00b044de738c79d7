"""How a fine-tuned model is compressed into a small one of another architecture, in stages (XtremeDistil)."""

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from smelt.entry import Entry, Name
from smelt.families import member_of
from smelt.study.strategies import Schedule, Stage, check_stages, needs_transfer

REMOVED = 14  # directions that ppa takes away by default: the better one of Table 7
Below1 = Annotated[float, Field(ge=0, lt=1)]
Layer = PositiveInt | Literal["middle"]
"""A layer of a teacher, counted from 1; middle is the one after the middle."""


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
    file: str | Annotated[list[str], Field(min_length=1)] | None = None
    """Word vectors of FastText or GloVe, a line each, the word and its numbers; `${NAME}` is filled in. Of several
    files the first that has a word counts; `{language}` makes it a file for each language that the task trains on."""
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
    def files(self) -> list[str]:
        """Its files, in the order in which words are looked for."""
        return [self.file] if isinstance(self.file, str) else self.file or []

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
        """Whether they come of the teacher's."""
        return self.start in ("svd", "ppa", "full")


class Transfer(Entry):
    """The unlabelled text on which the teacher is imitated: the task's training texts, and then a corpus's."""

    corpus: Name | None = None
    """A corpus of the study whose texts follow upon the task's own, drawn by the teacher's seed: its documents'
    sentences, for a task that labels words, or lines; but for those that validation or test holds too."""
    sentences: PositiveInt | None = None
    """How many texts in all; by default all of the task's, or, with a corpus, all of both."""
    signals: Literal["auto", "stored", "live"] = "auto"
    """What the teacher says of the text is written once (stored), or computed anew in each epoch (live); auto stores
    what takes no more than most_gigabytes. Neither decides what a student becomes, but to rounding."""
    most_gigabytes: Annotated[float, Field(gt=0)] = 50.0
    """What auto stores at most, 10^9 bytes each."""


class CompressionSettings(Schedule):
    """How a student is trained; defaults are the paper's (appendix A.2) or else its code's."""

    batch: PositiveInt = 512
    dropout: Below1 = 0.2
    length: Annotated[int, Field(ge=16, le=4096)] = 32
    """Tokens in a text, special ones included; longer sentences are read in windows, longer texts are cut. 32 are those
    of the queries that the paper times (section 6.2)."""
    clip: Annotated[float, Field(gt=0)] | None = None
    """Norm that gradients are clipped to; by default they are not."""
    representation: Literal["keras-kl", "kl", "mse"] = "keras-kl"
    """How states are compared: keras-kl is the code's divergence of values clipped to [1e-7, 1], kl that of their
    softmax, mse the mean square of their differences."""
    held_out: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    """Share of the transfer text that is kept from training, for validation."""


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
    """The version of the signals that it learns from, if it learns from any."""

    @model_validator(mode="after")
    def _stages_can_be(self) -> Self:
        check_stages(self.stages, self.settings)
        return self


class Signals(Entry):
    """All that decides what a teacher says of the transfer text of a task, besides teacher and task."""

    layers: list[Layer] = Field(default_factory=list)
    """Layers whose states are told besides the logits: those that any student imitates."""
    length: Annotated[int, Field(ge=16, le=4096)] = 32
    sentences: PositiveInt | None = None
    held_out: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    mode: Literal["auto", "stored", "live"] = "auto"
    most_gigabytes: Annotated[float, Field(gt=0)] = 50.0
    seed: int = 1
    """Draws the corpus's texts and what is held out: that of the teacher's fine-tuning, in a study."""
    version: int = 0


def needs_finetuned_teacher(stages: Sequence[Stage], start: EmbeddingStart) -> bool:
    """Return whether anything is learnt of a fine-tuned teacher, or starts from its embeddings."""
    return needs_transfer(stages) or (start.from_teacher and start.of == "finetuned")


def middle(layers: int) -> int:
    """Return the layer of a teacher that is imitated by default, counted from 1: 7 of 12."""
    return min(layers, layers // 2 + 1)
