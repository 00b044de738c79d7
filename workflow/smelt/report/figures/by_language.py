"""Scores by language: a panel a column or section of a table, a line a row (XtremeDistil, Figure 2)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from smelt.errors import SmeltError
from smelt.families import member_of
from smelt.files import read_json
from smelt.report.figures.base import TableFigure
from smelt.report.figures.chart import Chart, ChartAxis, Mark, Panel, Series
from smelt.report.figures.style import GREY, in_thousands, legend, look, panels, write_codes
from smelt.report.places import PlaceScores, choose_places
from smelt.report.significance import BySeed
from smelt.report.tables.base import StudyOfTables
from smelt.report.tables.grid import GridTable
from smelt.report.tables.languages import AVERAGE, LanguagesTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Trained = Mapping[str, Mapping[str, int]]
"""Training examples in each language, by task."""


@dataclass(frozen=True)
class LanguagesPanel:
    """The rows that are compared in one column or section of a table."""

    title: str
    rows: dict[str, dict[str, float]]
    """Mean score over seeds, as a share, of each row and language that it was tested in."""
    examples: dict[str, int] = field(default_factory=dict)
    """Training examples in each language; empty where rows differ in them."""

    @property
    def languages(self) -> list[str]:
        """The languages of all rows: those with the fewest training examples first, where these are known."""
        found = list(dict.fromkeys(code for values in self.rows.values() for code in values))
        return sorted(found, key=lambda code: self.examples.get(code, 0))


def draw(sources: list[Path], table: GridTable | LanguagesTable, models: Sequence[str]) -> "Figure":
    """Return the figure of scores.csv, task.json files, a table, and the models that it shows.

    Scores stand on the left axis, as means over seeds; the number of training examples in each language is a grey bar
    on the right axis, where the rows of a panel agree in it.
    """
    found = _read(sources, table, models)
    widest = max(len(each.languages) for each in found)
    figure, axes = panels(len(found), max(4.2, 1.4 + 0.24 * widest), 3.0, columns=1)
    rows = list(dict.fromkeys(row for each in found for row in each.rows))
    for axis, each in zip(axes, found, strict=True):
        _draw_panel(axis, each, rows)
        axis.set(title=each.title, xlabel="language", ylabel="score (%)")
    legend(figure, *axes)
    return figure


def chart(sources: list[Path], table: GridTable | LanguagesTable, models: Sequence[str]) -> Chart:
    """Return the same panels as a chart; the numbers of training examples stand in the texts of marks."""
    return Chart([_chart_panel(each) for each in _read(sources, table, models)])


def _chart_panel(each: LanguagesPanel) -> Panel:
    def mark(row: str, code: str, score: float) -> Mark:
        examples = [f"{each.examples[code]:,} training examples"] if code in each.examples else []
        return Mark(code, 100 * score, [f"{row} in {code}", f"{100 * score:.2f}", *examples])

    series = [
        Series(row, [mark(row, *pair) for pair in values.items()], line=False) for row, values in each.rows.items()
    ]
    return Panel(each.title, ChartAxis("language", "names", each.languages), ChartAxis("score (%)"), series)


def _read(sources: list[Path], table: GridTable | LanguagesTable, models: Sequence[str]) -> list[LanguagesPanel]:
    trained = dict(_trained(path) for path in sources[1:])
    if isinstance(table, GridTable):
        found = _of_grid(sources[0], table, trained)
    else:
        found = _of_sections(sources[0], table, models, trained)
    found = [each for each in found if each.rows]
    if not found:
        raise SmeltError(sources[0], "has no scores of several languages that the table could show")
    return found


def _trained(path: Path) -> tuple[str, dict[str, int]]:
    task = read_json(path)
    return str(task["name"]), dict(task["splits"]["train"]["languages"])


def _of_grid(path: Path, table: GridTable, trained: Trained) -> list[LanguagesPanel]:
    scores, places, found = PlaceScores(path), choose_places(path, table.cells()), []
    for line in table.lines:
        rows, tasks = {}, set[tuple[str, str]]()
        for place in [place for place in places if table.line_of(place) == line]:
            values = scores.languages(place)
            if len(values) > 1:
                rows[table.comparison_label(place)] = _means(values)
                tasks |= {(code, place.run(code)[1]) for code in values}
        found.append(LanguagesPanel(line, rows, _examples(tasks, trained)))
    return found


def _of_sections(path: Path, table: LanguagesTable, members: Sequence[str], trained: Trained) -> list[LanguagesPanel]:
    scores, found = PlaceScores(path), []
    for number, section in enumerate(table.sections):
        rows: dict[str, dict[str, BySeed]] = {row: {} for row in section.models}
        for place in table.places(members):
            if place.section == number and place.column != AVERAGE and (values := scores.whole(place)):
                rows[place.row][place.column] = values
        tasks = {(code, member_of(section.task, code)) for values in rows.values() for code in values}
        means = {row: _means(values) for row, values in rows.items() if values}
        found.append(LanguagesPanel(section.name, means, _examples(tasks, trained)))
    return found


def _means(values: Mapping[str, BySeed]) -> dict[str, float]:
    return {code: fmean(by_seed.values()) for code, by_seed in values.items()}


def _examples(tasks: Iterable[tuple[str, str]], trained: Trained) -> dict[str, int]:
    """Return the training examples of each (language, task); nothing where a language has two numbers of them."""
    found: dict[str, int] = {}
    for code, task in sorted(tasks):
        if task not in trained or found.setdefault(code, trained[task].get(code, 0)) != trained[task].get(code, 0):
            return {}
    return found


def _draw_panel(axis: "Axes", each: LanguagesPanel, rows: list[str]) -> None:
    codes = each.languages
    if any(each.examples.values()):
        _bars(axis, [each.examples.get(code, 0) for code in codes])
    for row, values in each.rows.items():
        places = [place for place, code in enumerate(codes) if code in values]
        shares = [100 * values[codes[place]] for place in places]
        # Languages are no scale: the thin line only leads the eye from one to the next of a row.
        axis.plot(places, shares, label=row, **(look(rows.index(row)) | {"linewidth": 0.7}))
    write_codes(axis, codes)
    axis.set_xlim(-0.6, len(codes) - 0.4)


def _bars(axis: "Axes", examples: list[int]) -> None:
    behind = axis.twinx()
    behind.bar(range(len(examples)), examples, color=GREY, alpha=0.25, width=0.8)
    behind.set_ylabel("training examples", color=GREY)
    in_thousands(behind.yaxis)
    behind.tick_params(colors=GREY)
    behind.spines["right"].set(visible=True, color=GREY)
    behind.grid(visible=False)
    axis.set_zorder(behind.get_zorder() + 1)  # scores in front of the bars
    axis.patch.set_visible(False)


def _tests_several(languages: Collection[str]) -> bool:
    return len(languages) > 1


def _grid_has_several(table: GridTable, study: StudyOfTables) -> bool:
    tested = table.languages or max((study.tasks[task].languages_of("test") for task in table.tasks), key=len)
    return _tests_several(tested)


FIGURE = TableFigure(
    "by-language",
    "Scores by language",
    "Score of each row of the table in each language: mean over seeds, on the test set, with a panel for each "
    "column or section. Languages are ordered from the fewest training examples to the most. Grey bars show "
    "these numbers on the right axis; there are none where rows were trained on different numbers.",
    tables={"grid": _grid_has_several, "languages": lambda table, _: _tests_several(table.languages)},
    sources=lambda table, study: [
        f"{study.results}/scores.csv",
        *(f"{study.results}/tasks/{task}/task.json" for task in table.tasks),
    ],
    needed=("kind", "models"),
    draw=draw,
    chart=chart,
)
