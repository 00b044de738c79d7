"""Scores of monolingual models: what each row of a table has in each column, and the tests over them.

A column is a (language, task) pair. A mark means: in this column, this row differs from the baseline, by the study's
test over seeds, corrected over the rows that are compared with it in the column.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from smelt.families import member_of
from smelt.report.compared_scores import Scores, compared_scores
from smelt.report.hypotheses import Tested, corrected_together, one_sided
from smelt.report.seed_tests import p_over_seeds
from smelt.statistics.corrections import holm
from smelt.statistics.scores import summarise

BySeed = Mapping[int, float]
Column = tuple[str, str]  # language, task


@dataclass(frozen=True)
class MonolingualScore:
    """What one row has in one column: figures over seeds, and how it compares with the baseline's."""

    row: str
    language: str
    task: str
    model: str
    metric: str = ""
    n: int = 0
    mean: float = math.nan
    standard_deviation: float = math.nan
    p: float = math.nan
    p_corrected: float = math.nan
    best: bool = False
    marked: bool = False


class MonolingualScores:
    """The rows and columns of a table, filled from scores.csv."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Read the scores.

        Args:
            path: scores.csv.
            settings: columns, rows, hypotheses and baseline of the table.

        Raises:
            SmeltError: a column of the file is missing, or what it holds cannot be.
        """
        self._scores: Scores = compared_scores(path)
        self.rows: dict[str, str] = settings["rows"]
        self.columns: list[Column] = [(code, task) for code, tasks in settings["columns"].items() for task in tasks]
        self.hypotheses: Sequence[Mapping[str, str]] = settings.get("hypotheses", [])
        self.baseline: str | None = settings.get("baseline")

    def of(self, row: str, column: Column) -> BySeed:
        """Return the values by seed of a row in a column; none where it was not run."""
        return self._scores.of(column[1], member_of(self.rows[row], column[0]))

    def cells(self, significance: Mapping[str, Any]) -> list[MonolingualScore]:
        """Return a score for each column and row."""
        return [score for column in self.columns for score in self._column(column, significance)]

    def tested(self, significance: Mapping[str, Any]) -> list[Tested]:
        """Return the outcome of each hypothesis, corrected over all of the table."""
        found = [self._test(each["less"], each["than"], significance["alpha"]) for each in self.hypotheses]
        return corrected_together(found, significance)

    def _column(self, column: Column, significance: Mapping[str, Any]) -> list[MonolingualScore]:
        values = {row: self.of(row, column) for row in self.rows}
        tests = self._against_baseline(values, significance)
        best = max((summarise(list(found.values())).mean for found in values.values() if found), default=math.nan)
        return [self._score(row, column, found, tests.get(row), best, significance) for row, found in values.items()]

    def _against_baseline(
        self, values: Mapping[str, BySeed], significance: Mapping[str, Any]
    ) -> dict[str, tuple[float | None, float | None]]:
        """Return p and corrected p of each row against the baseline, in one column."""
        if self.baseline is None or not values[self.baseline]:
            return {}
        others = [row for row, found in values.items() if found and row != self.baseline]
        p_values = [p_over_seeds(values[row], values[self.baseline], significance) for row in others]
        corrected = holm(p_values) if significance["correction"] == "holm" else p_values
        return dict(zip(others, zip(p_values, corrected, strict=True), strict=True))

    def _score(
        self,
        row: str,
        column: Column,
        values: BySeed,
        test: tuple[float | None, float | None] | None,
        best: float,
        significance: Mapping[str, Any],
    ) -> MonolingualScore:
        language, task = column
        model = member_of(self.rows[row], language)
        if not values:
            return MonolingualScore(row, language, task, model)
        figures = summarise(list(values.values()))
        p, corrected = (math.nan if value is None else value for value in test or (None, None))
        spread = math.nan if figures.standard_deviation is None else figures.standard_deviation
        metric = self._scores.metrics[task]
        marks = (figures.mean == best, corrected < significance["alpha"])  # what was not tested is nan: below nothing
        return MonolingualScore(
            row, language, task, model, metric, figures.n, figures.mean, spread, p, corrected, *marks
        )

    def _test(self, less: str, than: str, alpha: float) -> Tested:
        both = [column for column in self.columns if self.of(less, column) and self.of(than, column)]
        low, high = ([fmean(self.of(row, column).values()) for column in both] for row in (less, than))
        missing = len(self.columns) - len(both)
        left_out = "1 column without both is" if missing == 1 else f"{missing} columns without both are"
        left_out = f"{left_out} left out" if missing else ""
        return one_sided((less, than), low, high, alpha, "(language, task) pairs", left_out)
