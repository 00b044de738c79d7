"""What papers print: the numbers of their tables, in `config/published/`, to be set beside those of a study.

A file names models and tasks as the paper's study does. A number is of a model on a task, in one of its languages or
over several; or it is a size, a time, or a count of pieces.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Distinct, Entry, Name, check
from smelt.errors import SmeltError, expected_one_of
from smelt.families import is_family, member_of
from smelt.languages import Language
from smelt.numbers import NO_TRUTH, Count
from smelt.strict_yaml import read_yaml

PUBLISHED = Path(__file__).parents[3] / "config/published"

Figure = Literal[
    "score", "parameters", "compression", "size", "memory", "loading", "latency", "speedup", "pieces", "segmentation"
]
ShortText = Annotated[str, Field(min_length=1, max_length=300)]
Pattern = Annotated[str, Field(min_length=1)]
Printed = Annotated[float, Field(ge=0, le=10**9), NO_TRUTH]
PrintedRow = Annotated[list[Printed | None], Field(min_length=1)]
_HIGHEST = {"percent": 100, "share": 1}
_NEEDED = {"segmentation": ("words",), "latency": ("batch", "length"), "speedup": ("batch", "length")}


class NumbersColumn(Entry):
    """A column of a paper's table: what its numbers are of, beside the model of their row."""

    figure: Figure = "score"
    """What is given: a `score`, millions of encoder `parameters`, `size` and `memory` in MB, `loading` and `latency` in
    seconds, `pieces` that a reduced vocabulary keeps, or `segmentation`: percent of added pieces. `compression` and
    `speedup` say how many times fewer parameters and less time it has than the reference of `efficiency`."""
    task: Pattern | None = None
    """A task, or a family of tasks with `{language}` in it, for the column's language; by default the row's or the
    table's."""
    language: Language | None = None
    """The language whose score, or selected pieces, it gives; by default the score that stands for the task. Pieces of
    no language are those of the union."""
    languages: Annotated[list[Language], Field(min_length=2), Distinct] | None = None
    """The score is the mean over these languages."""
    tasks: Annotated[list[Name], Field(min_length=2), Distinct] | None = None
    """The score is the mean over these tasks; of a task with two scores, their mean counts."""
    beside: bool = False
    """Whether it is the task's second score: exact match beside F1."""
    metric: ShortText | None = None
    """The metric as the paper names it; by default the table's."""
    words: Literal["entity words", "other words"] | None = None
    """The words whose segmentation it gives."""
    batch: Count | None = None
    """Rows in a pass, of a latency or speed-up."""
    length: Count | None = None
    """Tokens in a row, of a latency or speed-up of ours; the paper may give none."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where memory, loading, a latency or speed-up is measured."""
    note: ShortText | None = None
    """In what the paper differs from the study here: another test set, an inference."""

    @model_validator(mode="after")
    def _is_of_one_thing(self) -> Self:
        of = [key for key in ("language", "languages", "tasks") if getattr(self, key) is not None]
        if len(of) > 1:
            raise ValueError(f"{of[1]}: stands beside {of[0]}: expected one of them")
        if self.tasks and (self.task or self.beside):
            raise ValueError("tasks: the mean over tasks has neither `task` nor `beside`")
        if missing := [key for key in _NEEDED.get(self.figure, ()) if getattr(self, key) is None]:
            raise ValueError(f"{missing[0]}: is missing, and the column gives {self.figure}")
        return self


class NumbersRow(Entry):
    """A row of a paper's table: a model, and its numbers in the order of the columns."""

    model: Pattern | Annotated[list[Pattern | Annotated[list[Pattern], Field(min_length=2)]], Field(min_length=1)]
    """A model of the study, or a family with `{language}` in it; or a list with one for each column, in which a list
    stands for the model among these that is best on validation."""
    values: PrintedRow
    """Its numbers as printed, one for each column; null where the table has none, or no study here makes it."""
    deviations: PrintedRow | None = None
    """Their standard deviations."""
    task: Pattern | None = None
    """Its task; by default that of the column, or of the table."""
    stage: Count | None = None
    """Its scores are those of a compressed model at the end of this stage, or of a part of it."""
    unfrozen: Literal["head", "projection", "encoder", "embeddings", "all"] = "all"
    """The lowest part that learns then, with `stage`: the end of this part's phase."""
    note: ShortText | None = None
    """In what the paper's row differs from the study here."""

    def choices(self, place: int) -> list[str]:
        """Return the models behind a column's number: one, or several to choose from."""
        own = self.model[place] if isinstance(self.model, list) else self.model
        return own if isinstance(own, list) else [own]


