"""Tables of scores: a row a model, a column a task, and marks of significance (mALBERT, Tables 1 and 2).

A mark means: on this task, this model differs from every other model of the table, by the test and correction that
the note names. The paper's stars name no test and cannot be recovered from its means and deviations, so ours are
defined here.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.report.csv_files import read_csv
from smelt.report.notes import NOTHING_RAN, largest_p, metric_notes, metrics_in_words, rank, star_note, test_of
from smelt.report.render import NOT_RUN, Cell, PaperTable, percent
from smelt.report.significance import Significance
from smelt.report.statistics import OVER_SEEDS, Score, score_grid, seeds_sentence
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, refuse_mixed_languages

if TYPE_CHECKING:
    import pandas as pd

SUMMARY = ("task", "metric", "model", *OVER_SEEDS)
PAIRS = ("task", "model_a", "model_b", "test", "correction", "p_corrected")
COLUMNS = {"model": "row", "task": "column", "metric": "metric"} | OVER_SEEDS
COLUMNS |= {"largest_p": "p_corrected", "best": "best", "marked": "star"}


class ScoresTable(TableEntry):
    """Mean (standard deviation) over seeds, a row a model and a column a task, with marks of significance."""

    kind: Literal["scores"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    """Tasks of the study: a column each."""
    models: Annotated[list[Name], Distinct] | None = None
    """Rows, in this order; by default all models."""
    caption: str = ""
    """Caption of the table; by default one of its kind's own."""

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
        scores = self._scores(job)
        averaged = len(self.tasks) > 1
        heads = [*self.tasks, *(["Average"] if averaged else [])]
        grid = score_grid("Model", heads, scores, after=_average if averaged else lambda _: [])
        notes = _notes(scores, job.significance)
        notes += ["Average: mean of the tasks' means, for models that ran on all of them."] if averaged else []
        if not all(score.n for score in scores):
            notes.append(f"{NOT_RUN}: the study does not run the model on the task.")
        titles = job.facts.get("titles", {})
        named = [f"{task}: {titles[task]}" for task in self.tasks if titles.get(task)]
        notes += [f"Tasks: {'; '.join(named)}."] if named else []
        caption = self.caption or f"Scores on {', '.join(self.tasks)}"
        return Made(PaperTable(job.name, caption, [grid], notes), [score.numbers(COLUMNS) for score in scores])

    def _scores(self, job: TableJob) -> list[Score]:
        """Return a score for each task and model, with n = 0 where the model was not run."""
        summary, pairs = read_csv(job.sources[0], SUMMARY), read_csv(job.sources[1], PAIRS)
        _check_test(job.sources[1], pairs, job.significance)
        p_values = _p_values(pairs)
        runs = {(str(entry["task"]), str(entry["model"])): entry for entry in summary.to_dict("records")}
        scores = []
        for task in self.tasks:
            run = [model for model in job.models if (task, model) in runs]
            for model in job.models:
                if model not in run:
                    scores.append(Score(row=model, column=task))
                    continue
                entry = runs[task, model]
                own = [p_values.get((task, model, other), math.nan) for other in run if other != model]
                figures = {name: entry[column] for column, name in OVER_SEEDS.items()}
                figures |= {"metric": entry["metric"], "p_corrected": largest_p(own)}
                scores.append(Score(row=model, column=task, **figures))
        return rank(scores, lambda score: score.column, job.significance.alpha)


def _check_test(path: Path, pairs: "pd.DataFrame", significance: Significance) -> None:
    """Refuse p-values of another test than the one that the table's note will name."""
    for part, expected in (("test", significance.test), ("correction", significance.correction)):
        if others := sorted(set(pairs[part].dropna()) - {expected}):
            raise SmeltError(path, f"holds the {part} {others[0]}; the study asks for {expected}: run again")


def _p_values(pairs: "pd.DataFrame") -> Mapping[tuple[str, str, str], float]:
    """Return the corrected p of each pair of models on each task, under both orders; untested pairs are nan."""
    found = {}
    for task, first, second, p in pairs[["task", "model_a", "model_b", "p_corrected"]].itertuples(index=False):
        found[task, first, second] = found[task, second, first] = float(p)
    return found


def _average(scores: Sequence[Score]) -> list[Cell]:
    if not all(score.n for score in scores):
        return [Cell(NOT_RUN)]
    return [Cell(percent(sum(score.mean for score in scores) / len(scores)))]


def _notes(scores: Sequence[Score], significance: Significance) -> list[str]:
    """Return metric, split, spread and seeds; then the test, or why there is none."""
    run = [score for score in scores if score.n]
    if not run:
        return [NOTHING_RAN]
    metrics = {score.column: score.metric for score in run}
    notes = [f"{metrics_in_words(metrics)}; test set, in percent. {seeds_sentence(run, 'column')}"]
    notes += metric_notes(metrics.values())
    if max(Counter(score.column for score in run).values()) == 1:
        return [*notes, "No two models of the table ran on the same task, so nothing is compared or marked."]
    none = "on no task does one model differ from every other model of the table"
    note = star_note(run, test_of(significance), "every other model of the table on this task", none)
    return [*notes, note + (" This does not show that they are equal." if note.startswith("None is marked") else "")]
