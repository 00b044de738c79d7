"""The correlation of the number of pieces of words with their errors (mALBERT, section 3.3).

The paper correlates "the segmentation of the word in subwords" with "the non-detection of the associated label", 0.44,
and names neither the words nor the runs it counts. Here both populations are given by name, entity words and all
words. A word's segmentation is its number of pieces minus one. Its non-detection is the share of runs whose label for
it differs from the gold one. An average over runs varies less than a single outcome, so the correlation within each run
(0 or 1 a word) is given too: it is what a study with one run would have found.

p and Fisher's interval assume that words are independent. Words of one sentence are not, so the interval to trust is
that of the bootstrap, which draws whole sentences with all their runs.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from smelt.measurement.words import OTHER, populations, runs_of
from smelt.report.significance import Significance
from smelt.statistics.correlation import ClusterBootstrap, Correlation, number_clusters, partial_correlation, pearson
from smelt.statistics.intervals import wilson_interval
from smelt.statistics.scores import Floats, summarise
from smelt.statistics.tests import join_notes

EXAMPLES = 6  # words
CONDITIONS: tuple[tuple[str, ...], ...] = (
    (),
    ("log training frequency",),
    ("log training frequency", "characters"),
)
"""Variables held constant in each partial correlation: none; log(1 + occurrences in training); and word length too."""
MODEL = "model"
"""The condition of several models together: which of them cut and labelled the word."""


def correlate_pieces_and_misses(words: pd.DataFrame, spans: bool, settings: Significance) -> list[dict[str, Any]]:
    """Return a row for each population and set of conditions.

    Each row has population, given, words, sentences, runs; r, p, low, high, confidence, degrees_of_freedom and note as
    in smelt.statistics.correlation.Correlation; bootstrap (low, high, method, note); and, where nothing is given,
    of_runs (n, mean and standard_deviation of the runs' own correlations).
    """
    parts = populations(words, spans)
    parts.pop(OTHER, None)
    return [row for name, part in parts.items() for row in _population_rows(name, part, settings)]


def correlate_over_models(
    words: Mapping[str, pd.DataFrame], spans: bool, settings: Significance
) -> list[dict[str, Any]]:
    """Return the rows of several models together, for each population: without conditions, and given the model.

    A word counts once for each model, which cuts it in its own way. Without conditions, r also holds how models with
    more pieces differ in their errors; given the model, it is that within models. A resample of sentences draws a
    sentence with the words of all models.

    Args:
        words: of each model, as in `correlate_pieces_and_misses`; sentences have the same numbers for all.
        spans: whether labels are spans.
        settings: of intervals.
    """
    frames = [frame.assign(model=number) for number, frame in enumerate(words.values())]
    parts = populations(pd.concat(frames, ignore_index=True), spans)
    parts.pop(OTHER, None)
    rows = []
    for name, part in parts.items():
        models = [part["model"].to_numpy() == number for number in range(1, len(words))]
        columns = np.column_stack([*_splitting_and_misses(part), *models])
        conditions: dict[tuple[str, ...], list[int]] = {(): [0, 1], (MODEL,): list(range(columns.shape[1]))}
        rows += _rows(name, part, columns, conditions, settings)
    return rows


def count_missed_by_pieces(words: pd.DataFrame, spans: bool, confidence: float) -> list[dict[str, Any]]:
    """Return the number of words and the share missed, for each population and number of pieces.

    `missed` is the mean over runs of the number of words missed. The interval is Wilson's with the words as trials:
    several runs on one word do not count as several words. `examples` are the words that are missed most often.
    """
    rows = []
    for name, part in populations(words, spans).items():
        for pieces in sorted(set(part["pieces"].tolist())):
            group = part[part["pieces"] == pieces]
            rows.append({"population": name, "pieces": pieces} | _share_missed(group, confidence))
    return rows


def _population_rows(name: str, words: pd.DataFrame, settings: Significance) -> list[dict[str, Any]]:
    conditions = {given: list(range(2 + len(given))) for given in CONDITIONS}
    return _rows(name, words, _columns(words), conditions, settings)


def _rows(
    name: str,
    words: pd.DataFrame,
    columns: Floats,
    conditions: Mapping[tuple[str, ...], list[int]],
    settings: Significance,
) -> list[dict[str, Any]]:
    """Return a row for each set of conditions, given with the columns that count under it."""
    sentences = number_clusters(words["sentence"].to_numpy())
    bootstrap = ClusterBootstrap(columns, sentences, settings.resamples, settings.seed)
    rows = []
    for given, variables in conditions.items():
        interval = bootstrap.correlation_interval(variables, settings.confidence)
        row = {"population": name, "given": list(given), "words": len(words), "sentences": bootstrap.clusters}
        row |= {"runs": len(runs_of(words))}
        row |= _correlation_fields(partial_correlation(columns[:, variables], settings.confidence))
        row["bootstrap"] = {
            "low": interval.low,
            "high": interval.high,
            "method": interval.method,
            "note": interval.note,
        }
        rows.append(row if given else row | {"of_runs": _correlations_of_runs(words)})
    return rows


def _columns(words: pd.DataFrame) -> Floats:
    """Return added segmentation, non-detection, log training frequency and characters, shape (words, 4)."""
    return np.column_stack(
        [
            *_splitting_and_misses(words),
            np.log1p(words["frequency"].to_numpy(dtype=np.float64)),
            words["word"].str.len().to_numpy(dtype=np.float64),
        ]
    )


def _splitting_and_misses(words: pd.DataFrame) -> list[Floats]:
    return [words["pieces"].to_numpy(dtype=np.float64) - 1, words["missed"].to_numpy(dtype=np.float64)]


def _correlations_of_runs(words: pd.DataFrame) -> dict[str, Any]:
    added = words["pieces"].to_numpy(dtype=np.float64) - 1
    found = [pearson(added, words[run].to_numpy(dtype=np.float64)).r for run in runs_of(words)]
    values = [r for r in found if r is not None]
    if not values:
        return {"n": 0, "mean": None, "standard_deviation": None}
    return asdict(summarise(values))


def _share_missed(words: pd.DataFrame, confidence: float) -> dict[str, Any]:
    share = float(words["missed"].mean())
    interval = wilson_interval(share, len(words), confidence)
    missed = float(words["missed"].sum())
    row = {"words": len(words), "missed": missed, "share_missed": share, "low": interval.low, "high": interval.high}
    by_word = words.groupby("word")["missed"].sum()
    often = by_word[by_word > 0].sort_values(ascending=False, kind="stable").index[:EXAMPLES]
    return row | {"examples": [str(word) for word in often]}


def _correlation_fields(found: Correlation) -> dict[str, Any]:
    row = asdict(found)
    row.pop("n")
    if found.r is not None:
        row["note"] = join_notes(found.note, "p, low and high take words for independent; the bootstrap does not")
    return row
