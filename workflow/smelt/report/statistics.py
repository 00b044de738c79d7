"""The score in a cell of a table: its statistics over seeds and languages, how a cell shows them, and their columns.

A new statistic of scores is a change of this file alone: a field of `Score`, its value in `score_of`, its column in
`OVER_SEEDS` and `OVER_BOTH`, and its place in `score_cell` and the sentences.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, ClassVar, Literal

from smelt.report.render import NOT_RUN, Cell, percent, quantity
from smelt.report.significance import BySeed

MARK = "*"
Over = Literal["languages", "seeds"]
"""The deviation in brackets is over one of these."""

OVER_SEEDS = {"n": "n", "mean": "mean", "standard_deviation": "deviation_over_seeds", "beside": "beside"}
"""Columns of the statistics over seeds in CSV files, with the fields of `Score` that they hold."""
OVER_BOTH = {
    "languages": "languages",
    "n": "n",
    "mean": "mean",
    "deviation_over_languages": "deviation_over_languages",
    "deviation_over_seeds": "deviation_over_seeds",
    "beside": "beside",
}
"""Columns of the statistics over languages and seeds."""
_DEVIATIONS = {"languages": "deviation_over_languages", "seeds": "deviation_over_seeds"}


@dataclass(frozen=True)
class Score:
    """The score of a model on a task; statistics that do not exist are nan."""

    kind: ClassVar[str] = "score"
    """The kind of its row in CSV files that also hold hypotheses."""
    row: str = ""
    column: str = ""
    section: int = 0
    language: str = ""
    task: str = ""
    model: str = ""
    """The model, or the pattern of its family."""
    models: str = ""
    """The models that were tested, separated by blanks: several where it is the mean of a family's scores."""
    metric: str = ""
    languages: int = 0
    n: int = 0
    """Seeds; 0 where nothing was run."""
    mean: float = math.nan
    """Mean over the seeds, as a share."""
    beside: float = math.nan
    """Mean over the seeds of the metric that stands beside its own, such as exact match beside F1."""
    deviation_over_languages: float = math.nan
    """Mean over the seeds of each seed's deviation."""
    deviation_over_seeds: float = math.nan
    p: float = math.nan
    p_corrected: float = math.nan
    """Of several tests the largest."""
    best: bool = False
    """Whether no score that it is compared with has a higher mean."""
    star: bool = False
    """Whether it differs significantly, as the table's note says."""
    reference: str = ""
    """The row that it is set against."""
    difference: float = math.nan
    """From the reference's score, mean over the seeds that both have."""
    difference_deviation: float = math.nan
    kept: float = math.nan
    """Its mean divided by the reference's, over the seeds that both have."""
    choices: int = 1
    """Models that it was chosen from, by their mean on validation."""
    steps: float = math.nan
    """Optimiser steps of a compressed model, mean over the seeds."""

    def numbers(self, columns: Mapping[str, str]) -> dict[str, Any]:
        """Return the cells of a CSV row, for columns given with the fields that they hold."""
        return {column: getattr(self, name) for column, name in columns.items()}


def score_of(values: BySeed, languages: Sequence[BySeed] = (), beside: BySeed | None = None, **labels: Any) -> Score:
    """Return the score of a cell.

    Args:
        values: the score over all languages by seed; empty where nothing was run.
        languages: the values by seed of each language.
        beside: the values by seed of the metric beside the score's own, if there is one.
        labels: the other fields of `Score`.
    """
    if not values:
        return Score(**labels)
    from smelt.statistics.scores import summarise

    found = summarise(list(values.values()))
    return Score(
        **labels,
        languages=len(languages),
        n=found.n,
        mean=found.mean,
        beside=fmean(beside.values()) if beside else math.nan,
        deviation_over_languages=deviation_over_languages(languages),
        deviation_over_seeds=math.nan if found.standard_deviation is None else found.standard_deviation,
    )


def mean_over_languages(languages: Sequence[BySeed]) -> dict[int, float]:
    """Return the mean over languages for each seed that all of them have; nothing where one has no value."""
    seeds = set.intersection(*map(set, languages))
    return {seed: fmean(values[seed] for values in languages) for seed in sorted(seeds)}


def deviation_over_languages(languages: Sequence[BySeed]) -> float:
    """Return the deviation over languages, n - 1 in the denominator: its mean over the seeds that all of them have."""
    from smelt.statistics.scores import spread

    seeds = set.intersection(*map(set, languages)) if len(languages) > 1 else set[int]()
    return fmean(spread([values[seed] for values in languages]) for seed in sorted(seeds)) if seeds else math.nan


# ---- Cells


def score_cell(score: Score, over: Over = "seeds", empty: str = NOT_RUN) -> Cell:
    """Return a mean in percent with its deviation, where there is one; the best is bold.

    A score of 0 in every run is no measurement of quality: the model found nothing, and the cell says so.
    """
    if not score.n:
        return Cell(empty)
    if score.mean == 0:
        return Cell(percent(score.mean), detail="(found nothing)")
    deviation: float = getattr(score, _DEVIATIONS[over])
    detail = "" if math.isnan(deviation) else f"({percent(deviation)})"
    both = "" if math.isnan(score.beside) else f" / {percent(score.beside)}"
    return Cell(f"{percent(score.mean)}{both}", MARK if score.star else "", detail, score.best)


# ---- What the numbers are, in words


def over_of(scores: Sequence[Score]) -> Over:
    """Return the default of what deviations are over: languages, where any score has several, or else seeds."""
    return "languages" if any(score.languages > 1 for score in scores) else "seeds"


def seeds_sentence(run: Sequence[Score], compared: str) -> str:
    """Return the sentence on numbers over seeds alone; `compared` names the part with one best score: a column."""
    if max(score.n for score in run) == 1:
        return "A single seed: no spread." + best_sentence(run, compared, "score ")
    seeds = quantity([score.n for score in run], "seed")
    return f"Mean (standard deviation) over {seeds}." + best_sentence(run, compared, "mean ")


def best_sentence(run: Sequence[Score], compared: str, what: str = "") -> str:
    """Return the sentence on what is bold, after a blank; nothing where no part has two scores to compare."""
    return f" Best {what}of a {compared} in bold." if any(score.best for score in run) else ""


def both_sentence(run: Sequence[Score], over: Over) -> str:
    """Return the sentence on numbers over seeds and languages."""
    seeds = quantity([score.n for score in run], "seed")
    languages = quantity([score.languages for score in run], "language")
    if all(math.isnan(getattr(score, _DEVIATIONS[over])) for score in run):
        return f"Mean over {seeds}; no deviation, because there is only one {over.removesuffix('s')}."
    if over == "seeds":
        return f"Mean (standard deviation) over {seeds}; {languages}."
    return f"Mean over {seeds} (standard deviation over {languages}, mean over the seeds)."


def phase_words(score: Score, seeds: int) -> str:
    """Return the words on the numbers of one phase of a compression."""
    spread = "; a single seed, so no deviation"
    if score.languages > 1:
        spread = f" (standard deviation over {score.languages} languages, mean over the seeds)"
    elif seeds > 1:
        spread = " (standard deviation over them)"
    return f"mean over {quantity([seeds], 'seed')}{spread}"
