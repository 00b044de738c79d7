"""The maker `distil`: a smaller model that learns on raw text to predict what its teachers predict."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Distinct, Entry, Name, refuse_idle
from smelt.languages import Language
from smelt.model_families import FAMILIES
from smelt.numbers import Heads, Layers, Natural, StateWidth
from smelt.study.architectures import numbers_in
from smelt.study.makers.base import NUMBERS, BlocksRead, Definitions, FinetuningRuns, list_languages
from smelt.study.makers.trained import TrainedOnBlocks, TrainedRules, TrainingSettings
from smelt.study.paths import Paths
from smelt.study.resources import (
    BASE,
    PASS_MB,
    STATES,
    gpus_for,
    libraries_for,
    megabytes,
    minutes_for,
    parameters_in,
    pass_megabytes,
)
from smelt.training.losses import Losses, refuse_losses_without_mlm
from smelt.training.recipes import ObjectiveSettings

# Part of the rule's params, beside the recipe's version: raise it when the same settings come to mean another student.
# Comments and refactorings leave it alone.
DISTILLATION_VERSION = 1

CODE_LAYERS = [0, 2, 4, 7, 9, 11]
"""The layers of 12 that DistilBERT's public code copies into 6; its paper has one layer out of two."""
CODE_TEACHER = 12
WIDTHS = ("hidden", "heads", "feed_forward")
EmbeddingPart = Literal["positions", "pieces"]


class StudentShape(Entry):
    """How large a student is, and what it starts from."""

    layers: Layers = 6
    """At most as many as the first teacher has; any number with `start: random`."""
    hidden: StateWidth | None = None
    """Width of its hidden states; by default the first teacher's. A student with other numbers than its teacher cannot
    copy layers and needs `start: random`."""
    heads: Heads | None = None
    """Attention heads of a layer; by default the first teacher's."""
    feed_forward: StateWidth | None = None
    """Width inside a layer's feed-forward part; by default the first teacher's."""
    start: Literal["alternate", "code", "first", "last", "random"] | list[Natural] = "alternate"
    """The first teacher's layers that the student's are copies of before it learns, counted from 0: `alternate` (0, 2,
    4 and so on: the papers' 2n - 1), `code` (0, 2, 4, 7, 9, 11 of 12 into 6: their public code), the `first` or `last`
    ones, or a list of numbers; embeddings and head are copied with them. `random` copies nothing. ALBERT's layers are
    one, which all but `random` copy."""
    frozen: Annotated[list[EmbeddingPart], Distinct] = Field(default_factory=list)
    """Embeddings that do not learn."""
    positions: Annotated[Literal["learnt", "sinusoidal"], Field(exclude_if=lambda value: value == "learnt")] = "learnt"
    """Position embeddings: `learnt`, as the teacher's are that they start from, or `sinusoidal`, the sines and cosines
    of Vaswani et al. 2017 (section 3.5), which never learn. The latter is for students of BERT and DistilBERT, whose
    configuration names it as DistilBERT's public code has it: `sinusoidal_pos_embds`."""

    @model_validator(mode="after")
    def _starts_every_layer(self) -> Self:
        if isinstance(self.start, list) and len(self.start) != self.layers:
            raise ValueError(f"start: names {len(self.start)} layers of the teacher for {self.layers} of the student")
        if self.start == "code" and self.layers != len(CODE_LAYERS):
            raise ValueError(f"start: code copies {len(CODE_LAYERS)} layers; expected as many, found {self.layers}")
        if self.start == "random" and self.frozen:
            raise ValueError(f"frozen: {self.frozen[0]} would stay random for ever, as nothing is copied")
        if self.positions == "sinusoidal" and "positions" in self.frozen:
            raise ValueError("frozen: positions has no effect with positions: sinusoidal; leave it out")
        return self

    @property
    def copies(self) -> bool:
        """Whether the student starts from its teacher's weights."""
        return self.start != "random"

    @property
    def still(self) -> list[EmbeddingPart]:
        """The embeddings that do not learn."""
        return ["positions", *self.frozen] if self.positions == "sinusoidal" else self.frozen

    def layers_to_copy(self, teacher: int) -> list[int]:
        """Return the layers of a teacher of that many that the student starts from, counted from 0; none at random."""
        if isinstance(self.start, list):
            return self.start
        starts = {
            "alternate": list(range(0, 2 * self.layers, 2)),
            "code": CODE_LAYERS,
            "first": list(range(self.layers)),
            "last": list(range(teacher - self.layers, teacher)),
        }
        return starts.get(self.start, [])

    def refuse_unfit_teacher(self, teacher: Mapping[str, int]) -> None:
        """Refuse a teacher that cannot be the first one of such a student.

        Args:
            teacher: its layers, hidden, heads and feed_forward, as far as they are known.

        Raises:
            ValueError: layers are to be copied and it has fewer than are asked of it, or another width.
        """
        if self.copies and (layers := teacher.get("layers")) is not None:
            self._refuse_layers(layers)
        for key in WIDTHS if self.copies else ():
            own = getattr(self, key)
            if own is not None and key in teacher and own != teacher[key]:
                raise ValueError(
                    f"{key}: {own:,} is not the teacher's {teacher[key]:,}, so that its layers cannot be copied;"
                    " expected start: random"
                )
        hidden, heads = (getattr(self, key) or teacher.get(key) for key in ("hidden", "heads"))
        if hidden and heads and hidden % heads:
            raise ValueError(f"heads: {heads} do not divide a hidden size of {hidden}")

    def refuse_unfit_family(self, family: str | None) -> None:
        """Refuse a family of students that lacks the positions that are asked for.

        Raises:
            ValueError: its class has no sinusoidal ones; a family that is not known passes.
        """
        if self.positions == "sinusoidal" and family not in ("distilbert", None):
            raise ValueError(
                f"positions: sinusoidal is for students of BERT and DistilBERT; this one is of family {family}"
            )

    def _refuse_layers(self, teacher: int) -> None:
        if self.layers > teacher:
            raise ValueError(
                f"layers: {self.layers} are more than the {teacher} of the teacher, so that not all can be copies;"
                " expected start: random"
            )
        if self.start == "code" and teacher != CODE_TEACHER:
            raise ValueError(f"start: code is for teachers of {CODE_TEACHER} layers; this one has {teacher}")
        if (last := max(self.layers_to_copy(teacher), default=0)) >= teacher:
            raise ValueError(f"start: layer {last}, counted from 0, is beyond the {teacher} layers of the teacher")


