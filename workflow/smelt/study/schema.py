"""The study file: the one source of its shape, its checks and its JSON schema, and how it is read."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from smelt.countries import Country
from smelt.entry import Distinct, Entry, Name, check, refer
from smelt.errors import SmeltError
from smelt.families import expand_families
from smelt.licences import Licence
from smelt.report.significance import Significance
from smelt.report.tables import Table
from smelt.strict_yaml import read_yaml
from smelt.study.corpora import Corpus
from smelt.study.efficiency import QUICK, Efficiency, check_efficiency
from smelt.study.finetuning import Finetuning, FinetuningGrid, TaskOptions
from smelt.study.makers import Model
from smelt.study.makers.base import Definitions
from smelt.study.revisions import fill_in_revisions, read_revisions
from smelt.study.tokenizers import Tokenizer
from smelt.tasks.task_file import OWN_TASKS, load_task


class Study(Entry):
    """One study: what it reads, the models it makes, and how it compares them."""

    study: Name
    """Its name, and that of its folder under results/."""
    title: str = ""
    """Title of the report."""
    country: Country | None = None
    """Where jobs run (ISO 3166-1 alpha-3: FRA), whose electricity turns their energy into emissions; by default only
    the energy is stated. Changing it reruns nothing but the page: what has run keeps the emissions of where it ran."""
    licence: Licence | None = None
    """Licence under which `smelt publish` offers the models, by the hub's name: `cc-by-sa-4.0`; by default the one that
    all they were made from share, if they do."""
    corpora: dict[Name, Corpus] = Field(default_factory=dict)
    """The texts that tokenizers and models learn from."""
    tokenizers: dict[Name, Tokenizer] = Field(default_factory=dict)
    """Tokenizers, trained on the corpora."""
    models: Annotated[dict[Name, Model], Field(min_length=1)]
    """The models to make and to compare; `maker` says how one is made."""
    tasks: Annotated[list[Name], Distinct] | dict[Name, TaskOptions] = Field(default_factory=dict)
    """Names of task files, smelt's or of the folder `tasks` beside the study file, or name → options."""
    finetuning: Finetuning | None = None
    """How every model is fine-tuned on every task; a study with tasks needs it."""
    significance: Significance = Significance()
    """How differences between models are tested."""
    efficiency: Efficiency | Literal[False] | None = None
    """Measurements of size, memory and time. By default quick ones of all models that run on tasks: 20 passes of 1 × 32
    tokens, one loading, size in fp32; `{}` measures in full, `false` nothing."""
    tables: dict[Name, Table] = Field(default_factory=dict)
    """The tables of the report; `kind` says what one shows."""

    @field_validator("tasks", mode="before")
    @classmethod
    def _options_may_be_left_out(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: {} if options is None else options for name, options in value.items()}
        return value

    @model_validator(mode="after")
    def _names_what_exists(self, info: ValidationInfo) -> Self:
        for name, tokenizer in self.tokenizers.items():
            refer(f"tokenizers.{name}.corpus", tokenizer.corpus, self.corpora)
        for name, model in self.models.items():
            for task in model.named_tasks:
                self._refer_task(f"models.{name}.tasks", task, info.context)
        for name, table in self.tables.items():
            self._refer_table(f"tables.{name}", table, info.context)
        return self

    def _refer_task(self, key: str, name: str, folders: Sequence[Path] | None) -> None:
        """Refuse a task that the study lacks, or the task that it misspells: no file has that one."""
        if name not in self.tasks and folders is not None:
            for own in self.tasks:
                try:
                    load_task(self.task_file(own), *folders)
                except SmeltError as error:
                    place = f"tasks.{own}.task" if self.options(own).task else f"tasks.{own}"
                    raise ValueError(f"{place}: {error}") from None
        refer(key, name, self.tasks)

    def _refer_table(self, key: str, table: Table, folders: Sequence[Path] | None) -> None:
        for task in table.tasks:
            self._refer_task(key + table.key_of("task"), task, folders)
        for model in table.models or []:
            refer(key + table.key_of("model"), model, self.models)
        for family in table.unknown_families(self.models):
            raise ValueError(f"{key}{table.part}: no model of the study is of the family {family!r}")

    @model_validator(mode="after")
    def _makes_models_of_what_can_be(self) -> Self:
        self.definitions.check_models()
        return self

    @model_validator(mode="after")
    def _measures_what_exists(self) -> Self:
        check_efficiency(self.efficiency or None, self.models, self.tables)
        return self

    @model_validator(mode="after")
    def _finetunes_if_it_has_tasks(self) -> Self:
        if self.tasks and self.finetuning is None:
            raise ValueError("finetuning is missing: a study with tasks needs its seeds")
        return self

    @model_validator(mode="after")
    def _finetunes_as_named(self) -> Self:
        sets = self.finetuning.sets if self.finetuning else {}
        used = {task: named for task in self.tasks if (named := self.options(task).finetuned_as)}
        for task, named in used.items():
            refer(f"tasks.{task}.finetuned_as", named, sets, "in finetuning.sets")
        for name in sets:
            if name not in used.values():
                raise ValueError(f"finetuning.sets.{name}: has no effect, as no task is finetuned_as it; leave it out")
        return self

    @model_validator(mode="after")
    def _one_mirror_a_dump(self) -> Self:
        mirrors: dict[tuple[str, str], list[str]] = {}
        for name, corpus in self.corpora.items():
            for language in corpus.wikipedia.languages if corpus.wikipedia else []:
                source = corpus.wikipedia
                assert source is not None
                other = mirrors.setdefault((language, source.date), source.mirrors)
                if other != source.mirrors:
                    raise ValueError(
                        f"corpora.{name}.wikipedia.mirror: {language} of {source.date} comes from"
                        f" {', '.join(other)} already"
                    )
        return self

    @property
    def definitions(self) -> Definitions:
        """The definitions in which its models look each other up."""
        return Definitions(self.models, self.corpora, self.tokenizers)

    @property
    def seeds(self) -> list[int]:
        """The seeds of fine-tuning."""
        return self.finetuning.seeds if self.finetuning else []

    @property
    def benchmark(self) -> Efficiency | None:
        """How efficiency is measured; None where it is not."""
        if self.efficiency is not None or not self.tasks:
            return self.efficiency or None
        run = [name for name, model in self.models.items() if model.tasks != []]
        return QUICK.model_copy(update={"models": run}) if run else None

    @property
    def measured(self) -> list[str]:
        """The models whose efficiency is measured."""
        return [] if self.benchmark is None else self.benchmark.models or list(self.models)

    def options(self, task: str) -> TaskOptions:
        """Return what the study changes about a task."""
        return self.tasks[task] if isinstance(self.tasks, dict) else TaskOptions()

    def grid(self, model: str, task: str) -> FinetuningGrid:
        """Return how a model is fine-tuned on a task."""
        if (model, task) not in self._grids:
            self._grids[model, task] = self._grid(model, task)
        return self._grids[model, task]

    @cached_property
    def _grids(self) -> dict[tuple[str, str], FinetuningGrid]:
        """Those that were asked for."""
        return {}

    def _grid(self, model: str, task: str) -> FinetuningGrid:
        assert self.finetuning is not None
        options = self.options(task)
        grid = self.finetuning.named(options.finetuned_as).override(options.finetuning)
        grid = grid.model_copy(update={"length": options.length}) if options.length else grid
        return grid.override(self.models[model].finetuning)

    def learns(self, model: str, task: str) -> bool:
        """Return whether a model learns a task, instead of being evaluated as it is."""
        return self.models[model].makes_finetuned or self.grid(model, task).learns

    def task_file(self, task: str) -> str:
        """Return the task file, and its setting, that a task of the study is."""
        return self.options(task).task or task


def load_study(path: Path) -> Study:
    """Return the checked study of a YAML file.

    Raises:
        SmeltError: the file is missing, is not YAML, or a key of it is not as it should be; one line for each key.
    """
    return check_study(read_yaml(path), path, [path.parent])


def check_study(value: Any, where: str | Path, folders: Iterable[Path] = ()) -> Study:
    """Return what a study file holds as a checked study, its families written out.

    Args:
        value: what the file holds.
        where: names it in complaints.
        folders: those of the study's files, beside which are the commits of its models and its own task files.

    Raises:
        SmeltError: a key is not as it should be; one line for each.
    """
    beside = list(folders)
    study = fill_in_revisions(expand_families(value, where), read_revisions(beside))
    return check(Study, study, where, [folder / OWN_TASKS for folder in beside])
