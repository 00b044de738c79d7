"""Tables of training: settings, steps and time of pretrained and distilled models (ALBETO, Table 2)."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.report.records import CURVE
from smelt.report.render import Cell, Grid, Group, PaperTable, Row, duration, scientific
from smelt.report.runs import TrainingRun, machines_in_words, read_training
from smelt.report.tables.base import Made, StudyOfTables, TableJob, TableWithoutTasks

HEADS = ["Learning rate", "Batch", "Warm-up ratio", "Warm-up steps", "Steps planned", "Steps run", "Training time"]
COLUMNS = (
    *("model", "learning_rate", "batch", "warmup_ratio", "warmup_steps", "steps_planned", "steps_run"),
    *("hours", "gpus", "cores", "kwh"),
)


class TrainingTable(TableWithoutTasks):
    """Learning rate, batch, warm-up, steps and time of pretrained and distilled models (ALBETO, Table 2)."""

    kind: Literal["training"]
    models: Annotated[list[Name], Distinct] | None = None
    """Rows, in this order; by default all models that are pretrained or distilled."""

    needed = ("models",)

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse models that are not trained on texts."""
        if not (shown := self.shown_models(study)):
            raise SmeltError(study.where, f"{key}: no model of the study is pretrained or distilled: it has no row")
        for model in shown:
            if model not in study.trained:
                found = f"{model!r} is made by {study.makers[model]}"
                raise SmeltError(
                    study.where, f"{key}.models: {found}; expected models that are pretrained or distilled"
                )

    def shown_models(self, study: StudyOfTables) -> list[str]:
        """Return its models, by default all that are trained."""
        return list(self.models or study.trained)

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the folders of the models, then their learning curves."""
        shown, curves = self.shown_models(study), dict(zip(study.trained, study.learning_curves(), strict=True))
        return [*(f"{study.results}/models/{model}" for model in shown), *(curves[model] for model in shown)]

    def make(self, job: TableJob) -> Made:
        """Return the table: a row a model."""
        curves = {path.name.removesuffix(CURVE): path for path in job.sources if path.name.endswith(CURVE)}
        folders = [path for path in job.sources if not path.name.endswith(CURVE)]
        if missing := [folder.name for folder in folders if folder.name not in curves]:
            raise SmeltError("--sources", f"hold no learning curve of the model {missing[0]!r}: expected one of each")
        runs = [read_training(folder, curves[folder.name]) for folder in folders]
        grid = Grid("Model", HEADS, [Group([_row(run) for run in runs])])
        table = PaperTable(job.name, self.caption or "Training of the models", [grid], _notes(runs))
        return Made(table, [_numbers(run) for run in runs], COLUMNS)


def _row(run: TrainingRun) -> Row:
    texts = [scientific(run.learning_rate), f"{run.batch:,}", scientific(run.warmup_ratio)]
    texts += [f"{count:,}" for count in (run.warmup_steps, run.planned, run.steps)]
    return Row(run.model, [Cell(text) for text in (*texts, duration(run.cost.hours))])


def _numbers(run: TrainingRun) -> tuple[Any, ...]:
    settings = (run.learning_rate, run.batch, run.warmup_ratio, run.warmup_steps, run.planned, run.steps)
    return (run.model, *settings, run.cost.hours, run.cost.gpus, run.cost.cores, run.cost.kwh)


def _notes(runs: Sequence[TrainingRun]) -> list[str]:
    notes = [
        "Settings and times are those of the runs. Learning rate: the highest. Warm-up ratio: warm-up steps divided by"
        " the planned ones. Steps planned: until the rate would reach 0; steps run: those that were taken.",
        "Training time: on the clock, resumed parts included, on"
        f" {machines_in_words({run.model: run.cost for run in runs})}.",
    ]
    if best := [run.model for run in runs if run.choose == "best"]:
        notes.append(f"{', '.join(best)}: the weights are those of the best step on held-out documents, not the last.")
    return notes
