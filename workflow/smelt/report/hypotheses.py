"""Hypotheses of a table: one row scores less than another, tested over pairs of what both were scored on.

They are stated before the scores are seen, and mark no cell. A table tests them over its columns, or over the languages
of each column.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Annotated, Any, ClassVar, Protocol, Self

from pydantic import Field, model_validator

from smelt.entry import Entry
from smelt.report.places import Place, PlaceScores
from smelt.report.render import NONE, Cell, number, p_value
from smelt.report.significance import TESTS, Significance

Label = Annotated[str, Field(min_length=1)]
Line = Mapping[str, Place]
"""Places that are compared, by the label of their row; or by that of their column, where each row is a line."""
HEADS = ("Won – lost", "Difference", "W", "p", "p corrected")
"""Heads of an outcome, after that of the number of pairs."""
HEADS_HELP = {
    "Won – lost": "Pairs in which the second row scores more, as supposed, and those in which it scores less.",
    "Difference": "Score of the second row minus that of the first, in points.",
    "p": "Probability of ranks at least as favourable if the two did not differ; one-sided, without correction.",
}
"""What they mean where other tables mean something else by them."""


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

    @property
    def head(self) -> str:
        """The head of the hypothesis' row."""
        return f"{self.less} < {self.than}"

    @property
    def why(self) -> str:
        """The note on its test."""
        return self.note

    def cells(self) -> list[Cell]:
        """Return the cells of the row: the number of pairs, and those under HEADS."""
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
        what = {"kind": "hypothesis", "row": self.head, "n": self.pairs}
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


# ---- Over what a table tests them


class HypothesisOutcome(Protocol):
    """The outcome of a hypothesis, as a row of the table."""

    @property
    def head(self) -> str:
        """The head of its row."""

    @property
    def why(self) -> str:
        """The note on its tests; empty where there is nothing to add."""

    def cells(self) -> list[Cell]:
        """Return the cells of its row."""

    def numbers(self) -> dict[str, Any]:
        """Return its numbers, as a row of the table's CSV."""


class HypothesisTests(Protocol):
    """The tests of all hypotheses of a table."""

    @property
    def heads(self) -> Sequence[str]:
        """The heads of the columns."""

    @property
    def note(self) -> str:
        """The tests in words."""

    def outcomes(self, lines: Mapping[str, Line]) -> Sequence[HypothesisOutcome]:
        """Return the outcome of each hypothesis, from the places of each line; p are corrected over all of them."""


@dataclass(frozen=True)
class OverColumns:
    """Tests over the columns of a table, which are (language, task) pairs, with one value each: the mean over seeds."""

    hypotheses: Sequence[Hypothesis]
    scores: PlaceScores
    significance: Significance
    heads: ClassVar = ("Pairs", *HEADS)

    @property
    def note(self) -> str:
        """The test in words."""
        return (
            "Hypotheses: Wilcoxon's signed-rank test, one-sided, over (language, task) pairs with one value each, the"
            " mean over seeds; W sums the ranks of the pairs that go against the hypothesis; difference in points, the"
            f" second row minus the first; {self.significance.correction_in_words('over the hypotheses')}."
            f" {NONE}: not tested."
        )

    def outcomes(self, lines: Mapping[str, Line]) -> list[Tested]:
        """Return the outcome of each hypothesis; p are corrected over all of them."""
        return correct_together([self._test(each, lines) for each in self.hypotheses], self.significance)

    def _test(self, each: Hypothesis, lines: Mapping[str, Line]) -> Tested:
        columns = [[self.scores.whole(line[row]) for row in (each.less, each.than)] for line in lines.values()]
        both = [(low, high) for low, high in columns if low and high]
        missing = len(columns) - len(both)
        left_out = "1 column without both is" if missing == 1 else f"{missing} columns without both are"
        left_out = f"{left_out} left out" if missing else ""
        low, high = ([fmean(pair[side].values()) for pair in both] for side in (0, 1))
        names, alpha = (each.less, each.than), self.significance.alpha
        return wilcoxon_one_sided(names, low, high, alpha, "(language, task) pairs", left_out)


