"""Scores of a grid's cells, over languages and seeds, and the tests of its hypotheses over either."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from smelt.report.compared_scores import compared_scores
from smelt.report.hypotheses import Tested, corrected_p, corrected_together, one_sided
from smelt.report.language_scores import BySeed, LanguageScores, over_entries
from smelt.report.seed_tests import over_seeds
from smelt.statistics.scores import spread, summarise
from smelt.study.grids import GridTable, Place


@dataclass(frozen=True)
class GridScore:
    """What stands in one cell; deviations are nan where there is but one language, or seed."""

    row: str
    column: str
    model: str
    task: str
    metric: str = ""
    languages: int = 0
    n: int = 0
    """Seeds; 0 where nothing was run."""
    mean: float = math.nan
    deviation_over_languages: float = math.nan
    """Mean over the seeds of each seed's deviation."""
    deviation_over_seeds: float = math.nan
    choices: int = 1
    """Models that it was chosen from, by their mean on validation."""
    steps: float = math.nan
    """Optimiser steps of a compressed model, mean over the seeds."""
    best: bool = False


@dataclass(frozen=True)
class GridTested:
    """A hypothesis in one line of the table: over its languages one-sided, and over seeds by the study's test."""

    line: str
    over_languages: Tested
    n_seeds: int
    """Seeds of both together; for paired tests pairs."""
    p_seeds: float
    p_seeds_corrected: float
    note_seeds: str


class GridScores:
    """The cells of a table, filled from scores.csv."""

    def __init__(self, path: Path, table: GridTable, split: str = "test") -> None:
        """Read the scores of a split; where a cell may be of several models, choose by those of validation.

        Raises:
            SmeltError: a column of the file is missing, or what it holds cannot be.
        """
        self.table = table
        self._whole = compared_scores(path, split)
        self._by_language = LanguageScores(path, split)
        cells = table.cells()
        if split == "test" and any(len(choices) > 1 for choices in cells):
            validation = GridScores(path, table, "validation")
            self.places = [validation.best(choices) for choices in cells]
        else:
            self.places = [choices[0] for choices in cells]

    def best(self, choices: Sequence[Place]) -> Place:
        """Return the place with the highest mean over seeds, the first of equals; the first one where none was run."""
        means = [fmean(values.values()) if (values := self.whole(place)) else -math.inf for place in choices]
        return choices[means.index(max(means))]

    def line(self, label: str) -> list[Place]:
        """Return the places that are compared within a column, or a row."""
        return self.table.within(label, self.places)

    def languages(self, place: Place) -> dict[str, BySeed]:
        """Return the values by seed of each language of a cell; none where it was not run."""
        if not self.table.languages:
            return self._by_language.languages(place.model, place.task)
        found = {code: self._by_language.of(*place.run(code), code) for code in self.table.languages}
        return found if all(found.values()) else {}

    def whole(self, place: Place) -> BySeed:
        """Return the values by seed that stand for a cell: of its task, or the mean of the table's languages."""
        if not self.table.languages:
            return self._whole.of(place.task, place.model)
        found = self.languages(place)
        return over_entries(list(found.values())) if found else {}

    def cells(self) -> list[GridScore]:
        """Return a score for each row and column, with the best of those that are compared."""
        scores = [self._score(place) for place in self.places]
        lines = [score.row if self.table.by_row else score.column for score in scores]
        means = [(line, score.mean) for line, score in zip(lines, scores, strict=True) if score.n]
        best = {line: max(mean for other, mean in means if other == line) for line, _ in means}
        return [replace(score, best=score.mean == best.get(line)) for line, score in zip(lines, scores, strict=True)]

    def tested(self, significance: Mapping[str, Any]) -> list[GridTested]:
        """Return the outcome of each hypothesis in each line; p of each kind are corrected over all of the table."""
        found = [
            self._test((each.less, each.than), line, significance)
            for each in self.table.hypotheses
            for line in self.table.lines
        ]
        languages = corrected_together([each.over_languages for each in found], significance)
        seeds = corrected_p([each.p_seeds for each in found], significance)
        return [
            replace(each, over_languages=tested, p_seeds_corrected=p)
            for each, tested, p in zip(found, languages, seeds, strict=True)
        ]

    def _score(self, place: Place) -> GridScore:
        values, languages = self.whole(place), self.languages(place)
        if not values:
            return GridScore(place.row, place.column, place.model, place.task)
        figures = summarise(list(values.values()))
        return GridScore(
            place.row,
            place.column,
            place.model,
            place.task,
            metric=self._metric(place),
            languages=len(languages),
            n=figures.n,
            mean=figures.mean,
            deviation_over_languages=over_languages(list(languages.values())),
            deviation_over_seeds=math.nan if figures.standard_deviation is None else figures.standard_deviation,
            choices=len(self.table.choices(place.row, place.column)),
        )

    def _metric(self, place: Place) -> str:
        return self._whole.metrics[place.runs(self.table.languages or [])[0][1]]

    def _test(self, names: tuple[str, str], line: str, significance: Mapping[str, Any]) -> GridTested:
        named = {(place.column if self.table.by_row else place.row): place for place in self.line(line)}
        low, high = (named[name] for name in names)
        absent = [name for name, place in zip(names, (low, high), strict=True) if not self.whole(place)]
        if absent:
            return _untested(names, line, f"not run: {', '.join(absent)}")
        seeds = over_seeds(self.whole(high), self.whole(low), significance)
        p = math.nan if seeds.p is None else seeds.p
        return GridTested(line, self._over_languages(names, low, high, significance), seeds.n, p, math.nan, seeds.note)

    def _over_languages(
        self, names: tuple[str, str], low: Place, high: Place, significance: Mapping[str, Any]
    ) -> Tested:
        of_low, of_high = self.languages(low), self.languages(high)
        both = [code for code in of_low if code in of_high]
        means = [[fmean(found[code].values()) for code in both] for found in (of_low, of_high)]
        alone = sorted(set(of_low) ^ set(of_high))
        left_out = f"left out, because one was not tested in it: {', '.join(alone)}" if alone else ""
        return one_sided(names, means[0], means[1], significance["alpha"], "languages", left_out)


def over_languages(languages: Sequence[BySeed]) -> float:
    """Return the deviation over languages, n - 1 in the denominator: its mean over the seeds that all of them have."""
    seeds = set.intersection(*map(set, languages)) if len(languages) > 1 else set[int]()
    return fmean(spread([values[seed] for values in languages]) for seed in sorted(seeds)) if seeds else math.nan


def _untested(names: tuple[str, str], line: str, why: str) -> GridTested:
    none = math.nan
    return GridTested(line, Tested(*names, 0, 0, 0, none, none, none, none, why), 0, none, none, why)
