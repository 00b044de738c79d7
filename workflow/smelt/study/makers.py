"""The makers of models: how an entry of the study's models says that it is made."""

from collections.abc import Collection
from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, field_validator, model_validator

from smelt.entry import Distinct, Entry, Name, Seed, refuse_idle
from smelt.errors import expected_one_of
from smelt.languages import Language
from smelt.study.architectures import ARCHITECTURES, Shape, refuse_unfit
from smelt.study.compression import (
    CompactShape,
    CompressionSettings,
    EmbeddingStart,
    Transfer,
    needs_finetuned_teacher,
)
from smelt.study.new_pieces import NewPieces
from smelt.study.selection import SelectionRule
from smelt.study.strategies import STRATEGIES, Schedule, Stage, check_stages, needs_states, needs_transfer
from smelt.study.student import StudentShape
from smelt.training.losses import Losses
from smelt.training.recipes import RECIPES, Recipe, RecipeOverrides, recipe_with


class Made(Entry):
    """What every model may say, however it is made."""

    tasks: Annotated[list[Name], Distinct] | Literal["own"] | None = None
    """Tasks to fine-tune on; all tasks of the study by default, and `own` are those that test a language of
    `tested_on`: what a family of monolingual models says once for all of its members."""
    tested_on: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Languages whose test examples count, for a model that has not all languages of its tasks; all by default."""

    @model_validator(mode="after")
    def _owns_by_language(self) -> Self:
        if self.tasks == "own" and self.tested_on is None:
            raise ValueError("tasks: own are those that test a language of tested_on, which is missing")
        return self

    @property
    def named_tasks(self) -> list[str]:
        """The tasks that the entry names."""
        return self.tasks if isinstance(self.tasks, list) else []

    def runs_on(self, task: str, languages: Collection[str]) -> bool:
        """Whether it is fine-tuned on a task of the study that tests these languages."""
        if self.tasks == "own":
            return any(language in languages for language in self.tested_on or [])
        return self.tasks is None or task in self.tasks


class Trained(Made):
    """What every model may say that is trained on token blocks."""

    corpus: Name
    recipe: str
    """A named set of settings: albert, fast, small, eliquare or distil."""
    settings: RecipeOverrides = RecipeOverrides()
    """Settings of the recipe to override."""
    seed: Seed = 1

    @field_validator("recipe")
    @classmethod
    def _known_recipe(cls, value: str) -> str:
        return _known(value, RECIPES, "recipe")

    @model_validator(mode="after")
    def _sets_nothing_idle(self) -> Self:
        refuse_idle("settings.", self.settings, self.training.idle())
        every, steps = getattr(self.settings, "validate_every", None), self.training.steps
        if every and steps and every > steps:
            raise ValueError(
                f"settings.validate_every: expected at most the run's {steps} steps, which measure once, at the end;"
                f" found {every}"
            )
        return self

    @property
    def training(self) -> Recipe:
        """The recipe with the study's own settings."""
        return recipe_with(self.recipe, self.settings.model_dump(exclude_unset=True))


class Pretrain(Trained):
    """A new encoder, pretrained with masked language modelling and what its recipe predicts of sentences."""

    maker: Literal["pretrain"]
    architecture: str | Shape
    """A name, such as albert-tiny, bert-base or distilbert-base, or the numbers themselves."""
    tokenizer: Name

    @field_validator("architecture")
    @classmethod
    def _known_architecture(cls, value: str | Shape) -> str | Shape:
        return _known(value, ARCHITECTURES, "architecture") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _whole_recipe_is_valid(self) -> Self:
        refuse_unfit(self.shape, self.training)  # the overridden recipe checks itself as it is built
        return self

    @property
    def shape(self) -> Shape:
        """The numbers of the architecture."""
        return ARCHITECTURES[self.architecture] if isinstance(self.architecture, str) else self.architecture


