"""Tables of a model on a task in each cell, named by patterns (XtremeDistil, Tables 3, 5 to 11, 13 and 14).

Cells may be of any model and task, over languages and seeds. Nothing is marked: what is tested are hypotheses.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Distinct, Entry
from smelt.errors import SmeltError, expected_one_of
from smelt.languages import Language
from smelt.numbers import NO_TRUTH
from smelt.report import changes
from smelt.report.changes import Changes, kept_cell, references_of
from smelt.report.hypotheses import Hypothesis, Label, OverLanguages
from smelt.report.notes import one_teacher_note
from smelt.report.places import Place, PlaceScores, choose_places
from smelt.report.records import read_steps
from smelt.report.render import quantity
from smelt.report.score_grid import ScoreGrid
from smelt.report.statistics import OVER_BOTH, Over, Score
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, shared_teachers, unique

Pattern = Annotated[str, Field(min_length=1)]
GridValue = str | Annotated[int, Field(ge=0, le=10**12), NO_TRUTH]
GridValues = Annotated[list[GridValue], Field(min_length=1), Distinct]

ROW, COLUMN = "{row}", "{column}"
ONLY = ""
"""The column of a table that has only one."""
MOST_PLACES = 10_000  # of a table: models on tasks in languages
MOST_NAMED = 12  # languages in a note
COLUMNS = {"kind": "kind", "row": "row", "column": "column", "model": "model", "task": "task", "metric": "metric"}
COLUMNS |= OVER_BOTH | {"choices": "choices", "steps": "steps", "best": "best"}


class GridRow(Entry):
    """A row whose models or tasks have another pattern than the table's."""

    value: GridValue | GridValues = ""
    """Value of `{row}`; of a list, the one that scores best on validation, in each column."""
    model: Pattern | None = None
    """Pattern of its models."""
    task: Pattern | None = None
    """Pattern of its tasks."""


