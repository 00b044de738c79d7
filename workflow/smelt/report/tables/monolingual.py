"""Tables of monolingual models: a row a model or family, a column a (language, task) pair (Eliquare, Tables 4 to 7).

A mark means: in this column, this row differs from the baseline, by the study's test over seeds, corrected over the
rows that are compared with it in the column.
"""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError, expected_one_of
from smelt.families import member_of
from smelt.languages import Language
from smelt.report.comparisons import AgainstBaseline
from smelt.report.hypotheses import Hypothesis, Label, OverColumns
from smelt.report.places import Place, PlaceScores
from smelt.report.score_grid import ScoreGrid
from smelt.report.statistics import OVER_SEEDS
from smelt.report.tables.base import FamiliesTable, Made, StudyOfTables, TableJob, unique

COLUMNS = {"kind": "kind", "row": "row", "language": "language", "task": "task", "model": "model", "metric": "metric"}
COLUMNS |= OVER_SEEDS | {"p": "p", "p_corrected": "p_corrected", "best": "best", "marked": "star"}


class MonolingualTable(FamiliesTable):
    """Scores of models of one language each on its tasks, with tests over (language, task) pairs (Eliquare, Tables 4 to
    7), and with a baseline a figure of what each row loses against it (Figures 4 and 5)."""

    kind: Literal["monolingual"]
    columns: Annotated[dict[Language, Annotated[list[Name], Field(min_length=1), Distinct]], Field(min_length=1)]
    """Language → its tasks, in this order: a column each."""
    rows: Annotated[dict[Label, str], Field(min_length=1)]
    """Label → a model, or a family such as `eliquare-{language}`, whose member fills the columns of its language."""
    hypotheses: list[Hypothesis] = Field(default_factory=list)
    """Hypotheses stated before the scores were seen; corrected together."""
    baseline: Label | None = None
    """Label of the row that the others are tested against, column by column, and drawn against."""

    part = ".rows"

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
        return unique(task for tasks in self.columns.values() for task in tasks)

    @property
    def patterns(self) -> list[str]:
        """The models and families of all rows, each once."""
        return unique(self.rows.values())

    @property
    def languages(self) -> list[str]:
        """The languages of the columns."""
        return list(self.columns)

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse columns of other languages, rows without any score, and a baseline without the score of a column."""
        for language, task in self.pairs:
            if (tested := study.tasks[task].languages_of("test")) != [language]:
                found = f"{task!r} tests {', '.join(tested)}; expected a task of that language alone"
                raise SmeltError(study.where, f"{key}.columns.{language}: {found}")
            if self.baseline and not study.runs(task, member_of(self.rows[self.baseline], language)):
                raise SmeltError(study.where, f"{key}.baseline: {self.baseline!r} is not fine-tuned on {task!r}")
        for label, row in self.rows.items():
            if not any(study.runs(task, member_of(row, language)) for language, task in self.pairs):
                raise SmeltError(study.where, f"{key}.rows: {label!r} ({row}) is fine-tuned on no task of the table")

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return scores.csv."""
        return [f"{study.results}/scores.csv"]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Language and task of each column."""
        return [(language, task) for language, tasks in self.columns.items() for task in tasks]

    def place(self, row: str, language: str, task: str) -> Place:
        """Return what stands in a row and column."""
        return Place(row, f"{language}: {task}", member_of(self.rows[row], language), task, language=language)

    def make(self, job: TableJob) -> Made:
        """Return the table: its cells, then its hypotheses."""
        if len(job.sources) != 1:
            raise SmeltError("--sources", f"expected scores.csv, found {len(job.sources)} files")
        return Made(*self._grid(job).table(job.name, self.caption or "Scores of monolingual models"))

    def _grid(self, job: TableJob) -> ScoreGrid:
        scores = PlaceScores(job.sources[0])
        return ScoreGrid(
            [self.place(row, *pair) for pair in self.pairs for row in self.rows],
            [f"{language}: {task.removesuffix(f'.{language}')}" for language, task in self.pairs],
            scores,
            COLUMNS,
            comparison=AgainstBaseline(scores, job.significance, self.baseline) if self.baseline else None,
            hypotheses=OverColumns(self.hypotheses, scores, job.significance),
            not_run="not run",
        )
