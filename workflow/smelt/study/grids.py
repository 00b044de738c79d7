"""Tables whose cells are a model on a task each, named by patterns (XtremeDistil, Tables 3, 5 to 11, 13 and 14)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Distinct, Entry
from smelt.errors import expected_one_of
from smelt.families import is_family, member_of
from smelt.languages import Language
from smelt.study.monolingual import Hypothesis, Label

Pattern = Annotated[str, Field(min_length=1)]
Value = str | int
Values = Annotated[list[Value], Field(min_length=1), Distinct]

ROW, COLUMN = "{row}", "{column}"
ONLY = ""
"""The column of a table that has but one."""


class GridRow(Entry):
    """A row whose models or tasks have another pattern than the table's."""

    value: Value | Values = ""
    """What `{row}` stands for; of a list, what scores best on validation, in each column."""
    model: Pattern | None = None
    """Pattern of its models."""
    task: Pattern | None = None
    """Pattern of its tasks."""


@dataclass(frozen=True)
class Place:
    """A cell of a table: a model on a task, or with `{language}` in a name one run for each language."""

    row: str
    column: str
    model: str
    task: str

    @property
    def family(self) -> bool:
        """Whether it is of one run for each language."""
        return is_family(self.model) or is_family(self.task)

    def run(self, language: str) -> tuple[str, str]:
        """Return the model and task whose score of a language counts."""
        return member_of(self.model, language), member_of(self.task, language)

    def runs(self, languages: Collection[str]) -> list[tuple[str, str]]:
        """Return all its (model, task) pairs; `languages` are those of a family."""
        return [self.run(language) for language in languages] if self.family else [(self.model, self.task)]


class GridTable(Entry):
    """Scores of a model on a task in each cell, over languages and seeds, with tests between rows (XtremeDistil, Tables
    3, 5 to 11, 13 and 14)."""

    kind: Literal["grid"]
    model: Pattern
    """Model of a cell: `{row}` and `{column}` stand for their values, `{language}` makes it a family."""
    task: Pattern
    """Task of a cell, in the same way. With `{row}` in it a row is of one task, so that columns are compared."""
    rows: Annotated[dict[Label, Value | Values | GridRow], Field(min_length=1)]
    """Label → what `{row}` stands for (of a list, what scores best on validation, in each column), or a mapping with
    patterns of the row's own."""
    columns: Annotated[dict[Label, Value], Field(min_length=1)] | None = None
    """Label → what `{column}` stands for; a table of one column leaves them out."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """The score of each cell is the mean over these; by default it is what stands for its task. A family needs them."""
    spread: Literal["languages", "seeds"] | None = None
    """What the deviation in brackets is over; by default languages, where any cell has several, or else seeds."""
    hypotheses: list[Hypothesis] = Field(default_factory=list)
    """What was supposed before the scores were seen, of two rows, tested in each column; corrected together."""
    caption: str = ""

    @property
    def by_row(self) -> bool:
        """Whether columns are compared within each row, because each row is of a task of its own."""
        return ROW in self.task and COLUMN not in self.task

    @property
    def heads(self) -> list[str]:
        """The labels of the columns."""
        return [ONLY] if self.columns is None else list(self.columns)

    @property
    def models(self) -> None:
        """No list, as other tables have one: models that are not in the study leave their cells empty."""
        return

    @property
    def compared(self) -> list[str]:
        """The labels of what is compared with each other: rows, or columns."""
        return self.heads if self.by_row else list(self.rows)

    @property
    def lines(self) -> list[str]:
        """The labels of what comparisons are made within: columns, or rows."""
        return list(self.rows) if self.by_row else self.heads

    def choices(self, row: str, column: str) -> list[Place]:
        """Return what may stand in a row and column: one model on a task, or several to choose from."""
        entry = self._entry(row)
        value = "" if self.columns is None else str(self.columns[column])
        patterns = (entry.model or self.model, entry.task or self.task)
        return [
            Place(row, column, *(pattern.replace(ROW, str(own)).replace(COLUMN, value) for pattern in patterns))
            for own in (entry.value if isinstance(entry.value, list) else [entry.value])
        ]

    def cells(self) -> list[list[Place]]:
        """Return what may stand in each cell, row by row."""
        return [self.choices(row, column) for row in self.rows for column in self.heads]

    def places(self) -> list[Place]:
        """Return all that may stand in a cell, row by row."""
        return [place for choices in self.cells() for place in choices]

    def within(self, label: str, places: Sequence[Place]) -> list[Place]:
        """Return those of some places that are compared within a column, or a row."""
        return [place for place in places if label == (place.row if self.by_row else place.column)]

    @property
    def tasks(self) -> list[str]:
        """The tasks of all cells, each once."""
        return list(dict.fromkeys(task for place in self.places() for _, task in place.runs(self.languages or [])))

    def members(self, models: Collection[str]) -> list[str]:
        """Return those of the study's models that stand in a cell."""
        named = {model for place in self.places() for model, _ in place.runs(self.languages or [])}
        return [model for model in models if model in named]

    def _entry(self, row: str) -> GridRow:
        entry = self.rows[row]
        return entry if isinstance(entry, GridRow) else GridRow(value=entry)

    @model_validator(mode="after")
    def _fills_its_patterns(self) -> Self:
        for row in self.rows:
            entry = self._entry(row)
            patterns = (entry.model or self.model, entry.task or self.task)
            if any(ROW in pattern for pattern in patterns) and entry.value == "":
                raise ValueError(f"rows: {row!r} has no value for the {ROW} of its patterns")
            if isinstance(entry.value, list) and not any(ROW in pattern for pattern in patterns):
                raise ValueError(f"rows: {row!r} has values to choose from, and no {ROW} in its patterns")
            if any(COLUMN in pattern for pattern in patterns) and self.columns is None:
                raise ValueError(f"columns: are missing, and the patterns of {row!r} hold {COLUMN}")
        self._differ("rows", list(self.rows), lambda place: place.row)
        self._differ("columns", self.heads, lambda place: place.column)
        return self

    def _differ(self, key: str, labels: list[str], label_of: Callable[[Place], str]) -> None:
        """Refuse two rows, or columns, that would show the same."""
        shown: dict[tuple[tuple[str, str], ...], str] = {}
        for label in labels:
            cells = tuple((place.model, place.task) for place in self.places() if label_of(place) == label)
            if (other := shown.setdefault(cells, label)) != label:
                raise ValueError(f"{key}: {other!r} and {label!r} are the same models on the same tasks")

    @model_validator(mode="after")
    def _has_languages_of_families(self) -> Self:
        family = next((place for place in self.places() if place.family), None)
        if family and not self.languages:
            raise ValueError(f"languages: are missing, and {family.model} on {family.task} is a family of them")
        return self

    @model_validator(mode="after")
    def _supposes_what_it_shows(self) -> Self:
        for label in [label for each in self.hypotheses for label in (each.less, each.than)]:
            if label not in self.compared:
                what = "column" if self.by_row else "row"
                found = f"{label!r} is no {what} of the table: {expected_one_of(label, self.compared)}"
                raise ValueError(f"hypotheses: {found}")
        return self
