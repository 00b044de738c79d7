"""One look for all figures: colours that colour-blind readers can distinguish, quiet axes, files that repeat exactly.

matplotlib is loaded when a figure is drawn, not before.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

# Okabe and Ito's palette without its yellow, which is too light for lines; black comes last.
PALETTE = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
MARKERS = ["o", "s", "^", "D", "v", "P", "X"]
GREY = "#6b6b6b"

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#e3e3e3",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 200,
    "svg.hashsalt": "smelt",
    "text.parse_math": False,  # a label with two signs of the dollar is no formula
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's look within the block."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()  # a report does not depend on the user's own matplotlibrc
        mpl.rcParams.update(_STYLE)
        yield


def look(number: int) -> dict[str, Any]:
    """Return the colour and marker of the line with this number; beyond the palette, dashes distinguish lines."""
    dash = ["-", "--", ":"][number // len(PALETTE) % 3]
    return {
        "color": PALETTE[number % len(PALETTE)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": dash,
    }


def panels(count: int, width: float, height: float, columns: int = 3) -> "tuple[Figure, list[Axes]]":
    """Return a figure with `count` panels of this size in inches, at most `columns` in a row."""
    from matplotlib.figure import Figure

    across = max(1, min(count, columns))
    down = -(-count // across)
    figure = Figure(figsize=(across * width, down * height))
    axes = [figure.add_subplot(down, across, place + 1) for place in range(count)]
    return figure, axes


def legend(figure: "Figure", *axes: "Axes") -> None:
    """Put one legend under all panels, of what stands in these, each once."""
    entries: dict[str, Any] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        wide = 0.7 + 0.075 * max(map(len, entries))  # inches of the longest entry, about
        columns = max(1, min(4, len(entries), int(figure.get_figwidth() / wide)))
        lines = -(-len(entries) // columns)
        figure.set_figheight(figure.get_figheight() + 0.2 * max(0, lines - 2))  # many would leave no room for panels
        figure.legend(list(entries.values()), list(entries), loc="outside lower center", ncols=columns)


def write_codes(axis: "Axes", codes: list[str]) -> None:
    """Write codes of languages under their places, upright where they are many or long."""
    upright = len(codes) > 25 or any(len(code) > 3 for code in codes)
    axis.set_xticks(range(len(codes)), codes, rotation=90 if upright else 0)


def in_thousands(axis: "Axis") -> None:
    """Write the ticks of an axis in short: 800, 8k, 120k, 1.5M."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))


def share_bars(mean: float, spread: float) -> tuple[float, float]:
    """Return how far an error bar goes below and above a score in percent: not beyond 0 and 100.

    A mean below 0, of a correlation, has no bar below it.
    """
    return max(0.0, min(spread, mean)), min(spread, 100 - mean)


def save(figure: "Figure", svg: Path, png: Path) -> None:
    """Write the figure as SVG and PNG without dates or versions, so that the same numbers give the same bytes."""
    with whole_file(svg) as draft:
        # Without a ground of its own, it can stand on a dark page, too.
        figure.savefig(draft, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    with whole_file(png) as draft:
        figure.savefig(draft, format="png", metadata={"Software": None})


def thousands(value: float) -> str:
    """Return a size in short: 800, 8k, 120k, 1.5M."""
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if value >= size:
            return f"{value / size:.4g}{unit}"
    return f"{value:g}"
