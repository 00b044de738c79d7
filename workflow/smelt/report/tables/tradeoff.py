"""Tables of score, size and latency: which model is worth it at which budget (XtremeDistil, Tables 15 and 16)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.languages import Language
from smelt.report.measures import MB, read_records
from smelt.report.notes import metric_notes, metrics_in_words, one_teacher_note, rank
from smelt.report.places import Place, PlaceScores
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, digits, quantity
from smelt.report.statistics import OVER_BOTH, Over, Score, both_sentence, over_of, score_cell
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, shared_teachers

COLUMNS = {"model": "row", "task": "task", "metric": "metric"} | OVER_BOTH | {"best": "best"}
HEADS = ["Score", "Parameters (M)", "Compression", "Size (MB)"]


class TradeoffTable(TableEntry):
    """Score, size and latency of models that run on one task: which is worth it at which budget (XtremeDistil, Tables
    15 and 16)."""

    kind: Literal["tradeoff"]
    task: Name
    """A task of the study."""
    models: Annotated[list[Name], Field(min_length=1), Distinct]
    """Rows: models that run on the task and whose efficiency is measured."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """The score is the mean over these languages, which all its models are tested in; by default what stands for the
    task."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Where the latencies were measured."""
    length: PositiveInt | None = None
    """Tokens in a row of the latencies; by default the first of the study's `efficiency.lengths`."""
    batches: Annotated[list[PositiveInt], Field(min_length=1), Distinct] | None = None
    """Rows in a pass, a pair of columns each; what is worth it is judged by the last. By default all of the study's
    `efficiency.batches`."""
    caption: str = ""
    """Caption of the table; by default one of its kind's own."""

    needed = ("length", "batches")
    shows_efficiency = True

    @property
    def tasks(self) -> list[str]:
        """The one task, as the other tables give theirs."""
        return [self.task]

    @property
    def by_language(self) -> bool:
        """Whether a score is the mean over languages that the table names."""
        return bool(self.languages)

    def latencies(self) -> list[tuple[str, str, list[int]]]:
        """Return its length and batches."""
        return [("length", "lengths", [self.length] if self.length else []), ("batches", "batches", self.batches or [])]

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return its models, those whose seeds share a teacher, and the study's shapes where it has none."""
        facts = super().facts(study)
        facts |= shared_teachers(study, facts["models"])
        if shapes := study.latency_shapes:
            lengths, batches = shapes
            facts |= {"length": self.length or lengths[0], "batches": self.batches or batches}
        return facts

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse models without a score, a student's size on another task, and scores of other languages."""
        for model in self.models:
            if not study.runs(self.task, model):
                raise SmeltError(study.where, f"{key}.models: {model!r} is not fine-tuned on {self.task!r}")
            if study.is_compressed(model) and (shown := study.efficiency_task(model)) != self.task:
                found = f"{model!r} is weighed and timed as it is for {shown!r}, the first of its tasks"
                raise SmeltError(study.where, f"{key}.models: {found}; expected one for {self.task!r} alone")
            tested = study.tested_languages(model, self.task)
            if self.languages is None and tested != (first := study.tested_languages(self.models[0], self.task)):
                found = f"{self.models[0]!r} is tested in {' '.join(first)} and {model!r} in {' '.join(tested)}"
                raise SmeltError(study.where, f"{key}: {found}: name the `languages` that their scores are of")
            if missing := [code for code in self.languages or [] if code not in tested]:
                raise SmeltError(study.where, f"{key}.languages: {model!r} is not tested in {missing[0]!r}")

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return scores.csv, and the records of efficiency of all models."""
        return [f"{study.results}/scores.csv", *study.efficiencies()]

    def make(self, job: TableJob) -> Made:
        """Return the table: a row a model."""
        if len(job.sources) < 2:
            raise SmeltError(
                "--sources", f"expected scores.csv and the records of efficiency, found {len(job.sources)} files"
            )
        found = read_tradeoffs(self, job.sources)
        over = over_of([each.score for each in found.models])
        times = [head for batch in self.batches or () for head in (f"{batch} × {self.length} (ms)", "Speed-up")]
        grid = Grid("Model", [*HEADS, *times, "Worth it"], [Group([each.row(over) for each in found.models])])
        notes = self._notes(found, over) + one_teacher_note(job.one_teacher)
        caption = self.caption or f"Score on {self.task}, size and latency"
        return Made(PaperTable(job.name, caption, [grid], notes), [each.numbers() for each in found.models])

    def _notes(self, found: "Tradeoffs", over: Over) -> list[str]:
        scores = [each.score for each in found.models]
        metric = {self.task: scores[0].metric}
        passes = quantity([one.passes for each in found.models for one in each.latencies], "pass", "passes")
        machine = found.machine
        on = f", {', '.join(machine['gpus'])}" if self.device == "cuda" else ""
        return [
            f"{metrics_in_words(metric)} on {self.task}; test set, in percent. {both_sentence(scores, over)}",
            *metric_notes(metric.values()),
            f"Compression: parameters of {found.reference} divided by the model's own, heads included. Size: of the"
            " weights in fp32; MB are 10⁶ bytes.",
            f"Latency of rows × tokens on {self.device}: to the last hidden states, or to the logits of a compact"
            f" student, median of {passes}, with all models taking turns in one job on {machine['processor']}{on},"
            f" {quantity([found.threads], 'thread')}."
            f" Speed-up: latency of {found.reference} divided by the model's, as the median over turns measured one"
            " after the other.",
            f"Worth it: no other model of the table has at least its mean score and at most its latency at"
            f" {(self.batches or [0])[-1]} × {self.length}. Neither is tested: models that are close may not differ.",
        ]


@dataclass(frozen=True)
class Latency:
    """The latency of one pass: median and quartiles over passes, and how much faster it is than the reference's."""

    batch: int
    milliseconds: float
    low: float
    high: float
    passes: int
    speedup: float
    """Inverse of the median ratio of neighbours in time."""

    def numbers(self) -> dict[str, float]:
        """Return its columns of the CSV."""
        return {f"{part}_batch_{self.batch}": value for part, value in vars(self).items() if part != "batch"}


