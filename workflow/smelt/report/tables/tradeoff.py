"""Tables of score, size and latency: which model is worth it at which budget (XtremeDistil, Tables 15 and 16)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Distinct, Entry, Name
from smelt.errors import SmeltError, expected_one_of
from smelt.languages import Language
from smelt.numbers import Count
from smelt.report import changes
from smelt.report.changes import Changes, kept_cell, references_of
from smelt.report.measures import MB, read_records
from smelt.report.notes import metric_notes, metrics_in_words, one_teacher_note, rank
from smelt.report.places import Place, PlaceScores
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, digits, quantity
from smelt.report.statistics import OVER_BOTH, Over, Score, best_sentence, both_sentence, over_of, score_cell
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, shared_teachers

COLUMNS = {"model": "row", "task": "task", "metric": "metric"} | OVER_BOTH | {"best": "best"}
HEADS = ["Score", "Parameters (M)", "Compression", "Size (MB)"]


class TimedSetup(Entry):
    """A set-up whose latency is a pair of columns: rows in a pass, on a device."""

    device: Literal["cpu", "cuda"]
    """Where it is measured."""
    batch: Count
    """Rows in a pass, one of the study's `efficiency.batches`."""


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
    length: Count | None = None
    """Tokens in a row of the latencies; by default the first of the study's `efficiency.lengths`."""
    batches: Annotated[list[Count], Field(min_length=1), Distinct] | None = None
    """Rows in a pass, a pair of columns each; what is worth it is judged by the last. By default all of the study's
    `efficiency.batches`."""
    setups: Annotated[list[TimedSetup], Field(min_length=1), Distinct] | None = None
    """In the place of `device` and `batches`: a pair of columns for each, such as a batch of 32 on a GPU beside single
    rows on the CPU. A device that the job did not have leaves its cells empty, and a note says so."""
    reference: Name | None = None
    """A model of the table, such as the teacher: a column shows the share of its score that each other one keeps."""

    needed = ("length", "batches")
    shows_efficiency = True

    @model_validator(mode="after")
    def _times_and_compares_what_it_shows(self) -> Self:
        if self.setups and (self.batches or self.device != "cpu"):
            raise ValueError("setups: stand in the place of `device` and `batches`: expected one of both ways")
        if self.reference is not None and self.reference not in self.models:
            expected = expected_one_of(self.reference, self.models)
            raise ValueError(f"reference: {self.reference!r} is no model of the table: {expected}")
        return self

    @property
    def timed(self) -> list[TimedSetup]:
        """The set-ups of its columns."""
        return self.setups or [TimedSetup(device=self.device, batch=batch) for batch in self.batches or ()]

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
        batches = ("setups", [each.batch for each in self.setups]) if self.setups else ("batches", self.batches or [])
        return [("length", "lengths", [self.length] if self.length else []), (batches[0], "batches", batches[1])]

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return its models, those whose seeds share a teacher, and the study's shapes where it has none."""
        facts = super().facts(study)
        facts |= shared_teachers(study, facts["models"])
        if shapes := study.latency_shapes:
            lengths, batches = shapes
            facts |= {"length": self.length or lengths[0]}
            facts |= {} if self.setups else {"batches": self.batches or batches}
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
        times = [head for each in self.timed for head in (self._head(each), "Speed-up")]
        scores = [HEADS[0], "Kept", *HEADS[1:]] if self.reference else HEADS
        grid = Grid("Model", [*scores, *times, "Worth it"], [Group([self._row(each, over) for each in found.models])])
        notes = self._notes(found, over) + one_teacher_note(job.one_teacher)
        caption = self.caption or f"Score on {self.task}, size and latency"
        return Made(PaperTable(job.name, caption, [grid], notes), [self._numbers(each) for each in found.models])

    def _head(self, setup: TimedSetup) -> str:
        on = f", {setup.device}" if self.setups else ""
        return f"{setup.batch} × {self.length}{on} (ms)"

    def _row(self, found: "Tradeoff", over: Over) -> Row:
        score, *others = found.cells(over)
        kept = [kept_cell(found.score) if found.score.reference else Cell("")] if self.reference else []
        return Row(found.model, [score, *kept, *others])

    def _numbers(self, found: "Tradeoff") -> dict[str, Any]:
        """Return the row of the CSV."""
        columns = COLUMNS | (changes.COLUMNS if self.reference else {})
        times: dict[str, float] = {}
        for setup, latency in zip(self.timed, found.latencies, strict=True):
            end = f"{setup.device}_batch_{setup.batch}" if self.setups else f"batch_{setup.batch}"
            times |= {f"{part}_{end}": value for part, value in vars(latency).items()}
        return found.score.numbers(columns) | found.sizes() | times | {"worth_it": found.worth_it}

    def _notes(self, found: "Tradeoffs", over: Over) -> list[str]:
        scores = [each.score for each in found.models]
        metric = {self.task: scores[0].metric}
        measured = [one.passes for each in found.models for one in each.latencies if one.passes]
        passes = quantity(measured or [0], "pass", "passes")
        machine = found.machine
        gpus = any(each.device == "cuda" for each in self.timed) and machine.get("gpus")
        on = f", {', '.join(machine['gpus'])}" if gpus else ""
        where = "on the device of the column" if self.setups else f"on {self.device}"
        return [
            f"{metrics_in_words(metric)} on {self.task}; test set, in percent. {both_sentence(scores, over)}"
            + best_sentence(scores, "column"),
            *metric_notes(metric.values()),
            *([f"Kept: {changes.KEPT.replace('the reference', self.reference)}."] if self.reference else []),
            f"Compression: parameters of {found.reference} divided by the model's own, heads included. Size: of the"
            " weights in fp32; MB are 10⁶ bytes.",
            f"Latency of rows × tokens {where}: to the last hidden states, or to the logits of a compact"
            f" student, median of {passes}, with all models taking turns in one job on {machine['processor']}{on},"
            f" {quantity([found.threads], 'thread')}."
            f" Speed-up: latency of {found.reference} divided by the model's, as the median over turns measured one"
            " after the other.",
            *self._unmeasured(found),
            *self._worth(found),
        ]

    def _unmeasured(self, found: "Tradeoffs") -> list[str]:
        """Return why cells of latency are empty."""
        missing = dict.fromkeys(
            setup.device
            for place, setup in enumerate(self.timed)
            if any(not each.latencies[place].passes for each in found.models)
        )
        why = {True: "the job had no such device, or did not find it", False: "some models do not run there"}
        devices = {device: device not in found.devices for device in missing}
        return [f"{NONE}: not measured on {device}: {why[none]}." for device, none in devices.items()]

    def _worth(self, found: "Tradeoffs") -> list[str]:
        """Return what the last column means."""
        if found.judged is None:
            return ["Worth it: not judged, because no latency of the table was measured."]
        setup = self.timed[found.judged]
        on = f" on {setup.device}" if self.setups else ""
        return [
            f"Worth it: no other model of the table has at least its mean score and at most its latency at"
            f" {setup.batch} × {self.length}{on}. Neither is tested: models that are close may not differ."
        ]


