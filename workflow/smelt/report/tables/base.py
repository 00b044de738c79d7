"""The base of all kinds of tables: an entry of the study that knows its sources, its checks and how it is made.

A kind of table is one file of this folder: a class for its entry, with the methods below, and one line in the union of
`smelt.report.tables`. The study imports these modules for every job, so they load no pandas, scipy or matplotlib when
they are imported.
"""

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

from pydantic import SerializerFunctionWrapHandler, model_serializer

from smelt.entry import Entry
from smelt.errors import SmeltError
from smelt.families import is_family, member_of
from smelt.mixture import Mixture
from smelt.report.notes import FinetuningSet, languages_note, own_notes, repeats_note, validation_note
from smelt.report.records import TaskRecord
from smelt.report.render import PaperTable
from smelt.report.significance import Significance
from smelt.tasks.kinds import KINDS, kind_of

T = TypeVar("T", bound=Hashable)
ONE_TEACHER = "one_teacher"
"""The fact that `shared_teachers` returns."""
FINETUNED_AS = "finetuned_as"
"""The fact that names the set of settings of each task, where a study has such sets."""
AS_THEY_ARE = "as_they_are"
"""The fact that lists the models that are evaluated as they are, by task, where a table shows some."""


class TaskOfTables(Protocol):
    """A task, as far as tables need it."""

    @property
    def kind(self) -> str:
        """Its kind, such as token-classification."""

    @property
    def metric(self) -> str:
        """The metric that it is judged by."""

    @property
    def title(self) -> str:
        """Its title in notes."""

    def languages_of(self, split: str) -> list[str]:
        """Return the languages of a split."""


class StudyOfTables(Protocol):
    """A study, as far as its tables and figures need it."""

    @property
    def where(self) -> str:
        """The study's name in error messages."""

    @property
    def results(self) -> str:
        """The folder of its results."""

    @property
    def seeds(self) -> Sequence[int]:
        """The seeds of fine-tuning."""

    @property
    def makers(self) -> Mapping[str, str]:
        """Its models, each with its maker's name, which is for messages: methods say what a maker does."""

    @property
    def tasks(self) -> Mapping[str, TaskOfTables]:
        """Its tasks by name."""

    @property
    def measured(self) -> Sequence[str]:
        """The models whose efficiency is measured."""

    @property
    def latency_shapes(self) -> tuple[list[int], list[int]] | None:
        """Lengths and batches whose latency is measured; None where none is."""

    @property
    def vocabularies(self) -> Mapping[str, int]:
        """Pieces of each model whose tokenizer the study trains."""

    def finetuned_as(self, tasks: Iterable[str]) -> dict[str, FinetuningSet]:
        """Return the named sets of settings that some tasks are fine-tuned by."""

    @property
    def trained(self) -> Sequence[str]:
        """The models that are trained on token blocks, in the order of their learning curves."""

    def runs(self, task: str | None = None, model: str | None = None) -> Sequence[tuple[str, str]]:
        """Return the (model, task) pairs that are fine-tuned, of one task or model or of all."""

    def tested_languages(self, model: str, task: str) -> list[str]:
        """Return the languages that a model is tested in on a task."""

    def metrics(self, model: str, task: str) -> list[str]:
        """Return metrics.json of a model on a task, a file a seed."""

    def learns(self, model: str, task: str) -> bool:
        """Return whether a model learns a task, instead of being evaluated as it is."""

    def transfer_texts(self, task: str) -> list[str]:
        """Return the folders of the unlabelled texts that students of a task learn from, with the first seed."""

    def efficiency_task(self, model: str) -> str:
        """Return the task for which a compressed model's efficiency is measured."""

    def efficiencies(self) -> list[str]:
        """Return the records of efficiency, a file a model."""

    def is_compressed(self, model: str) -> bool:
        """Return whether a model is compressed for each of its tasks; not so where the study has no such model."""

    def is_published(self, model: str) -> bool:
        """Return whether a model was trained elsewhere."""

    def selects_pieces(self, model: str) -> bool:
        """Return whether a model keeps some of its source's pieces, and records which."""

    def sources_of(self, model: str) -> Sequence[str]:
        """Return the models that a model is made from."""

    def finetuned_from(self, model: str) -> str | None:
        """Return the model whose fine-tunings a model's are made from without more training, if there is one."""

    def chosen_vocabularies(self) -> Sequence[str]:
        """Return the models whose vocabulary's size the study decides, maker by maker."""

    def shares_teacher(self, model: str) -> bool:
        """Return whether the seeds of a compressed model have one teacher."""

    def corpus_statistics(self) -> list[str]:
        """Return statistics.json of each corpus and language."""

    def mixture(self, corpus: str) -> Mixture:
        """Return how the languages of a corpus are mixed."""

    def learning_curves(self) -> list[str]:
        """Return the learning curves of trained models."""

    def tokenisations(self) -> list[str]:
        """Return the tokenisation studies."""


