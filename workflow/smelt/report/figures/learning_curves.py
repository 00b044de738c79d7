"""Learning curves on held-out documents: what is predicted of masked tokens, of sentences and of teachers."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.report.figures.base import StudyFigure
from smelt.report.figures.chart import Chart, ChartAxis, Level, Mark, Panel, Series
from smelt.report.figures.style import GREY, legend, look, panels
from smelt.report.records import CURVE, read_validation

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANELS = {
    "mlm_loss": "Masked language modelling: loss",
    "sop_accuracy": "Sentence order: accuracy",
    "kl_loss": "Divergence from the teacher: loss",
    "cosine_loss": "Last hidden states: 1 - cosine to the teacher's",
    "hidden_loss": "Mapped hidden states: squared error",
    "attention_loss": "Divergence from the teacher's attention",
}
# Beyond this many languages their thin lines would hide the models' own.
_MOST_LANGUAGES = 8


def draw(sources: list[Path]) -> "Figure":
    """Return a line for each model (`<model>.curve.csv`), and thin ones for its languages where they are few."""
    curves = {path.name.removesuffix(CURVE): read_validation(path) for path in sources}
    measured = {metric for curve in curves.values() for metric in curve["metric"]}
    drawn = [metric for metric in _PANELS if metric in measured]
    figure, axes = panels(len(drawn), 3.6, 2.9)
    for axis, metric in zip(axes, drawn, strict=True):
        for number, (model, curve) in enumerate(curves.items()):
            if not (part := curve[curve["metric"] == metric]).empty:
                _lines(axis, part, model, number)
        axis.set(title=_PANELS[metric], xlabel="step", ylabel=_PANELS[metric].rpartition(": ")[2])
        if metric == "sop_accuracy":
            axis.axhline(0.5, color=GREY, linewidth=0.8, linestyle=":")
            axis.annotate("chance", (1, 0.5), xycoords=("axes fraction", "data"), ha="right", va="bottom", color=GREY)
    legend(figure, *axes)
    return figure


def _lines(axis: "Axes", curve: "pd.DataFrame", model: str, number: int) -> None:
    drawn = look(number)
    languages = [(name, part) for name, part in curve.groupby("language") if name != "all"]
    whole = curve[curve["language"] == "all"] if (curve["language"] == "all").any() else curve
    if 1 < len(languages) <= _MOST_LANGUAGES:
        for _, part in languages:
            axis.plot(part["step"], part["value"], color=drawn["color"], linewidth=0.6, alpha=0.35)
    marker = drawn["marker"] if len(whole) <= 20 else ""
    axis.plot(whole["step"], whole["value"], label=model, **(drawn | {"marker": marker}))


def chart(sources: list[Path]) -> Chart:
    """Return the same lines as a chart."""
    curves = {path.name.removesuffix(CURVE): read_validation(path) for path in sources}
    measured = {metric for curve in curves.values() for metric in curve["metric"]}
    return Chart([_panel(curves, metric) for metric in _PANELS if metric in measured])


def _panel(curves: "Mapping[str, pd.DataFrame]", metric: str) -> Panel:
    series = []
    for model, curve in curves.items():
        part = curve[curve["metric"] == metric]
        whole = part[part["language"] == "all"] if (part["language"] == "all").any() else part
        languages = [(str(name), rows) for name, rows in part.groupby("language") if name != "all"]
        if 1 < len(languages) <= _MOST_LANGUAGES:
            series += [Series(model, _marks(model, rows, name), thin=True) for name, rows in languages]
        if not whole.empty:
            series.append(Series(model, _marks(model, whole)))
    title = _PANELS[metric]
    levels = [Level(0.5, "chance")] if metric == "sop_accuracy" else []
    return Panel(title, ChartAxis("step", whole=True), ChartAxis(title.rpartition(": ")[2]), series, levels)


def _marks(model: str, rows: "pd.DataFrame", language: str = "") -> list[Mark]:
    pairs = zip(rows["step"].tolist(), rows["value"].tolist(), strict=True)
    return [Mark(x, y, [language or model, f"step {x:,}: {y:.3f}"]) for x, y in pairs]


FIGURE = StudyFigure(
    "learning-curves",
    "Learning curves",
    "Measured on held-out documents, by training step: loss of masked language modelling, accuracy of sentence "
    "order prediction, and for distilled models how far their predictions, hidden states and attention are from "
    "their teachers'. A line for each model, and thin lines for its languages where these are few.",
    sources=lambda study: study.learning_curves(),
    draw=draw,
    chart=chart,
)
