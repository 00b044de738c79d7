"""Tables of averages: the mean score over tasks, size, and both against a reference (ALBETO, Table 6)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import Field

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.report.notes import metrics_in_words, mixed_metrics_note
from smelt.report.records import encoder_parameters
from smelt.report.render import NONE, NOT_RUN, Cell, Grid, Group, PaperTable, Row, cut, digits
from smelt.report.scores import Scores, read_scores
from smelt.report.significance import BySeed
from smelt.report.statistics import Score, score_cell, score_of, seeds_sentence
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, refuse_mixed_languages, unique
from smelt.report.tables.cost import students_among, students_note

COLUMNS = (
    *("model", "tasks", "encoder_parameters", "n", "average", "deviation_over_seeds"),
    *("size_ratio", "score_ratio", "best"),
)
Convention = Literal["rounded", "published"]


class AveragesTable(TableEntry):
    """The mean score of models over tasks, the parameters of their encoders, and both against a reference (ALBETO,
    Table 6)."""

    kind: Literal["averages"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    """Tasks of the study that are averaged; of one with two scores, such as F1 and exact match, their mean counts."""
    reference: Name
    """The model of the study that sizes and averages are compared with."""
    models: Annotated[list[Name], Distinct] | None = None
    """Rows, in this order; by default all models."""
    convention: Convention = "rounded"
    """How numbers are printed. `rounded`: averages and ratios are rounded, and ratios of size are of exact counts.
    `published`: as ALBETO's Table 6 has them: digits after the second are cut off, parameters are whole millions, and
    ratios of size are of these. The CSV has exact numbers either way."""

    needed = ("models",)

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse an unknown reference, one without an average, and means over different languages."""
        if self.reference not in study.makers:
            raise SmeltError(study.where, f"{key}.reference: {self.reference!r} is not a model of the study")
        shown = unique([*self.shown_models(study), self.reference])
        for task in self.tasks:
            refuse_mixed_languages(study, key, task, shown, "one column cannot hold means of both; choose models")
        if missing := [task for task in self.tasks if not study.runs(task, self.reference)]:
            raise SmeltError(study.where, f"{key}.reference: {self.reference!r} is not fine-tuned on {missing[0]!r}")

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return its models, and the tasks of the students among them."""
        facts = super().facts(study)
        return facts | {"students": students_among(study, facts["models"])}

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return scores.csv, and the folders of the models and of the reference."""
        models = unique([*self.shown_models(study), self.reference])
        return [f"{study.results}/scores.csv", *(f"{study.results}/models/{model}" for model in models)]

    def make(self, job: TableJob) -> Made:
        """Return the table: a row a model."""
        if len(job.sources) < 2:
            raise SmeltError("--sources", f"expected scores.csv and folders of models, found {len(job.sources)} files")
        path, *folders = job.sources
        sizes = {folder.name: _encoder(folder) for folder in folders}
        if missing := [model for model in (*job.models, self.reference) if model not in sizes]:
            raise SmeltError("--sources", f"hold no folder of the model {missing[0]!r}")
        averages, metrics = read_averages(path, self.tasks, list(sizes))
        against = Average(averages[self.reference], sizes[self.reference])
        rows = compare_averages([Average(averages[model], sizes[model]) for model in job.models], against)
        heads = ["Parameters (M)", "Average", f"Size ({self.reference} ÷ model)", f"Score (model ÷ {self.reference})"]
        grid = Grid("Model", heads, [Group([row.row(self.convention) for row in rows])])
        caption = self.caption or "Average score, size, and both against a reference"
        notes = [*self._notes(rows, metrics), *students_note(job.facts.get("students", {}))]
        table = PaperTable(job.name, caption, [grid], notes)
        return Made(table, [row.numbers(len(self.tasks)) for row in rows], COLUMNS)

    def _notes(self, rows: Sequence["Average"], metrics: Mapping[str, str]) -> list[str]:
        run = [row.score for row in rows if row.score.n]
        notes = [
            f"Average: mean of the scores on {len(self.tasks)} tasks, test sets, in percent."
            f" {metrics_in_words(metrics)}. Of a task with two scores, such as F1 and exact match, their mean counts."
            + mixed_metrics_note(metrics)
            + (f" {seeds_sentence(run, 'column')}" if run else ""),
            f"Parameters of the encoder, without heads. Ratios are to {self.reference}; no difference is tested. "
            + CONVENTIONS[self.convention],
        ]
        if self.convention == "published" and any(math.isnan(row.millions) for row in rows):
            notes.append(
                f"{NONE}: of fewer than half a million parameters, which no whole number of millions stands for."
            )
        if len(run) < len(rows):
            notes.append(f"{NOT_RUN}: the model did not run on all of the tasks.")
        return notes


