"""The models of a study side by side: their scores on the tasks that they share, sizes, speeds and costs.

Not all models run on all tasks. Means are compared over the largest part of the study that is complete: the models and
tasks where each model ran on each task, in the same languages; largest by the number of its scores.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any

from smelt.report.costs import JobCost
from smelt.report.csv_files import read_rows
from smelt.report.measures import Measure, measures_of, read_records
from smelt.report.records import ModelRecord
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, digits, duration, percent, quantity

BEST = "best"
ENERGY_UNITS = (("MWh", 1e3), ("kWh", 1.0), ("Wh", 1e-3))
_SUMMARY = ("task", "unit", "model", "languages", "n", "mean")
_PAIRS = [*("task", "model_a", "model_b", "difference", "interval_low", "interval_high"), *("level_low", "level_high")]
_PAIRS += ["significant", "detectable", "p_corrected", "test", "wilcoxon_n", "family", "correction"]
EXAMPLES = ("task", "model_a", "model_b", "difference", "low", "high", "p", "p_corrected", "significant", "note")
_EXAMPLES = (*EXAMPLES, "resamples", "family", "correction")
MOST_PARTS = 2000
"""Parts of a study that are looked at for the largest complete one."""


@dataclass(frozen=True)
class TaskScore:
    """The score of a model on a task."""

    mean: float
    """Over its runs, as a share."""
    runs: int
    unit: str
    """What the task counts as in means over tasks."""
    languages: str
    """Those that it was tested in."""

    @property
    def failed(self) -> bool:
        """Whether it found nothing in any run."""
        return self.mean == 0


@dataclass(frozen=True)
class TestedDifference:
    """A difference of two models on one task, and what one test finds."""

    __test__ = False  # the name starts with Test, but pytest has nothing to collect here

    difference: float
    """As a share."""
    low: float
    """Of its interval at the level that the correction leaves to the pair; nan without one."""
    high: float
    p: float
    """Corrected over the pairs of the task."""
    smallest_p: float
    """Which the test can find in any data, corrected as if it were the smallest of the task."""
    significant: bool

    @property
    def is_lower(self) -> bool:
        """Whether the first model scores significantly lower."""
        return self.significant and self.difference < 0

    def reversed(self) -> "TestedDifference":
        """Return the difference of the second model from the first."""
        return replace(self, difference=-self.difference, low=-self.high, high=-self.low)


@dataclass(frozen=True)
class PairedModels:
    """What the tests over seeds and over test examples find of two models on one task; None where one was not made."""

    over_seeds: TestedDifference | None
    over_examples: TestedDifference | None
    detectable: float
    """The smallest true difference that the test over seeds finds in four of five studies; nan where there is none."""

    @property
    def tests(self) -> dict[str, TestedDifference]:
        """The tests that were made, by what they are over."""
        found = {"seeds": self.over_seeds, "examples": self.over_examples}
        return {over: test for over, test in found.items() if test is not None}

    @property
    def is_lower(self) -> bool:
        """Whether either test finds the first model lower."""
        return any(test.is_lower for test in self.tests.values())

    @property
    def shown(self) -> tuple[str, TestedDifference]:
        """The test to show: one that finds the first model lower, if there is one; that over seeds before the other."""
        return max(self.tests.items(), key=lambda item: item[1].is_lower)


class StudyScores:
    """The scores of all models and the tests of their differences."""

    def __init__(self, summary: Path, pairs: Path, examples: Sequence[Path] = ()) -> None:
        """Read summary.csv, pairs.csv, and the comparisons over examples."""
        self.scores: dict[str, dict[str, TaskScore]] = {}
        """By model and task, in the study's order."""
        for row in read_rows(summary, _SUMMARY):
            score = TaskScore(row["mean"], row["n"], row["unit"], str(row["languages"]))
            self.scores.setdefault(row["model"], {})[row["task"]] = score
        self._over_seeds = _by_pair(read_rows(pairs, _PAIRS))
        self._over_examples = _by_pair(row for path in examples for row in read_rows(path, _EXAMPLES))

    def pair(self, task: str, model: str, other: str) -> PairedModels:
        """Return model minus other on a task."""
        detectable = (self._over_seeds.get((task, model, other)) or self._over_seeds[task, other, model])["detectable"]
        seeds = _found(self._over_seeds, task, (model, other), _over_seeds)
        return PairedModels(seeds, _found(self._over_examples, task, (model, other), _over_examples), detectable)

    def over_examples_on(self, tasks: Iterable[str]) -> bool:
        """Return whether any pair of models was tested over examples on any of some tasks."""
        known = set(tasks)
        return any(row["task"] in known and _over_examples(row) for row in self._over_examples.values())

    def pairs_over_examples(self, task: str) -> int:
        """Return how many pairs of models were tested over examples on a task."""
        return sum(row["task"] == task and _over_examples(row) is not None for row in self._over_examples.values())

    def failed(self, model: str) -> list[str]:
        """Return the tasks on which a model found nothing."""
        return [task for task, score in self.scores[model].items() if score.failed]

    @cached_property
    def shared(self) -> "SharedTasks | None":
        """The largest complete part of the scores; None where no two models ran on the same task."""
        own = {
            model: frozenset((task, score.languages) for task, score in found.items())
            for model, found in self.scores.items()
        }
        candidates = new = dict.fromkeys([*own.values(), frozenset.intersection(*own.values())] if own else [])
        while new and len(candidates) < MOST_PARTS:  # what two models share, and three, and so on
            met = dict.fromkeys(part & other for part in new for other in own.values())
            new = {part: None for part in met if part not in candidates}
            candidates = candidates | new
        parts = [(tasks, [model for model in own if tasks <= own[model]]) for tasks in candidates if tasks]
        parts = [(tasks, models) for tasks, models in parts if len(models) > 1]
        if not parts:
            return None
        tasks, models = max(parts, key=lambda part: (len(part[0]) * len(part[1]), len(part[0]), sorted(part[0])))
        names = {task for task, _ in tasks}
        return SharedTasks(models, [task for task in self.scores[models[0]] if task in names], self)


