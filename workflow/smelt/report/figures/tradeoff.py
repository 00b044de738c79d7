"""Score against size and against latency: which compact model is worth it at which budget (XtremeDistil, Figures 1
and 3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.report.figures.base import TableFigure
from smelt.report.figures.chart import Chart, ChartAxis, Mark, Panel, Series, with_deviation
from smelt.report.figures.style import GREY, PALETTE, panels, share_bars
from smelt.report.tables.tradeoff import Tradeoff, TradeoffTable, front, read_tradeoffs

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

_STEP = 3  # of the squares along a line, in dots: less than a letter is high
# Offsets in points from the point to the nearest corner or side of its name, the most readable one first.
_OFFSETS = [(5, 3), (5, -9), (-5, 3), (-5, -9), (0, 8), (0, -14), (5, 11), (-5, 11), (5, -18), (-5, -18)]


def draw(sources: list[Path], table: TradeoffTable) -> "Figure":
    """Return the figure of scores.csv, the records of efficiency and a table of kind tradeoff.

    A panel of the scores over the number of parameters, and one over the latency of each set-up that was measured; a
    line joins what nothing beats in both. Error bars are deviations over seeds.
    """
    found = read_tradeoffs(table, sources).models
    shown = known_costs(_costs(found, table))
    figure, axes = panels(len(shown), 4.2, 3.4)
    draw_fronts(figure, axes, shown)
    return figure


def chart(sources: list[Path], table: TradeoffTable) -> Chart:
    """Return the same panels as a chart."""
    return front_chart(_costs(read_tradeoffs(table, sources).models, table))


def _costs(found: Sequence[Tradeoff], table: TradeoffTable) -> dict[str, list["CostPoint"]]:
    """Return the models by size, and by the latency of each set-up that was measured, under the names of the costs."""
    costs = {"parameters (millions)": [each.parameters / 1e6 for each in found]}
    for place, setup in enumerate(table.timed):
        name = f"latency of {setup.batch} × {table.length} on {setup.device} (ms)"
        costs[name] = [each.latencies[place].milliseconds for each in found]
    return {name: [_point(each, cost) for each, cost in zip(found, own, strict=True)] for name, own in costs.items()}


def _point(each: Tradeoff, cost: float) -> "CostPoint":
    mean, spread = 100 * each.score.mean, 100 * each.score.deviation_over_seeds if each.score.n > 1 else 0.0
    below, above = share_bars(mean, spread)
    about = with_deviation(f"score {mean:.2f}", spread, each.score.n)
    return CostPoint(each.model, cost, mean, mean - below, mean + above, about)


# ---- Scores against costs, with the models that nothing beats in both


@dataclass(frozen=True)
class CostPoint:
    """A model's score in percent with an interval, and what it costs; nan where that is not known."""

    model: str
    cost: float
    score: float
    low: float
    high: float
    about: str
    """The score in words."""


def draw_fronts(figure: "Figure", axes: Sequence["Axes"], points: Mapping[str, Sequence[CostPoint]]) -> None:
    """Draw a panel for each cost, under its name: all points, and a line through those that nothing beats."""
    shown = known_costs(points)
    for axis, (cost, found) in zip(axes, shown.items(), strict=True):
        _panel(axis, found)
        axis.set(xlabel=f"{cost}, log scale", ylabel="score (%)")
    for axis, found in zip(axes, shown.values(), strict=True):
        best = [(each.cost, each.score) for each in _best(found)]
        name_points(figure, axis, [(each.model, each.cost, each.score) for each in found], best)


def known_costs(points: Mapping[str, Sequence[CostPoint]]) -> dict[str, list[CostPoint]]:
    """Return the points whose cost is known; a cost of none, such as on a device that the job lacked, is left out."""
    known = {cost: [each for each in found if each.cost > 0] for cost, found in points.items()}
    return {cost: found for cost, found in known.items() if found}


def front_chart(points: Mapping[str, Sequence[CostPoint]]) -> Chart:
    """Return the same as a chart."""
    return Chart([_chart_panel(cost, found) for cost, found in known_costs(points).items()])


def _chart_panel(cost: str, found: Sequence[CostPoint]) -> Panel:
    def marks(wanted: bool) -> list[Mark]:
        pairs = zip(found, front([(each.score, each.cost) for each in found]), strict=True)
        own = sorted((each for each, worth in pairs if worth == wanted), key=lambda each: each.cost)
        return [
            Mark(
                each.cost,
                each.score,
                [each.model, f"{cost}: {each.cost:.4g}", each.about],
                each.low,
                each.high,
                each.model,
            )
            for each in own
        ]

    series = [
        Series("nothing is better in both", marks(True)),
        Series("another is better in both", marks(False), False),
    ]
    shown = [one for one in series if one.marks]
    return Panel(cost, ChartAxis(f"{cost}, log scale", "log"), ChartAxis("score (%)"), shown)


