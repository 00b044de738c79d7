"""The base of all makers of models: an entry that knows its sources, checks and vocabulary, and a class for its rules.

A maker is one file of this folder: a class for its entry, a class for its rules, and one name in the union of
`smelt.study.makers`. Its command is `smelt <maker>`, its rules stand in `rules/<maker>.smk`, where `study.<maker>` is
an object of its class for rules.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Annotated, Any, ClassVar, Generic, Literal, NamedTuple, Self, TypeVar, get_args

from pydantic import Field, model_validator

from smelt.entry import Distinct, Entry, Name, refer
from smelt.errors import expected_one_of
from smelt.languages import Language
from smelt.licences import Licence
from smelt.study.architectures import PublishedShape
from smelt.study.corpora import Corpus
from smelt.study.finetuning import FinetuningOverrides
from smelt.study.paths import Paths
from smelt.study.tokenizers import Tokenizer
from smelt.tasks.task_file import TaskFile

NUMBERS = ("layers", "hidden", "heads", "feed_forward")


class BlocksRead(NamedTuple):
    """The token blocks that a model is trained on."""

    corpus: str
    languages: list[str] | None
    """Languages of the corpus; all of them by default."""
    packing: str
    """How they are packed, and how long they are, such as stream-512."""


class TextsRead(NamedTuple):
    """The documents from which a model's pieces are chosen."""

    corpus: str
    languages: list[str] | None
    """Languages of the corpus; all of them by default."""


