"""Scores of reduced models against the size of their vocabulary: a panel a task, a line for each way of making them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.report.figures.base import TableFigure
from smelt.report.figures.chart import Chart, ChartAxis, Level, Mark, Panel, Series, with_interval
from smelt.report.figures.style import GREY, legend, look, panels, thousands
from smelt.report.notes import metric_label
from smelt.report.places import Place, PlaceScores
from smelt.report.tables.base import unique
from smelt.report.tables.reductions import ReductionsTable
from smelt.report.vocabularies import VocabularyPieces

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CONFIDENCE = 0.95
_APART = 1.03
"""How much further right each series' points stand than those of the one before, so that intervals stay visible."""


def draw(sources: list[Path], table: ReductionsTable) -> "Figure":
    """Return the figure of scores.csv, the folders of models and a table of kind reductions.

    Means over seeds, with Student's t intervals; the whole model's is a line across, with a band.
    """
    scores = PlaceScores(sources[0])
    folders = [path for path in sources if path.parent.name == "models"]
    pieces = {path.name: len(VocabularyPieces(path)) for path in folders}
    series = _series(table, pieces)
    figure, axes = panels(len(table.tasks), 5.2 if len(table.tasks) == 1 else 3.6, 3.0)
    for axis, task in zip(axes, table.tasks, strict=True):
        _panel(axis, scores, table.whole, task, pieces, series)
    legend(figure, *axes)
    return figure


def _series(table: ReductionsTable, pieces: dict[str, int]) -> list[tuple[str, list[str]]]:
    """Return the label and models of each line: those of a way, or each alone where some are of one size."""
    series: list[tuple[str, list[str]]] = []
    for way, models in table.ways.items():
        sizes = {pieces[model] for model in models}
        series += [(way, models)] if len(sizes) == len(models) else [(model, [model]) for model in models]
    return series


def _panel(
    axis: "Axes",
    scores: PlaceScores,
    whole: str,
    task: str,
    pieces: dict[str, int],
    series: Sequence[tuple[str, list[str]]],
) -> None:
    mean, below, above = _interval(scores, whole, task)
    axis.axhline(mean, color=GREY, linewidth=1, linestyle="--", label=whole)
    axis.axhspan(mean - below, mean + above, color=GREY, alpha=0.12, linewidth=0)
    shown = []
    for number, (label, models) in enumerate(series):
        run = sorted((model for model in models if _values(scores, model, task)), key=lambda model: pieces[model])
        if not run:
            continue
        means, *bars = zip(*(_interval(scores, model, task) for model in run), strict=True)
        places = [pieces[model] * _APART**number for model in run]
        axis.errorbar(places, means, yerr=bars, capsize=2.5, elinewidth=0.8, label=label, **look(number))
        shown += [pieces[model] for model in run]
    axis.set(title=task, xlabel="pieces, log scale", ylabel=f"{metric_label(_metric(scores, whole, task))} (%)")
    axis.set_xscale("log")
    ticks = unique(sorted(shown))
    axis.set_xticks(ticks, [thousands(size) for size in ticks])
    axis.set_xticks([], minor=True)


def chart(sources: list[Path], table: ReductionsTable) -> Chart:
    """Return the same panels as a chart."""
    scores = PlaceScores(sources[0])
    pieces = {path.name: len(VocabularyPieces(path)) for path in sources if path.parent.name == "models"}
    found = []
    for task in table.tasks:
        shown = {
            label: sorted((model for model in models if _values(scores, model, task)), key=lambda model: pieces[model])
            for label, models in _series(table, pieces)
        }
        series = [
            Series(label, [_mark(scores, model, task, pieces[model], _APART**number) for model in models])
            for number, (label, models) in enumerate(shown.items())
            if models
        ]
        mean, *_ = _interval(scores, table.whole, task)
        score = ChartAxis(f"{metric_label(_metric(scores, table.whole, task))} (%)")
        levels = [Level(mean, f"{table.whole}: {mean:.2f}")]
        found.append(Panel(task, ChartAxis("pieces, log scale", "log"), score, series, levels))
    return Chart(found)


def _mark(scores: PlaceScores, model: str, task: str, pieces: int, apart: float) -> Mark:
    mean, below, above = _interval(scores, model, task)
    about = [model, f"{pieces:,} pieces", with_interval(mean, mean - below, mean + above)]
    return Mark(pieces * apart, mean, about, max(0.0, mean - below), mean + above)


def _values(scores: PlaceScores, model: str, task: str) -> Sequence[float]:
    return list(scores.whole(Place(model, task, model, task)).values())


def _metric(scores: PlaceScores, model: str, task: str) -> str:
    return scores.score(Place(model, task, model, task)).metric


def _interval(scores: PlaceScores, model: str, task: str) -> tuple[float, float, float]:
    """Return a mean in percent, and how far its interval goes below and above it: nowhere with a single seed."""
    from smelt.statistics.intervals import mean_interval
    from smelt.statistics.scores import summarise

    values = _values(scores, model, task)
    mean, found = summarise(values).mean, mean_interval(values, CONFIDENCE)
    if found.low is None or found.high is None:
        return 100 * mean, 0.0, 0.0
    return 100 * mean, 100 * min(mean, mean - found.low), 100 * (found.high - mean)


FIGURE = TableFigure(
    "reductions",
    "Score against the size of the vocabulary",
    "Score of the table's models on the test set of each task against their number of pieces, a line for each way "
    "of making them, or a point for each model where a way has several of one size: mean and 95% interval (Student's "
    "t) over seeds. The dashed line and its band are the whole model. Each line or lone point is drawn 3% further "
    "right than the one before, so that points of one size are all seen.",
    tables={"reductions": lambda table, study: True},  # noqa: ARG005
    sources=lambda table, study: [
        f"{study.results}/scores.csv",
        *(f"{study.results}/models/{model}" for model in table.models),
    ],
    needed=("tasks", "whole", "ways"),
    draw=lambda sources, table, _: draw(sources, table),
    chart=lambda sources, table, _: chart(sources, table),
)
