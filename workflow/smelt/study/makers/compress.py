"""The maker `compress`: small models of another architecture, from models that were fine-tuned on their tasks."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from smelt.entry import Name, refer, refuse_idle
from smelt.errors import SmeltError
from smelt.model_families import number_of
from smelt.numbers import Layers, Seed
from smelt.study.compression import (
    STRATEGIES,
    CompactShape,
    Compression,
    CompressionSettings,
    EmbeddingStart,
    Schedule,
    SignalSettings,
    Stage,
    TransferText,
    check_stages,
    needs_finetuned_teacher,
    needs_states,
    needs_transfer,
)
from smelt.study.makers.base import Definitions, FinetuningRuns, Maker, MakerRules, refuse_unknown
from smelt.study.paths import Paths, outside_sources, run_of
from smelt.study.resources import BASE, examples, gpus_for, libraries_for, megabytes, parameters_in
from smelt.tasks.kinds import kind_of

# Part of the rules' params: raise one when the same settings come to mean another student, or other signals. Comments
# and refactorings leave it alone.
COMPRESSION_VERSION = 2
SIGNALS_VERSION = 3

STORAGE = {"mode", "max_gigabytes"}  # settings of signals that decide where they are stored, and nothing else
SHARD_WINDOWS = 16_384  # whose states are held before they are written
NO_CORPUS = "_task"  # in names of folders, in the place of a corpus's name, which never begins so


class Compress(Maker):
    """A small model of another architecture for each task, compressed from a model fine-tuned on it (XtremeDistil)."""

    command: ClassVar = ("smelt.finetuning.compression.compress", "compress a fine-tuned model into a small student")

    maker: Literal["compress"]
    """The model is a small student of a fine-tuned model, for each task."""
    teacher: Name
    """A model of the study, of any maker but `export` and `compress`: fine-tuned on the task, it is the teacher."""
    teacher_seed: Seed | None = None
    """The seed that the teacher was fine-tuned with, one for all students; tables name it, because their spreads over
    seeds are then of students alone. By default each student's own, so that spreads are of both."""
    student: CompactShape
    """Its architecture and widths."""
    embeddings: EmbeddingStart = EmbeddingStart()
    """Its embeddings before it learns."""
    vocabulary: Literal["seen", "all"] = "seen"
    """Pieces with an embedding of their own: those `seen` in the training set or the transfer text, or `all`; the
    others share that of the unknown piece."""
    strategy: str | Annotated[list[Stage], Field(min_length=1)] = "D4.2"
    """As in the paper's Table 3: `D0`, `D0-S` (labels alone: the one on tasks of one language each, the other on a task
    of all languages), `D1` (labels and logits), `D2` (and a layer's states), `D3.1`, `D4.1` (stage by stage), `D3.2`,
    `D4.2` (and unfreezing gradually); or a list of stages."""
    layer: Layers | None = None
    """The teacher's layer that is imitated, counted from 1; by default the one after the middle: 7 of 12."""
    transfer: TransferText = TransferText()
    """The unlabelled text that the teacher is imitated on."""
    settings: CompressionSettings = CompressionSettings()
    """How it is trained."""

    source_key: ClassVar[str] = "teacher"
    beside_results: ClassVar = {"transfer": {"signals", "max_gigabytes"}}
    is_compressed: ClassVar[bool] = True

    @field_validator("strategy")
    @classmethod
    def _known_strategy(cls, value: str | list[Stage]) -> str | list[Stage]:
        return refuse_unknown(value, STRATEGIES, "strategy") if isinstance(value, str) else value

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
            refuse_idle("transfer.", self.transfer, dict.fromkeys(TransferText.model_fields, without_teacher))
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
                {"max_gigabytes": f"with signals: {self.transfer.signals}; it belongs to auto"},
            )
        if not self.embeddings.from_teacher:
            refuse_idle("embeddings.", self.embeddings, {"of": f"with start: {self.embeddings.start}"})
        for key in Schedule.model_fields:
            if all(getattr(stage, key) is not None for stage in self.stages):
                refuse_idle("settings.", self.settings, {key: "where each stage has its own"})
        return self

    @classmethod
    def rules(cls, study: Definitions, paths: Paths, runs: FinetuningRuns) -> "CompressRules":
        """Return the answers to its rules."""
        return CompressRules(cls, study, paths, runs)

    @property
    def sources(self) -> list[str]:
        """The model whose fine-tuning is its teacher."""
        return [self.teacher]

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

    @property
    def shares_teacher(self) -> bool:
        """Whether all of its seeds learn from one fine-tuned teacher."""
        return self.needs_finetuned_teacher and self.teacher_seed is not None

    def teacher_run(self, task: str, seed: int) -> str:
        """Return the fine-tuning of its teacher that a seed of it belongs to."""
        return run_of(self.teacher, task, self.seed_of_teacher(seed))

    def seed_of_teacher(self, seed: int) -> int:
        """Return the seed that the teacher of the student of a seed was fine-tuned with."""
        return seed if self.teacher_seed is None else self.teacher_seed

    def transfer_text(self, paths: Paths, task: str, seed: int) -> str | None:
        """Return the folder of its teacher's signals for its transfer text; students with both alike share it."""
        text = f"{self.transfer.corpus or NO_CORPUS}-{self.transfer.sentences or 'all'}-{self.settings.length}"
        return f"{paths.results}/signals/{self.teacher_run(task, seed)}/{text}" if self.imitates else None

    def finetuned_teacher(self, task: str, seed: int) -> str | None:
        """Return the fine-tuning that a seed of it learns from on a task, if it learns from one."""
        return self.teacher_run(task, seed) if self.needs_finetuned_teacher else None

    def local_files(self, languages: Sequence[str]) -> dict[str, list[str]]:
        """Return the files of word vectors that it starts from."""
        return {"embeddings.file": self.embeddings.in_languages(languages).files}

    def refuse_as_source(self, name: str, of: Maker) -> None:
        """Refuse to be the source of what needs an encoder: it has a different student for each task."""
        if not of.takes_compressed:
            raise ValueError(
                f"{name!r} is compressed for its tasks, and can only be exported; expected a model like"
                f" its teacher, {self.teacher!r}"
            )

    def describe(self, study: Definitions) -> tuple[str, str]:  # noqa: ARG002 - other makers need it
        """Return its teacher, and its student and strategy."""
        stages = "1 stage" if len(self.stages) == 1 else f"{len(self.stages)} stages"
        return self.teacher, f"{self.student}: {self.strategy if isinstance(self.strategy, str) else stages}"

    def check(self, key: str, study: Definitions) -> None:
        """Check its corpus, and that the student fits its teacher.

        Raises:
            ValueError: the corpus is not there; the layer is beyond the teacher's, or the embeddings are not as wide as
                their start makes them, as far as the study gives the teacher's shape.
        """
        if self.transfer.corpus is not None:
            refer(f"{key}.transfer.corpus", self.transfer.corpus, study.corpora)
        numbers = study.numbers(self.teacher)
        layers = numbers.get("layers")
        if layers and self.layer and self.layer > layers:
            raise ValueError(f"{key}.layer: {self.layer} is beyond the {layers} layers of {self.teacher!r}")
        self._check_start(key, numbers.get("hidden"), study.embedding_width(self.teacher))

    def _check_start(self, place: str, hidden: int | None, embedding: int | None) -> None:
        """Check the width of the embeddings against their start; a teacher's are never wider than its states."""
        key, width, start = f"{place}.student.embedding", self.student.embedding, self.embeddings
        if start.start == "ppa" and start.directions > width:
            raise ValueError(f"{place}.embeddings.removed: found {start.directions}, expected at most {key}, {width}")
        if start.start == "full" and embedding and width != embedding:
            raise ValueError(f"{key}: found {width:,}; start: full keeps the {embedding:,} of the teacher's embeddings")
        widest = embedding or hidden
        if start.from_teacher and widest and width > widest:
            found = f"{width:,} are more dimensions than the {widest:,} of the teacher's embeddings"
            raise ValueError(f"{key}: {found}; expected fewer, or embeddings that start otherwise")


