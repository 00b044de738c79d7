"""A figure as an interactive chart of the page: panels of series, as Vega-Lite specifications.

A figure's picture and its chart are made from the same numbers; the picture is for papers and where no script runs.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from smelt.files import json_text
from smelt.report.figures.style import GREY, PALETTE

_SHAPES = ["circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right"]
_DASHES = [[1, 0], [6, 3], [2, 2]]
_HEIGHT = 230  # pixels; a row of categories takes 20
_OVER_BARS = "#000000"  # the page draws it in its ink
_BESIDE_MARKS, _BESIDE_NAMES = 14, 40  # pixels of an axis beyond its marks; a phone has room for no more
_LINE, _LINE_HEIGHT = 22, 12  # letters and pixels of a line of a name on an axis
_TITLE, _AXIS_TITLE = 44, 34  # letters of a line of a panel's title, and of an axis's
_MANY = 40  # marks of a series from which they are drawn small


@dataclass(frozen=True)
class Mark:
    """A point of a chart: its place, the interval around it, and lines of text that explain it."""

    x: float | str
    y: float | str
    about: Sequence[str]
    low: float | None = None
    high: float | None = None
    label: str = ""
    """Text beside it."""


@dataclass(frozen=True)
class Series:
    """Marks of one colour, joined by a line or not."""

    name: str
    marks: Sequence[Mark]
    line: bool = True
    thin: bool = False
    """Whether it only stands behind the others: a faint line, without marks."""
    bars: bool = False
    """Whether its marks are bars from 0; those of several series at one name stand beside each other."""

    @property
    def kind(self) -> str:
        """How its marks are drawn."""
        return "bar" if self.bars else "thin" if self.thin else "line" if self.line else "points"


@dataclass(frozen=True)
class ChartAxis:
    """An axis: its title, and whether it has numbers, numbers on a logarithmic scale, or names."""

    title: str
    kind: Literal["linear", "log", "names"] = "linear"
    names: Sequence[str] = ()
    """All names, in their order."""
    whole: bool = False
    """Whether its numbers are counts."""
    least: float | None = None
    """The smallest number that means something: marks below it have no number on the axis."""


@dataclass(frozen=True)
class Level:
    """A straight line at one value, with its name: a model without a size, chance, no difference."""

    value: float
    name: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel of a chart; intervals lie along the axis of numbers."""

    title: str
    x: ChartAxis
    y: ChartAxis
    series: Sequence[Series]
    levels: Sequence[Level] = field(default_factory=list)


@dataclass(frozen=True)
class Chart:
    """The panels of a figure; none where it has no interactive form."""

    panels: Sequence[Panel] = ()

    @property
    def names(self) -> list[str]:
        """The names of all series, each once."""
        return list(dict.fromkeys(one.name for panel in self.panels for one in panel.series))

    def specifications(self) -> dict[str, Any]:
        """Return the names of series with their looks, and a Vega-Lite specification of each panel."""
        looks = [
            {"name": name, "color": PALETTE[number % len(PALETTE)], "shape": _SHAPES[number % len(_SHAPES)]}
            for number, name in enumerate(self.names)
        ]
        return {"series": looks, "panels": [_specification(panel, self.names) for panel in self.panels]}


def with_interval(mean: float, low: float | None, high: float | None, digits: int = 2) -> str:
    """Return a number with its interval, for a mark's text."""
    shown = f"{mean:.{digits}f}"
    return shown if low is None or high is None or low == high else f"{shown} ({low:.{digits}f} to {high:.{digits}f})"


def with_deviation(mean: str, deviation: float, seeds: int) -> str:
    """Return a mean with its deviation over seeds, for a mark's text; a single seed has none."""
    return f"{mean}, deviation {deviation:.2f} over {seeds} seeds" if seeds > 1 else f"{mean}, one seed"


def _specification(panel: Panel, names: Sequence[str]) -> dict[str, Any]:
    across = panel.y.kind == "names"
    return {
        "title": {"text": _lines(panel.title, _TITLE), "anchor": "start"},
        "description": panel.title,
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "height": max(40, len(panel.y.names) * _row_height(panel)) if across else _HEIGHT,
        "data": {"values": [_row(one, mark, place) for place, one in enumerate(panel.series) for mark in one.marks]},
        "params": [{"name": "off", "value": []}],
        "layer": [*(_level(level, across) for level in panel.levels), *_layers(panel, names, across)],
    }


def _row_height(panel: Panel) -> float:
    lines = max((len(_lines(name)) for name in panel.y.names), default=1)
    return max(10 * len(_bars(panel)), _LINE_HEIGHT * lines + 8)


