"""Scripts of vocabularies: a panel a model, a bar a script (Eliquare, Figure 1)."""

from pathlib import Path
from typing import TYPE_CHECKING

from smelt.report.figures.base import TableFigure
from smelt.report.figures.chart import Chart, ChartAxis, Mark, Panel, Series
from smelt.report.figures.style import PALETTE, panels
from smelt.report.tables.scripts import NO_LETTERS, CountedScripts, ScriptsTable, read_scripts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 12  # bars of a panel


def draw(sources: list[Path], table: ScriptsTable) -> "Figure":
    """Return bars of the scripts with most pieces; further ones are together in the last bar."""
    counted = read_scripts(table, sources)
    figure, axes = panels(len(counted), 4.6, 3.2)
    for axis, each in zip(axes, counted, strict=True):
        bars = _bars(each)
        drawn = axis.barh(list(bars), list(bars.values()), color=PALETTE[0], height=0.75)
        axis.bar_label(drawn, labels=[f"{count:,}" for count in bars.values()], padding=2, fontsize=7)
        axis.invert_yaxis()
        axis.margins(x=0.16)
        axis.set(title=each.model, xlabel="pieces", ylabel="script")
    return figure


def chart(sources: list[Path], table: ScriptsTable) -> Chart:
    """Return the same panels as a chart."""
    return Chart([_panel(each) for each in read_scripts(table, sources)])


def _panel(each: CountedScripts) -> Panel:
    bars = _bars(each)
    marks = [
        Mark(count, label, [f"{label} in {each.model}", f"{count:,} pieces, {count / each.size:.1%} of {each.size:,}"])
        for label, count in bars.items()
    ]
    pieces, scripts = ChartAxis("pieces", whole=True), ChartAxis("script", "names", list(bars))
    return Panel(each.model, pieces, scripts, [Series("pieces", marks, bars=True)])


def _bars(each: CountedScripts) -> dict[str, int]:
    """Return the pieces of the scripts with most of them, and of all further ones together."""
    letters = sorted(((count, label) for label, count in each.pieces.items() if label != NO_LETTERS), reverse=True)
    shown = letters[: MOST - 1] if len(letters) > MOST else letters
    further = letters[len(shown) :]
    others = {f"{len(further)} others": sum(count for count, _ in further)} if further else {}
    return {label: count for count, label in shown} | others


FIGURE = TableFigure(
    "scripts",
    "Scripts of the vocabulary",
    "Pieces of each vocabulary by script, the script with most pieces first; pieces without letters are left out.",
    tables={"scripts": lambda table, study: True},  # noqa: ARG005
    sources=lambda table, study: table.sources(study),
    needed=("models",),
    draw=lambda sources, table, _: draw(sources, table),
    chart=lambda sources, table, _: chart(sources, table),
)
