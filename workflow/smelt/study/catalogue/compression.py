"""What compressed models are made from: fine-tuned teachers, what these say of transfer text, and settings."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.study.catalogue.base import gpus_for, libraries_for, megabytes, parameters_in
from smelt.study.catalogue.finetuning import Finetuned, examples
from smelt.study.compression import Compression, EmbeddingStart, Layer, Signals
from smelt.study.makers import Compress
from smelt.study.schema import Study
from smelt.study.strategies import needs_states
from smelt.tasks.kinds import kind_of

# Part of the rules' params: raise one when the same settings come to mean another student, or other signals. Comments
# and refactorings leave it alone.
COMPRESSION_VERSION = 2
SIGNALS_VERSION = 2

KEPT = {"mode", "most_gigabytes"}  # settings of signals that decide nothing of what they say
WIDTHS = ("hidden_size", "dim", "d_model", "emb_dim")  # what families call it: DistilBERT's is dim, XLM's emb_dim
SHARD_WINDOWS = 16_384  # of which states are held before they are written
NO_CORPUS = "_task"  # in the names of folders, where those of corpora stand, none of which begins so


@dataclass(frozen=True)
class SharedSignals:
    """What the students of one teacher, task, seed and transfer text learn from."""

    settings: Signals
    documents: list[str]

    @property
    def but_layers(self) -> "SharedSignals":
        """The same without its layers: what all students have to agree on."""
        return replace(self, settings=self.settings.model_copy(update={"layers": []}))

    def with_layers(self, layers: list[Layer]) -> "SharedSignals":
        """Return the same with further layers, in an order that students do not change by theirs."""
        every = sorted({*self.settings.layers, *layers}, key=lambda layer: (isinstance(layer, str), layer))
        return replace(self, settings=self.settings.model_copy(update={"layers": every}))


class Compressed(Finetuned):
    """Compressed models, and what their teachers say of transfer text."""

    def __init__(self, study: Study, *task_folders: Path) -> None:
        """Take a checked study.

        Raises:
            SmeltError: besides what a wrong task file raises: a compressed model is for no task, or for pairs of texts;
                transfer text lacks the task's languages; or models that share signals ask for different ones.
        """
        super().__init__(study, *task_folders)
        for name in self.made_by("compress"):
            self._check_compressed(name)
        self._signals = self._all_signals()

    def compressed(self, name: str) -> Compress:
        """Return the entry of a model that is compressed."""
        model = self.study.models[name]
        assert isinstance(model, Compress)
        return model

    def _check_compressed(self, name: str) -> None:
        where, model = f"study {self.study.study}", self.compressed(name)
        tasks = [task for _, task in self.runs(model=name)]
        if not tasks:
            raise SmeltError(where, f"models.{name}.tasks: is compressed for no task of the study")
        for task in tasks:
            if reason := kind_of(self.tasks[task]).not_for_students(self.tasks[task].pairs):
                raise SmeltError(where, f"models.{name}.tasks: {task!r} {reason}")
            if model.transfer.corpus and not self.transfer_languages(model, task):
                found = f"{model.transfer.corpus!r} has none of the languages of {task!r}"
                raise SmeltError(where, f"models.{name}.transfer.corpus: {found}")

    def _all_signals(self) -> dict[str, SharedSignals]:
        """Return all signals by their folder, each with the layers of all students that learn from it."""
        found: dict[str, tuple[str, SharedSignals]] = {}
        for name, task, seed in self._imitating():
            folder, own = self.signals_folder(name, task, seed), self._signals_of(name, task, seed)
            first, shared = found.setdefault(folder, (name, own))
            if own.but_layers != shared.but_layers:
                key, same = f"models.{name}", "settings.held_out, transfer.signals and transfer.most_gigabytes"
                expected = f"learns from the same signals as {first!r}, so that {same} have to be the same"
                raise SmeltError(f"study {self.study.study}", f"{key}: {expected}")
            found[folder] = first, shared.with_layers(own.settings.layers)
        return {folder: shared for folder, (_, shared) in found.items()}

    def _imitating(self) -> Iterator[tuple[str, str, int]]:
        """Yield the students that learn from signals: model, task and seed."""
        for name in self.made_by("compress"):
            for _, task in self.runs(model=name) if self.compressed(name).imitates else []:
                yield from ((name, task, seed) for seed in self.seeds)

    def _signals_of(self, name: str, task: str, seed: int) -> SharedSignals:
        """Return the signals of one student."""
        model = self.compressed(name)
        settings = Signals(
            layers=[model.layer or "middle"] if needs_states(model.stages) else [],
            length=model.settings.length,
            sentences=model.transfer.sentences,
            held_out=model.settings.held_out,
            mode=model.transfer.signals,
            most_gigabytes=model.transfer.most_gigabytes,
            seed=model.seed_of_teacher(seed),
            version=SIGNALS_VERSION,
        )
        return SharedSignals(settings, self._documents(model, task))

    def signals_folder(self, name: str, task: str, seed: int) -> str:
        """Return the folder of what a model's teacher says of its transfer text; models that agree share it."""
        model = self.compressed(name)
        of_teacher = f"{model.teacher}/{task}/seed-{model.seed_of_teacher(seed)}"
        text = model.transfer.corpus or NO_CORPUS
        return f"{self.results}/signals/{of_teacher}/{text}-{model.transfer.sentences or 'all'}-{model.settings.length}"

    def _documents(self, model: Compress, task: str) -> list[str]:
        """Return the documents that a model's transfer text is drawn from; none where it is the task's own."""
        folder = f"{self.results}/corpora/{model.transfer.corpus}"
        return [f"{folder}/{language}/documents.parquet" for language in self.transfer_languages(model, task)]

    def shares_teacher(self, name: str) -> bool:
        """Return whether a model is compressed from one fine-tuned teacher, whatever its own seed."""
        model = self.study.models[name]
        return isinstance(model, Compress) and model.needs_finetuned_teacher and model.teacher_seed is not None

    def transfer_languages(self, model: Compress, task: str) -> list[str]:
        """Return the languages of a model's corpus that its task has; none where it has no corpus."""
        corpus = model.transfer.corpus
        known = self.study.corpora[corpus].languages if corpus else []
        return [language for language in known if language in self.tasks[task].languages]

    def compression_source(self, wildcards: Any) -> str:
        """Return the folder of the teacher of {model} before it was fine-tuned."""
        return f"{self.results}/models/{self.compressed(wildcards.model).teacher}"

    def compression_teacher(self, wildcards: Any) -> list[str]:
        """Return the folder of the fine-tuned teacher of {model} on {task}, if it learns anything of it."""
        model = self.compressed(wildcards.model)
        return [self._teacher(model, wildcards.task, int(wildcards.seed))] if model.needs_finetuned_teacher else []

    def teacher_runs(self) -> list[str]:
        """Return the metrics of the fine-tunings that make teachers."""
        return [f"{self.results}/finetuned/{run}/metrics.json" for run in self.teachers]

    def compression_signals(self, wildcards: Any) -> list[str]:
        """Return the folder of the signals that {model} learns from, if there are any."""
        model = self.compressed(wildcards.model)
        folder = self.signals_folder(wildcards.model, wildcards.task, int(wildcards.seed))
        return [folder] if model.imitates else []

    def compression_vectors(self, wildcards: Any) -> list[str]:
        """Return the files of word vectors that {model} starts from, if there are any; the job names missing ones."""
        run = f"{wildcards.model}/{wildcards.task}/seed-{wildcards.seed}"
        return self.sources(self._embeddings(wildcards).files, f"{self.results}/finetuned/{run}/metrics.json")

    def _embeddings(self, wildcards: Any) -> EmbeddingStart:
        languages = self.tasks[wildcards.task].languages_of("train")
        return self.compressed(wildcards.model).embeddings.in_languages(languages)

    def compression_settings(self, wildcards: Any) -> str:
        """Return all that decides what {model} becomes on {task}, as JSON, besides files and seed."""
        model = self.compressed(wildcards.model)
        chosen = self.tested_languages(wildcards.model, wildcards.task)
        return Compression(
            student=model.student,
            embeddings=self._embeddings(wildcards),
            vocabulary=model.vocabulary,
            stages=model.stages,
            layer=model.layer,
            settings=model.settings,
            tested_on=None if chosen == self.tasks[wildcards.task].languages_of("test") else chosen,
            version=COMPRESSION_VERSION,
            signals_version=SIGNALS_VERSION if model.imitates else 0,
        ).model_dump_json()

    def compression_memory(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the MB that a compression takes beside a GPU: libraries, examples, and the teacher as it loads.

        Signals stay on the disk, but for 20 bytes a text; of word vectors only those of pieces are kept.
        """
        libraries = libraries_for(parameters_in([input.source]))
        return int(libraries + 0.0025 * examples(input) + 2 * megabytes([input.source, *input.teacher]))

    def compression_gpus(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how many GPUs a compression asks for: none where the teacher is small, and its student smaller."""
        return gpus_for(parameters_in([input.source]))

    def signals_teacher(self, wildcards: Any) -> str:
        """Return the folder of the fine-tuned {model} that speaks of the transfer text of {task}."""
        return f"{self.results}/finetuned/{wildcards.model}/{wildcards.task}/seed-{wildcards.seed}/model"

    def signals_documents(self, wildcards: Any) -> list[str]:
        """Return the documents that transfer text is drawn from; none where it is the task's own."""
        return self._signals[self._folder(wildcards)].documents

    def signals_settings(self, wildcards: Any) -> str:
        """Return all that decides the signals, as JSON, besides teacher, task and documents."""
        return self._signals[self._folder(wildcards)].settings.model_dump_json(exclude=KEPT)

    def signals_kept(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - see below
        """Return whether the signals are stored, as JSON.

        Snakemake does not compare what a function says that takes the inputs, so that another answer holds for signals
        that are made from then on, and makes none again, nor their students.
        """
        return self._signals[self._folder(wildcards)].settings.model_dump_json(include=KEPT)

    def signals_memory(self, wildcards: Any, input: Any) -> int:
        """Return the MB that it takes beside a GPU: libraries, the teacher twice as it loads, a shard, and texts.

        Of texts, their numbers in a random order, 8 bytes each, of a language at a time, and a digest of each that is
        for validation or test.
        """
        settings = self._signals[self._folder(wildcards)].settings
        teacher = megabytes([input.teacher])
        configuration = json.loads((Path(input.teacher) / "config.json").read_text(encoding="utf-8"))
        width = next(configuration[key] for key in WIDTHS if key in configuration)
        labelled = kind_of(self.tasks[wildcards.task]).most_labelled(settings.length)
        shard = SHARD_WINDOWS * labelled * 2 * width * len(settings.layers) / 1e6
        texts = 0.25 * max((megabytes([path]) for path in input.documents), default=0.0)
        libraries = libraries_for(parameters_in([input.teacher]))
        return int(libraries + 2 * teacher + shard + texts + 0.0002 * examples(input))

    def signals_gpus(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how many GPUs {model} asks for to speak of transfer text."""
        return gpus_for(parameters_in([input.teacher]))

    def signals(self) -> list[str]:
        """Return the folders of all signals."""
        return list(self._signals)

    def _folder(self, wildcards: Any) -> str:
        of_teacher = f"{wildcards.model}/{wildcards.task}/seed-{wildcards.seed}"
        return f"{self.results}/signals/{of_teacher}/{wildcards.transfer}"

    def _teacher(self, model: Compress, task: str, seed: int) -> str:
        return f"{self.results}/finetuned/{model.teacher}/{task}/seed-{model.seed_of_teacher(seed)}/model"

    def shown_task(self, name: str) -> str:
        """Return the task whose students stand for all of a model's where models are weighed and timed."""
        return self.runs(model=name)[0][1]

    def shown_student(self, wildcards: Any) -> str:
        """Return the one of {model}'s students that stands for all where models are weighed and timed."""
        task = self.shown_task(wildcards.model)
        return f"{self.results}/finetuned/{wildcards.model}/{task}/seed-{self.seeds[0]}/model"

    def shown_provenance(self, wildcards: Any) -> str:
        """Return the record of how that student was made."""
        return f"{Path(self.shown_student(wildcards)).parent}/provenance.json"