class Maker(Entry):
    """The keys that every model may have, and what the study asks its maker."""

    tasks: Annotated[list[Name], Distinct] | Literal["own"] | None = None
    """Tasks to fine-tune on; by default all of the study. `own` are those that test a language of `tested_on`, so that
    a family of monolingual models needs it once for all its members."""
    tested_on: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Languages whose test examples count, for a model that has not all languages of its tasks; by default all. Its
    means are over these, and are compared only with models tested on the same."""

    finetuning: FinetuningOverrides | None = None
    """Settings of `finetuning` that differ for this model, such as lower rates for a larger one."""

    licence: Licence | None = None
    """Licence under which `smelt publish` offers it, by the hub's name: `cc-by-sa-4.0`; by default the study's."""

    command: ClassVar[tuple[str, str]]
    """The module of its command, and what the command does."""
    source_key: ClassVar[str] = "source"
    """The key that names what it is made from."""
    beside_results: ClassVar[Mapping[str, Collection[str]]] = {}
    """Keys that make no other result, by the part of the entry that they stand in."""
    takes_compressed: ClassVar[bool] = False
    """Whether it can be made from a model that is compressed for its tasks."""
    publishes_vocabulary: ClassVar[bool] = False
    """Whether its tokenizer comes with it from outside the study."""
    chooses_vocabulary: ClassVar[bool] = False
    """Whether the study decides how large its vocabulary is, so that a figure draws its scores against the size."""
    selects_pieces: ClassVar[bool] = False
    """Whether it keeps some of its source's pieces, and records which."""
    adds_pieces: ClassVar[bool] = False
    """Whether it has pieces that it was not trained on."""
    is_compressed: ClassVar[bool] = False
    """Whether it is a small student of another architecture, another one for each task."""
    is_exported: ClassVar[bool] = False
    """Whether it is written for another runtime."""

    @model_validator(mode="after")
    def _owns_by_language(self) -> Self:
        if self.tasks == "own" and self.tested_on is None:
            raise ValueError("tasks: own are those that test a language of tested_on, which is missing")
        return self

    @classmethod
    def maker_name(cls) -> str:
        """Return the maker's name in the study, on the command line and among the rules."""
        return str(get_args(cls.model_fields["maker"].annotation)[0])

    @classmethod
    def rules(cls, study: "Definitions", paths: Paths, runs: "FinetuningRuns") -> "MakerRules[Any]":
        """Return the answers to the maker's rules."""
        raise NotImplementedError(cls)

    @property
    def sources(self) -> list[str]:
        """The models that it is made from."""
        return []

    @property
    def trained_tokenizer(self) -> str | None:
        """The tokenizer of the study that it has, if it is made from one."""
        return None

    @property
    def blocks(self) -> BlocksRead | None:
        """The token blocks that it is trained on, if there are any."""
        return None

    @property
    def texts(self) -> TextsRead | None:
        """The documents that its pieces come from and that it is proven on, if there are any."""
        return None

    @property
    def relation(self) -> str | None:
        """What it is to its source, by the hub's word for relations to base models; None where the hub has none."""
        return None

    @property
    def makes_finetuned(self) -> bool:
        """Whether its own rules make the models that stand where fine-tuned ones do."""
        return self.is_compressed

    @property
    def shares_teacher(self) -> bool:
        """Whether all of its seeds learn from one fine-tuned teacher."""
        return False

    def transfer_text(self, paths: Paths, task: str, seed: int) -> str | None:  # noqa: ARG002 - most learn from none
        """Return the folder of the unlabelled text that it learns from on a task, if it learns from any."""
        return None

    @property
    def local_folders(self) -> dict[str, str]:
        """The folders from outside the study that it is made from, each by the key that names it."""
        return {}

    def local_files(self, languages: Sequence[str]) -> dict[str, list[str]]:  # noqa: ARG002 - some makers need them
        """Return the files from outside the study that it is made from, by the key that names them.

        Args:
            languages: of the training split of a task that it is made for.
        """
        return {}

    def check(self, key: str, study: "Definitions") -> None:
        """Check the entry against the rest of the study; its sources are checked already.

        Args:
            key: where it stands: models.<name>.
            study: what the study defines.

        Raises:
            ValueError: what it names is not there, or does not fit.
        """

    def refuse_as_source(self, name: str, of: "Maker") -> None:
        """Refuse to be the source of another model.

        Args:
            name: its own.
            of: the entry of the other.

        Raises:
            ValueError: no such model can be made from it.
        """

    def finetuned_teacher(self, task: str, seed: int) -> str | None:  # noqa: ARG002 - as above
        """Return the fine-tuning that a seed of it is made from on a task, <model>/<task>/seed-<n>, if there is one."""
        return None

    def vocabulary_owner(self, name: str, study: "Definitions") -> str:  # noqa: ARG002 - as above
        """Return the model whose vocabulary it has: by default it is its own.

        Args:
            name: its own.
            study: what the study defines.
        """
        return name

    def numbers(self, study: "Definitions") -> dict[str, int]:
        """Return layers, hidden, heads and feed_forward, as far as the study gives them: those of its first source."""
        return next((study.numbers(source) for source in self.sources), {})

    def family(self, study: "Definitions") -> str | None:
        """Return its family, a model type of transformers, or None where the study does not give it."""
        return next((study.family(source) for source in self.sources), None)

    def embedding_width(self, study: "Definitions") -> int | None:
        """Return the width of its embeddings of pieces, or None where the study does not give it."""
        return next((study.embedding_width(source) for source in self.sources), None)

    def describe(self, study: "Definitions") -> tuple[str, str]:
        """Return what `smelt check` prints: what it is made from, and its training or the pieces it keeps."""
        raise NotImplementedError(type(self))

    @property
    def named_tasks(self) -> list[str]:
        """The tasks that the entry names."""
        return self.tasks if isinstance(self.tasks, list) else []

    def runs_on(self, task: str, languages: Collection[str]) -> bool:
        """Return whether it is fine-tuned on a task of the study that tests these languages."""
        if self.tasks == "own":
            return any(language in languages for language in self.tested_on or [])
        return self.tasks is None or task in self.tasks


