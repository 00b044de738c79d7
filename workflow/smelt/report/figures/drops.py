"""What rows of a table lose against its baseline: a panel a language, a bar a task (Eliquare, Figures 4 and 5)."""

from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smelt.report.figures.style import GREY, PALETTE, panels
from smelt.report.monolingual_scores import BySeed, Column, MonolingualScores
from smelt.statistics.scores import spread

BARS = 0.8  # of the place of a row


def draw(sources: list[Path], settings: Mapping[str, Any]) -> Figure:
    """Return the figure of scores.csv and a table's columns, rows and baseline.

    A bar is the mean score of the baseline minus that of the row, in points, so that it stands above the line where the
    row is worse; its error bar is the standard deviation of the difference over the seeds that both have.
    """
    scores = MonolingualScores(sources[0], settings)
    others = [row for row in scores.rows if row != scores.baseline]
    figure, axes = panels(len(settings["columns"]), max(3.2, 0.75 * len(others)), 3.4, columns=2)
    for axis, (language, tasks) in zip(axes, settings["columns"].items(), strict=True):
        for place, task in enumerate(tasks):
            _bars(axis, scores, others, (language, task), place, len(tasks))
        axis.axhline(0, color=GREY, linewidth=1)
        axis.set_xticks(range(len(others)), others, rotation=30, ha="right")
        axis.set(title=language, ylabel=f"lost against\n{scores.baseline} (points)")
        axis.legend(fontsize=7, loc="best")  # in the panel itself: another language has other tasks
    return figure


def lost(baseline: BySeed, row: BySeed) -> tuple[float, float]:
    """Return mean and deviation, in points, of what a row loses: over the seeds that both have, as pairs."""
    differences = [100 * (baseline[seed] - row[seed]) for seed in sorted(set(baseline) & set(row))]
    return (fmean(differences), spread(differences)) if differences else (float("nan"), 0.0)


def _bars(axis: Axes, scores: MonolingualScores, others: list[str], column: Column, place: int, count: int) -> None:
    assert scores.baseline is not None
    baseline = scores.of(scores.baseline, column)
    drops = [lost(baseline, scores.of(row, column)) for row in others]
    width = BARS / count
    places = [number - BARS / 2 + (place + 0.5) * width for number in range(len(others))]
    axis.bar(
        places,
        [mean for mean, _ in drops],
        width,
        yerr=[deviation for _, deviation in drops],
        capsize=2,
        error_kw={"elinewidth": 0.8},
        color=PALETTE[place % len(PALETTE)],
        label=column[1].removesuffix(f".{column[0]}"),
    )