def refuse_unmapped(layers: Sequence[int] | None, student: int, teacher: int | None) -> None:
    """Refuse a map of layers that is not one of a student's and a teacher's.

    Args:
        layers: the teacher's for each of the student's, counted from 1, or None.
        student: how many the student has.
        teacher: how many the teacher has, or None where that is not known.

    Raises:
        ValueError: it is of another length, or names a layer that the teacher does not have.
    """
    if layers is None:
        return
    if len(layers) != student:
        raise ValueError(f"losses.layers: names {len(layers)} layers of the teacher for {student} of the student")
    if teacher is not None and max(layers) > teacher:
        raise ValueError(f"losses.layers: layer {max(layers)} is beyond the {teacher} layers of the teacher")


def refuse_sentences(objective: ObjectiveSettings) -> None:
    """Refuse an objective that a distillation does not learn.

    Raises:
        ValueError: it predicts something of sentences.
    """
    if objective.sentences != "none":
        raise ValueError(
            f"settings.objective.sentences: expected none; found {objective.sentences!r}, which distilled models"
            " do not predict"
        )


class Distil(TrainedOnBlocks):
    """A smaller model that learns on raw text to predict what its teacher predicts (Sanh et al. 2019)."""

    command: ClassVar = ("smelt.models.distil", "distil a smaller model from teachers")

    maker: Literal["distil"]
    """The model learns what another one predicts."""
    teacher: Name | Annotated[list[Name], Field(min_length=1), Distinct]
    """A model of the study, of any maker but `export`; or several with the same pieces, whose predictions are averaged.
    The student has the first one's tokenizer and starts from its layers."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Languages of the corpus to learn on, by default all; two of them make a bilingual student."""
    student: StudentShape = StudentShape()
    """How large the model is, and what it starts from."""
    losses: Losses = Losses()
    """The losses, with their weights."""

    source_key: ClassVar[str] = "teacher"

    @model_validator(mode="after")
    def _predicts_nothing_of_sentences(self) -> Self:
        refuse_sentences(self.training.objective)
        refuse_idle("losses.", self.losses, self.losses.idle())
        return self

    @classmethod
    def rules(cls, study: Definitions, paths: Paths, runs: FinetuningRuns) -> "DistilRules":
        """Return what its rule asks."""
        return DistilRules(cls, study, paths, runs)

    @property
    def teachers(self) -> list[str]:
        """The teachers; the student has the first one's tokenizer, and starts from its layers."""
        return [self.teacher] if isinstance(self.teacher, str) else self.teacher

    @property
    def sources(self) -> list[str]:
        """The models that it is made from."""
        return self.teachers

    @property
    def blocks(self) -> BlocksRead:
        """The token blocks that it is trained on."""
        return super().blocks._replace(languages=self.languages)

    def vocabulary_owner(self, name: str, study: Definitions) -> str:  # noqa: ARG002 - other makers need it
        """Return the model whose vocabulary its first teacher has."""
        return study.vocabulary_owner(self.teachers[0])

    def numbers(self, study: Definitions) -> dict[str, int]:
        """Return the numbers of its first teacher, with those of its own in their place."""
        own = {key: getattr(self.student, key) for key in NUMBERS}
        return super().numbers(study) | {key: value for key, value in own.items() if value is not None}

    def family(self, study: Definitions) -> str | None:
        """Return the family of its first teacher's students."""
        found = super().family(study)
        known = FAMILIES.get(found or "")
        return (known and known.student) or found

    def embedding_width(self, study: Definitions) -> int | None:
        """Return that of its first teacher, unless it has a width of its own; embeddings of an ALBERT ignore that."""
        known = FAMILIES.get(self.family(study) or "")
        narrow = known is not None and known.shared_layers
        return super().embedding_width(study) if narrow or self.student.hidden is None else None

    def describe(self, study: Definitions) -> tuple[str, str]:
        """Return its teachers and corpus, and its layers, languages and training."""
        languages = list_languages(study.languages(self.corpus, self.languages))
        layers = "1 layer" if self.student.layers == 1 else f"{self.student.layers} layers"
        return f"{', '.join(self.teachers)}, {self.corpus}", f"{layers}: {languages}; {self.describe_training()}"

    def check(self, key: str, study: Definitions) -> None:
        """Check the corpus and languages, and that the student fits its teachers.

        Raises:
            ValueError: a corpus or a language is not there; teachers have different tokenizers; or the student's shape,
                layers or losses do not fit a teacher whose shape the study gives; or nothing would teach it to
                predict the pieces that a teacher was given.
        """
        study.check_texts(key, self.corpus, self.languages)
        self._check_vocabularies(key, study)
        self._check_shapes(key, study)
        for teacher in self.teachers:
            if study.models[teacher].adds_pieces:
                try:
                    refuse_losses_without_mlm(self.losses, repr(teacher))
                except ValueError as error:
                    raise ValueError(f"{key}.{error}") from None

    def _check_vocabularies(self, key: str, study: Definitions) -> None:
        vocabularies = {teacher: study.vocabulary(teacher) for teacher in self.teachers}
        first, *others = self.teachers
        for other in others:
            pair = {vocabularies[first], vocabularies[other]}
            if len(pair) > 1 and all(name in study.tokenizers for name in pair):
                raise ValueError(
                    f"{key}.teacher: {first!r} has the pieces of {vocabularies[first]} and {other!r} those of"
                    f" {vocabularies[other]}: what they predict cannot be averaged; expected teachers of one tokenizer"
                )
        study.refuse_ambiguous(f"{key}.teacher", first)

    def _check_shapes(self, key: str, study: Definitions) -> None:
        numbers = {teacher: study.numbers(teacher) for teacher in self.teachers}
        try:
            self.student.refuse_unfit_family(self.family(study))
            self.student.refuse_unfit_teacher(numbers[self.teachers[0]])
        except ValueError as error:
            raise ValueError(f"{key}.student.{error}") from None
        for teacher, known in numbers.items():
            try:
                refuse_unmapped(self.losses.layers, self.student.layers, known.get("layers"))
            except ValueError as error:
                raise ValueError(f"{key}.{error} ({teacher})") from None
            heads = self.student.heads or numbers[self.teachers[0]].get("heads")
            if self.losses.attention and heads and heads != known.get("heads", heads):
                raise ValueError(
                    f"{key}.losses.attention: the student has {heads} heads and {teacher!r} {known['heads']}; expected"
                    " as many, for attention is compared head by head"
                )


