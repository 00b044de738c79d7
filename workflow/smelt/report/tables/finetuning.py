"""Tables of fine-tuning: the batch, rate and epochs that validation chose for each model on each task."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import Field

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.notes import metrics_in_words
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, number, percent, scientific
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, unique
from smelt.tasks.kinds import METRICS

CAPTION = "Settings of fine-tuning, chosen on validation"
HEADS = ["Seeds", "Tried", "Batch", "Learning rate", "Epochs", "Best epoch", "Validation", "Lowest to highest"]
COLUMNS = (
    *("task", "model", "seed", "batch", "learning_rate", "epochs", "best_epoch"),
    *("metric", "validation", "validation_loss", "chosen"),
)


class FinetuningTable(TableEntry):
    """The batch, learning rate and epochs of models on tasks, as a grid of them was decided on validation."""

    kind: Literal["finetuning"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    """Tasks of the study: a group of rows each."""
    models: Annotated[list[Name], Distinct] | None = None
    """Rows, in this order; by default all models that are no students of `compress`."""

    needed = ("models",)
    shows_scores = False

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse students, which are not fine-tuned, and tasks without a row."""
        for model in self.models or []:
            if study.is_compressed(model):
                found = f"{model!r} is made by {study.makers[model]}, and not fine-tuned"
                raise SmeltError(study.where, f"{key}.models: {found}: a table of kind stages shows how it learns")
        for task in self.tasks:
            if not any(run_task == task for _, run_task in self._runs(study)):
                raise SmeltError(study.where, f"{key}.tasks: none of its models is fine-tuned on {task!r}")

    def shown_models(self, study: StudyOfTables) -> list[str]:
        """Return its models, by default all but students."""
        return list(self.models or (model for model in study.makers if not study.is_compressed(model)))

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the metrics of all seeds."""
        return [file for model, task in self._runs(study) for file in study.metrics(model, task)]

    def _runs(self, study: StudyOfTables) -> list[tuple[str, str]]:
        models = self.shown_models(study)
        return [
            (model, task)
            for task in self.tasks
            for model in models
            if study.runs(task, model) and study.learns(model, task)
        ]

    def make(self, job: TableJob) -> Made:
        """Return the table: a row for each choice of a model on a task."""
        runs = [read_tuned(path) for path in job.sources]
        table = choices_table(job.name, self.caption or CAPTION, runs)
        return Made(table, [row for run in runs for row in run.numbers()], COLUMNS)


@dataclass(frozen=True)
class TriedSettings:
    """One run of a grid, or the only one."""

    batch: int
    learning_rate: float
    epochs: int
    best_epoch: float
    """The epoch whose weights were kept; a fraction where validation was measured within epochs."""
    validation: Mapping[str, float]
    """Scores there, and the loss where that chooses."""
    chosen: bool

    @property
    def choice(self) -> tuple[int, float, int]:
        """What a grid decides."""
        return self.batch, self.learning_rate, self.epochs


@dataclass(frozen=True)
class TunedRun:
    """A model on a task with one seed, and the settings that were tried for it."""

    model: str
    task: str
    seed: int
    metric: str
    """The own metric of the task, by its key among scores."""
    by_loss: bool
    tried: Sequence[TriedSettings]

    @property
    def chosen(self) -> TriedSettings:
        """The settings that were chosen."""
        return next(each for each in self.tried if each.chosen)

    def score(self, of: TriedSettings) -> float:
        """Return the score on validation in the own metric."""
        return of.validation[self.metric]

    def numbers(self) -> list[tuple[Any, ...]]:
        """Return the rows of the CSV: one for each that was tried."""
        return [
            (
                *(self.task, self.model, self.seed, *each.choice, each.best_epoch),
                *(self.metric, self.score(each), each.validation.get("loss", math.nan), each.chosen),
            )
            for each in self.tried
        ]


def read_tuned(path: Path) -> TunedRun:
    """Return which settings were tried and chosen, from the metrics.json of a fine-tuned model.

    Raises:
        SmeltError: the file is missing, or not of a fine-tuned model.
    """
    found = read_json(path)
    try:
        settings = found["settings"]
        run = TunedRun(
            model=found["model"],
            task=found["task"],
            seed=found["seed"],
            metric=METRICS[found["metric"]].key,
            by_loss=settings.get("choose") == "loss",
            tried=[TriedSettings(**row) for row in found.get("grid") or [_only(found)]],
        )
        for each in run.tried:
            run.score(each)
    except (KeyError, StopIteration, TypeError, AttributeError) as error:
        raise SmeltError(
            path, f"lacks {error or 'its best epoch'}: expected the metrics of a fine-tuned model"
        ) from None
    if sum(each.chosen for each in run.tried) != 1:
        raise SmeltError(path, "its grid has not one chosen run: fine-tune it again")
    return run


def _only(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one run of a model without a grid as a row of a grid."""
    settings, best = found["settings"], found["best_epoch"]
    validation = next(row["validation"] for row in found["epochs"] if row["epoch"] == best)
    row = {key: settings[key] for key in ("batch", "learning_rate", "epochs")}
    return row | {"best_epoch": best, "validation": validation, "chosen": True}


def choices_table(name: str, caption: str, runs: Sequence[TunedRun]) -> PaperTable:
    """Return the table of runs: a group a task, and in it a row for each choice of a model."""
    heads = [*HEADS, *(["Loss"] if any(run.by_loss for run in runs) else [])]
    groups = []
    for task in unique(run.task for run in runs):
        alike: dict[tuple[str, tuple[int, float, int]], list[TunedRun]] = {}
        for run in runs:
            if run.task == task:
                alike.setdefault((run.model, run.chosen.choice), []).append(run)
        order = unique(model for model, _ in alike)
        rows = [_row(own, len(heads)) for key, own in sorted(alike.items(), key=lambda item: order.index(item[0][0]))]
        groups.append(Group(rows, task))
    return PaperTable(name, caption, [Grid("Model", heads, groups)], _notes(runs))


def _row(runs: Sequence[TunedRun], columns: int) -> Row:
    """Return the row of the seeds of a model that chose the same."""
    first = runs[0].chosen
    values = [run.score(each) for run in runs for each in run.tried]
    spread = f"{percent(min(values))} to {percent(max(values))}" if len(runs[0].tried) > 1 else NONE
    losses = [run.chosen.validation.get("loss", math.nan) for run in runs]
    texts = [
        ", ".join(str(run.seed) for run in runs),
        " or ".join(map(str, unique(len(run.tried) for run in runs))),
        *(str(first.batch), scientific(first.learning_rate), str(first.epochs)),
        ", ".join(unique(f"{run.chosen.best_epoch:.3g}" for run in runs)),
        percent(fmean(run.score(run.chosen) for run in runs)),
        spread,
        number(fmean(losses), ".4f"),
    ]
    return Row(runs[0].model, [Cell(text) for text in texts[:columns]])


def _notes(runs: Sequence[TunedRun]) -> list[str]:
    metrics = {run.task: run.metric for run in runs}
    by = unique("the lowest loss" if run.by_loss else "the task's metric" for run in runs)
    return [
        f"Each seed of a model chooses for itself, by {' or '.join(by)} on validation; the test set chooses nothing,"
        " and only the chosen run was tested. Seeds that chose the same stand in one row.",
        "Tried: runs of the grid for each seed; 1: the settings were given. Best epoch: the one whose weights were"
        f" kept. Validation: of the chosen run, in percent, mean over the row's seeds; {metrics_in_words(metrics)}."
        " Lowest to highest: of all runs of the grid. The CSV has a row for each run.",
    ]
