"""Hypotheses of a table: one row scores less than another, tested over pairs of what both were scored on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from smelt.entry import Entry
from smelt.report.render import Cell, number, p_value
from smelt.report.significance import Significance

Label = Annotated[str, Field(min_length=1)]
HEADS = ("Pairs", "Won – lost", "Difference", "W", "p", "p corrected")


class Hypothesis(Entry):
    """That one row scores less than another, tested over the columns: Wilcoxon's signed-rank test, one-sided."""

    less: Label
    """Label of the row that is supposed to score less."""
    than: Label
    """Label of the row that is supposed to score more."""

    @model_validator(mode="after")
    def _is_of_two_rows(self) -> Self:
        if self.less == self.than:
            raise ValueError(f"{self.less!r} cannot score less than itself: expected two rows")
        return self


@dataclass(frozen=True)
class Tested:
    """A hypothesis over pairs: that `less` scores less than `than`, with one mean over seeds a pair and row."""

    less: str
    than: str
    pairs: int = 0
    won: int = 0
    """Pairs in which `than` scores more."""
    lost: int = 0
    difference: float = math.nan
    """Mean over the pairs of than minus less; nan without any."""
    statistic: float = math.nan
    """Sum of the ranks of the pairs in which `less` scores more, against the hypothesis."""
    p: float = math.nan
    p_corrected: float = math.nan
    note: str = ""

    def cells(self) -> list[Cell]:
        """Return the cells under HEADS."""
        return [
            Cell(str(self.pairs)),
            Cell(f"{self.won} – {self.lost}"),
            Cell(number(100 * self.difference)),
            Cell(number(self.statistic, "g")),
            Cell(p_value(self.p)),
            Cell(p_value(self.p_corrected)),
        ]

    def numbers(self) -> dict[str, Any]:
        """Return the numbers of the hypothesis, as a row of the table's CSV."""
        what = {"kind": "hypothesis", "row": f"{self.less} < {self.than}", "n": self.pairs}
        parts = ("won", "lost", "difference", "statistic", "p", "p_corrected", "note")
        return what | {part: getattr(self, part) for part in parts}


def wilcoxon_one_sided(
    names: tuple[str, str], low: Sequence[float], high: Sequence[float], alpha: float, what: str, left_out: str = ""
) -> Tested:
    """Return the outcome of Wilcoxon's signed-rank test, one-sided; nan where nothing can be tested.

    Args:
        names: of the row that is supposed to score less, and of the other.
        low: scores of the former.
        high: scores of the other, paired with them.
        alpha: the note says where no data could reach it.
        what: names the pairs in the note.
        left_out: which pairs are left out and why, in front of the test's own note.
    """
    from smelt.statistics.scores import paired_differences
    from smelt.statistics.tests import join_notes, wilcoxon

    gains = paired_differences(high, low)
    result = wilcoxon(low, high, "less", alpha, what)
    statistic, p = (math.nan if value is None else value for value in (result.statistic, result.p))
    mean = fmean(gains) if len(gains) else math.nan
    won, lost = int((gains > 0).sum()), int((gains < 0).sum())
    return Tested(*names, len(gains), won, lost, mean, statistic, p, note=join_notes(left_out, result.note))


def correct_together(found: Sequence[Tested], significance: Significance) -> list[Tested]:
    """Return the outcomes with their p corrected over all of them, as the study asks."""
    corrected = significance.correct_numbers([each.p for each in found])
    return [replace(each, p_corrected=p) for each, p in zip(found, corrected, strict=True)]