def _best(found: Sequence[CostPoint]) -> list[CostPoint]:
    """Return the points that nothing beats in both, the cheapest first."""
    worth = front([(each.score, each.cost) for each in found])
    return sorted((each for each, mark in zip(found, worth, strict=True) if mark), key=lambda each: each.cost)


def _panel(axis: "Axes", found: Sequence[CostPoint]) -> None:
    scores, costs = [each.score for each in found], [each.cost for each in found]
    bars = [[each.score - each.low for each in found], [each.high - each.score for each in found]]
    best = _best(found)
    line = [each.cost for each in best], [each.score for each in best]
    axis.plot(*line, color=PALETTE[1], linewidth=1.2, zorder=1, label="front")
    axis.errorbar(costs, scores, yerr=bars, fmt="none", ecolor=GREY, elinewidth=0.8, capsize=2, zorder=2)
    colours = [PALETTE[0] if each in best else "white" for each in found]
    axis.scatter(costs, scores, c=colours, edgecolors=PALETTE[0], s=22, zorder=3)
    _logarithmic(axis, costs)


def _logarithmic(axis: "Axes", costs: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_xscale("log")
    # Room on both sides for the names of the first and the last point.
    margin = max(2.0, (max(costs) / min(costs)) ** 0.12)
    axis.set_xlim(min(costs) / margin, max(costs) * margin)
    axis.set_ylim(*axis.get_ylim())  # names placed later must not move it
    axis.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.xaxis.set_minor_formatter(NullFormatter())


def name_points(
    figure: "Figure", axis: "Axes", points: Sequence[tuple[str, float, float]], line: Sequence[tuple[float, float]] = ()
) -> None:
    """Write the name of each (name, x, y) next to it; limits and scales of the axis must be final.

    Names are tried in a few places each, in the order given, and stay in the first where they cover no other name, no
    point and no part of the line; one that fits nowhere covers as few names and points as possible, then as little of
    the line.
    """
    figure.draw_without_rendering()  # lays the panels out, so that places on the page are known
    marks = [_around(axis, x, y) for _, x, y in points]
    steps = _along(axis, line)
    taken: list[Bbox] = []

    def covered(name: str, point: tuple[float, float], place: tuple[float, float]) -> tuple[int, int]:
        box = _box(axis, name, point, place)
        return _covered(box, [*taken, *marks]), _covered(box, steps)

    for name, x, y in points:
        best = min(_OFFSETS, key=lambda place: covered(name, (x, y), place))
        taken.append(_box(axis, name, (x, y), best))
        _write(axis, name, (x, y), best)


def _write(axis: "Axes", name: str, point: tuple[float, float], offset: tuple[float, float]) -> "Annotation":
    side = "center" if offset[0] == 0 else "left" if offset[0] > 0 else "right"
    written = axis.annotate(name, point, offset, textcoords="offset points", ha=side, va="bottom", fontsize=7)
    written.set_in_layout(False)  # else a name near the edge would move the panels that it was placed in
    return written


def _box(axis: "Axes", name: str, point: tuple[float, float], offset: tuple[float, float]) -> "Bbox":
    written = _write(axis, name, point, offset)
    box = written.get_window_extent()
    written.remove()
    return box


def _around(axis: "Axes", x: float, y: float) -> "Bbox":
    """Return the square that a point's mark takes on the page."""
    return _square(axis.transData.transform((x, y)), 3)


def _along(axis: "Axes", line: Sequence[tuple[float, float]]) -> list["Bbox"]:
    """Return small squares along a line, as it lies on the page."""
    import numpy as np

    corners = [axis.transData.transform(point) for point in line]
    return [
        _square(start + share * (end - start), 1)
        for start, end in pairwise(corners)
        for share in np.linspace(0, 1, 2 + int(max(abs(end - start)) / _STEP))
    ]


def _square(place: "np.ndarray[Any, Any]", half: float) -> "Bbox":
    from matplotlib.transforms import Bbox

    across, up = map(float, place)
    return Bbox.from_extents(across - half, up - half, across + half, up + half)


def _covered(box: "Bbox", others: Sequence["Bbox"]) -> int:
    return sum(box.overlaps(other) for other in others)


FIGURE = TableFigure(
    "tradeoff",
    "Score against size and latency",
    "Score on the test set against the number of parameters, and against the latency of each batch, for the "
    "models of the table: mean and standard deviation over seeds. The line joins the models, with filled "
    "points, for which no other model is at least as good in both.",
    tables={"tradeoff": lambda table, study: True},  # noqa: ARG005
    sources=lambda table, study: table.sources(study),
    needed=("task", "models", "length"),
    draw=lambda sources, table, _: draw(sources, table),
    chart=lambda sources, table, _: chart(sources, table),
)