@dataclass(frozen=True)
class Tradeoff:
    """The score of a model, and its costs."""

    score: Score
    parameters: int
    compression: float
    """Parameters of the reference by its own; nan where the reference has no record."""
    bytes_fp32: float
    latencies: tuple[Latency, ...]
    worth_it: bool = False

    @property
    def model(self) -> str:
        """The model."""
        return self.score.row

    @property
    def milliseconds(self) -> float:
        """The latency that the front is judged by: at the last batch."""
        return self.latencies[-1].milliseconds

    def row(self, over: Over) -> Row:
        """Return the row of the table."""
        cells = [score_cell(self.score, over), Cell(digits(self.parameters / 1e6))]
        cells += [_times(self.compression), _number(self.bytes_fp32 / MB)]
        cells += [cell for one in self.latencies for cell in (_number(one.milliseconds), _times(one.speedup))]
        return Row(self.model, [*cells, Cell("yes" if self.worth_it else "", bold=self.worth_it)])

    def numbers(self) -> dict[str, Any]:
        """Return the row of the CSV."""
        sizes = {"parameters": self.parameters, "compression": self.compression, "bytes_fp32": self.bytes_fp32}
        times = {key: value for one in self.latencies for key, value in one.numbers().items()}
        return self.score.numbers(COLUMNS) | sizes | times | {"worth_it": self.worth_it}


@dataclass(frozen=True)
class Tradeoffs:
    """The models of a table, and how they were measured."""

    models: list[Tradeoff]
    reference: str
    machine: Mapping[str, Any]
    threads: int


def read_tradeoffs(table: TradeoffTable, sources: Sequence[Path]) -> Tradeoffs:
    """Return the models of a table in its order.

    Args:
        table: with length and batches.
        sources: scores.csv, then the records of efficiency, with the reference's.

    Raises:
        SmeltError: a model has no score or no record; a latency was not measured; or records are of different jobs.
    """
    measured = read_records(sources[1:])
    records, first = {str(record["model"]): record for record in measured}, measured[0]
    whole = records.get(first["reference"], {}).get("parameters", {}).get("total", math.nan)
    found = []
    for score in _scores(table, sources[0]):
        if score.row not in records:
            raise SmeltError("--sources", f"hold no efficiency of the model {score.row!r}: expected a file of each")
        found.append(_tradeoff(table, score, records[score.row], whole))
    worth = front([(each.score.mean, each.milliseconds) for each in found])
    models = [replace(each, worth_it=mark) for each, mark in zip(found, worth, strict=True)]
    return Tradeoffs(models, first["reference"], first["machine"], first["threads"])


def _scores(table: TradeoffTable, path: Path) -> list[Score]:
    places, languages = PlaceScores(path), tuple(table.languages or ())
    scores = [places.score(Place(model, "", model, table.task, languages=languages)) for model in table.models]
    if missing := [score.row for score in scores if not score.n]:
        raise SmeltError(path, f"has no score of {missing[0]!r} on {table.task!r}")
    return rank(scores, lambda score: score.column)


def _tradeoff(table: TradeoffTable, score: Score, record: Mapping[str, Any], whole: float) -> Tradeoff:
    own = record["parameters"]["total"]
    latencies = tuple(_latency(table, record, batch) for batch in table.batches or ())
    return Tradeoff(score, own, whole / own, record["bytes"].get("fp32", math.nan), latencies)


def _latency(table: TradeoffTable, record: Mapping[str, Any], batch: int) -> Latency:
    measured = record["devices"].get(table.device, {}).get("latency", [])
    for entry in measured:
        if (entry["batch"], entry["length"]) == (batch, table.length):
            seconds = entry["seconds"]
            median, low, high = (1e3 * value for value in (seconds["median"], *seconds["quartiles"]))
            return Latency(batch, median, low, high, seconds["n"], 1 / entry["ratio"]["median"])
    what = f"{record['model']!r} has no latency of {batch} × {table.length} tokens on {table.device}"
    raise SmeltError("--sources", f"{what}: measure it, or show what was")


def front(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Return for each (value, cost) whether no other point has at least its value for at most its cost.

    Of points that are equal in both, all are on the front. A point with nan for either is not.
    """
    return [
        value == value and cost == cost and not any(_beats(other, (value, cost)) for other in points)
        for value, cost in points
    ]


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] >= other[0] and one[1] <= other[1] and one != other


def _number(value: float) -> Cell:
    return Cell(NONE if math.isnan(value) else digits(value))


def _times(value: float) -> Cell:
    """Return how many times smaller or faster: with one decimal, or two below 2."""
    return Cell(NONE if math.isnan(value) else f"{value:.1f}×" if value >= 2 else f"{value:.2f}×")
