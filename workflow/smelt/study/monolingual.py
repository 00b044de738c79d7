"""Tables of monolingual models: rows whose columns are the tasks of one language each (Eliquare, Tables 4 to 7)."""

from collections.abc import Collection
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Distinct, Entry, Name
from smelt.errors import expected_one_of
from smelt.families import is_family, member_of
from smelt.languages import Language

Label = Annotated[str, Field(min_length=1)]


class Hypothesis(Entry):
    """That one row scores less than another, tested over the columns: Wilcoxon's signed-rank test, one-sided."""

    less: Label
    """Label of the row that is supposed to score less."""
    than: Label
    """Label of the row that is supposed to score more."""

    @model_validator(mode="after")
    def _is_of_two_rows(self) -> Self:
        if self.less == self.than:
            raise ValueError(f"{self.less!r} cannot score less than itself: expected two rows")
        return self


class MonolingualTable(Entry):
    """Scores of models of one language each on its tasks, with tests over (language, task) pairs (Eliquare, Tables 4 to
    7), and with a baseline a figure of what each row loses against it (Figures 4 and 5)."""

    kind: Literal["monolingual"]
    columns: Annotated[dict[Language, Annotated[list[Name], Field(min_length=1), Distinct]], Field(min_length=1)]
    """Language → its tasks, in this order: a column each."""
    rows: Annotated[dict[Label, str], Field(min_length=1)]
    """Label → a model, or a family such as mbert-{language}, whose member fills the columns of its language."""
    hypotheses: list[Hypothesis] = Field(default_factory=list)
    """What was supposed before the scores were seen; corrected together."""
    baseline: Label | None = None
    """Label of the row that the others are tested against, column by column, and drawn against."""
    caption: str = ""

    @model_validator(mode="after")
    def _names_its_rows(self) -> Self:
        named = [("hypotheses", label) for each in self.hypotheses for label in (each.less, each.than)]
        for key, label in [*named, *([("baseline", self.baseline)] if self.baseline else [])]:
            if label not in self.rows:
                raise ValueError(f"{key}: {label!r} is no row of the table: {expected_one_of(label, self.rows)}")
        return self

    @property
    def tasks(self) -> list[str]:
        """The tasks of all languages, each once."""
        return list(dict.fromkeys(task for tasks in self.columns.values() for task in tasks))

    @property
    def models(self) -> list[str]:
        """The models of all rows that are no family, each once."""
        return list(dict.fromkeys(row for row in self.rows.values() if not is_family(row)))

    @property
    def families(self) -> list[str]:
        """The families of all rows, each once."""
        return list(dict.fromkeys(row for row in self.rows.values() if is_family(row)))

    @property
    def languages(self) -> list[str]:
        """The languages of the columns."""
        return list(self.columns)

    def members(self, models: Collection[str]) -> list[str]:
        """Return those of the study's models that the table shows, alone or in a family."""
        named = [member_of(row, language) for row in self.rows.values() for language in self.columns]
        return [model for model in models if model in named]
