"""How differences between scores are tested: the study's setting, its test over seeds, and its words."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import SerializerFunctionWrapHandler, model_serializer

from smelt.entry import Entry
from smelt.numbers import Count, Points, Seed, Within1
from smelt.statistics.p_values import holm, holm_levels

if TYPE_CHECKING:
    from smelt.statistics.tests import TestResult

BySeed = Mapping[int, float]
"""Score by seed."""

TESTS = {
    "welch": "Welch's t-test over seeds",
    "paired-t": "paired t-test over seeds",
    "wilcoxon": "Wilcoxon's signed-rank test over seeds",
}


class Significance(Entry):
    """How differences between models are tested."""

    test: Literal["welch", "paired-t", "wilcoxon"] = "welch"
    """The test behind the marks of score tables, over seeds; all tests stand in the statistics files."""
    alpha: Within1 = 0.05
    """Level of significance."""
    correction: Literal["holm", "none"] = "holm"
    """Holm's step-down over all pairs of models within one task, or none."""
    confidence: Within1 = 0.95
    """Of bootstrap intervals."""
    resamples: Count = 10_000
    """Bootstrap resamples behind an interval."""
    seed: Seed = 1
    """Seed of the bootstrap."""
    margin: Points | None = None
    """A loss in points that would not matter, stated before scores are seen: whether each model is shown to be no worse
    than another by more than this. Without it, models are only tested for differences."""

    @model_serializer(mode="wrap")
    def _without_what_is_not_stated(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a margin that is not stated: jobs of studies without one keep their settings."""
        keys: dict[str, Any] = write(self)
        return {key: value for key, value in keys.items() if key != "margin" or value is not None}

    @property
    def margin_as_share(self) -> float:
        """The margin in the unit of scores; nan where none is stated."""
        return math.nan if self.margin is None else self.margin / 100

    @property
    def margin_in_words(self) -> str:
        """The margin: 1 point, 0.5 points."""
        return f"{self.margin:g} point{'' if self.margin == 1 else 's'}"

    def over_seeds(self, a: BySeed, b: BySeed) -> "TestResult":
        """Return what the study's test finds; paired ones use the seeds that both have."""
        from smelt.statistics.tests import paired_t, welch, wilcoxon

        if self.test == "welch":
            return welch(list(a.values()), list(b.values()))
        shared = sorted(set(a) & set(b))
        pairs = [a[seed] for seed in shared], [b[seed] for seed in shared]
        if self.test == "paired-t":
            return paired_t(*pairs)
        return wilcoxon(*pairs, alpha=self.alpha, what="seed pairs")

    def correct(self, p_values: Sequence[float | None]) -> list[float | None]:
        """Return p-values corrected over all that were tested; None is what was not."""
        return holm(p_values) if self.correction == "holm" else list(p_values)

    def levels(self, p_values: Sequence[float | None]) -> list[float | None]:
        """Return the level that each uncorrected p is held to by the correction over all that were tested."""
        if self.correction == "holm":
            return holm_levels(p_values, self.alpha)
        return [None if p is None else self.alpha for p in p_values]

    def correct_numbers(self, p_values: Sequence[float]) -> list[float]:
        """Return p-values corrected over all that were tested; nan is what was not."""
        known = [None if math.isnan(p) else p for p in p_values]
        return [math.nan if p is None else p for p in self.correct(known)]

    def in_words(self, over: str, none: str = "no correction") -> str:
        """Return test, level and correction; `over` says what the correction is over."""
        return f"{TESTS[self.test]}, two-sided, p < {self.alpha:g}, {self.correction_in_words(over, none)}"

    def correction_in_words(self, over: str, none: str = "no correction") -> str:
        """Return the correction and what it is over."""
        return f"Holm's correction {over}" if self.correction == "holm" else none