CONVENTIONS: dict[Convention, str] = {
    "rounded": "Averages and ratios are rounded, and ratios of size are of exact counts.",
    "published": "As in ALBETO's Table 6, averages and ratios are cut after the second digit, not rounded, and ratios"
    " of size are of whole millions.",
}


@dataclass(frozen=True)
class Average:
    """The mean score of a model over tasks, its size, and both against a reference; nan is what does not exist."""

    score: Score
    parameters: float
    """Of the encoder."""
    size_ratio: float = math.nan
    """Exact: parameters of the reference by its own."""
    size_ratio_of_millions: float = math.nan
    score_ratio: float = math.nan

    @property
    def millions(self) -> float:
        """Its parameters in whole millions; nan below half of one, which nothing can be divided by."""
        return math.nan if math.isnan(self.parameters) else round(self.parameters / 1e6) or math.nan

    def row(self, convention: Convention) -> Row:
        """Return the row of the table."""
        average = score_cell(self.score)
        if convention == "rounded":
            size = NONE if math.isnan(self.parameters) else digits(self.parameters / 1e6)
            ratios = [_rounded(self.size_ratio), _rounded(self.score_ratio)]
        else:
            size = NONE if math.isnan(self.millions) else f"{self.millions:,.0f}"
            ratios = [_cut(self.size_ratio_of_millions), _cut(self.score_ratio)]
            average = replace(average, text=cut(100 * self.score.mean)) if self.score.n else average
        return Row(self.score.model, [Cell(size), average, *map(Cell, ratios)])

    def numbers(self, tasks: int) -> tuple[Any, ...]:
        """Return the row of the CSV."""
        score = self.score
        found = (score.model, tasks, self.parameters, score.n, score.mean, score.deviation_over_seeds)
        return (*found, self.size_ratio, self.score_ratio, score.best)


def compare_averages(rows: Sequence[Average], reference: Average) -> list[Average]:
    """Return rows with their ratios to the reference, and the best average."""
    means = [row.score.mean for row in rows if row.score.n]
    best = max(means) if len(means) > 1 else math.nan
    return [
        replace(
            row,
            score=replace(row.score, best=row.score.mean == best),
            size_ratio=reference.parameters / row.parameters,
            size_ratio_of_millions=reference.millions / row.millions,
            score_ratio=row.score.mean / reference.score.mean if reference.score.mean else math.nan,
        )
        for row in rows
    ]


def read_averages(path: Path, tasks: Sequence[str], models: Sequence[str]) -> tuple[dict[str, Score], dict[str, str]]:
    """Return the average of each model over tasks, and the metric of each task.

    Each seed has an average of its own, so that there is a deviation over them. A model that did not run on all of the
    tasks has n = 0.

    Raises:
        SmeltError: as `read_scores`.
    """
    own, beside = read_scores(path), read_scores(path, beside=True)
    averages = {}
    for model in models:
        averages[model] = score_of(mean_over_tasks(own, beside, tasks, model), row=model, column="average", model=model)
    return averages, {task: own.metrics[task] for task in tasks if task in own.metrics}


def mean_over_tasks(own: Scores, beside: Scores, tasks: Sequence[str], model: str) -> dict[int, float]:
    """Return the mean over tasks for each seed that all of them have; of a task with two scores, their mean counts."""
    by_task = [_both(own.of(task, model), beside.of(task, model)) for task in tasks]
    seeds = set.intersection(*map(set, by_task))
    return {seed: fmean(task[seed] for task in by_task) for seed in sorted(seeds)}


def _both(own: BySeed, beside: BySeed) -> dict[int, float]:
    """Return the score of each seed, of two scores their mean."""
    return {seed: fmean([value, *([beside[seed]] if seed in beside else [])]) for seed, value in own.items()}


def _encoder(folder: Path) -> float:
    """Return the parameters of a model's encoder; an exported model has no count of its own."""
    weights = folder / "model.safetensors"
    if not weights.is_file() and (folder / "model.onnx").is_file():
        return math.nan
    return encoder_parameters(weights)


def _rounded(ratio: float) -> str:
    return NONE if math.isnan(ratio) else f"{ratio:.2f}×"


def _cut(ratio: float) -> str:
    """Return a ratio with two digits and no more, or none where they would be zeros: 22×, 9.16×, 0.90×."""
    return NONE if math.isnan(ratio) else f"{cut(ratio).removesuffix('.00')}×"