@dataclass(frozen=True)
class Definitions:
    """The definitions of a study, in which its models look each other up."""

    models: Mapping[str, Maker]
    corpora: Mapping[str, Corpus]
    tokenizers: Mapping[str, Tokenizer]
    published: Mapping[str, PublishedShape] = field(default_factory=dict)
    """Shapes of adopted models, for estimates; a check of the study has none, so that it says the same everywhere."""

    def check_models(self) -> None:
        """Check what models are made from, and then each model.

        Raises:
            ValueError: a source is not there, cannot be one, or is made from the model itself; or a model does not fit.
        """
        for name, model in self.models.items():
            for source in model.sources:
                key = f"models.{name}.{model.source_key}"
                refer(key, source, self.models)
                try:
                    self.models[source].refuse_as_source(source, model)
                except ValueError as error:
                    raise ValueError(f"{key}: {error}") from None
        for name in self.models:
            self._refuse_circle([name])
        for name, model in self.models.items():
            model.check(f"models.{name}", self)

    def _refuse_circle(self, way: list[str]) -> None:
        for source in self.models[way[-1]].sources:
            if source in way:
                key = f"models.{way[0]}.{self.models[way[0]].source_key}"
                raise ValueError(f"{key}: goes in a circle: {' <- '.join([*way, source])}")
            self._refuse_circle([*way, source])

    def check_texts(self, key: str, corpus: str, chosen: Sequence[str] | None) -> None:
        """Check the corpus and its languages that a model names.

        Raises:
            ValueError: the study has no such corpus, or the corpus no such language.
        """
        refer(f"{key}.corpus", corpus, self.corpora)
        found = self.corpora[corpus].languages
        for language in chosen or []:
            if language not in found:
                expected = expected_one_of(language, found, "expected some of")
                raise ValueError(f"{key}.languages: {language!r} is not in corpus {corpus}: {expected}")

    def refuse_ambiguous(self, key: str, name: str) -> None:
        """Refuse a model whose own vocabulary has the name of a tokenizer, because both would have the same file names.

        Raises:
            ValueError: it has.
        """
        owner = self.vocabulary_owner(name)
        if self.models[owner].trained_tokenizer is None and owner in self.tokenizers:
            raise ValueError(
                f"{key}: {owner!r} is a tokenizer's name too, and counts and blocks of both would have one name:"
                " rename either"
            )

    def languages(self, corpus: str, chosen: list[str] | None) -> list[str]:
        """Return the languages that were chosen from a corpus: all of them by default."""
        return chosen or self.corpora[corpus].languages

    def vocabulary_owner(self, name: str) -> str:
        """Return the model whose vocabulary a model has."""
        return self.models[name].vocabulary_owner(name, self)

    def vocabulary(self, name: str) -> str:
        """Return the name of a model's vocabulary: a tokenizer's name, or the name of the model that owns it."""
        owner = self.vocabulary_owner(name)
        return self.models[owner].trained_tokenizer or owner

    def numbers(self, name: str) -> dict[str, int]:
        """Return layers, hidden, heads and feed_forward of a model, as far as the study gives them."""
        return self.published[name].numbers if name in self.published else self.models[name].numbers(self)

    def family(self, name: str) -> str | None:
        """Return a model's family, a model type of transformers, or None where the study does not give it."""
        return self.published[name].family if name in self.published else self.models[name].family(self)

    def embedding_width(self, name: str) -> int | None:
        """Return the width of a model's embeddings of pieces, or None where the study does not give it."""
        return self.published[name].embedding if name in self.published else self.models[name].embedding_width(self)