@dataclass(frozen=True)
class OverLanguages:
    """Tests over the languages of each line, with one value each, the mean over seeds; and over seeds."""

    hypotheses: Sequence[Hypothesis]
    scores: PlaceScores
    significance: Significance
    heads: ClassVar = ("Languages", *HEADS, "p over seeds", "p corrected")

    @property
    def note(self) -> str:
        """The tests in words."""
        holm = "Holm's correction, each over all hypotheses and columns of the table"
        correction = holm if self.significance.correction == "holm" else "no correction"
        return (
            "Hypotheses: Wilcoxon's signed-rank test, one-sided, over languages with one value each, the mean over"
            " seeds; W sums the ranks of the languages that go against the hypothesis; difference in points, the second"
            f" minus the first. Over seeds: {TESTS[self.significance.test]}, two-sided. {correction}. {NONE}: not"
            " tested."
        )

    def outcomes(self, lines: Mapping[str, Line]) -> list["TestedLine"]:
        """Return the outcome of each hypothesis in each line; p of each kind are corrected over all of the table."""
        found = [self._test(each, name, line) for each in self.hypotheses for name, line in lines.items()]
        languages = correct_together([each.over_languages for each in found], self.significance)
        seeds = self.significance.correct_numbers([each.p_seeds for each in found])
        return [
            replace(each, over_languages=tested, p_seeds_corrected=p)
            for each, tested, p in zip(found, languages, seeds, strict=True)
        ]

    def _test(self, each: Hypothesis, name: str, line: Line) -> "TestedLine":
        names = (each.less, each.than)
        low, high = (self.scores.whole(line[label]) for label in names)
        if absent := [label for label, values in zip(names, (low, high), strict=True) if not values]:
            why = f"not run: {', '.join(absent)}"
            return TestedLine(name, Tested(*names, note=why), note_seeds=why)
        seeds = self.significance.over_seeds(high, low)
        of_low, of_high = (self.scores.languages(line[label]) for label in names)
        both = [code for code in of_low if code in of_high]
        means = [[fmean(found[code].values()) for code in both] for found in (of_low, of_high)]
        alone = sorted(set(of_low) ^ set(of_high))
        left_out = f"left out, because one was not tested in it: {', '.join(alone)}" if alone else ""
        tested = wilcoxon_one_sided(names, means[0], means[1], self.significance.alpha, "languages", left_out)
        return TestedLine(name, tested, seeds.n, math.nan if seeds.p is None else seeds.p, note_seeds=seeds.note)


@dataclass(frozen=True)
class TestedLine:
    """A hypothesis in one line of the table: over its languages one-sided, and over seeds by the study's test."""

    __test__ = False  # the name starts with Test, but pytest has nothing to collect here

    line: str
    over_languages: Tested
    n_seeds: int = 0
    """Seeds of both together; for paired tests pairs."""
    p_seeds: float = math.nan
    p_seeds_corrected: float = math.nan
    note_seeds: str = ""

    @property
    def head(self) -> str:
        """The head of the hypothesis' row."""
        return f"{self.over_languages.less} < {self.over_languages.than}" + (f", {self.line}" if self.line else "")

    @property
    def why(self) -> str:
        """The notes on both tests, each once."""
        if self.note_seeds == self.over_languages.note:
            return self.note_seeds
        notes = [("languages", self.over_languages.note), ("seeds", self.note_seeds)]
        return "; ".join(f"over {what}, {note}" for what, note in notes if note)

    def cells(self) -> list[Cell]:
        """Return the cells of the row: of the test over languages, then both p over seeds."""
        return [*self.over_languages.cells(), Cell(p_value(self.p_seeds)), Cell(p_value(self.p_seeds_corrected))]

    def numbers(self) -> dict[str, Any]:
        """Return the numbers of the hypothesis, as a row of the table's CSV."""
        parts = ("line", "n_seeds", "p_seeds", "p_seeds_corrected", "note_seeds")
        return self.over_languages.numbers() | {part: getattr(self, part) for part in parts}