class GridTable(TableEntry):
    """Scores of a model on a task in each cell, over languages and seeds, with tests between rows (XtremeDistil, Tables
    3, 5 to 11, 13 and 14)."""

    kind: Literal["grid"]
    model: Pattern
    """Model of a cell: `{row}` and `{column}` stand for their values, `{language}` makes it a family."""
    task: Pattern
    """Task of a cell, in the same way. With `{row}` in it a row is of one task, so that columns are compared."""
    rows: Annotated[dict[Label, GridValue | GridValues | GridRow], Field(min_length=1)]
    """Label → what `{row}` stands for, or a list: the one that scores best on validation stands in the cell, in each
    column; or a mapping for a row with patterns of its own."""
    columns: Annotated[dict[Label, GridValue], Field(min_length=1)] | None = None
    """Label → what `{column}` stands for; by default the table has one column."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """The score of each cell is the mean over these; by default it is what stands for its task. A family needs them."""
    spread: Over | None = None
    """Unit of the deviation in brackets: `languages` (n - 1, of the mean over the seeds) or `seeds`; by default
    languages where any cell has several, else seeds."""
    reference: Label | Annotated[dict[Label, Label], Field(min_length=1)] | None = None
    """A row, such as the teacher: a second part shows the share of its score that each other row keeps. Or row → the
    row that it is set against, where students have different teachers."""
    hypotheses: list[Hypothesis] = Field(default_factory=list)
    """Hypotheses stated before the scores were seen, each about two rows, compared in each column; or, where `task`
    holds `{row}` and each row therefore has its own task, about two columns, compared in each row. Corrected
    together."""

    @model_validator(mode="after")
    def _is_of_a_size_that_can_be_read(self) -> Self:
        values = [self._entry(row).value for row in self.rows]
        rows = sum(len(value) if isinstance(value, list) else 1 for value in values)
        places = rows * len(self.heads) * len(self.languages or [ONLY])
        if places > MOST_PLACES:
            of = "rows, columns and languages"
            raise ValueError(f"rows: {of} make {places:,} scores: expected at most {MOST_PLACES:,}")
        return self

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
        places = defaultdict[str, list[tuple[str, str]]](list)
        for place in self.places():
            places[label_of(place)].append((place.model, place.task))
        shown: dict[tuple[tuple[str, str], ...], str] = {}
        for label in labels:
            if (other := shown.setdefault(tuple(places[label]), label)) != label:
                raise ValueError(f"{key}: {other!r} and {label!r} are the same models on the same tasks")

    @model_validator(mode="after")
    def _has_languages_of_families(self) -> Self:
        family = next((place for place in self.places() if place.family), None)
        if family and not self.languages:
            raise ValueError(f"languages: are missing, and {family.model} on {family.task} is a family of them")
        return self

    @model_validator(mode="after")
    def _supposes_what_it_shows(self) -> Self:
        compared = self.heads if self.by_row else list(self.rows)
        for label in [label for each in self.hypotheses for label in (each.less, each.than)]:
            if label not in compared:
                what = "column" if self.by_row else "row"
                found = f"{label!r} is no {what} of the table: {expected_one_of(label, compared)}"
                raise ValueError(f"hypotheses: {found}")
        return self

    @model_validator(mode="after")
    def _has_its_references(self) -> Self:
        if self.reference is not None and self.by_row:
            raise ValueError("reference: rows are set against a row, and each row of the table has its own task")
        for row, other in self.references.items():
            for label in (row, other):
                if label not in self.rows:
                    found = f"{label!r} is no row of the table: {expected_one_of(label, self.rows)}"
                    raise ValueError(f"reference: {found}")
            if row == other:
                raise ValueError(f"reference: {row!r} is set against itself")
        if self.reference is not None and not self.references:
            raise ValueError(f"reference: {self.reference!r} is the only row: nothing is set against it")
        return self

    @property
    def references(self) -> dict[str, str]:
        """The row that each row is set against."""
        return {} if self.reference is None else references_of(list(self.rows), self.reference)

    @property
    def by_row(self) -> bool:
        """Whether columns are compared within each row, because each row has its own task."""
        return ROW in self.task and COLUMN not in self.task

    @property
    def heads(self) -> list[str]:
        """The labels of the columns."""
        return [ONLY] if self.columns is None else list(self.columns)

    @property
    def lines(self) -> list[str]:
        """The labels of the lines within which cells are compared: columns, or rows."""
        return list(self.rows) if self.by_row else self.heads

    def line_of(self, cell: Place | Score) -> str:
        """Return the label of the line within which a cell is compared."""
        return cell.row if self.by_row else cell.column

    def comparison_label(self, cell: Place | Score) -> str:
        """Return the label of a cell among those that it is compared with."""
        return cell.column if self.by_row else cell.row

    @property
    def models(self) -> None:
        """No list, as other tables have one: models that are not in the study leave their cells empty."""
        return

    @property
    def tasks(self) -> list[str]:
        """The tasks of all cells, each once."""
        return unique(task for _, task in self.runs())

    @property
    def by_language(self) -> bool:
        """Whether a score is the mean over languages that the table names."""
        return bool(self.languages)

    def choices(self, row: str, column: str) -> list[Place]:
        """Return the places of a row and column: one model on a task, or several to choose from."""
        entry = self._entry(row)
        value = "" if self.columns is None else str(self.columns[column])
        patterns = (entry.model or self.model, entry.task or self.task)
        found = []
        for own in entry.value if isinstance(entry.value, list) else [entry.value]:
            model, task = (pattern.replace(ROW, str(own)).replace(COLUMN, value) for pattern in patterns)
            found.append(Place(row, column, model, task, languages=tuple(self.languages or ())))
        return found

    def cells(self) -> list[list[Place]]:
        """Return the places of each cell, row by row."""
        return [self.choices(row, column) for row in self.rows for column in self.heads]

    def places(self) -> list[Place]:
        """Return the places of all cells, row by row."""
        return [place for choices in self.cells() for place in choices]

    def runs(self) -> list[tuple[str, str]]:
        """Return the (model, task) pairs of all cells."""
        return [run for place in self.places() for run in place.runs()]

    def _entry(self, row: str) -> GridRow:
        entry = self.rows[row]
        return entry if isinstance(entry, GridRow) else GridRow(value=entry)

    def shown_models(self, study: StudyOfTables) -> list[str]:
        """Return those of the study's models that stand in a cell."""
        named = {model for model, _ in self.runs()}
        return [model for model in study.makers if model in named]

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse empty rows and columns, cells without some of the languages, and scores that cannot be compared."""
        every = self.places()
        for place in every:
            if missing := self._missing(study, place):
                found = f"{place.model} on {place.task} is not run, or not tested, in {', '.join(missing)}"
                raise SmeltError(study.where, f"{key}.rows: {place.row!r}: {found}")
        parts = [("rows", row, [place for place in every if place.row == row]) for row in self.rows]
        for head in self.columns or ():
            parts.append(("columns", head, [place for place in every if place.column == head]))
        for part, label, places in parts:
            if not any(self.tested_languages(study, place) for place in places):
                patterns = ", ".join(unique(f"{place.model} on {place.task}" for place in places))
                raise SmeltError(study.where, f"{key}.{part}: {label!r}: the study runs none of its cells: {patterns}")
        run = [place for place in every if self.tested_languages(study, place)]
        for row, other in self.references.items():
            columns = [{place.column for place in run if place.row == label} for label in (row, other)]
            if not columns[0] & columns[1]:
                raise SmeltError(study.where, f"{key}.reference: {row!r} and {other!r} are run in no column together")
        for line in self.lines:
            self._check_alike(study, key, [place for place in run if self.line_of(place) == line])

    def tested_languages(self, study: StudyOfTables, place: Place) -> list[str]:
        """Return the languages that a cell is tested in; none where it is not run."""

        def tested(model: str, task: str) -> list[str]:
            run = model in study.makers and study.runs(task, model)
            return study.tested_languages(model, task) if run else []

        if self.languages:
            return [code for code in self.languages if code in tested(*place.run(code))]
        return tested(place.model, place.task)

    def _missing(self, study: StudyOfTables, place: Place) -> list[str]:
        """Return the table's languages that a cell lacks, where it has others of them."""
        found = self.tested_languages(study, place)
        return [code for code in self.languages or () if code not in found] if found else []

    def _check_alike(self, study: StudyOfTables, key: str, places: Sequence[Place]) -> None:
        """Refuse to compare means over other languages, or by another metric."""

        def codes(place: Place) -> str:
            return " ".join(sorted(self.tested_languages(study, place)))

        def metric(place: Place) -> str:
            (_, task), *_ = place.runs()
            return study.tasks[task].metric

        for place in places:
            for what, of in (("tested in", codes), ("judged by", metric)):
                first, found = (of(each) for each in (places[0], place))
                if first != found:
                    names = [f"{each.model} on {each.task}" for each in (places[0], place)]
                    what_is = f"{names[0]} is {what} {first} and {names[1]} {found}"
                    raise SmeltError(
                        study.where, f"{key}: {what_is}: they cannot be compared; expected a table for each"
                    )

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return its models, and those whose seeds share a teacher."""
        facts = super().facts(study)
        return facts | shared_teachers(study, facts["models"])

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return scores.csv, and the metrics of compressed models, which hold how long they were trained."""
        compressed = [run for run in unique(self.runs()) if study.is_compressed(run[0])]
        return [f"{study.results}/scores.csv", *(path for run in compressed for path in study.metrics(*run))]

    def make(self, job: TableJob) -> Made:
        """Return the table: its cells, then its hypotheses."""
        if not job.sources:
            expected = "expected scores.csv and the metrics.json of compressed models, found nothing"
            raise SmeltError("--sources", expected)
        return Made(*self._grid(job).table(job.name, self.caption or "Scores of each model on its task"))

    def _grid(self, job: TableJob) -> ScoreGrid:
        scores = PlaceScores(job.sources[0], steps=read_steps(job.sources[1:]))
        places = choose_places(job.sources[0], self.cells())
        shared = [place for place in places if any(model in job.one_teacher for model, _ in place.runs())]
        teachers = one_teacher_note(unique(map(self.comparison_label, shared)))
        return ScoreGrid(
            places,
            [head or "Score" for head in self.heads],
            scores,
            COLUMNS | (changes.COLUMNS if self.reference else {}),
            by_row=self.by_row,
            hypotheses=OverLanguages(self.hypotheses, scores, job.significance),
            changes=Changes(self.references, scores, kept_cell, changes.KEPT) if self.reference else None,
            over_languages=True,
            spread=self.spread,
            corner="",
            explain=lambda run: [*([_over(self.languages)] if self.languages else []), *_chosen(run)],
            not_run="the study does not run the model on the task",
            closing=lambda cells: [*_steps_note(cells), *teachers],
        )