class Distil(Trained):
    """A smaller model that learns on raw text to predict what its teacher predicts (Sanh et al. 2019)."""

    maker: Literal["distil"]
    teacher: Name | Annotated[list[Name], Field(min_length=1), Distinct]
    """A model of the study, of any maker but export; or several of one vocabulary, whose predictions are averaged."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Languages of the corpus to learn on; all of them by default."""
    student: StudentShape = StudentShape()
    """How large the model is, and what it starts from."""
    losses: Losses = Losses()
    """What it learns from its teacher and from the text."""

    @model_validator(mode="after")
    def _predicts_nothing_of_sentences(self) -> Self:
        refuse_sentences(self.training)
        refuse_idle("losses.", self.losses, self.losses.idle())
        return self

    @property
    def teachers(self) -> list[str]:
        """The teachers; the student has the first one's tokenizer, and starts from its layers."""
        return [self.teacher] if isinstance(self.teacher, str) else self.teacher


def refuse_sentences(recipe: Recipe) -> None:
    """Refuse a recipe that a distillation cannot follow.

    Raises:
        ValueError: it predicts something of sentences.
    """
    if recipe.sentences != "none":
        raise ValueError(
            f"settings.sentences: expected none; found {recipe.sentences!r}, which distilled models do not predict"
        )


class Adopt(Made):
    """A published model, from the Hugging Face hub or a folder."""

    maker: Literal["adopt"]
    hub: str | None = None
    """Name on the hub: organisation/model."""
    revision: str | None = None
    """Commit of the hub's repository, so that the study means the same model tomorrow."""
    folder: str | None = None
    """Local folder that from_pretrained loads."""
    tokenizer: Literal["published", "faithful"] = "published"
    """The tokenizer's files as they are, or a tokenizer.json that cuts text as its SentencePiece model does."""

    @model_validator(mode="after")
    def _has_one_pinned_source(self) -> Self:
        if (self.hub is None) == (self.folder is None):
            raise ValueError("expected either hub (with revision) or folder")
        if self.hub is not None and self.revision is None:
            raise ValueError("expected a revision: the commit of the hub's repository to pin")
        if self.folder is not None:
            refuse_idle("", self, {"revision": "on a folder; it belongs to hub"})
        return self

    def chosen(self) -> dict[str, str]:
        """Return what decides the model; a default is left out, so that models adopted before it was there stay."""
        keys = {"hub", "revision", "folder", "tokenizer"}
        return self.model_dump(include=keys, exclude_none=True, exclude_defaults=True)


class Reduce(Made, SelectionRule):
    """Another model of the study with only the pieces that some languages use; it computes the same of these."""

    maker: Literal["reduce"]
    source: Name
    """The model to reduce, of any maker."""
    corpus: Name
    """What pieces are counted in, and whose held-out documents the reduction is proven on."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Languages of the corpus whose pieces are kept; all of them by default."""
    keep: Annotated[list[str], Distinct] = Field(default_factory=list)
    """Pieces to keep besides, as the tokenizer spells them; special and unused ones are kept anyway."""
    counts: Name | None = None
    """An adopted model with the source's tokenizer, whose counts serve for both; by default the source's own."""


class Amplify(Made, NewPieces):
    """Another model of the study with more pieces for some languages; on texts without these it computes the same."""

    maker: Literal["amplify"]
    source: Name
    """The model to amplify, of any maker but export."""
    corpus: Name
    """What the new pieces are learnt from, without its held-out documents, on which the model is proven."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Languages of the corpus that gain pieces; all of them by default."""


class ExportSettings(Entry):
    """What an export is written as."""

    format: Literal["onnx", "int8"]
    """ONNX with fp32 weights, equal to its source to rounding; or int8 weights, smaller, faster and only near it."""
    reduce_range: bool = False
    """Use seven bits of int8, for x86 processors without VNNI, whose sums of products of eight bits saturate."""


class Export(ExportSettings, Made):
    """A model of the study as ONNX Runtime runs it: its encoder without heads, to be deployed and measured."""

    maker: Literal["export"]
    source: Name
    """The model that is exported."""
    tasks: Annotated[list[Name], Distinct] | Literal["own"] | None = Field(default=[])
    """None can be named: an exported model is not fine-tuned."""

    @field_validator("tasks", "tested_on")
    @classmethod
    def _is_not_fine_tuned(cls, value: list[str] | None) -> list[str]:
        if value:
            raise ValueError("an exported model is not fine-tuned: fine-tune its source, and leave this key out")
        return []

    @model_validator(mode="after")
    def _narrows_integers(self) -> Self:
        if self.format != "int8":
            refuse_idle("", self, {"reduce_range": f"on format: {self.format}; it belongs to int8"})
        return self

    @property
    def settings(self) -> ExportSettings:
        """What it is written as."""
        return ExportSettings(format=self.format, reduce_range=self.reduce_range)


