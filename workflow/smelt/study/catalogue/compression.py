"""What compressed models are made from: fine-tuned teachers, what these say of transfer text, and settings."""

from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.study.catalogue.finetuning import Finetuned, training_examples
from smelt.study.compression import Compression, EmbeddingStart, Signals
from smelt.study.makers import Compress
from smelt.study.schema import Study

# Part of the rules' params: raise one when the same settings come to mean another student, or other signals. Comments
# and refactorings leave it alone.
COMPRESSION_VERSION = 2
SIGNALS_VERSION = 1

LIBRARIES_MB = 4_000


class Compressed(Finetuned):
    """Compressed models, and what their teachers say of transfer text."""

    def __init__(self, study: Study) -> None:
        """Take a checked study.

        Raises:
            SmeltError: besides what a wrong task file raises: a compressed model is for no task, or for pairs of texts;
                transfer text lacks the task's languages; or models that share signals ask for different ones.
        """
        super().__init__(study)
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
            if self.tasks[task].format.pairs:
                raise SmeltError(
                    where, f"models.{name}.tasks: {task!r} is of pairs of texts, which students do not read"
                )
            if model.transfer.corpus and not self.transfer_languages(model, task):
                found = f"{model.transfer.corpus!r} has none of the languages of {task!r}"
                raise SmeltError(where, f"models.{name}.transfer.corpus: {found}")

    def _all_signals(self) -> dict[str, tuple[str, str]]:
        """Return the folders of all signals, each with the first model and task that they are for."""
        found: dict[str, tuple[str, str]] = {}
        for name in self.made_by("compress"):
            for task in [task for _, task in self.runs(model=name)] if self.compressed(name).imitates else []:
                for seed in self.seeds:
                    first, _ = found.setdefault(self.signals_folder(name, task, seed), (name, task))
                    if self._signals_of(self.compressed(first)) != self._signals_of(self.compressed(name)):
                        raise SmeltError(
                            f"study {self.study.study}",
                            f"models.{name}.settings: learns from the same signals as {first!r}, so that held_out,"
                            " signals and most_gigabytes have to be the same",
                        )
        return found

    def _signals_of(self, model: Compress) -> Signals:
        settings = model.settings
        return Signals(
            layer=model.layer,
            length=settings.length,
            sentences=model.transfer.sentences,
            held_out=settings.held_out,
            mode=settings.signals,
            most_gigabytes=settings.most_gigabytes,
            version=SIGNALS_VERSION,
        )

    def signals_folder(self, name: str, task: str, seed: int) -> str:
        """Return the folder of what a model's teacher says of its transfer text; models that agree share it."""
        model = self.compressed(name)
        of_teacher = f"{model.teacher}/{task}/seed-{self.teacher_seed(model, seed)}"
        text = f"{model.transfer.corpus or 'task'}-{model.transfer.sentences or 'all'}-{model.settings.length}"
        return f"{self.results}/signals/{of_teacher}/{text}/layer-{model.layer or 'middle'}"

    def teacher_seed(self, model: Compress, seed: int) -> int:
        """Return the seed that the teacher of a model compressed with a seed was fine-tuned with."""
        return seed if model.teacher_seed is None else model.teacher_seed

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
        folders = [
            self._teacher(self.compressed(name), task, seed)
            for name in self.made_by("compress")
            for _, task in self.runs(model=name)
            for seed in self.seeds
            if self.compressed(name).needs_finetuned_teacher
        ]
        return list(dict.fromkeys(f"{Path(folder).parent}/metrics.json" for folder in folders))

    def compression_signals(self, wildcards: Any) -> list[str]:
        """Return the folder of the signals that {model} learns from, if there are any."""
        model = self.compressed(wildcards.model)
        folder = self.signals_folder(wildcards.model, wildcards.task, int(wildcards.seed))
        return [folder] if model.imitates else []

    def compression_vectors(self, wildcards: Any) -> list[str]:
        """Return the files of word vectors that {model} starts from, if there are any."""
        return self._embeddings(wildcards).files

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
            signals_version=SIGNALS_VERSION,
        ).model_dump_json()

    def compression_memory(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the MB that a compression takes beside a GPU: libraries, examples, and the teacher where it is run."""
        return int(LIBRARIES_MB + 0.0025 * training_examples(input) + 2 * input.size_mb)

    def signals_teacher(self, wildcards: Any) -> str:
        """Return the folder of the fine-tuned {model} that speaks of the transfer text of {task}."""
        return f"{self.results}/finetuned/{wildcards.model}/{wildcards.task}/seed-{wildcards.seed}/model"

    def signals_documents(self, wildcards: Any) -> list[str]:
        """Return the documents that transfer text is drawn from; none where it is the task's own."""
        name, task = self._signals[self._folder(wildcards)]
        model = self.compressed(name)
        folder = f"{self.results}/corpora/{model.transfer.corpus}"
        return [f"{folder}/{language}/documents.parquet" for language in self.transfer_languages(model, task)]

    def signals_settings(self, wildcards: Any) -> str:
        """Return all that decides the signals, as JSON, besides teacher, task and documents."""
        name, _ = self._signals[self._folder(wildcards)]
        return self._signals_of(self.compressed(name)).model_dump_json()

    def signals(self) -> list[str]:
        """Return the folders of all signals."""
        return list(self._signals)

    def _folder(self, wildcards: Any) -> str:
        of_teacher = f"{wildcards.model}/{wildcards.task}/seed-{wildcards.seed}"
        return f"{self.results}/signals/{of_teacher}/{wildcards.transfer}/layer-{wildcards.layer}"

    def _teacher(self, model: Compress, task: str, seed: int) -> str:
        return f"{self.results}/finetuned/{model.teacher}/{task}/seed-{self.teacher_seed(model, seed)}/model"

    def shown_student(self, wildcards: Any) -> str:
        """Return the one of {model}'s students that stands for all where models are weighed and timed."""
        (_, task), *_ = self.runs(model=wildcards.model)
        return f"{self.results}/finetuned/{wildcards.model}/{task}/seed-{self.seeds[0]}/model"

    def shown_provenance(self, wildcards: Any) -> str:
        """Return the record of how that student was made."""
        return f"{Path(self.shown_student(wildcards)).parent}/provenance.json"
