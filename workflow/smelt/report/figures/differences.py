"""Differences from the best model of each task with their intervals: a forest plot, a row a model."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.report.figures.base import StudyFigure
from smelt.report.figures.chart import Chart, ChartAxis, Level, Mark, Panel, Series, with_interval
from smelt.report.figures.style import GREY, PALETTE, legend, panels
from smelt.report.overview import StudyScores
from smelt.report.tables.base import StudyOfTables

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 3
TALLEST = 10.0  # inches of a part: what a page shows at a size that can be read
VERDICTS = {True: "significantly lower", False: "not significant", None: "not tested over seeds"}


@dataclass(frozen=True)
class ShownDifference:
    """The difference of a model from the best one in points, its interval (nan without one), and the verdict."""

    model: str
    difference: float
    low: float
    high: float
    verdict: bool | None


@dataclass(frozen=True)
class DifferencesOfTask:
    """A task, its best model, and the difference of each other one from it, the nearest first."""

    task: str
    best: str
    others: Sequence[ShownDifference]

    def of(self, verdict: bool | None) -> list[ShownDifference]:
        """Return those with a verdict."""
        return [other for other in self.others if other.verdict is verdict]


def draw(sources: list[Path], tasks: Sequence[str] = ()) -> "Figure":
    """Return a panel a task, from summary.csv and pairs.csv; `tasks` are those of a part, where there are several."""
    found = list(_read(sources, tasks))
    height = _height(max((len(each.others) for each in found), default=1))
    figure, axes = panels(max(1, len(found)), 3.6, height, COLUMNS)
    for axis, each in zip(axes, found, strict=False):
        _panel(axis, each)
    legend(figure, *axes)
    return figure


def _height(models: int) -> float:
    """Return the inches of a panel with a row for each of a number of models."""
    return 1.1 + 0.2 * models


def _panel(axis: "Axes", each: DifferencesOfTask) -> None:
    models = [other.model for other in each.others]
    for number, (verdict, label) in enumerate(VERDICTS.items()):
        for other in each.of(verdict):
            ends = [[other.difference - other.low], [other.high - other.difference]]
            bars = None if math.isnan(other.low) else ends
            place, marker, colour = models.index(other.model), "so^"[number], PALETTE[number]
            axis.errorbar(other.difference, place, xerr=bars, fmt=marker, color=colour, capsize=2, label=label)
    axis.axvline(0, color=GREY, linewidth=1, linestyle="--")
    axis.set_yticks(range(len(models)), models)
    axis.invert_yaxis()
    axis.grid(axis="x")
    axis.set(title=each.task, xlabel=f"difference from {each.best} (points)", ylabel="model")


def chart(sources: list[Path], tasks: Sequence[str] = ()) -> Chart:
    """Return the same panels as a chart."""
    return Chart([_chart_panel(each) for each in _read(sources, tasks)])


def _chart_panel(each: DifferencesOfTask) -> Panel:
    series = [
        Series(label, [_mark(other, each.best, label) for other in each.of(verdict)], line=False)
        for verdict, label in VERDICTS.items()
    ]
    models = ChartAxis("model", "names", [other.model for other in each.others])
    across = ChartAxis(f"difference from {each.best} (points)")
    return Panel(each.task, across, models, [one for one in series if one.marks], [Level(0)])


def _mark(other: ShownDifference, best: str, verdict: str) -> Mark:
    low, high = (None, None) if math.isnan(other.low) else (other.low, other.high)
    about = [f"{other.model} minus {best}", f"{with_interval(other.difference, low, high)} points", verdict]
    return Mark(other.difference, other.model, about, low, high)


def _read(sources: list[Path], tasks: Sequence[str]) -> Iterator[DifferencesOfTask]:
    """Yield the tasks that several models ran on: all, or those that are named."""
    summary, pairs = sources
    scores = StudyScores(summary, pairs)
    by_task: dict[str, dict[str, float]] = {}
    for model, found in scores.scores.items():
        for task, score in found.items():
            by_task.setdefault(task, {})[model] = score.mean
    several = {task: means for task, means in by_task.items() if len(means) > 1 and (not tasks or task in tasks)}
    for task, means in several.items():
        best, *others = sorted(means, key=lambda model: -means[model])
        yield DifferencesOfTask(task, best, [_shown(scores, task, model, best) for model in others])


def _shown(scores: StudyScores, task: str, model: str, best: str) -> ShownDifference:
    test = scores.pair(task, model, best).over_seeds
    if test is None:
        seen = scores.scores[model][task].mean - scores.scores[best][task].mean
        return ShownDifference(model, 100 * seen, math.nan, math.nan, None)
    return ShownDifference(model, 100 * test.difference, 100 * test.low, 100 * test.high, test.significant)


def _sources(study: StudyOfTables) -> list[str]:
    return [f"{study.results}/statistics/{name}.csv" for name in ("summary", "pairs")] if _several(study) else []


def _several(study: StudyOfTables) -> dict[str, int]:
    """Return the number of models of each task that several run on."""
    models = {task: len(study.runs(task=task)) for task in study.tasks}
    return {task: count for task, count in models.items() if count > 1}


def _parts(study: StudyOfTables) -> list[Mapping[str, Any]]:
    """Return the tasks of each part, as many as a page has room for; one part of all needs no list of them."""
    models = _several(study)
    tasks = list(models)
    room = COLUMNS * max(1, int(TALLEST / _height(max(models.values(), default=1) - 1)))
    parts = [{"tasks": tasks[first : first + room]} for first in range(0, len(tasks), room)]
    return [*parts] if len(parts) > 1 else [{}]


FIGURE = StudyFigure(
    "differences",
    "Differences from the best model",
    "How far each model is from the one with the highest mean on the task, in points, test set. Intervals are at "
    "the level that the correction leaves to a pair, so that one across 0 belongs to a difference that is not "
    "significant; pairs.csv says how they were made. Many tasks stand in several parts.",
    sources=_sources,
    draw=draw,
    chart=chart,
    parts=_parts,
)
