"""The table of scores: places in rows, columns and sections, how they are compared, and the notes under them.

The kinds `scores`, `languages`, `monolingual` and `grid` are presets of it: each translates its keys into a
`ScoreGrid`, and what differs between them is a field. `scores` reads summary.csv and pairs.csv, because its p are
corrected over all models of the study; the others read scores.csv.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from smelt.report.changes import Changes
from smelt.report.comparisons import ComparisonPolicy
from smelt.report.hypotheses import HEADS_HELP, HypothesisOutcome, HypothesisTests
from smelt.report.notes import NOTHING_RAN, metric_notes, metrics_in_words, rank
from smelt.report.places import Place
from smelt.report.render import NOT_RUN, Cell, Grid, Group, PaperTable, Row, transpose
from smelt.report.statistics import Over, Score, best_sentence, both_sentence, over_of, score_cell, seeds_sentence


class ScoresOfPlaces(Protocol):
    """The scores of places, such as `PlaceScores`."""

    def score(self, place: Place) -> Score:
        """Return the score of a cell; with n = 0 where it was not run."""


@dataclass(frozen=True)
class MoreCells:
    """A column beside those of scores: its head, and its cell of a row with these scores."""

    head: str
    cell: Callable[[Sequence[Score]], Cell]


@dataclass(frozen=True)
class ScoreGrid:
    """A table of scores. Cells are compared within lines: the columns of a section, or the rows of the table."""

    places: Sequence[Place]
    """What stands in each cell, in the order of the CSV; those of a row are in the order of the columns."""
    heads: Sequence[str]
    """Of the columns."""
    scores: ScoresOfPlaces
    columns: Mapping[str, str]
    """Columns of the CSV, with the fields of `Score` that they hold."""
    titles: Sequence[str] = ("",)
    """Of the sections."""
    by_row: bool = False
    """Whether lines are rows."""
    comparison: ComparisonPolicy | None = None
    """How cells are compared for marks; without any, none is marked."""
    hypotheses: HypothesisTests | None = None
    changes: Changes | None = None
    """What rows lose against a reference, in a grid of its own."""
    over_languages: bool = False
    """Whether cells and notes are about languages and seeds; otherwise they are about seeds alone."""
    spread: Over | None = None
    """Unit of the deviation of a table over languages; by default languages, where any cell has several."""

    corner: str = "Model"
    across: str = ""
    """The corner of the table on its side, with rows as columns; by default it stands upright."""
    label: Callable[[str], str] = str
    """How the label of a row is shown."""
    before: MoreCells | None = None
    """A column before the scores."""
    after: MoreCells | None = None
    """A column after them."""
    test_sets: str = "test sets"
    explain: Callable[[Sequence[Score]], list[str]] = lambda _: []
    """Notes of its own on the scores that were run."""
    not_run: str = ""
    """The note on cells that were not run."""
    closing: Callable[[Sequence[Score]], list[str]] = lambda _: []
    """Notes at the end, also where nothing was run."""

    def table(self, name: str, caption: str) -> tuple[PaperTable, list[dict[str, Any]]]:
        """Return the table, then its hypotheses; and the rows of its CSV: a row a cell, then a row a hypothesis."""
        cells = self._compared()
        over = (self.spread or over_of(cells)) if self.over_languages else "seeds"
        scores = self._grid(cells, over)
        grids = [transpose(scores, self.across) if self.across else scores, *self._grid_of_changes(cells)]
        outcomes = list[HypothesisOutcome]()
        if self.hypotheses:
            lines = {self._line_name(*key): line for key, line in self._lines().items()}
            outcomes += self.hypotheses.outcomes(lines)
            rows = [Row(each.head, each.cells()) for each in outcomes]
            grids += [Grid("Hypothesis", list(self.hypotheses.heads), [Group(rows)], help=HEADS_HELP)] if rows else []
        notes = [*self._notes(cells, outcomes, over), *self.closing(cells)]
        numbers = [cell.numbers(self.columns) for cell in cells] + [each.numbers() for each in outcomes]
        return PaperTable(name, caption, grids, notes), numbers

    def _line(self, cell: Place | Score) -> tuple[int, str]:
        return cell.section, cell.row if self.by_row else cell.column

    def _line_name(self, section: int, line: str) -> str:
        return ", ".join(filter(None, (self.titles[section], line)))

    def _label(self, cell: Place | Score) -> str:
        return cell.column if self.by_row else cell.row

    def _lines(self) -> dict[tuple[int, str], dict[str, Place]]:
        """Return the places of each line, by their labels."""
        lines: dict[tuple[int, str], dict[str, Place]] = {}
        for place in self.places:
            lines.setdefault(self._line(place), {})[self._label(place)] = place
        return lines

    def _compared(self) -> list[Score]:
        """Return the score of each cell, with its p, and with the best and the marks of each line."""
        scores = [self.scores.score(place) for place in self.places]
        if self.changes:
            lines = self._lines()
            scores = [self.changes.compared(score, lines[self._line(score)]) for score in scores]
        if self.comparison is None:
            return rank(scores, self._line)
        found = {name: self.comparison.p_values(line) for name, line in self._lines().items()}
        for number, score in enumerate(scores):
            p, corrected = found[self._line(score)].get(self._label(score), (math.nan, math.nan))
            scores[number] = replace(score, p=p, p_corrected=corrected)
        return rank(scores, self._line, self.comparison.significance.alpha)

    def _grid(self, cells: Sequence[Score], over: Over) -> Grid:
        """Return the grid of the scores: a row for each row label of a section."""
        more = (self.before, self.after)
        rows: dict[tuple[int, str], list[Score]] = {}
        for cell in cells:
            rows.setdefault((cell.section, cell.row), []).append(cell)
        groups = [Group([], title) for title in self.titles]
        for (section, row), own in rows.items():
            shown = [score_cell(score, over) for score in own]
            before, after = ([each.cell(own)] if each else [] for each in more)
            groups[section].rows.append(Row(self.label(row), [*before, *shown, *after]))
        before_head, after_head = ([each.head] if each else [] for each in more)
        return Grid(self.corner, [*before_head, *self.heads, *after_head], groups)

    def _grid_of_changes(self, cells: Sequence[Score]) -> list[Grid]:
        """Return the grid of rows against their references, without references that have none; none if not asked."""
        if self.changes is None:
            return []
        groups = [Group([], title) for title in self.titles]
        rows: dict[tuple[int, str], list[Cell]] = {}
        for cell in cells:
            if cell.reference:
                rows.setdefault((cell.section, cell.row), []).append(self.changes.cell(cell))
        for (section, row), shown in rows.items():
            groups[section].rows.append(Row(self.label(row), shown))
        return [Grid(self.changes.corner(self.label), list(self.heads), [group for group in groups if group.rows])]

    def _notes(self, cells: Sequence[Score], outcomes: Sequence[HypothesisOutcome], over: Over) -> list[str]:
        """Return metric, split, spread and seeds; then what marks and hypotheses mean, and what is missing."""
        run = [cell for cell in cells if cell.n]
        if not run:
            return [NOTHING_RAN]
        metrics = {self.titles[cell.section] or cell.task: cell.metric for cell in run}
        notes = [f"{metrics_in_words(metrics)}; {self.test_sets}, in percent. {self._spread_sentence(run, over)}"]
        notes += metric_notes(metrics.values())
        notes += self.comparison.notes(run) if self.comparison else []
        notes += self.explain(run)
        notes += [self.changes.note(self.label)] if self.changes else []
        notes += [self.hypotheses.note] if self.hypotheses and outcomes else []
        notes += [f"{each.head}: {each.why}." for each in outcomes if each.why]
        return notes + ([f"{NOT_RUN}: {self.not_run}."] if self.not_run and len(run) < len(cells) else [])

    def _spread_sentence(self, run: Sequence[Score], over: Over) -> str:
        by_row = self.by_row != bool(self.across)
        line = "row" if by_row else "section's column" if any(self.titles) else "column"
        if self.over_languages:
            return both_sentence(run, over) + best_sentence(run, line)
        return seeds_sentence(run, line)