@dataclass(frozen=True)
class SharedSignals:
    """The signals that the students of one teacher, task, seed and transfer text learn from."""

    settings: SignalSettings
    documents: list[str]

    @property
    def agreed(self) -> "SharedSignals":
        """The same without its layers and its limit: what all students have to agree on."""
        return replace(self, settings=self.settings.model_copy(update={"layers": [], "max_gigabytes": 1.0}))

    def joined_with(self, other: SignalSettings) -> "SharedSignals":
        """Return the same for a further student: with its layers, and with its limit if that is larger.

        The order of layers does not depend on the students' order.
        """
        mine = self.settings
        layers = sorted({*mine.layers, *other.layers}, key=lambda layer: (isinstance(layer, str), layer))
        most = max(mine.max_gigabytes, other.max_gigabytes)
        return replace(self, settings=mine.model_copy(update={"layers": layers, "max_gigabytes": most}))


class CompressRules(MakerRules[Compress]):
    """Answers to `rules/compress.smk`: about students, and about the signals of their teachers."""

    def __init__(self, kind: type[Compress], study: Definitions, paths: Paths, runs: FinetuningRuns) -> None:
        """Take the study.

        Raises:
            SmeltError: a compressed model is for no task, or for pairs of texts; transfer text lacks the task's
                languages; or models that share signals ask for different ones.
        """
        super().__init__(kind, study, paths, runs)
        for name, model in self.models.items():
            self._check_tasks(name, model)
        self._signals = self._all_signals()

    def _check_tasks(self, name: str, model: Compress) -> None:
        tasks = [task for _, task in self.runs.pairs(model=name)]
        if not tasks:
            raise SmeltError(self.paths.where, f"models.{name}.tasks: is compressed for no task of the study")
        for task in tasks:
            definition = self.runs.tasks[task]
            if reason := kind_of(definition).not_for_students(definition.pairs):
                raise SmeltError(self.paths.where, f"models.{name}.tasks: {task!r} {reason}")
            if model.transfer.corpus and not self._transfer_languages(model, task):
                found = f"{model.transfer.corpus!r} has none of the languages of {task!r}"
                raise SmeltError(self.paths.where, f"models.{name}.transfer.corpus: {found}")

    # Students.

    def teacher(self, wildcards: Any) -> list[str]:
        """Return the folder of the fine-tuned teacher of {model} on {task}, if it learns from one."""
        run = self.entry(wildcards).finetuned_teacher(wildcards.task, int(wildcards.seed))
        return [f"{self.paths.finetuned(run)}/model"] if run else []

    def signals(self, wildcards: Any) -> list[str]:
        """Return the folder of the signals that {model} learns from, if there are any."""
        folder = self.entry(wildcards).transfer_text(self.paths, wildcards.task, int(wildcards.seed))
        return [folder] if folder else []

    def vectors(self, wildcards: Any) -> list[str]:
        """Return the files of word vectors that {model} starts from, if there are any; the job names missing ones."""
        run = self.paths.finetuned(run_of(wildcards.model, wildcards.task, wildcards.seed))
        return outside_sources(self._embeddings(wildcards).files, f"{run}/metrics.json")

    def _embeddings(self, wildcards: Any) -> EmbeddingStart:
        languages = self.runs.tasks[wildcards.task].languages_of("train")
        return self.entry(wildcards).embeddings.in_languages(languages)

    def settings(self, wildcards: Any) -> str:
        """Return all that decides what {model} becomes on {task}, except files and seed, as JSON."""
        model = self.entry(wildcards)
        return Compression(
            student=model.student,
            embeddings=self._embeddings(wildcards),
            vocabulary=model.vocabulary,
            stages=model.stages,
            layer=model.layer,
            settings=model.settings,
            tested_on=self.runs.limit_languages(wildcards.model, wildcards.task),
            version=COMPRESSION_VERSION,
            signals_version=SIGNALS_VERSION if model.imitates else 0,
        ).model_dump_json()

    def memory(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the MB that a compression takes in main memory: libraries, examples, and the teacher as it loads.

        Signals stay on the disk, except 20 bytes a text; only the word vectors of pieces are kept.
        """
        libraries = libraries_for(parameters_in([input.source]))
        return int(libraries + 0.0025 * examples(input) + 2 * megabytes([input.source, *input.teacher]))

    def gpus(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how many GPUs a compression asks for: none where the teacher is small, and its student smaller."""
        return gpus_for(parameters_in([input.source]))

    def shown_student(self, wildcards: Any) -> str:
        """Return the one of {model}'s students that is measured: of its first task and seed."""
        return f"{self._shown_run(wildcards)}/model"

    def shown_provenance(self, wildcards: Any) -> str:
        """Return the record of how that student was made."""
        return f"{self._shown_run(wildcards)}/provenance.json"

    def _shown_run(self, wildcards: Any) -> str:
        return self.paths.finetuned(run_of(wildcards.model, self.runs.first_task(wildcards.model), self.runs.seeds[0]))

    # Signals: what fine-tuned teachers output for transfer text.

    def _all_signals(self) -> dict[str, SharedSignals]:
        """Return all signals by their folder, each with the layers and the largest limit of all its students."""
        found: dict[str, tuple[str, SharedSignals]] = {}
        for name, task, seed in self._imitating():
            folder, own = self.models[name].transfer_text(self.paths, task, seed), self._signals_of(name, task, seed)
            assert folder is not None
            first, shared = found.setdefault(folder, (name, own))
            if own.agreed != shared.agreed:
                same = "settings.held_out and transfer.signals"
                expected = f"learns from the same signals as {first!r}, so that {same} have to be the same"
                raise SmeltError(self.paths.where, f"models.{name}: {expected}")
            found[folder] = first, shared.joined_with(own.settings)
        return {folder: shared for folder, (_, shared) in found.items()}

    def _imitating(self) -> Iterator[tuple[str, str, int]]:
        """Yield the students that learn from signals: model, task and seed."""
        for name, model in self.models.items():
            for _, task in self.runs.pairs(model=name) if model.imitates else []:
                yield from ((name, task, seed) for seed in self.runs.seeds)

    def _signals_of(self, name: str, task: str, seed: int) -> SharedSignals:
        """Return the signals of one student."""
        model = self.models[name]
        settings = SignalSettings(
            layers=[model.layer or "middle"] if needs_states(model.stages) else [],
            length=model.settings.length,
            sentences=model.transfer.sentences,
            held_out=model.settings.held_out,
            mode=model.transfer.signals,
            max_gigabytes=model.transfer.max_gigabytes,
            seed=model.seed_of_teacher(seed),
            version=SIGNALS_VERSION,
        )
        corpus = model.transfer.corpus
        return SharedSignals(
            settings, self.paths.documents(corpus, self._transfer_languages(model, task)) if corpus else []
        )

    def _transfer_languages(self, model: Compress, task: str) -> list[str]:
        """Return the languages of a model's corpus that its task has; none where it has no corpus."""
        corpus = model.transfer.corpus
        known = self.study.corpora[corpus].languages if corpus else []
        return [language for language in known if language in self.runs.tasks[task].languages]

    def signals_at(self, wildcards: Any) -> str:
        """Return the folder of the signals of {model}, {task}, {seed} and {transfer}."""
        run = run_of(wildcards.model, wildcards.task, wildcards.seed)
        return f"{self.paths.results}/signals/{run}/{wildcards.transfer}"

    def _shared(self, wildcards: Any) -> SharedSignals:
        return self._signals[self.signals_at(wildcards)]

    def signals_teacher(self, wildcards: Any) -> str:
        """Return the folder of {model}, fine-tuned on {task}, whose signals are computed."""
        return f"{self.paths.finetuned(run_of(wildcards.model, wildcards.task, wildcards.seed))}/model"

    def signals_documents(self, wildcards: Any) -> list[str]:
        """Return the documents that transfer text is drawn from; none where it is the task's own."""
        return self._shared(wildcards).documents

    def signals_settings(self, wildcards: Any) -> str:
        """Return all that decides the signals, except teacher, task and documents, as JSON."""
        return self._shared(wildcards).settings.model_dump_json(exclude=STORAGE)

    def signals_storage(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - so that it is not compared
        """Return whether the signals are stored, as JSON.

        Snakemake does not compare params whose function takes `input`. So a changed answer applies to signals that are
        made from then on; existing signals and their students stay.
        """
        return self._shared(wildcards).settings.model_dump_json(include=STORAGE)

    def signals_memory(self, wildcards: Any, input: Any) -> int:
        """Return the MB that signals take in main memory: libraries, the teacher twice as it loads, a shard, and texts.

        Texts take 8 bytes each, for their numbers in random order, one language at a time, and a digest for each that
        is in validation or test.
        """
        settings = self._shared(wildcards).settings
        teacher = megabytes([input.teacher])
        configuration = json.loads((Path(input.teacher) / "config.json").read_text(encoding="utf-8"))
        width = number_of(configuration, "hidden") or BASE["hidden"]
        labelled = kind_of(self.runs.tasks[wildcards.task]).max_labelled(settings.length)
        shard = SHARD_WINDOWS * labelled * 2 * width * len(settings.layers) / 1e6
        texts = 0.25 * max((megabytes([path]) for path in input.documents), default=0.0)
        libraries = libraries_for(parameters_in([input.teacher]))
        return int(libraries + 2 * teacher + shard + texts + 0.0002 * examples(input))

    def signals_gpus(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how many GPUs the signals of {model} ask for."""
        return gpus_for(parameters_in([input.teacher]))

    def further_jobs(self) -> dict[str, int]:
        """Return how many signals there are."""
        return {"signals": len(self._signals)}