class Compress(Made):
    """A small model of another architecture for each task, compressed from a model fine-tuned on it (XtremeDistil)."""

    maker: Literal["compress"]
    teacher: Name
    """A model of the study, of any maker but export and compress: fine-tuned on the task, it is the teacher."""
    teacher_seed: Seed | None = None
    """The seed that the teacher was fine-tuned with; by default each student's own, so that spreads are of both."""
    student: CompactShape
    """Its architecture and widths."""
    embeddings: EmbeddingStart = EmbeddingStart()
    """What its embeddings are before it learns."""
    vocabulary: Literal["seen", "all"] = "seen"
    """Pieces that have an embedding of their own: those that stand in the training set or the transfer text, or all."""
    strategy: str | Annotated[list[Stage], Field(min_length=1)] = "D4.2"
    """D0, D0-S, D1, D2, D3.1, D3.2, D4.1 or D4.2, as the paper has them, or the stages themselves."""
    layer: PositiveInt | None = None
    """The teacher's layer that is imitated, counted from 1; by default the one after the middle: 7 of 12."""
    transfer: Transfer = Transfer()
    """The text that the teacher is imitated on."""
    settings: CompressionSettings = CompressionSettings()
    """How it is trained."""

    @field_validator("strategy")
    @classmethod
    def _known_strategy(cls, value: str | list[Stage]) -> str | list[Stage]:
        return _known(value, STRATEGIES, "strategy") if isinstance(value, str) else value

    @model_validator(mode="after")
    def _stages_can_be(self) -> Self:
        try:
            check_stages(self.stages, self.settings)
        except ValueError as error:
            raise ValueError(f"strategy: {error}") from None
        return self

    @model_validator(mode="after")
    def _sets_nothing_idle(self) -> Self:
        named = f"strategy {self.strategy}" if isinstance(self.strategy, str) else "its stages"
        without_teacher = f"where {named} imitates no teacher: no loss of representation or logits"
        without_states = f"where {named} imitates no layer: no loss of representation"
        if not self.imitates:
            refuse_idle("transfer.", self.transfer, dict.fromkeys(Transfer.model_fields, without_teacher))
            refuse_idle("settings.", self.settings, {"held_out": without_teacher})
        if not needs_states(self.stages):
            refuse_idle("", self, {"layer": without_states})
            refuse_idle("settings.", self.settings, {"representation": without_states})
        if not self.needs_finetuned_teacher:
            refuse_idle("", self, {"teacher_seed": f"where {named} needs no fine-tuned teacher, nor its embeddings"})
        if self.transfer.signals != "auto":
            refuse_idle(
                "transfer.",
                self.transfer,
                {"most_gigabytes": f"with signals: {self.transfer.signals}; it belongs to auto"},
            )
        if not self.embeddings.from_teacher:
            refuse_idle("embeddings.", self.embeddings, {"of": f"with start: {self.embeddings.start}"})
        for key in Schedule.model_fields:
            if all(getattr(stage, key) is not None for stage in self.stages):
                refuse_idle("settings.", self.settings, {key: "where each stage has its own"})
        return self

    @property
    def stages(self) -> list[Stage]:
        """The stages of its strategy."""
        return STRATEGIES[self.strategy] if isinstance(self.strategy, str) else self.strategy

    @property
    def imitates(self) -> bool:
        """Whether a stage imitates a teacher, on transfer text."""
        return needs_transfer(self.stages)

    @property
    def needs_finetuned_teacher(self) -> bool:
        """Whether a fine-tuned teacher is needed, for its signals or its embeddings."""
        return needs_finetuned_teacher(self.stages, self.embeddings)

    def seed_of_teacher(self, seed: int) -> int:
        """Return the seed that the teacher of the student of a seed was fine-tuned with."""
        return seed if self.teacher_seed is None else self.teacher_seed


Maker = Annotated[Pretrain | Distil | Adopt | Reduce | Amplify | Export | Compress, Field(discriminator="maker")]


def _known(value: str, table: dict[str, Any], what: str) -> str:
    if value not in table:
        raise ValueError(f"no {what} is called {value!r}: {expected_one_of(value, table)}")
    return value