class NumbersTable(Entry):
    """A table of a paper, as far as a study here makes it."""

    where: ShortText
    """Its place in the paper: Table 2, section 3.3."""
    about: ShortText
    """What it shows, in a few words of one's own."""
    unit: Literal["percent", "share"] = "percent"
    """Of its scores and their deviations."""
    metric: ShortText | None = None
    """The metric of its scores, as the paper names it."""
    task: Pattern | None = None
    """The task of all columns and rows without one of their own."""
    n: Count | None = None
    """Runs behind a number; leave it out where the paper does not say."""
    deviations_over: Literal["runs", "languages"] = "runs"
    """What its deviations are over."""
    columns: Annotated[dict[ShortText, NumbersColumn], Field(min_length=1)]
    """Its columns, by their heads."""
    rows: Annotated[dict[ShortText, NumbersRow], Field(min_length=1)]
    """Its rows, by their heads."""
    note: ShortText | None = None
    """In what the paper differs from the study here, of the whole table."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        for label, row in self.rows.items():
            lists = {"values": row.values, "deviations": row.deviations, "model": row.model}
            for key, found in lists.items():
                if isinstance(found, list) and len(found) != len(self.columns):
                    expected = f"expected one for each of {len(self.columns)} columns, found {len(found)}"
                    raise ValueError(f"rows.{label}.{key}: {expected}")
            if all(value is None for value in row.values):
                raise ValueError(f"rows.{label}.values: hold no number: leave the row out")
            for place, (head, column) in enumerate(self.columns.items()):
                self._check_cell(f"rows.{label}.values", place, head, row, column)
        return self

    def _check_cell(self, key: str, place: int, head: str, row: NumbersRow, column: NumbersColumn) -> None:
        value = row.values[place]
        if row.deviations and (row.deviations[place] is not None) > (value is not None):
            raise ValueError(f"{key}: {head!r} has a deviation and no value")
        if value is None or column.figure not in ("score", "segmentation"):
            return
        if column.figure == "score" and value > _HIGHEST[self.unit]:
            raise ValueError(f"{key}: {value:g} of {head!r} is no {self.unit}: expected 0 to {_HIGHEST[self.unit]}")
        if not (column.tasks or row.task or column.task or self.task):
            raise ValueError(f"{key}: {head!r} has no task: expected one in the row, the column or the table")
        if column.figure == "score" and not (column.metric or self.metric):
            raise ValueError(f"{key}: {head!r} has no metric: expected one in the column or the table")

    def numbers(self) -> Iterator["PublishedNumber"]:
        """Yield its numbers, row by row; scores and their deviations in percent."""
        scale = 100 if self.unit == "share" else 1
        for label, row in self.rows.items():
            for place, (head, column) in enumerate(self.columns.items()):
                value, deviation = (found[place] if found else None for found in (row.values, row.deviations))
                if value is None:
                    continue
                is_score = column.figure == "score"
                digits = max(_decimals(other.values[place]) for other in self.rows.values())
                task = row.task or column.task or self.task or ""
                yield PublishedNumber(
                    table=self.where,
                    row=label,
                    column=head,
                    column_entry=column,
                    models=tuple(row.choices(place)),
                    task="" if column.tasks else task,
                    metric=(column.metric or self.metric or "") if is_score else "",
                    value=value * scale if is_score else value,
                    deviation=None if deviation is None else deviation * scale,
                    digits=max(0, digits - 2) if is_score and self.unit == "share" else digits,
                    n=self.n,
                    deviations_over=self.deviations_over,
                    phase=None if row.stage is None else (row.stage, row.unfrozen),
                )

    def notes(self, shown: Collection["PublishedNumber"]) -> list[str]:
        """Return its notes, as far as numbers that are shown stand in its columns and rows."""
        own = [self.note] if self.note else []
        columns = [(head, part.note) for head, part in self.columns.items() if head in {each.column for each in shown}]
        rows = [(head, part.note) for head, part in self.rows.items() if head in {each.row for each in shown}]
        return [*own, *(f"{head}: {note}" for head, note in [*columns, *rows] if note)]


@dataclass(frozen=True)
class PublishedNumber:
    """A number of a paper; a score and its deviation are in percent."""

    table: str
    row: str
    column: str
    column_entry: NumbersColumn
    models: tuple[str, ...]
    """The model or family; several where the best on validation counts."""
    task: str
    """The task or family of tasks; none where the number is of the model alone, or the mean over tasks."""
    metric: str
    value: float
    deviation: float | None
    digits: int
    """Decimals that the paper prints."""
    n: int | None
    deviations_over: str
    phase: tuple[int, str] | None = None
    """The stage of a compression and the lowest part that learns then; none for its end."""

    @property
    def figure(self) -> Figure:
        """What it gives."""
        return self.column_entry.figure

    @property
    def language(self) -> str:
        """Its language, if it has one."""
        return self.column_entry.language or ""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that it is the mean over."""
        return tuple(self.column_entry.languages or ())

    @property
    def tasks(self) -> list[str]:
        """The tasks behind it, each once."""
        if self.column_entry.tasks:
            return list(self.column_entry.tasks)
        if not is_family(self.task):
            return [self.task] if self.task else []
        codes = self.languages or ((self.language,) if self.language else ())
        return [member_of(self.task, code) for code in codes]

    def members(self, models: Collection[str]) -> list[str]:
        """Return the models behind it among those of a study: of a family that of its language, or all that are there.

        The number of a language that no member is for is the mean of all: so are bilingual models in English.
        """
        found = []
        for model in self.models:
            own = member_of(model, self.language) if self.language else model
            pattern = re.compile("[a-z]+".join(map(re.escape, model.split("{language}"))))
            found += [own] if own in models else [name for name in models if pattern.fullmatch(name)]
        return found