_ByPair = Mapping[tuple[str, str, str], Mapping[str, Any]]
"""Rows by task and pair of models."""


def _by_pair(rows: Iterable[Mapping[str, Any]]) -> _ByPair:
    return {(row["task"], row["model_a"], row["model_b"]): row for row in rows}


def _found(
    rows: _ByPair, task: str, pair: tuple[str, str], tested: Callable[[Mapping[str, Any]], TestedDifference | None]
) -> TestedDifference | None:
    """Return what a test finds of a pair, in whichever order it has a row; None where it was not made."""
    if (row := rows.get((task, *pair))) is not None:
        return tested(row)
    found = tested(row) if (row := rows.get((task, *pair[::-1]))) is not None else None
    return found and found.reversed()


def _over_seeds(row: Mapping[str, Any]) -> TestedDifference | None:
    ends = ("interval_low", "interval_high") if math.isnan(row["level_low"]) else ("level_low", "level_high")
    return _tested(row, *ends, 2 / 2 ** row["wilcoxon_n"] if row["test"] == "wilcoxon" else 0.0)


def _over_examples(row: Mapping[str, Any]) -> TestedDifference | None:
    return _tested(row, "low", "high", 2 / (row["resamples"] + 1))


def _tested(row: Mapping[Any, Any], low: str, high: str, least: float) -> TestedDifference | None:
    """Return what a test finds, whose smallest p is `least`; None where it was not made."""
    verdict = {"True": True, "False": False}.get(str(row["significant"]))
    if verdict is None:
        return None
    smallest = least * (row["family"] if row["correction"] == "holm" else 1)
    return TestedDifference(row["difference"], row[low], row[high], row["p_corrected"], smallest, verdict)


@dataclass(frozen=True)
class SharedTasks:
    """Models that all ran on some tasks, tested in the same languages."""

    models: list[str]
    tasks: list[str]
    _scores: StudyScores

    @property
    def units(self) -> dict[str, list[str]]:
        """The tasks by what they count as in means."""
        found: dict[str, list[str]] = {}
        for task in self.tasks:
            found.setdefault(self._scores.scores[self.models[0]][task].unit, []).append(task)
        return found

    def mean(self, model: str) -> float:
        """Return the mean over units of a model's scores, as a share."""
        own = self._scores.scores[model]
        return fmean(fmean(own[task].mean for task in tasks) for tasks in self.units.values())

    def once(self) -> list[str]:
        """Return the tasks on which a model has a single run."""
        return [task for task in self.tasks if any(self._scores.scores[model][task].runs == 1 for model in self.models)]


@dataclass(frozen=True)
class ModelCosts:
    """What a model weighs and takes; nan is what is not known."""

    parameters: float
    measures: Mapping[str, Measure]
    """By figure: size, memory, loading and latency; of the smallest batch and shortest rows, on the CPU if there."""
    hours: float
    """Of its making and all its fine-tunings together."""
    kwh: float
    kwh_is_partial: bool
    """Whether a job of it recorded no energy."""
    kwh_a_run: Mapping[str, float]
    """Energy of a fine-tuning, mean over the runs, by task; nan where one recorded none."""

    def value(self, figure: str) -> float:
        """Return a measured figure."""
        return self.measures[figure].value if figure in self.measures else math.nan


SHOWN_FIGURES = ("size", "memory", "loading", "latency")


