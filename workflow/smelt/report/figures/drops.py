"""Losses of a table's rows against its baseline: a panel a language, a bar a task (Eliquare, Figures 4 and 5)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from smelt.report.figures.base import TableFigure
from smelt.report.figures.chart import Chart, ChartAxis, Level, Mark, Panel, Series, with_deviation
from smelt.report.figures.style import GREY, PALETTE, panels
from smelt.report.places import PlaceScores
from smelt.report.significance import BySeed
from smelt.report.tables.monolingual import MonolingualTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BARS = 0.8  # of the place of a row


def draw(sources: list[Path], table: MonolingualTable) -> "Figure":
    """Return the figure of scores.csv and a table's columns, rows and baseline.

    A bar is the mean score of the baseline minus that of the row, in points, so that it stands above the line where the
    row is worse; its error bar is the standard deviation of the difference over the seeds that both have.
    """
    scores = PlaceScores(sources[0])
    others = [row for row in table.rows if row != table.baseline]
    figure, axes = panels(len(table.columns), max(3.2, 0.75 * len(others)), 3.4, columns=2)
    for axis, (language, tasks) in zip(axes, table.columns.items(), strict=True):
        for place, task in enumerate(tasks):
            drops = _drops(table, scores, others, language, task)
            _bars(axis, drops, task.removesuffix(f".{language}"), place, len(tasks))
        axis.axhline(0, color=GREY, linewidth=1)
        axis.set_xticks(range(len(others)), others, rotation=30, ha="right")
        axis.set(title=language, ylabel=f"lost against\n{table.baseline} (points)")
        axis.legend(fontsize=7, loc="best")  # in the panel itself: another language has other tasks
    return figure


@dataclass(frozen=True)
class PairedLoss:
    """A row's loss against the baseline, in points: mean and deviation over the seeds that both have, nan without."""

    mean: float
    deviation: float
    seeds: int


def mean_loss(baseline: BySeed, row: BySeed) -> PairedLoss:
    """Return what a row loses against the baseline, paired by seed."""
    from smelt.statistics.scores import spread

    differences = [100 * (baseline[seed] - row[seed]) for seed in sorted(set(baseline) & set(row))]
    mean = fmean(differences) if differences else math.nan
    return PairedLoss(mean, spread(differences) if len(differences) > 1 else math.nan, len(differences))


def chart(sources: list[Path], table: MonolingualTable) -> Chart:
    """Return the same panels as a chart, with horizontal bars."""
    scores = PlaceScores(sources[0])
    others = [row for row in table.rows if row != table.baseline]
    lost = ChartAxis(f"lost against {table.baseline} (points)")
    found = []
    for language, tasks in table.columns.items():
        series = [
            Series(task.removesuffix(f".{language}"), list(_marks(table, scores, others, language, task)), bars=True)
            for task in tasks
        ]
        rows = ChartAxis("row of the table", "names", others)
        found.append(Panel(language, lost, rows, [one for one in series if one.marks], [Level(0)]))
    return Chart(found)


def _marks(table: MonolingualTable, scores: PlaceScores, others: list[str], language: str, task: str) -> Iterator[Mark]:
    """Yield the losses that exist."""
    for row, loss in zip(others, _drops(table, scores, others, language, task), strict=True):
        if loss.seeds:
            lost = f"{loss.mean:.2f} points lost against {table.baseline}"
            about = [f"{row} on {task}", with_deviation(lost, loss.deviation, loss.seeds)]
            ends = (loss.mean - loss.deviation, loss.mean + loss.deviation) if loss.seeds > 1 else (None, None)
            yield Mark(loss.mean, row, about, *ends)


def _drops(
    table: MonolingualTable, scores: PlaceScores, others: list[str], language: str, task: str
) -> list[PairedLoss]:
    assert table.baseline is not None
    baseline = scores.whole(table.place(table.baseline, language, task))
    return [mean_loss(baseline, scores.whole(table.place(row, language, task))) for row in others]


def _bars(axis: "Axes", drops: list[PairedLoss], label: str, place: int, count: int) -> None:
    width = BARS / count
    places = [number - BARS / 2 + (place + 0.5) * width for number in range(len(drops))]
    axis.bar(
        places,
        [loss.mean for loss in drops],
        width,
        yerr=[loss.deviation for loss in drops],
        capsize=2,
        error_kw={"elinewidth": 0.8},
        color=PALETTE[place % len(PALETTE)],
        label=label,
    )


FIGURE = TableFigure(
    "drops",
    "Lost against the baseline",
    "How much lower each row of the table scores than its baseline on each task, in points: mean and standard "
    "deviation of the difference over seeds, by language. A bar below the line means that the row scores higher "
    "than the baseline.",
    tables={"monolingual": lambda table, _: bool(table.baseline)},
    sources=lambda _, study: [f"{study.results}/scores.csv"],
    needed=("columns", "rows", "baseline"),
    draw=lambda sources, table, _: draw(sources, table),
    chart=lambda sources, table, _: chart(sources, table),
)
