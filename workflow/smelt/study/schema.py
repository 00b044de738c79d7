"""The types of the study file: the one source of its shape, its checks and its JSON schema."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, PositiveInt, StrictInt, StrictStr, StringConstraints, field_validator, model_validator

from smelt.countries import Country
from smelt.entry import Distinct, Entry, Name, Precision, Seed, refer, refuse_idle, spelled
from smelt.languages import Edition, Language
from smelt.report.significance import Significance
from smelt.report.tables import Table
from smelt.study.amplifications import check_amplifications
from smelt.study.compressions import check_compressions
from smelt.study.deployment import check_efficiency
from smelt.study.distillations import check_distillations
from smelt.study.efficiency import Efficiency
from smelt.study.lineage import check_sources
from smelt.study.makers import Maker, Pretrain
from smelt.study.mirrors import root_and_layout
from smelt.study.reductions import check_reductions
from smelt.study.tokenizers import Tokenizer

DATE = spelled(r"^20\d{6}$", 'a date such as "20230501"')
Share = Annotated[float, Field(gt=0, lt=1)]
Length = Annotated[int, Field(ge=16, le=4096)]
SkippedPage = Annotated[StrictInt, Field(gt=0)] | Annotated[StrictStr, Field(min_length=1)]


class WikipediaSource(Entry):
    """Dumps of one date, verified against the sums that the mirror lists."""

    date: Annotated[str, StringConstraints(pattern=DATE)]
    """Date of the dumps, as in their folder's name: "20230101"."""
    languages: Annotated[list[Edition], Field(min_length=1), Distinct]
    mirror: str | Annotated[list[str], Field(min_length=1), Distinct] = "https://dumps.wikimedia.org"
    """Address of a folder laid out as the dumps server: https://, http://, file:// or a local path; with {wiki} and
    {date} in it, of the folder of one dump, as archives have. Of several, the first that has the dump is read."""
    skip_pages: dict[Edition, list[SkippedPage]] = Field(default_factory=dict)
    """Pages of a language's wiki that are left out: titles, or ids where they are numbers."""

    @field_validator("mirror")
    @classmethod
    def _names_both_or_neither(cls, mirror: str | list[str]) -> str | list[str]:
        for address in [mirror] if isinstance(mirror, str) else mirror:
            root_and_layout(address)
        return mirror

    @model_validator(mode="after")
    def _skips_pages_of_its_languages(self) -> Self:
        for language in self.skip_pages:
            if language not in self.languages:
                raise ValueError(f"skip_pages.{language}: expected a language of wikipedia.languages")
        return self

    @property
    def mirrors(self) -> list[str]:
        """The addresses, in the order in which they are tried."""
        return [self.mirror] if isinstance(self.mirror, str) else self.mirror


class Sampling(Entry):
    """How languages are mixed: one with n characters (tokens, in pretraining) is drawn in proportion to n ** alpha."""

    alpha: Annotated[float, Field(ge=0, le=1)] = 1.0
    """1 keeps the natural proportions, 0 gives every language the same share."""


class Corpus(Entry):
    """Documents in several languages, from Wikipedia dumps, text files or both."""

    wikipedia: WikipediaSource | None = None
    text: dict[Language, str | list[str]] = Field(default_factory=dict)
    """Text files of each language: a paragraph a line, a blank line between documents."""
    sampling: Sampling = Sampling()
    held_out: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    """Share of the documents kept away from tokenizers and training, for validation."""

    @model_validator(mode="after")
    def _has_a_source(self) -> Self:
        if self.wikipedia is None and not self.text:
            raise ValueError("names no source: expected wikipedia, text or both")
        if len(self.languages) == 1:
            refuse_idle("sampling.", self.sampling, {"alpha": "in a corpus of one language"})
        return self

    @property
    def languages(self) -> list[str]:
        """The languages of all sources, each once, in the order of the file."""
        dumped = self.wikipedia.languages if self.wikipedia else []
        return list(dict.fromkeys([*dumped, *self.text]))

    def texts(self, language: str) -> list[str]:
        """Return the text files of a language."""
        files = self.text.get(language, [])
        return [files] if isinstance(files, str) else files


class TaskOptions(Entry):
    """What a study changes about a task."""

    task: Name | None = None
    """The task file (and its setting) that this is under another name, so that a study can have a task both whole and
    with a limit; by default the one of its own name."""
    limit: PositiveInt | None = None
    """Training examples to draw, seeded; all by default. Validation and test sets stay whole."""
    per: Literal["language", "label"] | None = None
    """The limit is of examples in each language, or with each label (of texts); by default in all."""
    length: Length | None = None
    """Tokens in an example where models are fine-tuned on it; by default `finetuning.length`."""

    @model_validator(mode="after")
    def _limits_what_it_divides(self) -> Self:
        if self.per is not None and self.limit is None:
            raise ValueError("per: divides a limit, which is missing")
        return self