class FinetuningRuns:
    """Which models are fine-tuned on which tasks, with which seeds."""

    def __init__(
        self,
        models: Mapping[str, Maker],
        tasks: Mapping[str, TaskFile],
        seeds: Sequence[int],
        learns: Callable[[str, str], bool],
    ) -> None:
        """Take a study's models, tasks, the seeds of fine-tuning, and whether a model learns a task at all."""
        self.models = models
        self.tasks = tasks
        self.seeds = seeds
        self.learns = learns

    def pairs(self, task: str | None = None, model: str | None = None) -> list[tuple[str, str]]:
        """Return the (model, task) pairs that are fine-tuned, of one task or model or of all."""
        return list(self._pairs.get((task, model), []))

    @cached_property
    def _pairs(self) -> dict[tuple[str | None, str | None], list[tuple[str, str]]]:
        """The pairs by task and model, None for any: tables of a large study ask thousands of times."""
        found: dict[tuple[str | None, str | None], list[tuple[str, str]]] = {}
        tested = {task: definition.languages_of("test") for task, definition in self.tasks.items()}
        for name, entry in self.models.items():
            for task, languages in tested.items():
                if entry.runs_on(task, languages):
                    for asked in product((task, None), (name, None)):
                        found.setdefault(asked, []).append((name, task))
        return found

    def seeds_of(self, model: str, task: str) -> Sequence[int]:
        """Return the seeds of a model on a task; of one that is evaluated as it is the first alone."""
        return self.seeds if self.learns(model, task) else self.seeds[:1]

    def evaluated(self) -> list[tuple[str, str]]:
        """Return the (model, task) pairs where the model is evaluated as it is."""
        return [pair for pair in self.pairs() if not self.learns(*pair)]

    def tested_languages(self, model: str, task: str) -> list[str]:
        """Return the languages that a model is tested on in a task."""
        own = self.models[model].tested_on
        return [language for language in self.tasks[task].languages_of("test") if own is None or language in own]

    def limit_languages(self, model: str, task: str) -> list[str] | None:
        """Return the languages that a model is tested on in a task, or None where it is tested on all."""
        chosen = self.tested_languages(model, task)
        return None if chosen == self.tasks[task].languages_of("test") else chosen

    def first_task(self, model: str) -> str:
        """Return a model's first task, whose students are those that are measured."""
        return self.pairs(model=model)[0][1]

    @cached_property
    def teachers(self) -> list[str]:
        """Fine-tunings that are sources of others; only their weights are kept: <model>/<task>/seed-<n>."""
        found = [
            self.models[model].finetuned_teacher(task, seed) for model, task in self.pairs() for seed in self.seeds
        ]
        return list(dict.fromkeys(teacher for teacher in found if teacher is not None))


M = TypeVar("M", bound=Maker)


class MakerRules(Generic[M]):
    """Answers to the rules of one maker about its models."""

    def __init__(self, kind: type[M], study: Definitions, paths: Paths, runs: FinetuningRuns) -> None:
        """Take the maker's entry type, and the study.

        Raises:
            SmeltError: its models do not fit the study's tasks.
        """
        self.study = study
        self.paths = paths
        self.runs = runs
        self.models: dict[str, M] = {name: model for name, model in study.models.items() if isinstance(model, kind)}

    def entry(self, wildcards: Any) -> M:
        """Return the entry of {model}."""
        return self.models[wildcards.model]

    def source(self, wildcards: Any) -> str:
        """Return the folder of the one model that {model} is made from."""
        (folder,) = self.folders(wildcards)
        return folder

    def folders(self, wildcards: Any) -> list[str]:
        """Return the folders of the models that {model} is made from."""
        return [self.paths.model(source) for source in self.entry(wildcards).sources]

    def documents(self, wildcards: Any) -> list[str]:
        """Return the documents that {model}'s pieces come from and that it is proven on, one file a language."""
        read = self.entry(wildcards).texts
        return [] if read is None else self.paths.documents(read.corpus, self.study.languages(*read))

    def further_jobs(self) -> dict[str, int]:
        """Return how many further jobs there are, by what they make: one job for each model is not counted."""
        return {}


def block_folders(name: str, study: Definitions, paths: Paths) -> list[str]:
    """Return the block folders that a model is trained on, one a language; none if it reads no blocks."""
    read = study.models[name].blocks
    if read is None:
        return []
    folder = f"{paths.results}/blocks/{read.corpus}/{study.vocabulary(name)}/{read.packing}"
    return [f"{folder}/{language}" for language in study.languages(read.corpus, read.languages)]


def refuse_unknown(value: str, table: Collection[str], what: str) -> str:
    """Return the name if the table has it.

    Raises:
        ValueError: it has not.
    """
    if value not in table:
        raise ValueError(f"no {what} is called {value!r}: {expected_one_of(value, table)}")
    return value


def list_languages(languages: list[str]) -> str:
    """Return the codes of a few languages, or the number of many."""
    return " ".join(languages) if len(languages) <= 20 else f"{len(languages)} languages"
