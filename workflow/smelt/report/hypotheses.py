"""Hypotheses of a table: that one row scores less than another, tested over pairs of what both were scored on."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from smelt.report.comparison_tables import number, p_value
from smelt.report.grid import Cell
from smelt.statistics.corrections import holm
from smelt.statistics.ranks import wilcoxon
from smelt.statistics.result import joined
from smelt.statistics.scores import paired_differences


@dataclass(frozen=True)
class Tested:
    """A hypothesis over pairs: that `less` scores less than `than`, with one mean over seeds a pair and row."""

    less: str
    than: str
    pairs: int
    won: int
    """Pairs in which `than` scores more."""
    lost: int
    difference: float
    """Mean over the pairs of than minus less; nan without any."""
    statistic: float
    """Sum of the ranks of the pairs in which `less` scores more, against the hypothesis."""
    p: float
    p_corrected: float
    note: str


def one_sided(
    names: tuple[str, str], low: Sequence[float], high: Sequence[float], alpha: float, what: str, left_out: str = ""
) -> Tested:
    """Return the outcome of Wilcoxon's signed-rank test, one-sided; nan where nothing can be tested.

    Args:
        names: of the row that is supposed to score less, and of the other.
        low: scores of the former.
        high: scores of the other, paired with them.
        alpha: the note says so where it is out of reach.
        what: the pairs are, for the note.
        left_out: of the pairs, why: a note that comes before the test's own.
    """
    gains = paired_differences(high, low)
    result = wilcoxon(low, high, "less", alpha, what)
    statistic, p = (math.nan if value is None else value for value in (result.statistic, result.p))
    mean = fmean(gains) if len(gains) else math.nan
    won, lost = int((gains > 0).sum()), int((gains < 0).sum())
    return Tested(*names, len(gains), won, lost, mean, statistic, p, math.nan, joined(left_out, result.note))


def corrected_together(found: Sequence[Tested], significance: Mapping[str, Any]) -> list[Tested]:
    """Return the outcomes with their p corrected over all of them, as the study asks."""
    corrected = corrected_p([each.p for each in found], significance)
    return [replace(each, p_corrected=p) for each, p in zip(found, corrected, strict=True)]


def corrected_p(p_values: Sequence[float], significance: Mapping[str, Any]) -> list[float]:
    """Return p-values corrected over all that were tested, as the study asks; nan is what was not."""
    known = [None if math.isnan(p) else p for p in p_values]
    corrected = holm(known) if significance["correction"] == "holm" else known
    return [math.nan if p is None else p for p in corrected]


HEADS = ("Pairs", "Won – lost", "Difference", "W", "p", "p corrected")


def outcome_cells(tested: Tested) -> list[Cell]:
    """Return the cells under HEADS."""
    return [
        Cell(str(tested.pairs)),
        Cell(f"{tested.won} – {tested.lost}"),
        Cell(number(100 * tested.difference)),
        Cell(number(tested.statistic, "g")),
        Cell(p_value(tested.p)),
        Cell(p_value(tested.p_corrected)),
    ]


def outcome_row(tested: Tested) -> dict[str, Any]:
    """Return the numbers of a hypothesis, as a row of the table's CSV."""
    what = {"kind": "hypothesis", "row": f"{tested.less} < {tested.than}", "n": tested.pairs}
    parts = ("won", "lost", "difference", "statistic", "p", "p_corrected", "note")
    return what | {part: getattr(tested, part) for part in parts}