def _over(languages: Sequence[str]) -> str:
    """Return the note on means over languages; it names at most MOST_NAMED."""
    named = f": {', '.join(languages)}" if len(languages) <= MOST_NAMED else f", {len(languages)} of them"
    return f"A score is the mean of the languages' scores, computed for each seed{named}."


def _chosen(run: Sequence[Score]) -> list[str]:
    """Return the note on cells with several models to choose from."""
    chosen = [cell for cell in run if cell.choices > 1]
    named = [f"{_place(cell)}: {cell.model}" for cell in chosen]
    most = quantity([cell.choices for cell in chosen] or [0], "model")
    return [f"The best of {most}, by the mean score on validation: {'; '.join(named)}."] if chosen else []


def _steps_note(cells: Sequence[Score]) -> list[str]:
    """Return the note on the steps of students, where they differ: they may have taken very different times."""
    known = [cell for cell in cells if not math.isnan(cell.steps)]
    if len({cell.steps for cell in known}) < 2:
        return []
    least, most = (choose(known, key=lambda cell: cell.steps) for choose in (min, max))
    ends = [f"{cell.steps:,.0f} ({_place(cell)})" for cell in (least, most)]
    return [f"Students learnt for {ends[0]} to {ends[1]} optimiser steps, all phases together; the CSV has all."]


def _place(cell: Score) -> str:
    return ", ".join(filter(None, (cell.row, cell.column)))
