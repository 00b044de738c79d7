"""Scores by language: a panel a column or section of a table, a line a row (XtremeDistil, Figure 2)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from smelt.errors import SmeltError
from smelt.report.by_language import Compared, read_compared
from smelt.report.figures.style import GREY, legend, look, panels, thousands


def draw(sources: list[Path], settings: Mapping[str, Any]) -> Figure:
    """Return the figure of scores.csv, task.json files and a table of kind grid or languages.

    Scores stand on the left axis, as means over seeds; the number of training examples in each language is a grey bar
    on the right axis, where the rows of a panel agree in it.
    """
    found = read_compared(sources, settings)
    if not found:
        raise SmeltError(sources[0], "has no scores of several languages that the table could show")
    widest = max(len(each.languages) for each in found)
    figure, axes = panels(len(found), max(4.2, 1.4 + 0.24 * widest), 3.0, columns=1)
    rows = list(dict.fromkeys(row for each in found for row in each.rows))
    for axis, each in zip(axes, found, strict=True):
        _panel(axis, each, rows)
        axis.set(title=each.title, ylabel="score (%)")
    legend(figure, *axes)
    return figure


def _panel(axis: Axes, each: Compared, rows: list[str]) -> None:
    codes = each.languages
    if any(each.examples.values()):
        _bars(axis, [each.examples.get(code, 0) for code in codes])
    for row, values in each.rows.items():
        places = [place for place, code in enumerate(codes) if code in values]
        shares = [100 * values[codes[place]] for place in places]
        # Languages are no scale: the thin line only leads the eye from one to the next of a row.
        axis.plot(places, shares, label=row, **(look(rows.index(row)) | {"linewidth": 0.7}))
    turned = len(codes) > 25 or any(len(code) > 3 for code in codes)
    axis.set_xticks(range(len(codes)), codes, rotation=90 if turned else 0)
    axis.set_xlim(-0.6, len(codes) - 0.4)


def _bars(axis: Axes, examples: list[int]) -> None:
    behind = axis.twinx()
    behind.bar(range(len(examples)), examples, color=GREY, alpha=0.25, width=0.8)
    behind.set_ylabel("training examples", color=GREY)
    behind.yaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))
    behind.tick_params(colors=GREY)
    behind.spines["right"].set(visible=True, color=GREY)
    behind.grid(visible=False)
    axis.set_zorder(behind.get_zorder() + 1)  # scores in front of the bars
    axis.patch.set_visible(False)