class Finetuning(Entry):
    """How every model is fine-tuned on every task; the best epoch is chosen on the validation set."""

    seeds: Annotated[list[Seed], Field(min_length=1), Distinct]
    epochs: PositiveInt = 3
    batch: PositiveInt = 32
    learning_rate: Annotated[float, Field(gt=0)] = 5e-5
    warmup: Annotated[float, Field(ge=0, lt=1)] | PositiveInt = 0.1
    """Share of the steps that warm up before the linear decay, or, from 1 on, how many steps they are. Where there are
    no more steps than these, the rate only rises."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    clip: Annotated[float, Field(gt=0)] = 1.0
    length: Length = 512
    """Tokens in an example, special ones included; longer sentences of token tasks are read in windows."""
    precision: Precision = "fp32"

    def warmup_steps(self, steps: int) -> int:
        """Return how many of the steps of a run warm up."""
        return round(self.warmup * steps) if self.warmup < 1 else int(self.warmup)


class Study(Entry):
    """One study: what it reads, the models it makes, and how it compares them."""

    study: Name
    """Its name, and that of its folder under results/."""
    title: str = ""
    country: Country | None = None
    """Where jobs run (ISO 3166-1 alpha-3: FRA), whose electricity turns their energy into emissions; by default only
    the energy is stated. Changing it reruns nothing: what has run keeps the emissions of where it ran."""
    corpora: dict[Name, Corpus] = Field(default_factory=dict)
    tokenizers: dict[Name, Tokenizer] = Field(default_factory=dict)
    models: Annotated[dict[Name, Maker], Field(min_length=1)]
    tasks: Annotated[list[Name], Distinct] | dict[Name, TaskOptions] = Field(default_factory=dict)
    """Names of task files, smelt's or of the folder `tasks` beside the study file, or name → options."""
    finetuning: Finetuning | None = None
    significance: Significance = Significance()
    efficiency: Efficiency | None = None
    """What is measured of size, memory and time; nothing by default."""
    tables: dict[Name, Table] = Field(default_factory=dict)

    @field_validator("tasks", mode="before")
    @classmethod
    def _options_may_be_left_out(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: {} if options is None else options for name, options in value.items()}
        return value

    @model_validator(mode="after")
    def _names_what_exists(self) -> Self:
        for name, tokenizer in self.tokenizers.items():
            refer(f"tokenizers.{name}.corpus", tokenizer.corpus, self.corpora)
        for name, model in self.models.items():
            if isinstance(model, Pretrain):
                refer(f"models.{name}.tokenizer", model.tokenizer, self.tokenizers)
                refer(f"models.{name}.corpus", model.corpus, self.corpora)
            for task in model.named_tasks:
                refer(f"models.{name}.tasks", task, self.tasks)
        for name, table in self.tables.items():
            self._refer_table(f"tables.{name}", table)
        return self

    def _refer_table(self, key: str, table: Table) -> None:
        for task in table.tasks:
            refer(f"{key}{table.part}.tasks", task, self.tasks)
        for model in table.models or []:
            refer(f"{key}{table.part}.models", model, self.models)
        for family in table.unknown_families(self.models):
            raise ValueError(f"{key}{table.part}: no model of the study is of the family {family!r}")

    @model_validator(mode="after")
    def _makes_models_of_what_can_be(self) -> Self:
        languages = {name: corpus.languages for name, corpus in self.corpora.items()}
        check_sources(self.models)
        check_reductions(self.models, languages, self.tokenizers)
        check_amplifications(self.models, languages)
        check_distillations(self.models, languages, self.tokenizers)
        check_compressions(self.models, languages)
        return self

    @model_validator(mode="after")
    def _measures_what_exists(self) -> Self:
        check_efficiency(self.efficiency, self.models, self.tables)
        return self

    @model_validator(mode="after")
    def _finetunes_if_it_has_tasks(self) -> Self:
        if self.tasks and self.finetuning is None:
            raise ValueError("finetuning is missing: a study with tasks says with which seeds")
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
    def measured(self) -> list[str]:
        """The models whose efficiency is measured."""
        return [] if self.efficiency is None else self.efficiency.models or list(self.models)

    def options(self, task: str) -> TaskOptions:
        """Return what the study changes about a task."""
        return self.tasks[task] if isinstance(self.tasks, dict) else TaskOptions()

    def task_file(self, task: str) -> str:
        """Return the task file, and its setting, that a task of the study is."""
        return self.options(task).task or task
