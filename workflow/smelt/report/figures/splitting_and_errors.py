"""Splitting and errors: the share of words whose label is missed, by the number of pieces (mALBERT, section 3.3)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.report.figures.base import StudyFigure
from smelt.report.figures.chart import Chart, ChartAxis, Mark, Panel, Series, with_interval
from smelt.report.figures.style import legend, look, panels
from smelt.report.records import read_tokenisation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Words cut into more pieces than this are few, and their intervals would fill the panel.
MOST_PIECES = 8


def draw(sources: list[Path]) -> "Figure":
    """Return a panel a task and in it a line a model, from the tokenisation studies, with their intervals."""
    studies = [read_tokenisation(path) for path in sources]
    tasks = _tasks(studies)
    models = list(dict.fromkeys(study["model"] for study in studies))
    figure, axes = panels(len(tasks), 3.4, 2.8)
    for axis, task in zip(axes, tasks, strict=True):
        of_task = [study for study in studies if study["task"] == task]
        for study in of_task:
            _line(axis, study, models.index(study["model"]), (models.index(study["model"]) - len(models) / 2) * 0.05)
        axis.set(title=task, xlabel="pieces of the word", ylabel=f"{population_of(of_task[0])} missed (%)")
        axis.set_xticks(range(1, MOST_PIECES + 1))
        axis.set_ylim(bottom=0)
    legend(figure, axes[0])
    return figure


def population_of(study: dict[str, Any]) -> str:
    """Return the words that a study's figure is about: entity words, or all words where labels are no spans."""
    populations = {row["population"] for row in study["by_pieces"]}
    return "entity words" if "entity words" in populations else "all words"


def chart(sources: list[Path]) -> Chart:
    """Return the same panels as a chart: a mark names the words behind it that are missed most."""
    studies = [read_tokenisation(path) for path in sources]
    return Chart([_panel(task, [study for study in studies if study["task"] == task]) for task in _tasks(studies)])


def _tasks(studies: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(study["task"] for study in studies))


def _panel(task: str, studies: list[dict[str, Any]]) -> Panel:
    words = population_of(studies[0])
    series = [Series(study["model"], [_mark(study["model"], row) for row in _points(study)]) for study in studies]
    return Panel(task, ChartAxis("pieces of the word", whole=True), ChartAxis(f"{words} missed (%)"), series)


def _mark(model: str, row: dict[str, Any]) -> Mark:
    share, low, high = (100 * row[key] for key in ("share_missed", "low", "high"))
    about = [
        f"{model}: {row['pieces']} pieces",
        f"{with_interval(share, low, high, 1)}% of {row['words']} words missed",
    ]
    if examples := row.get("examples"):
        about.append(f"such as {', '.join(examples)}")
    return Mark(row["pieces"], share, about, low, high)


def _points(study: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the numbers of pieces that are drawn: of the figure's words, and with intervals that fit."""
    population = population_of(study)
    return [
        row
        for row in study["by_pieces"]
        if row["population"] == population and row["pieces"] <= MOST_PIECES and row["share_missed"] is not None
    ]


def _line(axis: "Axes", study: dict[str, Any], number: int, shift: float) -> None:
    points = _points(study)
    shares = [100 * row["share_missed"] for row in points]
    below = [share - 100 * row["low"] for share, row in zip(shares, points, strict=True)]
    above = [100 * row["high"] - share for share, row in zip(shares, points, strict=True)]
    # Models stand a little apart, so that their intervals do not cover each other.
    places = [row["pieces"] + shift for row in points]
    axis.errorbar(places, shares, yerr=[below, above], capsize=2, elinewidth=0.8, label=study["model"], **look(number))


FIGURE = StudyFigure(
    "splitting-and-errors",
    "Splitting and missed labels",
    "Share of the entity words (of all words where labels are not spans) whose label is wrong, mean over seeds, "
    "by the number of pieces that the tokenizer cuts the word into, up to 8. A line for each model; Wilson "
    "intervals over words, at the confidence that the study sets.",
    sources=lambda study: study.tokenisations(),
    draw=draw,
    chart=chart,
)
