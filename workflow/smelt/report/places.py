"""The places of a table of scores: the model and task behind each cell, and their scores over languages and seeds."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from smelt.families import is_family, member_of
from smelt.report.scores import Scores, read_scores
from smelt.report.significance import BySeed
from smelt.report.statistics import Score, mean_over_languages, score_of


@dataclass(frozen=True)
class Place:
    """A cell of a table: a model on a task, or with `{language}` in a name one run for each language."""

    row: str
    column: str
    model: str
    task: str
    section: int = 0
    """The number of its section."""
    language: str = ""
    """Its score is of this language alone."""
    languages: tuple[str, ...] = ()
    """Its score is the mean over these; without any language, it is what stands for its task."""
    members: tuple[str, ...] = ()
    """Members of its family: in a language that none of them is for, their mean stands."""
    choices: int = 1
    """Models that it was chosen from."""

    @property
    def family(self) -> bool:
        """Whether it has one run for each language."""
        return is_family(self.model) or is_family(self.task)

    @property
    def of_languages(self) -> tuple[str, ...]:
        """The languages that its score is of; none where it is what stands for its task."""
        return (self.language,) if self.language else self.languages

    def run(self, language: str) -> tuple[str, str]:
        """Return the model and task whose score of a language counts."""
        return member_of(self.model, language), member_of(self.task, language)

    def runs(self) -> list[tuple[str, str]]:
        """Return all its (model, task) pairs."""
        return [self.run(language) for language in self.of_languages] if self.family else [(self.model, self.task)]


class PlaceScores:
    """The scores of places, from scores.csv."""

    def __init__(self, path: Path, split: str = "test", steps: Mapping[tuple[str, str], float] | None = None) -> None:
        """Read the scores of a split.

        Args:
            path: scores.csv.
            split: test, or validation to choose by.
            steps: optimiser steps of compressed models, by (model, task).

        Raises:
            SmeltError: a column of the file is missing, or what it holds cannot be.
        """
        self._scores = read_scores(path, split)
        self._beside = read_scores(path, split, beside=True)
        self._steps = steps or {}

    def languages(self, place: Place) -> dict[str, BySeed]:
        """Return the values by seed of each language of a cell; none where it was not run."""
        if not place.of_languages:
            return dict(self._scores.languages(place.task, place.model))
        found = {code: self._in(place, code, self._scores) for code in place.of_languages}
        return found if all(found.values()) else {}

    def whole(self, place: Place, scores: Scores | None = None) -> BySeed:
        """Return the values by seed that stand for a cell: of its task, its language or the mean of its languages.

        scores: those of the own metrics by default.
        """
        scores = scores or self._scores
        if place.language:
            return self._in(place, place.language, scores)
        if not place.languages:
            return scores.of(place.task, place.model)
        found = [self._in(place, code, scores) for code in place.languages]
        return mean_over_languages(found) if all(found) else {}

    def score(self, place: Place) -> Score:
        """Return the score of a cell; with n = 0 where it was not run."""
        values = self.whole(place)
        known = [self._steps[run] for run in place.runs() if run in self._steps]
        return score_of(
            values,
            list(self.languages(place).values()),
            self.whole(place, self._beside),
            row=place.row,
            column=place.column,
            section=place.section,
            language=place.language,
            task=place.task,
            model=place.model,
            models=" ".join(self._models(place)),
            metric=self._scores.metrics[place.runs()[0][1]] if values else "",
            choices=place.choices if values else 1,
            steps=fmean(known) if known else math.nan,
        )

    def _in(self, place: Place, language: str, scores: Scores) -> BySeed:
        """Return the values by seed of a cell in one language."""
        (own, _), tested = place.run(language), self._tested(place, language, scores)
        return tested.get(own, {}) if own in tested or not tested else mean_over_languages(list(tested.values()))

    def _tested(self, place: Place, language: str, scores: Scores) -> dict[str, BySeed]:
        """Return the values by seed of each model that a cell shows in a language, as far as it was tested in it."""
        own, task = place.run(language)
        shown = place.members if place.members and own not in place.members else (own,)
        return {model: values for model in shown if (values := scores.of(task, model, language))}

    def _models(self, place: Place) -> list[str]:
        """Return the models behind a cell."""
        if not place.of_languages:
            return [place.model] if self._scores.of(place.task, place.model) else []
        return list(
            dict.fromkeys(model for code in place.of_languages for model in self._tested(place, code, self._scores))
        )


def choose_places(path: Path, cells: Sequence[Sequence[Place]]) -> list[Place]:
    """Return the place of each cell: of several, the one that scores best on validation, the first of equals."""
    if all(len(choices) == 1 for choices in cells):
        return [place for (place,) in cells]
    validation = PlaceScores(path, "validation")
    return [replace(_best(validation, choices), choices=len(choices)) for choices in cells]


def _best(scores: PlaceScores, choices: Sequence[Place]) -> Place:
    """Return the place with the highest mean over seeds; the first one where none was run."""
    means = [fmean(values.values()) if (values := scores.whole(place)) else -math.inf for place in choices]
    return choices[means.index(max(means))]
