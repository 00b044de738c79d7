"""The kinds of tables that a study may ask for."""

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from smelt.entry import Distinct, Entry, Name
from smelt.families import is_family, member_of
from smelt.languages import Language
from smelt.study.grids import GridTable
from smelt.study.monolingual import MonolingualTable
from smelt.study.students import StagesTable, TradeoffTable


class ScoresTable(Entry):
    """Mean (standard deviation) over seeds, a row a model and a column a task, with marks of significance."""

    kind: Literal["scores"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    models: Annotated[list[Name], Distinct] | None = None
    caption: str = ""


class SegmentationTable(Entry):
    """Added segmentation of entity words and other words, a column a model (mALBERT, Table 4)."""

    kind: Literal["segmentation"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    models: Annotated[list[Name], Distinct] | None = None
    caption: str = ""


class ExampleTable(Entry):
    """Sentences with their pieces and labels under each model, aligned by word (mALBERT, Table 3)."""

    kind: Literal["example"]
    task: Name
    models: Annotated[list[Name], Distinct] | None = None
    sentences: PositiveInt = 1
    caption: str = ""

    @property
    def tasks(self) -> list[str]:
        """The one task, as the other tables give theirs."""
        return [self.task]


class VocabularyTable(Entry):
    """Pieces that reduced models kept for each language, and for all (Smaller multilingual BERT, Table 1)."""

    kind: Literal["vocabulary"]
    models: Annotated[list[Name], Field(min_length=1), Distinct]
    """Models of the maker `reduce`: two columns for each."""
    caption: str = ""

    @property
    def tasks(self) -> list[str]:
        """No task, as the other tables give theirs."""
        return []


class Section(Entry):
    """Rows of a table of languages that were run alike: in one setting of a task."""

    title: str = ""
    task: Annotated[str, Field(min_length=1)]
    """A task, or with `{language}` the tasks of a setting of each language: xnli.translate-train.{language}."""
    models: Annotated[list[str], Field(min_length=1), Distinct]
    """Rows: models, or families such as mbert-en-{language}, whose member fills the column of its language."""


class LanguagesTable(Entry):
    """Scores by language and their average, in sections (Smaller multilingual BERT, Table 2)."""

    kind: Literal["languages"]
    languages: Annotated[list[Language], Field(min_length=1), Distinct]
    """Columns, in this order."""
    sections: Annotated[list[Section], Field(min_length=1)]
    caption: str = ""

    @property
    def tasks(self) -> list[str]:
        """The tasks of all sections, each once."""
        named = [member_of(section.task, language) for section in self.sections for language in self.languages]
        return list(dict.fromkeys(named))

    @property
    def models(self) -> list[str]:
        """The models of all rows that are none of a family, each once."""
        rows = [row for section in self.sections for row in section.models]
        return list(dict.fromkeys(row for row in rows if not is_family(row)))

    @property
    def families(self) -> list[str]:
        """The families of all rows, each once."""
        rows = [row for section in self.sections for row in section.models]
        return list(dict.fromkeys(row for row in rows if is_family(row)))

    def members(self, models: Collection[str]) -> list[str]:
        """Return those of the study's models that the table shows, alone or in a family."""
        named = [member_of(family, language) for family in self.families for language in self.languages]
        return [model for model in models if model in {*self.models, *named}]


class EfficiencyTable(Entry):
    """Size, memory, loading time and latency, a row a model, with ratios to the ruler's reference (Smaller multilingual
    BERT, Table 3)."""

    kind: Literal["efficiency"]
    models: Annotated[list[Name], Distinct] | None = None
    caption: str = ""

    @property
    def tasks(self) -> list[str]:
        """No task, as the other tables give theirs."""
        return []


Table = Annotated[
    ScoresTable
    | SegmentationTable
    | ExampleTable
    | VocabularyTable
    | LanguagesTable
    | MonolingualTable
    | GridTable
    | StagesTable
    | TradeoffTable
    | EfficiencyTable,
    Field(discriminator="kind"),
]
