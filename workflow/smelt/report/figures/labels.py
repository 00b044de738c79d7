"""Names beside points, placed so that they do not cover each other."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

# Offsets in points from the point to the nearest corner or side of its name, the most readable one first.
_OFFSETS = [(5, 3), (5, -9), (-5, 3), (-5, -9), (0, 8), (0, -14), (5, 11), (-5, 11), (5, -18), (-5, -18)]


def name_points(figure: Figure, axis: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Write the name of each (name, x, y) beside it; limits and scales of the axis have to be what they will stay.

    Names are tried in a few places each, in the order given, and stay in the first where they cover no other name and
    no point; one that fits nowhere covers as few as possible.
    """
    figure.draw_without_rendering()  # lays the panels out, so that places on the page are known
    marks = [_around(axis, x, y) for _, x, y in points]
    taken: list[Bbox] = []
    for name, x, y in points:
        boxes = [(_covered(_box(axis, name, (x, y), place), [*taken, *marks]), place) for place in _OFFSETS]
        _, best = min(boxes, key=lambda found: found[0])
        taken.append(_box(axis, name, (x, y), best))
        _write(axis, name, (x, y), best)


def _write(axis: Axes, name: str, point: tuple[float, float], offset: tuple[float, float]) -> Annotation:
    side = "center" if offset[0] == 0 else "left" if offset[0] > 0 else "right"
    written = axis.annotate(name, point, offset, textcoords="offset points", ha=side, va="bottom", fontsize=7)
    written.set_in_layout(False)  # else a name near the edge would move the panels that it was placed in
    return written


def _box(axis: Axes, name: str, point: tuple[float, float], offset: tuple[float, float]) -> Bbox:
    written = _write(axis, name, point, offset)
    box = written.get_window_extent()
    written.remove()
    return box


def _around(axis: Axes, x: float, y: float) -> Bbox:
    """Return the square that a point's mark takes on the page."""
    across, up = axis.transData.transform((x, y))
    return Bbox.from_extents(across - 3, up - 3, across + 3, up + 3)


def _covered(box: Bbox, others: Sequence[Bbox]) -> int:
    return sum(box.overlaps(other) for other in others)