@dataclass(frozen=True)
class Latency:
    """The latency of a set-up: median and quartiles over passes, and how much faster it is than the reference's."""

    milliseconds: float = math.nan
    low: float = math.nan
    high: float = math.nan
    passes: int = 0
    """0 where it was not measured, and the others are nan."""
    speedup: float = math.nan
    """Inverse of the median ratio of neighbours in time."""


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

    def cells(self, over: Over) -> list[Cell]:
        """Return the cells of its row."""
        cells = [score_cell(self.score, over), Cell(digits(self.parameters / 1e6))]
        cells += [_times(self.compression), _number(self.bytes_fp32 / MB)]
        cells += [cell for one in self.latencies for cell in (_number(one.milliseconds), _times(one.speedup))]
        return [*cells, Cell("yes" if self.worth_it else "", bold=self.worth_it)]

    def sizes(self) -> dict[str, float]:
        """Return the columns of the CSV that do not depend on a device."""
        return {"parameters": self.parameters, "compression": self.compression, "bytes_fp32": self.bytes_fp32}


@dataclass(frozen=True)
class Tradeoffs:
    """The models of a table, and how they were measured."""

    models: list[Tradeoff]
    reference: str
    machine: Mapping[str, Any]
    threads: int
    devices: frozenset[str]
    """Those that any model was measured on."""
    judged: int | None
    """The place of the set-up whose latency says what is worth it: the last one that was measured."""


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
    places = [place for place in range(len(table.timed)) if any(each.latencies[place].passes for each in found)]
    judged = places[-1] if places else None
    costs = [math.nan if judged is None else each.latencies[judged].milliseconds for each in found]
    worth = front([(each.score.mean, cost) for each, cost in zip(found, costs, strict=True)])
    models = [replace(each, worth_it=mark) for each, mark in zip(found, worth, strict=True)]
    devices = frozenset(device for record in measured for device in record["devices"])
    return Tradeoffs(models, first["reference"], first["machine"], first["threads"], devices, judged)


def _scores(table: TradeoffTable, path: Path) -> list[Score]:
    places, languages = PlaceScores(path), tuple(table.languages or ())
    line = {model: Place(model, "", model, table.task, languages=languages) for model in table.models}
    scores = [places.score(place) for place in line.values()]
    if table.reference:
        against = Changes(references_of(table.models, table.reference), places, kept_cell, changes.KEPT)
        scores = [against.compared(score, line) for score in scores]
    if missing := [score.row for score in scores if not score.n]:
        raise SmeltError(path, f"has no score of {missing[0]!r} on {table.task!r}")
    return rank(scores, lambda score: score.column)


def _tradeoff(table: TradeoffTable, score: Score, record: Mapping[str, Any], whole: float) -> Tradeoff:
    own = record["parameters"]["total"]
    latencies = tuple(_latency(table, record, setup) for setup in table.timed)
    return Tradeoff(score, own, whole / own, record["bytes"].get("fp32", math.nan), latencies)


def _latency(table: TradeoffTable, record: Mapping[str, Any], setup: TimedSetup) -> Latency:
    if table.setups and setup.device not in record["devices"]:
        return Latency()
    measured = record["devices"].get(setup.device, {}).get("latency", [])
    for entry in measured:
        if (entry["batch"], entry["length"]) == (setup.batch, table.length):
            seconds = entry["seconds"]
            median, low, high = (1e3 * value for value in (seconds["median"], *seconds["quartiles"]))
            return Latency(median, low, high, seconds["n"], 1 / entry["ratio"]["median"])
    what = f"{record['model']!r} has no latency of {setup.batch} × {table.length} tokens on {setup.device}"
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