def _layers(panel: Panel, names: Sequence[str], across: bool) -> Iterator[dict[str, Any]]:
    """Yield the layers of the marks: faint lines, lines, bars, intervals, and points; bars and points have text."""
    room = _BESIDE_NAMES if any(mark.label for one in panel.series for mark in one.marks) else _BESIDE_MARKS
    places = {
        "x": _field("x", _TYPES[panel.x.kind], **_axis(panel.x, True, room, from_zero=bool(_bars(panel)))),
        "y": _field("y", _TYPES[panel.y.kind], **_axis(panel.y, False, from_zero=bool(_bars(panel)))),
    }
    if len(_bars(panel)) > 1:
        places["yOffset" if across else "xOffset"] = _field("series", sort=_bars(panel))
    common = places | {
        "color": _look(names, PALETTE),
        "opacity": {"condition": {"test": "indexof(off, datum.series) < 0", "value": 1}, "value": 0.06},
    }
    kinds = {one.kind for one in panel.series}
    quiet = {"aria": False, "tooltip": None}
    dashes = {**_field("series"), "legend": None, "scale": {"domain": list(names), "range": _dashes(names)}}
    for kind, width in (("thin", 0.6), ("line", 1.8)):
        if kind in kinds:
            mark = {"type": "line", "strokeWidth": width, **quiet}
            encoding = common | {"strokeDash": dashes, "detail": _field("part")}  # lines of one name are not joined
            yield {"transform": [{"filter": f"datum.kind == '{kind}'"}], "mark": mark, "encoding": encoding}
    text = {"description": _field("about"), "tooltip": _field("about")}
    if "bar" in kinds:
        yield {"transform": [{"filter": "datum.kind == 'bar'"}], "mark": {"type": "bar"}, "encoding": common | text}
    if any(mark.low is not None for one in panel.series for mark in one.marks):
        low, high = ("x", "x2") if across else ("y", "y2")
        ends = {low: common[low] | {"field": "low"}, high: {"field": "high"}}
        valid = [{"filter": "isValid(datum.low)"}]
        ink = {"color": {"value": _OVER_BARS}} if "bar" in kinds else {}
        yield {"transform": valid, "mark": {"type": "rule", **quiet}, "encoding": common | ends | ink}
    few = not any(len(one.marks) > _MANY for one in panel.series if not one.thin)
    points = {"type": "point", "filled": True, "size": 70 if few else 25}
    if kinds & {"line", "points"}:
        marked = [{"filter": "indexof(['line', 'points'], datum.kind) >= 0"}]
        yield {"transform": marked, "mark": points, "encoding": common | text | {"shape": _look(names, _SHAPES)}}
    if any(mark.label for one in panel.series for mark in one.marks):
        beside = {"type": "text", "align": "left", "dx": 7, "dy": -5, "fontSize": 10, **quiet}
        named = [{"filter": "isValid(datum.label)"}]
        named_as = {"text": _field("label"), "opacity": common["opacity"]}
        yield {"transform": named, "mark": beside, "encoding": places | named_as}


_TYPES = {"linear": "quantitative", "log": "quantitative", "names": "nominal"}


def _row(series: Series, mark: Mark, place: int) -> dict[str, Any]:
    low, high = (None, None) if mark.low == mark.high else (mark.low, mark.high)  # as of a single seed
    row: dict[str, Any] = {
        "x": mark.x,
        "y": mark.y,
        "low": low,
        "high": high,
        "series": series.name,
        "kind": series.kind,
    }
    row |= {"label": mark.label} if mark.label else {}
    return row | ({"part": mark.about[0]} if series.thin else {"part": place, "about": "\n".join(mark.about)})


def _level(level: Level, across: bool) -> dict[str, Any]:
    rule = {"type": "rule", "color": GREY, "strokeDash": [4, 3], "aria": bool(level.name), "description": level.name}
    encoding = {"x" if across else "y": {"datum": level.value}}
    return {"data": {"values": [{}]}, "mark": rule | {"tooltip": level.name or None}, "encoding": encoding}


def _field(name: str, kind: str = "nominal", **more: Any) -> dict[str, Any]:
    return {"field": name, "type": kind, **more}


def _look(names: Sequence[str], looks: Sequence[str]) -> dict[str, Any]:
    chosen = [looks[number % len(looks)] for number in range(len(names))]
    return {**_field("series"), "legend": None, "scale": {"domain": list(names), "range": chosen}}


def _dashes(names: Iterable[str]) -> list[list[int]]:
    return [_DASHES[number // len(PALETTE) % len(_DASHES)] for number, _ in enumerate(names)]


def _bars(panel: Panel) -> list[str]:
    """Return the names of the series that are bars."""
    return list(dict.fromkeys(one.name for one in panel.series if one.bars))


def _lines(name: str, longest: int = _LINE) -> list[str]:
    """Return a name in lines for which a phone has room, broken after a sign between words where there is one."""
    found = [""]
    for part in re.findall(rf"[^-_/. ]{{0,{longest - 1}}}[-_/. ]|[^-_/. ]{{1,{longest}}}", name):
        if len(found[-1] + part) > longest:
            found.append("")
        found[-1] += part
    return found


def _axis(axis: ChartAxis, across: bool, room: int = _BESIDE_MARKS, from_zero: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {"aria": False, "labelOverlap": True} | ({"labelSeparation": 6} if across else {})
    title = _lines(axis.title, _AXIS_TITLE)
    if axis.kind == "names":
        names = list(axis.names)
        if not across:
            lines = f"{json_text({name: _lines(name) for name in names})}[datum.value]"
            middle = {"expr": f"-{_LINE_HEIGHT / 2} * (length({lines}) - 1)"}
            shown |= {"labelExpr": lines, "labelLineHeight": _LINE_HEIGHT, "labelOffset": middle}
        upright = across and (len(names) > 20 or any(len(name) > 4 for name in names))
        shown |= {"labelAngle": -90 if upright else 0, "labelOverlap": False, "labelLimit": 160 if across else 0}
        return {"title": title, "sort": names, "scale": {"domain": names}, "axis": shown}
    if axis.kind == "log":
        short = "format(datum.value, datum.value < 1000 ? '~g' : '~s')"
        shown |= {"labelExpr": short, "tickCount": 5}
    if axis.least is not None:
        shown["labelExpr"] = f"datum.value < {axis.least:g} ? '' : datum.label"
    scale: dict[str, Any] = {"type": axis.kind, "nice": from_zero}
    scale |= {"zero": True} if from_zero else {"padding": room}
    scale |= {} if from_zero or axis.kind == "log" else {"zero": False}
    return {"title": title, "scale": scale, "axis": shown | ({"tickMinStep": 1} if axis.whole else {})}
