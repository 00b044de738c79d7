"""The places of a table of scores: the model and task behind each cell, and their scores over languages and seeds."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.families import is_family, member_of
from smelt.report.scores import read_scores
from smelt.report.statistics import Score, mean_over_languages, score_of


@dataclass(frozen=True)
class Place:
    """A cell of a table: a model on a task, or with `{language}` in a name one run for each language."""

    row: str
    column: str
    model: str
    task: str

    @property
    def family(self) -> bool:
        """Whether it has one run for each language."""
        return is_family(self.model) or is_family(self.task)

    def run(self, language: str) -> tuple[str, str]:
        """Return the model and task whose score of a language counts."""
        return member_of(self.model, language), member_of(self.task, language)

    def runs(self, languages: Collection[str]) -> list[tuple[str, str]]:
        """Return all its (model, task) pairs; `languages` are those of a family."""
        return [self.run(language) for language in languages] if self.family else [(self.model, self.task)]


class PlaceScores:
    """The scores of places, from scores.csv."""

    def __init__(self, path: Path, languages: Sequence[str] | None = None, split: str = "test") -> None:
        """Read the scores of a split.

        Args:
            path: scores.csv.
            languages: a score is the mean over these; by default it is what stands for its task.
            split: test, or validation to choose by.

        Raises:
            SmeltError: a column of the file is missing, or what it holds cannot be.
        """
        self._scores = read_scores(path, split)
        self._chosen = languages

    def languages(self, place: Place) -> dict[str, dict[int, float]]:
        """Return the values by seed of each language of a cell; none where it was not run."""
        if not self._chosen:
            return self._scores.languages(place.task, place.model)
        found = {}
        for code in self._chosen:
            model, task = place.run(code)
            found[code] = self._scores.of(task, model, code)
        return found if all(found.values()) else {}

    def whole(self, place: Place) -> dict[int, float]:
        """Return the values by seed that stand for a cell: of its task, or the mean of the chosen languages."""
        if not self._chosen:
            return self._scores.of(place.task, place.model)
        found = self.languages(place)
        return mean_over_languages(list(found.values())) if found else {}

    def score(self, place: Place, **labels: Any) -> Score:
        """Return the score of a cell; `labels` are further fields of it."""
        values = self.whole(place)
        labels |= {"row": place.row, "column": place.column, "model": place.model, "task": place.task}
        if values:
            (_, task), *_ = place.runs(self._chosen or [])
            labels["metric"] = self._scores.metrics[task]
        return score_of(values, list(self.languages(place).values()), **labels)
