"""What each phase of a compression came to, over all its seeds (XtremeDistil, Table 4)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.compared_scores import AGGREGATES, WHOLE, own_metric
from smelt.report.grid_scores import over_languages
from smelt.statistics.scores import summarise

SPLITS = ("validation", "test")
_PARTS = ("stage", "unfrozen", "losses", "epochs", "best", "validation_loss", "scores")


@dataclass(frozen=True)
class SplitScore:
    """A score after a phase: nan where nothing predicts yet, and deviations where there is one language or seed."""

    metric: str = ""
    languages: int = 0
    mean: float = math.nan
    deviation_over_languages: float = math.nan
    """Mean over the seeds of each seed's deviation."""
    deviation_over_seeds: float = math.nan


@dataclass(frozen=True)
class StageScore:
    """One phase: what was learnt, by which parts, for how long, and what it scored; means over seeds."""

    stage: int
    learns: str
    unfrozen: str
    n: int
    epochs: float
    best: float
    """The epoch whose weights were kept; 0 are those that the phase began with."""
    validation_loss: float
    validation: SplitScore
    test: SplitScore


def read_stages(paths: Sequence[Path]) -> list[StageScore]:
    """Return the phases of a compressed model, from the metrics.json of each of its seeds.

    Raises:
        SmeltError: a file is missing or not of a compressed model, or its phases are others than those of the first.
    """
    runs = {path: _phases(path) for path in paths}
    first = next(iter(runs.values()))
    for path, run in runs.items():
        if [_what(entry) for entry in run] != [_what(entry) for entry in first]:
            raise SmeltError(path, f"went through other phases than {paths[0]}: they are no seeds of one model")
    return [_over_seeds(paths, entries) for entries in zip(*runs.values(), strict=True)]


def _phases(path: Path) -> list[Mapping[str, Any]]:
    phases = read_json(path).get("stages")
    if not isinstance(phases, list) or not phases:
        raise SmeltError(path, "has no 'stages': expected the metrics of a compressed model")
    for entry in phases:
        if missing := [part for part in _PARTS if part not in entry]:
            raise SmeltError(path, f"a stage has no {missing[0]!r}")
    return phases


def _what(entry: Mapping[str, Any]) -> tuple[int, str, str]:
    """Return the number of a phase's stage, what it learns and the lowest part that learns it."""
    learnt = {loss: weight for loss, weight in entry["losses"].items() if weight}
    named = [loss if weight == 1 else f"{weight:g} × {loss}" for loss, weight in learnt.items()]
    return entry["stage"], ", ".join(named), entry["unfrozen"]


def _over_seeds(paths: Sequence[Path], entries: Sequence[Mapping[str, Any]]) -> StageScore:
    epochs, best, loss = (fmean(entry[part] for entry in entries) for part in ("epochs", "best", "validation_loss"))
    splits = [_score(paths, [entry["scores"] for entry in entries], split) for split in SPLITS]
    return StageScore(*_what(entries[0]), len(entries), epochs, best, loss, *splits)


def _score(paths: Sequence[Path], runs: Sequence[Sequence[Mapping[str, Any]]], split: str) -> SplitScore:
    """Return the score of a split over seeds, by the metric that the task is judged by."""
    own = [[row for row in run if row["split"] == split] for run in runs]
    metric = own_metric({row["metric"] for run in own for row in run})
    if metric is None:
        return SplitScore()
    found = [{row["language"]: float(row["value"]) for row in run if row["metric"] == metric} for run in own]
    whole = [_whole(path, split, values) for path, values in zip(paths, found, strict=True)]
    codes = [code for code in found[0] if code not in AGGREGATES]
    by_language = [{seed: run[code] for seed, run in enumerate(found) if code in run} for code in codes]
    figures = summarise(whole)
    deviation = math.nan if figures.standard_deviation is None else figures.standard_deviation
    return SplitScore(metric, len(codes), figures.mean, over_languages(by_language), deviation)


def _whole(path: Path, split: str, values: Mapping[str, float]) -> float:
    """Return the score that stands for all languages of a run."""
    name = next((name for name in WHOLE if name in values), None)
    if name is None and len(values) != 1:
        raise SmeltError(path, f"a stage has {len(values)} scores on {split} and none over all its languages")
    return values[name] if name else next(iter(values.values()))
