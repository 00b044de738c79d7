"""Tables of scores by language: sections of settings, rows of models or families (Smaller multilingual BERT, Table 2).

A row is a model, or a family of models (`mbert-en-{language}`): the column of a language shows the family's member of
that language. Where there is no such member but others were tested in the language, as bilingual models are in
English, the column shows their mean.

A mark means: in this column, this row differs from every other row of its section, by the study's test over seeds,
corrected over all pairs of rows in the section's column. Each column is a family of tests of its own, the average too.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Distinct, Entry
from smelt.errors import SmeltError, expected_one_of
from smelt.families import is_family, member_of
from smelt.languages import Language
from smelt.report import changes
from smelt.report.changes import Changes, difference_cell, references_of
from smelt.report.comparisons import EachOther
from smelt.report.places import Place, PlaceScores
from smelt.report.records import encoder_parameters
from smelt.report.render import NOT_RUN, Cell
from smelt.report.score_grid import MoreCells, ScoreGrid
from smelt.report.statistics import OVER_SEEDS, Score
from smelt.report.tables.base import FamiliesTable, Made, StudyOfTables, TableJob, unique

AVERAGE = "average"
COLUMNS = {"section": "section", "row": "row", "language": "column", "models": "models"} | OVER_SEEDS
COLUMNS |= {"largest_p": "p_corrected", "best": "best", "marked": "star"}


class Section(Entry):
    """Rows of a table of languages that were run alike: in one setting of a task."""

    title: str = ""
    """Heading above the section's rows."""
    task: Annotated[str, Field(min_length=1)]
    """A task, or with `{language}` the tasks of a setting: `xnli.translate-train.{language}` takes each column from the
    task of its language."""
    models: Annotated[list[str], Field(min_length=1), Distinct]
    """Rows: models, or families such as `mbert-en-{language}`, one row whose columns show the member of their
    language."""

    @property
    def name(self) -> str:
        """Its name in notes."""
        return self.title or self.task


class LanguagesTable(FamiliesTable):
    """Scores by language and their average, in sections (Smaller multilingual BERT, Table 2)."""

    kind: Literal["languages"]
    languages: Annotated[list[Language], Field(min_length=1), Distinct]
    """Columns, in this order."""
    sections: Annotated[list[Section], Field(min_length=1)]
    """Groups of rows that were run alike."""
    reference: str | None = None
    """A row of every section: a second part shows what each other row loses against it by language and on average, in
    points and relative to it."""

    needed = ("models",)
    part = ".sections"

    @model_validator(mode="after")
    def _has_its_reference(self) -> Self:
        for number, section in enumerate(self.sections):
            if self.reference is not None and self.reference not in section.models:
                expected = expected_one_of(self.reference, section.models)
                raise ValueError(f"reference: {self.reference!r} is no row of sections.{number}: {expected}")
        if self.reference is not None and self.patterns == [self.reference]:
            raise ValueError(f"reference: {self.reference!r} is the only row: nothing is set against it")
        return self

    @property
    def tasks(self) -> list[str]:
        """The tasks of all sections, each once."""
        return unique(member_of(section.task, language) for section in self.sections for language in self.languages)

    @property
    def patterns(self) -> list[str]:
        """The models and families of all sections, each once."""
        return unique(row for section in self.sections for row in section.models)

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse rows and columns in which no score could ever stand."""
        shown = set[str]()
        for number, section in enumerate(self.sections):
            for row in section.models:
                tested = self._tested_in(study, section.task, row)
                shown |= tested
                if not tested:
                    found = f"{row!r} is not fine-tuned on {section.task!r}, or tested in no language of the table"
                    raise SmeltError(study.where, f"{key}.sections.{number}.models: {found}")
        for language in self.languages:
            if language not in shown:
                raise SmeltError(study.where, f"{key}.languages: no model of the table is tested in {language!r}")

    def _tested_in(self, study: StudyOfTables, task: str, row: str) -> set[str]:
        """Return the table's languages in which a row, a model or a family, is tested on a section's task."""
        models, tasks = ({member_of(pattern, language) for language in self.languages} for pattern in (row, task))
        runs = [(model, of_task) for model, of_task in study.runs() if model in models and of_task in tasks]
        return {language for run in runs for language in study.tested_languages(*run)} & set(self.languages)

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return scores.csv and the folders of models, which hold their parameters."""
        folders = [f"{study.results}/models/{model}" for model in self.shown_models(study)]
        return [f"{study.results}/scores.csv", *folders]

    def make(self, job: TableJob) -> Made:
        """Return the table: parameters of each row, its scores by language, and their average."""
        if not job.sources:
            raise SmeltError("--sources", "expected scores.csv and the folders of models, found nothing")
        return Made(*self._grid(job).table(job.name, self.caption or "Scores by language"))

    def _grid(self, job: TableJob) -> ScoreGrid:
        scores, where = PlaceScores(job.sources[0]), "in the section's column"
        parameters = {folder.name: encoder_parameters(folder / "model.safetensors") for folder in job.sources[1:]}
        return ScoreGrid(
            self.places(job.models),
            [*self.languages, "Average"],
            scores,
            COLUMNS | (changes.COLUMNS if self.reference else {}),
            titles=[section.name for section in self.sections],
            comparison=EachOther(
                scores,
                job.significance,
                job.significance.in_words(f"over all pairs of rows {where}", f"no correction {where}"),
                "every other row of its section in this column",
                "in no column does one row differ from every other row of its section",
            ),
            changes=self._changes(scores),
            label=lambda row: row.replace("{language}", "xx"),
            before=MoreCells("Parameters", lambda own: Cell(_size(own, parameters))),
            explain=lambda _: self._explanations(),
            not_run="not run, or not tested in the language",
        )

    def _changes(self, scores: PlaceScores) -> Changes | None:
        if self.reference is None:
            return None
        return Changes(references_of(self.patterns, self.reference), scores, difference_cell, changes.DIFFERENCES)

    def places(self, models: Collection[str]) -> list[Place]:
        """Return what stands in each section, column (languages, then their average) and row.

        Args:
            models: the study's models, among which the members of families are.
        """
        places = []
        for number, section in enumerate(self.sections):
            rows = [self._average(number, section.task, row, models) for row in section.models]
            places += [replace(row, column=code, language=code) for code in self.languages for row in rows]
            places += rows
        return places

    def _average(self, section: int, task: str, row: str, models: Collection[str]) -> Place:
        """Return what stands in the last column of a row."""
        named = [member_of(row, language) for language in self.languages] if is_family(row) else []
        members = tuple(model for model in named if model in models)
        return Place(row, AVERAGE, row, task, section, languages=tuple(self.languages), members=members)

    def _explanations(self) -> list[str]:
        notes = [
            "Average: mean of the languages' scores, computed for each seed, where a row has a score in every language."
            " Parameters: those of the encoder."
        ]
        if self.families:
            notes.append(
                "xx: a family with a model for each language. A column shows the family's model of that language; where"
                " there is none, the mean of the family's models that were tested in it."
            )
        return notes


def _size(own: Sequence[Score], parameters: Mapping[str, int]) -> str:
    """Return the parameters of a row's model, or from the smallest to the largest of its family, in millions."""
    models = unique(model for cell in own for model in cell.models.split())
    sizes = [parameters[model] / 1e6 for model in models if model in parameters]
    if not sizes:
        return NOT_RUN
    ends = dict.fromkeys(f"{size:.0f}" if size >= 10 else f"{size:.1f}" for size in (min(sizes), max(sizes)))
    return f"{'–'.join(ends)} M"
