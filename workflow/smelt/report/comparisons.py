"""How the cells of a table are compared for its marks: each with every other, or each with a baseline."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from smelt.report.hypotheses import Line
from smelt.report.places import PlaceScores
from smelt.report.significance import Significance
from smelt.report.statistics import MARK, Score


class ComparisonPolicy(Protocol):
    """Which cells of a line, such as a column, are tested against each other, and what a mark means."""

    @property
    def significance(self) -> Significance:
        """How they are tested."""

    def p_values(self, line: Line) -> dict[str, tuple[float, float]]:
        """Return p and corrected p of each cell that is compared, by its label; nan is what cannot be tested."""

    def notes(self, run: Sequence[Score]) -> list[str]:
        """Return the notes on marks, from the scores of all cells that were run."""


@dataclass(frozen=True)
class EachOther:
    """Each cell is compared with every other one of its line; all pairs of the line are corrected together."""

    scores: PlaceScores
    significance: Significance
    test: str
    """The test in words."""
    differs: str
    """What a marked cell differs from."""
    none: str
    """The statement where no cell is marked."""

    def p_values(self, line: Line) -> dict[str, tuple[float, float]]:
        """Return for each filled cell the largest corrected p against the other filled ones, and no p of its own."""
        values = {label: by_seed for label, place in line.items() if (by_seed := self.scores.whole(place))}
        pairs = list(itertools.combinations(values, 2))
        tests = [self.significance.over_seeds(values[a], values[b]).p for a, b in pairs]
        corrected = self.significance.correct_numbers([math.nan if p is None else p for p in tests])
        of_pair = dict(zip(pairs, corrected, strict=True))
        return {label: (math.nan, largest_p([p for pair, p in of_pair.items() if label in pair])) for label in values}

    def notes(self, run: Sequence[Score]) -> list[str]:
        """Return the note on marks."""
        return [star_note(run, self.test, self.differs, self.none)]


@dataclass(frozen=True)
class AgainstBaseline:
    """Each cell is compared with the baseline's in its line; all that are compared with it are corrected together."""

    scores: PlaceScores
    significance: Significance
    baseline: str
    """Its label."""

    def p_values(self, line: Line) -> dict[str, tuple[float, float]]:
        """Return p and corrected p of each other filled cell; none where the baseline's is not filled."""
        values = {label: by_seed for label, place in line.items() if (by_seed := self.scores.whole(place))}
        if self.baseline not in values:
            return {}
        baseline = values.pop(self.baseline)
        tests = [self.significance.over_seeds(by_seed, baseline).p for by_seed in values.values()]
        known = [math.nan if p is None else p for p in tests]
        return dict(zip(values, zip(known, self.significance.correct_numbers(known), strict=True), strict=True))

    def notes(self, run: Sequence[Score]) -> list[str]:
        """Return the note on marks, or why there is none."""
        if all(math.isnan(cell.p) for cell in run):
            return [f"Nothing could be tested against {self.baseline}, so nothing is marked."]
        test = self.significance.in_words("over the rows of the column")
        if any(cell.star for cell in run):
            return [f"{MARK} differs from {self.baseline} in this column: {test}."]
        return [f"None is marked: no score differs from that of {self.baseline} in its column ({test})."]


def largest_p(p_values: Sequence[float]) -> float:
    """Return the largest of several p; nan where there is none, or one is nan."""
    return math.nan if not p_values or any(math.isnan(p) for p in p_values) else max(p_values)


def star_note(run: Sequence[Score], test: str, differs: str, none: str) -> str:
    """Return the note on stars: their meaning, or why no score has one.

    Args:
        run: the scores of all cells that were run.
        test: the test in words.
        differs: names what a starred score differs from.
        none: the statement where no score has a star.
    """
    if max(score.n for score in run) == 1:
        return "With a single seed nothing can be tested, so nothing is marked."
    if any(score.star for score in run):
        return f"{MARK} differs from {differs}: {test}."
    return f"None is marked: {none} ({test})."