def model_costs(
    models: Sequence[ModelRecord], efficiency: Sequence[Path], costs: Sequence[JobCost]
) -> dict[str, ModelCosts]:
    """Return the costs of each model."""
    records = read_records(efficiency) if efficiency else []
    totals = {str(record["model"]): record["parameters"]["total"] for record in records}
    measures: dict[str, dict[str, Measure]] = {}
    for measure in measures_of(records) if records else []:
        if measure.figure in SHOWN_FIGURES:
            own = measures.setdefault(measure.model, {})
            own[measure.figure] = min(own.get(measure.figure, measure), measure, key=_preference)
    found = {}
    for model in models:
        own_jobs = [cost for cost in costs if cost.model == model.name]
        parameters = totals.get(model.name, model.parameters)
        found[model.name] = ModelCosts(
            math.nan if parameters is None else float(parameters),
            measures.get(model.name, {}),
            sum(cost.hours for cost in own_jobs) if own_jobs else math.nan,
            _known_sum(cost.kwh for cost in own_jobs),
            any(math.isnan(cost.kwh) for cost in own_jobs),
            {
                task: fmean(cost.kwh for cost in own_jobs if cost.task == task)
                for task in dict.fromkeys(cost.task for cost in own_jobs if cost.task)
            },
        )
    return found


def _preference(measure: Measure) -> tuple[bool, bool, int, int]:
    """Return what the shown one of several measures of a figure is the smallest by."""
    return (measure.device == "cuda", measure.figure == "size" and measure.of != "fp32", measure.batch, measure.length)


def _known_sum(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) if known else math.nan


# ---- The table


@dataclass(frozen=True)
class OverviewColumn:
    """A column of costs: its head, its value for a model, and how this is shown."""

    head: str
    value: Callable[[ModelCosts], float]
    show: Callable[[float], str] = digits


def overview_table(
    models: Sequence[str],
    shared: SharedTasks | None,
    standing: Mapping[str, str],
    costs: Mapping[str, ModelCosts],
) -> PaperTable:
    """Return the models side by side: mean, standing against the best, sizes, speed, time and energy.

    Args:
        models: in the study's order.
        shared: the tasks of the mean.
        standing: how each stands against the best.
        costs: of each.
    """
    nothing = ModelCosts(math.nan, {}, math.nan, math.nan, False, {})
    found = {model: costs.get(model, nothing) for model in models}
    latency = next((each.measures["latency"] for each in found.values() if "latency" in each.measures), None)
    columns = [
        OverviewColumn("Parameters (M)", lambda each: each.parameters / 1e6),
        OverviewColumn("Size (MB)", lambda each: each.value("size")),
        OverviewColumn("Memory (MB)", lambda each: each.value("memory")),
        OverviewColumn("Loading (s)", lambda each: each.value("loading")),
        OverviewColumn(
            f"Latency, {latency.batch} × {latency.length} (ms)" if latency else "", lambda each: each.value("latency")
        ),
        OverviewColumn("Time", lambda each: each.hours, duration),
        OverviewColumn("Energy used", lambda each: each.kwh, energy),
    ]
    shown = [column for column in columns if not all(math.isnan(column.value(each)) for each in found.values())]
    best = {model for model, word in standing.items() if word == BEST}
    rows = []
    for model, each in found.items():
        cells = [Cell(_text(column.value(each), column.show)) for column in shown]
        if shown and shown[-1].head == "Energy used" and each.kwh_is_partial and not math.isnan(each.kwh):
            cells[-1] = Cell(f"≥ {cells[-1].text}")
        mean = Cell(percent(shared.mean(model)) if shared and model in shared.models else NONE, bold=model in best)
        rows.append(Row(model, [mean, Cell(standing.get(model, NONE)), *cells]))
    notes = _overview_notes(shared, latency, any(each.kwh_is_partial for each in found.values()))
    heads = ["Mean", "Against the best", *(column.head for column in shown)]
    return PaperTable("overview", "The models side by side", [Grid("Model", heads, [Group(rows)])], notes)


def _text(value: float, show: Callable[[float], str]) -> str:
    return NONE if math.isnan(value) else show(value)


def energy(kwh: float) -> str:
    """Return an amount of energy in the unit that suits it."""
    name, size = next(((name, size) for name, size in ENERGY_UNITS if kwh >= size), ENERGY_UNITS[-1])
    return f"{digits(kwh / size)} {name}"


def _overview_notes(shared: SharedTasks | None, latency: Measure | None, partial: bool) -> list[str]:
    notes = []
    if shared:
        units = ", ".join(shared.units)
        notes.append(
            f"Mean over {quantity([len(shared.units)], 'task')} ({units}) in percent, test set, for the "
            f"{len(shared.models)} models that ran on all of them in the same languages. Against the best: lower: by "
            "the test over seeds on at least one task; lower over tasks: by the test across tasks; lower in these "
            "runs: only by the test over examples on a task, so that other runs may differ; no loss shown: by none; "
            "not tested: not on all of them, by a test that could find a difference; failed: it found nothing on a "
            "task."
        )
    if latency:
        notes.append(
            f"Latency of {latency.batch} × {latency.length} (rows × tokens) on {latency.device}; the table of "
            "efficiency says how it was measured."
        )
    notes.append(
        "Time and energy: of making the model and of all its fine-tunings, without what its sources took."
        + (" ≥: some of its jobs recorded no energy." if partial else "")
    )
    return notes
