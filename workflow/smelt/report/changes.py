"""What rows lose against a reference row: a second grid under a table of scores, and columns of its CSV.

Abdaoui et al. (2020) give what a distilled model loses against mBERT, XtremeDistil the share of its teacher's F1 that
a student keeps. Both are of means over seeds.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from smelt.report.hypotheses import Line
from smelt.report.places import PlaceScores
from smelt.report.render import NONE, Cell, number, percent
from smelt.report.significance import BySeed
from smelt.report.statistics import Score

COLUMNS = {"reference": "reference", "difference": "difference"}
COLUMNS |= {"difference_deviation": "difference_deviation", "kept": "kept"}
"""Columns of the CSV of a table with a reference, with the fields of `Score` that they hold."""


@dataclass(frozen=True)
class AgainstReference:
    """A score minus its reference's, over the seeds that both have; nan is what does not exist."""

    difference: float = math.nan
    """Mean over the seeds, as a share."""
    deviation: float = math.nan
    """Standard deviation of the difference, seed by seed."""
    kept: float = math.nan
    """The mean score divided by the reference's."""


def change_of(values: BySeed, reference: BySeed) -> AgainstReference:
    """Return what a score is against its reference."""
    from smelt.statistics.scores import spread

    seeds = sorted(set(values) & set(reference))
    if not seeds:
        return AgainstReference()
    differences = [values[seed] - reference[seed] for seed in seeds]
    whole = fmean(reference[seed] for seed in seeds)
    return AgainstReference(
        fmean(differences),
        spread(differences) if len(seeds) > 1 else math.nan,
        fmean(values[seed] for seed in seeds) / whole if whole else math.nan,
    )


def difference_cell(score: Score) -> Cell:
    """Return the difference in points, and beside it the relative one in percent."""
    relative = score.kept - 1
    detail = "" if math.isnan(relative) else f"({signed(100 * relative)}%)"
    return Cell(signed(100 * score.difference), detail=detail)


def kept_cell(score: Score) -> Cell:
    """Return the share of the reference's score in percent, and beside it the difference in points."""
    if math.isnan(score.difference):
        return Cell(NONE)
    return Cell(
        NONE if math.isnan(score.kept) else f"{percent(score.kept)}%", detail=f"({signed(100 * score.difference)})"
    )


DIFFERENCES = "points (and percent of the reference's score)"
KEPT = "percent of the reference's score (and points)"


@dataclass(frozen=True)
class Changes:
    """Which rows are set against which, and how their cells show it."""

    references: Mapping[str, str]
    """Row → the row that it is set against."""
    scores: PlaceScores
    cell: Callable[[Score], Cell]
    unit: str
    """What a cell shows, in words."""

    def corner(self, label: Callable[[str], str]) -> str:
        """Return the corner of the grid."""
        named = list(dict.fromkeys(self.references.values()))
        return f"Against {label(named[0])}" if len(named) == 1 else "Against its reference"

    def compared(self, cell: Score, line: Line) -> Score:
        """Return the score of a line's cell, with what it is against its reference."""
        reference = self.references.get(cell.row)
        if reference is None or reference not in line:
            return cell
        found = change_of(self.scores.whole(line[cell.row]), self.scores.whole(line[reference]))
        return replace(
            cell,
            reference=reference,
            difference=found.difference,
            difference_deviation=found.deviation,
            kept=found.kept,
        )

    def note(self, label: Callable[[str], str]) -> str:
        """Return what the grid shows; with several references, which row has which."""
        named = list(dict.fromkeys(self.references.values()))
        pairs = "; ".join(f"{label(row)}: against {label(other)}" for row, other in self.references.items())
        against = label(named[0]) if len(named) == 1 else f"its reference ({pairs})"
        return (
            f"Second part: each row against {against}, in {self.unit}; of means over the seeds that both have. It tests"
            f" nothing. {NONE}: one of the two has no score."
        )


def references_of(rows: Sequence[str], reference: str | Mapping[str, str]) -> dict[str, str]:
    """Return the reference of each row: one for all others, or those that are named."""
    if isinstance(reference, str):
        return {row: reference for row in rows if row != reference}
    return dict(reference)


def signed(value: float) -> str:
    """Return a number with two decimals and its sign; none where it is zero."""
    text = number(value)
    return f"+{text}" if value > 0 and text != "0.00" else "0.00" if text == "−0.00" else text
