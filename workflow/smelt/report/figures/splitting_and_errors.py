"""Splitting and errors: the share of words whose label is missed, by the number of pieces (mALBERT, section 3.3)."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.report.figures.base import StudyFigure
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
    tasks = list(dict.fromkeys(study["task"] for study in studies))
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


def _line(axis: "Axes", study: dict[str, Any], number: int, shift: float) -> None:
    population = population_of(study)
    points = [
        row
        for row in study["by_pieces"]
        if row["population"] == population and row["pieces"] <= MOST_PIECES and row["share_missed"] is not None
    ]
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
)
