"""Tables of scores: a row a model and a column a task, with marks of significance (mALBERT, Tables 1 and 2).

A mark means: on this task, this model differs from every other model of the table, by the test and correction that
the note names. The paper's stars name no test and cannot be recovered from its means and deviations, so ours are
defined here.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import Field

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.report.comparisons import largest_p, star_note
from smelt.report.csv_files import read_csv
from smelt.report.hypotheses import Line
from smelt.report.notes import mixed_metrics_note, test_of
from smelt.report.places import Place
from smelt.report.render import NOT_RUN, Cell, percent
from smelt.report.score_grid import MoreCells, ScoreGrid
from smelt.report.significance import Significance
from smelt.report.statistics import OVER_SEEDS, Score
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, refuse_mixed_languages

WIDEST = 12  # columns of scores that a page shows without being scrolled
SUMMARY = ("task", "metric", "model", *OVER_SEEDS)
PAIRS = ("task", "model_a", "model_b", "test", "correction", "p_corrected")
COLUMNS = {"model": "row", "task": "column", "metric": "metric"} | OVER_SEEDS
COLUMNS |= {"largest_p": "p_corrected", "best": "best", "marked": "star"}


class ScoresTable(TableEntry):
    """Mean (standard deviation) over seeds, a row a model and a column a task, with marks of significance."""

    kind: Literal["scores"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    """Tasks of the study: a column each; or a row each, where they are more than twelve and more than the models."""
    models: Annotated[list[Name], Distinct] | None = None
    """Rows, or columns where tasks are rows, in this order; by default all models."""

    needed = ("models",)

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse means over different languages in one column."""
        why = "one column cannot hold means of different languages; choose models, or a table of kind languages"
        for task in self.tasks:
            refuse_mixed_languages(study, key, task, self.shown_models(study), why)

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return its models, and the titles of its tasks."""
        return super().facts(study) | {"titles": {task: study.tasks[task].title for task in self.tasks}}

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return summary.csv and pairs.csv."""
        return [f"{study.results}/statistics/summary.csv", f"{study.results}/statistics/pairs.csv"]

    def make(self, job: TableJob) -> Made:
        """Return the table: percentages, best in bold, marks, and notes that define all of these."""
        if len(job.sources) != 2:
            raise SmeltError("--sources", f"expected summary.csv and pairs.csv, found {len(job.sources)} files")
        named = ", ".join(self.tasks) if len(self.tasks) <= WIDEST else f"{len(self.tasks)} tasks"
        return Made(*self._grid(job).table(job.name, self.caption or f"Scores on {named}"))

    def _grid(self, job: TableJob) -> ScoreGrid:
        scores = SummaryScores(job.sources[0])
        return ScoreGrid(
            [Place(model, task, model, task) for task in self.tasks for model in job.models],
            self.tasks,
            scores,
            COLUMNS,
            comparison=PairsOfStudy(scores, job.sources[1], job.significance),
            after=MoreCells("Average", average_cell) if len(self.tasks) > 1 else None,
            across="Task" if len(self.tasks) > max(WIDEST, len(job.models)) else "",
            test_sets="test set",
            closing=lambda cells: self._closing(cells, job.facts.get("titles", {})),
        )

    def _closing(self, cells: Sequence[Score], titles: Mapping[str, str]) -> list[str]:
        average = "Average: mean of the tasks' means, for models that ran on all of them."
        if not all(math.isnan(cell.beside) for cell in cells):
            average += " Of a task with two scores their mean counts, as in ALBETO's Table 6."
        average += mixed_metrics_note({cell.task: cell.metric for cell in cells if cell.n})
        notes = [average] if len(self.tasks) > 1 else []
        if not all(cell.n for cell in cells):
            notes.append(f"{NOT_RUN}: the study does not run the model on the task.")
        named = [f"{task}: {titles[task]}" for task in self.tasks if titles.get(task)]
        return notes + ([f"Tasks: {'; '.join(named)}."] if named else [])


class SummaryScores:
    """The scores of places, from summary.csv."""

    def __init__(self, path: Path) -> None:
        """Read the statistics over seeds of each model on each task."""
        entries = read_csv(path, SUMMARY).to_dict("records")
        self._runs = {(str(entry["task"]), str(entry["model"])): entry for entry in entries}

    def score(self, place: Place) -> Score:
        """Return the score of a cell; with n = 0 where the model was not run."""
        score = Score(row=place.row, column=place.column, model=place.model, task=place.task)
        if (entry := self._runs.get((place.task, place.model))) is None:
            return score
        return replace(score, metric=entry["metric"], **{name: entry[column] for column, name in OVER_SEEDS.items()})


class PairsOfStudy:
    """Each model is compared with every other one of the table; p are corrected over all models of the study."""

    def __init__(self, scores: SummaryScores, path: Path, significance: Significance) -> None:
        """Read pairs.csv.

        Raises:
            SmeltError: it holds p-values of another test than the one that the table's note will name.
        """
        self.significance = significance
        self._scores = scores
        pairs = read_csv(path, PAIRS)
        for part, expected in (("test", significance.test), ("correction", significance.correction)):
            if others := sorted(set(pairs[part].dropna()) - {expected}):
                raise SmeltError(path, f"holds the {part} {others[0]}; the study asks for {expected}: run again")
        self._p_values: dict[tuple[str, str, str], float] = {}
        for task, first, second, p in pairs[["task", "model_a", "model_b", "p_corrected"]].itertuples(index=False):
            self._p_values[task, first, second] = self._p_values[task, second, first] = float(p)

    def p_values(self, line: Line) -> dict[str, tuple[float, float]]:
        """Return for each model that was run the largest corrected p against the others, and no p of its own."""
        run = {label: place for label, place in line.items() if self._scores.score(place).n}
        found = {}
        for label, place in run.items():
            others = [other.model for other in run.values() if other.model != place.model]
            own = [self._p_values.get((place.task, place.model, other), math.nan) for other in others]
            found[label] = (math.nan, largest_p(own))
        return found

    def notes(self, run: Sequence[Score]) -> list[str]:
        """Return the note on marks, or why there is none."""
        if max(Counter(score.column for score in run).values()) == 1:
            return ["No two models of the table ran on the same task, so nothing is compared or marked."]
        none = "on no task does one model differ from every other model of the table"
        note = star_note(run, test_of(self.significance), "every other model of the table on this task", none)
        return [note + (" This does not show that they are equal." if note.startswith("None is marked") else "")]


def average_cell(own: Sequence[Score]) -> Cell:
    """Return the mean of a model's scores; two scores of a task count by their mean. NOT_RUN if one is missing."""
    if not all(score.n for score in own):
        return Cell(NOT_RUN)
    return Cell(percent(fmean(fmean(_with_beside(score)) for score in own)))


def _with_beside(score: Score) -> list[float]:
    return [score.mean] if math.isnan(score.beside) else [score.mean, score.beside]