class DistillationSettings(TrainingSettings):
    """All that decides a student's weights, apart from its blocks and teachers."""

    student: StudentShape
    losses: Losses
    distillation_version: int
    """DISTILLATION_VERSION, likewise."""

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        refuse_sentences(self.recipe.objective)
        refuse_unmapped(self.losses.layers, self.student.layers, None)
        return self


class DistilRules(TrainedRules[Distil]):
    """Answers to `rules/distil.smk`."""

    def teachers(self, wildcards: Any) -> list[str]:
        """Return the folders of the teachers of {model}, that with its tokenizer first."""
        return self.folders(wildcards)

    def training_settings(self, model: Distil, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that a model is trained with: student, losses, recipe, sampling, seed and versions."""
        return {
            "student": model.student.model_dump(),
            "losses": model.losses.model_dump(),
            "recipe": recipe,
            **self.sampling(model),
            "distillation_version": DISTILLATION_VERSION,
        }

    def gpus(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how many GPUs {model} asks for: none where it and its teachers are small."""
        return gpus_for(parameters_in(input.teachers))

    def memory(self, wildcards: Any, input: Any) -> int:
        """Return the MB that {model} takes: libraries, teachers as they load, the student and a pass.

        The student counts with the first teacher's weights: it rarely has more.
        """
        weights = 2 * megabytes(input.teachers) + STATES * megabytes(input.teachers[:1])
        shape = BASE | numbers_in(input.teachers[0]) | self.study.numbers(wildcards.model)
        libraries = libraries_for(parameters_in(input.teachers))
        # The teachers leave nothing behind to go back through, and at most as much as a student at any moment.
        return int(libraries + weights + min(PASS_MB, 2 * pass_megabytes(shape, self.entry(wildcards).training.data)))

    def minutes(self, wildcards: Any, input: Any) -> int:
        """Return the minutes that {model} may take before it goes on in another job."""
        return minutes_for(self.gpus(wildcards, input))
