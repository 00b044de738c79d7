"""Scripts of vocabularies: a panel a model, a bar a script (Eliquare, Figure 1)."""

from pathlib import Path
from typing import TYPE_CHECKING

from smelt.report.figures.base import TableFigure
from smelt.report.figures.style import PALETTE, panels
from smelt.report.tables.scripts import NO_LETTERS, ScriptsTable, read_scripts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 12  # bars of a panel


def draw(sources: list[Path], table: ScriptsTable) -> "Figure":
    """Return bars of the scripts with most pieces; further ones are together in the last bar."""
    counted = read_scripts(table, sources)
    figure, axes = panels(len(counted), 4.6, 3.2)
    for axis, each in zip(axes, counted, strict=True):
        letters = sorted(((count, label) for label, count in each.pieces.items() if label != NO_LETTERS), reverse=True)
        bars = letters[: MOST - 1] if len(letters) > MOST else letters
        if further := letters[len(bars) :]:
            bars = [*bars, (sum(count for count, _ in further), f"{len(further)} others")]
        labels = [label for _, label in reversed(bars)]
        drawn = axis.barh(labels, [count for count, _ in reversed(bars)], color=PALETTE[0], height=0.75)
        axis.bar_label(drawn, labels=[f"{count:,}" for count, _ in reversed(bars)], padding=2, fontsize=7)
        axis.margins(x=0.16)
        axis.set_title(each.model)
        axis.set_xlabel("pieces")
    return figure


FIGURE = TableFigure(
    "scripts",
    "Scripts of the vocabulary",
    "Pieces of each vocabulary by script, the script with most pieces first; pieces without letters are left out.",
    tables={"scripts": lambda table, study: True},  # noqa: ARG005
    sources=lambda table, study: table.sources(study),
    needed=("models",),
    draw=lambda sources, table, _: draw(sources, table),
)
