"""Score against size and against latency: which compact model is worth it at which budget (XtremeDistil, Figures 1
and 3)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from smelt.entry import entry_of
from smelt.report.figures.labels import name_points
from smelt.report.figures.style import GREY, PALETTE, panels
from smelt.report.pareto import front
from smelt.report.tradeoffs import Tradeoff, read_tradeoffs
from smelt.study.students import TradeoffTable


def draw(sources: list[Path], settings: Mapping[str, Any]) -> Figure:
    """Return the figure of scores.csv, the ruler's records and a table of kind tradeoff.

    A panel of the scores over the number of parameters, and one over the latency of each batch; a line joins what
    nothing beats in both. Error bars are deviations over seeds.
    """
    table = entry_of(TradeoffTable, settings)
    found = read_tradeoffs(table, sources[0], sources[1:]).models
    costs = [("parameters (millions)", [each.parameters / 1e6 for each in found])]
    for place, batch in enumerate(table.batches or ()):
        label = f"latency of {batch} × {table.length} on {table.device} (ms)"
        costs.append((label, [each.latencies[place].milliseconds for each in found]))
    figure, axes = panels(len(costs), 4.2, 3.4)
    for axis, (label, values) in zip(axes, costs, strict=True):
        _panel(axis, found, values)
        axis.set(xlabel=f"{label}, log scale", ylabel="score (%)")
    for axis, (_, values) in zip(axes, costs, strict=True):
        names = [(each.model, cost, 100 * each.score.mean) for each, cost in zip(found, values, strict=True)]
        name_points(figure, axis, names)
    return figure


def _panel(axis: Axes, found: Sequence[Tradeoff], costs: Sequence[float]) -> None:
    scores = [100 * each.score.mean for each in found]
    deviations = [100 * each.score.deviation_over_seeds if each.score.n > 1 else 0.0 for each in found]
    worth = front(list(zip(scores, costs, strict=True)))
    best = sorted((cost, score) for cost, score, mark in zip(costs, scores, worth, strict=True) if mark)
    axis.plot(*zip(*best, strict=True), color=PALETTE[1], linewidth=1.2, zorder=1, label="front")
    axis.errorbar(costs, scores, yerr=deviations, fmt="none", ecolor=GREY, elinewidth=0.8, capsize=2, zorder=2)
    colours = [PALETTE[0] if mark else "white" for mark in worth]
    axis.scatter(costs, scores, c=colours, edgecolors=PALETTE[0], s=22, zorder=3)
    _logarithmic(axis, costs)


def _logarithmic(axis: Axes, costs: Sequence[float]) -> None:
    axis.set_xscale("log")
    # Room on both sides for the names of the first and the last point.
    margin = max(2.0, (max(costs) / min(costs)) ** 0.12)
    axis.set_xlim(min(costs) / margin, max(costs) * margin)
    axis.set_ylim(*axis.get_ylim())  # names placed later must not move it
    axis.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())
