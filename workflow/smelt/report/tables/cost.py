"""Tables of cost: size of models, and the hours and electricity that making them took."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.report.measures import MB
from smelt.report.records import encoder_parameters, read_model
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, digits, duration
from smelt.report.runs import ModelCost, bytes_on_disk, machines_in_words, read_cost
from smelt.report.tables.base import Made, StudyOfTables, TableJob, TableWithoutTasks

HEADS = ["Parameters (M)", "Encoder (M)", "On disk (MB)", "Time", "GPU hours", "Core hours", "kWh"]
COLUMNS = (
    *("model", "made_by", "parameters", "encoder_parameters", "bytes_on_disk"),
    *("hours", "gpus", "cores", "gpu_hours", "core_hours", "kwh"),
)


class CostTable(TableWithoutTasks):
    """Parameters and size of models, and the hours and electricity that making them took."""

    kind: Literal["cost"]
    models: Annotated[list[Name], Distinct] | None = None
    """Rows, in this order; by default all models."""

    needed = ("models",)

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return its models, those that were trained elsewhere, and the tasks of the students among them."""
        facts = super().facts(study)
        published = [model for model in facts["models"] if study.is_published(model)]
        return facts | {"published": published, "students": students_among(study, facts["models"])}

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the folders of the models."""
        return [f"{study.results}/models/{model}" for model in self.shown_models(study)]

    def make(self, job: TableJob) -> Made:
        """Return the table: a row a model, and one for all of them together."""
        if not job.sources:
            raise SmeltError("--sources", "expected the folders of models, found none")
        published = job.facts.get("published", [])
        found = [_read(folder, folder.name in published) for folder in job.sources]
        rows = [each.row() for each in found]
        rows += [_together(found)] if len(found) > 1 else []
        grid = Grid("Model", HEADS, [Group(rows)])
        notes = [*_notes(found), *students_note(job.facts.get("students", {}))]
        table = PaperTable(job.name, self.caption or "Size and cost of the models", [grid], notes)
        return Made(table, [each.numbers() for each in found], COLUMNS)


def students_among(study: StudyOfTables, models: Sequence[str]) -> dict[str, str]:
    """Return the students of `compress` among models, each with the task for which one stands among the models."""
    return {model: study.efficiency_task(model) for model in models if study.is_compressed(model)}


def students_note(students: Mapping[str, str]) -> list[str]:
    """Return the note on students: there is one for each task and seed."""
    shown = ", ".join(f"{model} (for {task})" for model, task in students.items())
    return [f"{shown}: of one student; there is one for each task and seed."] if students else []


@dataclass(frozen=True)
class SizeAndCost:
    """The size of a model, and what making it took; nan is what is not known or does not exist."""

    model: str
    parameters: float
    encoder: float
    bytes_on_disk: int
    cost: ModelCost
    """Of a published model it is that of its adoption."""
    published: bool
    """Whether it was trained elsewhere."""

    def row(self) -> Row:
        """Return the row of the table."""
        sizes = [_cell(self.parameters / 1e6), _cell(self.encoder / 1e6), _cell(self.bytes_on_disk / MB)]
        if self.published:
            return Row(self.model, [*sizes, *[Cell(NONE)] * 4])
        return Row(self.model, [*sizes, Cell(duration(self.cost.hours)), *map(_cell, self.amounts())])

    def amounts(self) -> tuple[float, float, float]:
        """Return GPU hours, core hours and kWh."""
        return self.cost.gpu_hours, self.cost.core_hours, self.cost.kwh

    def numbers(self) -> tuple[Any, ...]:
        """Return the row of the CSV."""
        sizes = (self.model, self.cost.command, self.parameters, self.encoder, self.bytes_on_disk)
        return (*sizes, self.cost.hours, self.cost.gpus, self.cost.cores, *self.amounts())


def _read(folder: Path, published: bool) -> SizeAndCost:
    record = read_model(folder)
    exported = record.parameters is None
    encoder = math.nan if exported else encoder_parameters(folder / "model.safetensors")
    parameters = math.nan if record.parameters is None else record.parameters
    return SizeAndCost(folder.name, parameters, encoder, bytes_on_disk(folder), read_cost(folder), published)


def _together(found: Sequence[SizeAndCost]) -> Row:
    made = [each for each in found if not each.published]
    sums = [
        sum(value for value in values if not math.isnan(value)) if not all(map(math.isnan, values)) else math.nan
        for values in zip(*(each.amounts() for each in made), strict=True)
    ]
    hours = Cell(duration(sum(each.cost.hours for each in made)) if made else NONE)
    return Row("Together", [*[Cell("")] * 3, hours, *map(_cell, sums or [math.nan] * 3)])


def _cell(value: float) -> Cell:
    return Cell(NONE if math.isnan(value) else digits(value))


def _notes(found: Sequence[SizeAndCost]) -> list[str]:
    made = [each for each in found if not each.published]
    notes = [
        "Parameters: all weights of the folder, heads included; encoder: without heads. On disk: all files of the model"
        " as they are stored; MB are 10⁶ bytes.",
    ]
    if made:
        on = machines_in_words({each.model: each.cost for each in made})
        notes.append(
            f"Time: of the job that made the model, on the clock, resumed parts included, without the models that it is"
            f" made from, on {on}. GPU hours: time × GPUs. Core hours: time × cores that a job without a GPU could use."
            " kWh: of processors, memory and GPUs, measured or estimated as provenance.json states."
        )
    if len(made) < len(found):
        notes.append(
            f"{', '.join(each.model for each in found if each.published)}: trained elsewhere, at a cost unknown."
        )
    unknown = [each.model for each in made if math.isnan(each.cost.kwh)]
    return [*notes, f"Electricity was not measured for {', '.join(unknown)}."] if unknown else notes
