"""Tables of monolingual models: a row a model or family, a column a (language, task) pair (Eliquare, Tables 4 to 7).

A mark means: in this column, this row differs from the baseline, by the study's test over seeds, corrected over the
rows that are compared with it in the column.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError, expected_one_of
from smelt.families import member_of
from smelt.languages import Language
from smelt.report.hypotheses import HEADS, Hypothesis, Label, Tested, correct_together, wilcoxon_one_sided
from smelt.report.notes import NOTHING_RAN, against_baseline, metric_notes, metrics_in_words, rank
from smelt.report.places import Place, PlaceScores
from smelt.report.render import NONE, NOT_RUN, Grid, Group, PaperTable, Row
from smelt.report.significance import Significance
from smelt.report.statistics import MARK, OVER_SEEDS, Score, score_grid, seeds_sentence
from smelt.report.tables.base import FamiliesTable, Made, StudyOfTables, TableJob, unique

COLUMNS = {"row": "row", "language": "language", "task": "task", "model": "model", "metric": "metric"} | OVER_SEEDS
COLUMNS |= {"p": "p", "p_corrected": "p_corrected", "best": "best", "marked": "star"}


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
    caption: str = ""
    """Caption of the table; by default one of its kind's own."""

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
        return Place(row, _head(language, task), member_of(self.rows[row], language), task)

    def make(self, job: TableJob) -> Made:
        """Return the table, then its hypotheses; the CSV has a row a cell, then a row a hypothesis."""
        if len(job.sources) != 1:
            raise SmeltError("--sources", f"expected scores.csv, found {len(job.sources)} files")
        scores = PlaceScores(job.sources[0])
        cells, tested = self._cells(scores, job.significance), self._tested(scores, job.significance)
        grids = [score_grid("Model", [_head(*pair) for pair in self.pairs], cells)]
        if tested:
            outcomes = [Row(f"{each.less} < {each.than}", each.cells()) for each in tested]
            grids.append(Grid("Hypothesis", list(HEADS), [Group(outcomes)]))
        notes = self._notes(job.significance, cells, tested)
        table = PaperTable(job.name, self.caption or "Scores of monolingual models", grids, notes)
        rows = [{"kind": "score"} | cell.numbers(COLUMNS) for cell in cells]
        return Made(table, [*rows, *(each.numbers() for each in tested)])

    def _cells(self, scores: PlaceScores, significance: Significance) -> list[Score]:
        """Return a score for each column and row."""
        cells = []
        for language, task in self.pairs:
            places = {row: self.place(row, language, task) for row in self.rows}
            values = {row: scores.whole(place) for row, place in places.items()}
            tests = against_baseline(values, self.baseline, significance)
            for row, place in places.items():
                p, corrected = tests.get(row, (math.nan, math.nan))
                cells.append(replace(scores.score(place, language=language), p=p, p_corrected=corrected))
        return rank(cells, lambda cell: (cell.language, cell.task), significance.alpha)

    def _tested(self, scores: PlaceScores, significance: Significance) -> list[Tested]:
        """Return the outcome of each hypothesis, corrected over all of the table."""
        found = [self._test(scores, each, significance.alpha) for each in self.hypotheses]
        return correct_together(found, significance)

    def _test(self, scores: PlaceScores, each: Hypothesis, alpha: float) -> Tested:
        of_row = [
            [scores.whole(self.place(row, language, task)) for language, task in self.pairs]
            for row in (each.less, each.than)
        ]
        both = [(low, high) for low, high in zip(*of_row, strict=True) if low and high]
        missing = len(self.pairs) - len(both)
        left_out = "1 column without both is" if missing == 1 else f"{missing} columns without both are"
        left_out = f"{left_out} left out" if missing else ""
        low, high = ([fmean(pair[side].values()) for pair in both] for side in (0, 1))
        return wilcoxon_one_sided((each.less, each.than), low, high, alpha, "(language, task) pairs", left_out)

    def _notes(self, significance: Significance, cells: Sequence[Score], tested: Sequence[Tested]) -> list[str]:
        run = [cell for cell in cells if cell.n]
        if not run:
            return [NOTHING_RAN]
        metrics = {cell.task: cell.metric for cell in run}
        notes = [f"{metrics_in_words(metrics)}; test sets, in percent. {seeds_sentence(run, 'column')}"]
        notes += metric_notes(metrics.values())
        if self.baseline is not None:
            notes.append(_against(self.baseline, significance, run))
        notes += [_over_pairs(significance)] if tested else []
        notes += [f"{each.less} < {each.than}: {each.note}." for each in tested if each.note]
        return notes + ([f"{NOT_RUN}: not run."] if len(run) < len(cells) else [])


def _head(language: str, task: str) -> str:
    """Return the head of a column: its language, and its task without the name of that language."""
    return f"{language}: {task.removesuffix(f'.{language}')}"


def _against(baseline: str, significance: Significance, run: Sequence[Score]) -> str:
    if all(math.isnan(cell.p) for cell in run):
        return f"Nothing could be tested against {baseline}, so nothing is marked."
    test = significance.in_words("over the rows of the column")
    if any(cell.star for cell in run):
        return f"{MARK} differs from {baseline} in this column: {test}."
    return f"None is marked: no score differs from that of {baseline} in its column ({test})."


def _over_pairs(significance: Significance) -> str:
    return (
        "Hypotheses: Wilcoxon's signed-rank test, one-sided, over (language, task) pairs with one value each, the mean"
        " over seeds; W sums the ranks of the pairs that go against the hypothesis; difference in points, the second"
        f" row minus the first; {significance.correction_in_words('over the hypotheses')}. {NONE}: not tested."
    )