class PaperNumbers(Entry):
    """The numbers of a paper's tables (`config/published/<paper>.yaml`)."""

    paper: ShortText
    """Its authors, year and short title."""
    studies: Annotated[list[Name], Field(min_length=1), Distinct]
    """The studies that make its tables, without `.yaml`; the first has the models by these names."""
    tables: Annotated[dict[Name, NumbersTable], Field(min_length=1)]
    """Its tables by names, such as table-2."""

    @model_validator(mode="after")
    def _has_a_place_for_each(self) -> Self:
        places: dict[str, str] = {}
        for name, table in self.tables.items():
            if (other := places.setdefault(table.where, name)) != name:
                raise ValueError(f"tables.{name}.where: {table.where!r} is where {other} stands, too")
        return self


def published_file(paper: str) -> Path:
    """Return the file of a paper: its name among those of `config/published`, or a path."""
    named = PUBLISHED / f"{paper}.yaml"
    return Path(paper) if "/" in paper or paper.endswith((".yaml", ".yml")) else named


def read_published(path: Path) -> PaperNumbers:
    """Return the numbers of a file.

    Raises:
        SmeltError: it is not there, or a key is not as it should be.
    """
    if path.parent == PUBLISHED and not path.exists():
        known = sorted(found.stem for found in PUBLISHED.glob("*.yaml"))
        raise SmeltError(path.stem, f"is no paper of config/published: {expected_one_of(path.stem, known)}")
    return check(PaperNumbers, read_yaml(path), path)


def _decimals(value: float | None) -> int:
    """Return how many decimals a number is written with; zeros at its end are lost in YAML."""
    return 0 if value is None else len(f"{value:.10f}".rstrip("0").partition(".")[2])