@dataclass(frozen=True)
class TableJob:
    """The files that a table is made from, and the facts of the study that its kind asks for."""

    name: str
    sources: Sequence[Path]
    significance: Significance
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The facts of the study that its kind asks for (`TableEntry.facts`), by name."""

    @property
    def models(self) -> list[str]:
        """The models that it shows."""
        return list(self.facts.get("models") or [])

    @property
    def one_teacher(self) -> list[str]:
        """The models among them whose seeds share a teacher, if its kind asks for these."""
        return list(self.facts.get(ONE_TEACHER) or [])


class Made(NamedTuple):
    """A table as a paper prints it, and the rows of its CSV."""

    table: PaperTable
    rows: Iterable[Mapping[str, Any]] | Iterable[tuple[Any, ...]]
    columns: Sequence[str] | None = None
    """Of the CSV; by default those of the rows."""


class TableEntry(Entry):
    """What every kind of table takes beside its own keys."""

    caption: str = ""
    """Caption of the table; by default one of its kind's own."""

    if TYPE_CHECKING:  # each kind declares these, as a key of its entry or as a property

        @property
        def kind(self) -> Any:
            """The kind."""

        @property
        def tasks(self) -> Any:
            """The tasks that it shows, each once."""

        @property
        def models(self) -> Any:
            """The models that it names; None for all of the study."""

    needed: ClassVar[tuple[str, ...]] = ()
    """Keys without which it cannot be made, though a study may leave them to its defaults."""
    shows_scores: ClassVar[bool] = True
    """Whether notes name the examples of its tasks that stand in two splits."""
    shows_efficiency: ClassVar[bool] = False
    """Whether its models have to be measured."""
    pools_models: ClassVar[bool] = False
    """Whether its last source is correlations/<table>.json, the words of its models on its tasks taken together."""
    part: ClassVar[str] = ""
    """The part of the entry that names models and tasks, for error messages: .rows."""

    @model_serializer(mode="wrap")
    def _write_caption_last(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Keys in the order of the entry, though pydantic puts those of a base first: pages show them."""
        keys: dict[str, Any] = write(self)
        return {key: keys[key] for key in sorted(keys, key=lambda key: key == "caption")}

    def key_of(self, what: str) -> str:
        """Return the key that names its tasks or models (what: task, model), for error messages: .rows, .tasks."""
        keys = () if self.part else (f"{what}s", what)
        return next((f".{key}" for key in keys if key in type(self).model_fields), self.part)

    def unknown_families(self, models: Collection[str]) -> list[str]:  # noqa: ARG002 - most kinds name no families
        """Return the families that it names and that have no member among the study's models."""
        return []

    def latencies(self) -> list[tuple[str, str, list[int]]]:
        """Return the keys that choose among measured latencies, the keys of `efficiency` that list them, the choice."""
        return []

    @property
    def by_language(self) -> bool:
        """Whether each score is of one language, so that no note explains means over languages."""
        return False

    def check(self, study: StudyOfTables, key: str) -> None:
        """Check the table against the runs of the study.

        Raises:
            SmeltError: it would have an empty row or column, or compare what cannot be compared.
        """

    def shown_models(self, study: StudyOfTables) -> list[str]:
        """Return the models that it shows, in its order."""
        return list(self.models or study.makers)

    def shown_tasks(self, study: StudyOfTables) -> list[str]:  # noqa: ARG002 - most kinds name their tasks
        """Return the tasks that it shows, in its order."""
        return list(self.tasks)

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return the facts of the study that its job needs, by name; `TableJob.facts` has them.

        A fact that has the name of a key replaces it. A kind that needs more than its models adds to these.
        """
        return {"models": self.shown_models(study)}

    def settings(self, study: StudyOfTables) -> dict[str, Any]:
        """Return the entry, and the facts of the study that its job needs."""
        sets, plain = (
            (study.finetuned_as(self.shown_tasks(study)), self._as_they_are(study)) if self.shows_scores else ({}, {})
        )
        notes = {FINETUNED_AS: sets} if sets else {}
        return self.model_dump() | self.facts(study) | notes | ({AS_THEY_ARE: plain} if plain else {})

    def _as_they_are(self, study: StudyOfTables) -> dict[str, list[str]]:
        """Return the models that it shows as they are, by task; an empty list where all of a task's are."""
        found = {}
        for task in self.shown_tasks(study):
            shown = [model for model in self.shown_models(study) if study.runs(task, model)]
            plain = [model for model in shown if not study.learns(model, task)]
            if plain:
                found[task] = plain if plain != shown else []
        return found

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the files that it is made from."""
        raise NotImplementedError

    def make(self, job: TableJob) -> Made:
        """Return the table, from its sources.

        Raises:
            SmeltError: a source is missing, or is not what its place says.
        """
        raise NotImplementedError

    def task_notes(self, tasks: Sequence[TaskRecord]) -> list[str]:
        """Return the notes on the tasks whose scores it shows."""
        averages = [] if self.by_language else languages_note(tasks)
        return [*averages, *own_notes(tasks), *validation_note(tasks), *repeats_note(tasks)]


class TableWithoutTasks(TableEntry):
    """A table of models, corpora or vocabularies, whatever they are fine-tuned on."""

    shows_scores = False

    @property
    def tasks(self) -> list[str]:
        """No task, as the other tables give theirs."""
        return []


class TableWithoutModels(TableEntry):
    """A table of corpora or data, whatever models learn from them."""

    shows_scores = False

    @property
    def models(self) -> None:
        """No list, as other tables have one."""
        return

    def shown_models(self, study: StudyOfTables) -> list[str]:  # noqa: ARG002 - it shows none
        """Return no model."""
        return []


class FamiliesTable(TableEntry):
    """A table whose rows are models, or families such as mbert-{language} with a member for each language."""

    if TYPE_CHECKING:

        @property
        def languages(self) -> Any:
            """The languages of the columns."""

    @property
    def patterns(self) -> list[str]:
        """The models and families of all rows, each once."""
        raise NotImplementedError

    @property
    def models(self) -> list[str]:
        """The models among the rows."""
        return [row for row in self.patterns if not is_family(row)]

    @property
    def families(self) -> list[str]:
        """The families among the rows."""
        return [row for row in self.patterns if is_family(row)]

    @property
    def by_language(self) -> bool:
        """Each column is of one language."""
        return True

    def unknown_families(self, models: Collection[str]) -> list[str]:
        """Return the families that have no member among the study's models."""
        return [
            family
            for family in self.families
            if not any(member_of(family, language) in models for language in self.languages)
        ]

    def shown_models(self, study: StudyOfTables) -> list[str]:
        """Return those of the study's models that the table shows, alone or in a family."""
        named = {member_of(row, language) for row in self.patterns for language in self.languages}
        return [model for model in study.makers if model in named]


class WordsTable(TableEntry):
    """A table of the words of tasks that label words; it shows no scores."""

    shows_scores = False

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse tasks of another kind."""
        for task in self.tasks:
            if not kind_of(study.tasks[task]).labels_words:
                of_words = " or ".join(name for name, kind in KINDS.items() if kind.labels_words)
                raise SmeltError(
                    study.where,
                    f"{key}: a table of kind {self.kind} shows the words of {of_words} tasks;"
                    f" {task!r} is a task of {study.tasks[task].kind}",
                )

    def shown_runs(self, study: StudyOfTables, tasks: Iterable[str]) -> list[tuple[str, str]]:
        """Return the (model, task) pairs of the tasks and of the models that the table shows."""
        models = self.shown_models(study)
        return [(model, task) for task in tasks for model, _ in study.runs(task) if model in models]


def unique(values: Iterable[T]) -> list[T]:
    """Return values, each once, in their order."""
    return list(dict.fromkeys(values))


def shared_teachers(study: StudyOfTables, models: Iterable[str]) -> dict[str, list[str]]:
    """Return the models whose seeds share a teacher, as a fact: a note names them."""
    return {ONE_TEACHER: [model for model in models if study.shares_teacher(model)]}


def refuse_mixed_languages(study: StudyOfTables, key: str, task: str, models: Iterable[str], why: str) -> None:
    """Refuse models that a task tests in different languages.

    Args:
        study: what the table asks.
        key: where the table stands.
        task: what the models are fine-tuned on.
        models: those that the table shows; the others of the study play no part.
        why: what a table cannot hold, and what to do.

    Raises:
        SmeltError: two of them are tested in different languages.
    """
    run = [model for model, _ in study.runs(task) if model in set(models)]
    for model in run:
        first, found = (" ".join(study.tested_languages(each, task)) for each in (run[0], model))
        if first != found:
            difference = f"on {task}, {run[0]!r} is tested in {first} and {model!r} in {found}"
            raise SmeltError(study.where, f"{key}: {difference}: {why}")
