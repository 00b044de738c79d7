"""Score, size and latency of models that run on one task, and which of them nothing beats in score and latency."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.report.efficiency_records import read_efficiency
from smelt.report.efficiency_table import refuse_strangers
from smelt.report.grid_scores import GridScore, GridScores
from smelt.report.pareto import front
from smelt.study.grids import GridTable
from smelt.study.students import TradeoffTable


@dataclass(frozen=True)
class Latency:
    """Of one pass: its median and quartiles over passes, and how much faster it is than the reference's."""

    batch: int
    milliseconds: float
    low: float
    high: float
    passes: int
    speedup: float
    """Inverse of the median ratio of turns that lie beside each other."""


@dataclass(frozen=True)
class Tradeoff:
    """What a model scores, and what it costs."""

    score: GridScore
    parameters: int
    compression: float
    """Parameters of the reference by its own; nan where the reference has no record."""
    bytes_fp32: float
    latencies: tuple[Latency, ...]
    worth_it: bool = False

    @property
    def model(self) -> str:
        """The model."""
        return self.score.row

    @property
    def milliseconds(self) -> float:
        """The latency that decides: at the last batch."""
        return self.latencies[-1].milliseconds


@dataclass(frozen=True)
class Tradeoffs:
    """The models of a table, and how they were measured."""

    models: list[Tradeoff]
    reference: str
    machine: Mapping[str, Any]
    threads: int


def read_tradeoffs(table: TradeoffTable, scores: Path, paths: Sequence[Path]) -> Tradeoffs:
    """Return the models of a table in its order.

    Args:
        table: with length and batches.
        scores: scores.csv.
        paths: the ruler's records, with the reference's.

    Raises:
        SmeltError: a model has no score or no record; a latency was not measured; or records are of different jobs.
    """
    measured = [read_efficiency(path) for path in paths]
    refuse_strangers(paths, measured)
    records, first = {str(record["model"]): record for record in measured}, measured[0]
    whole = records.get(first["reference"], {}).get("parameters", {}).get("total", math.nan)
    found = []
    for score in _scores(table, scores):
        if score.row not in records:
            raise SmeltError("--sources", f"hold no efficiency of the model {score.row!r}: expected a file of each")
        found.append(_tradeoff(table, score, records[score.row], whole))
    worth = front([(each.score.mean, each.milliseconds) for each in found])
    models = [replace(each, worth_it=mark) for each, mark in zip(found, worth, strict=True)]
    return Tradeoffs(models, first["reference"], first["machine"], first["threads"])


def _scores(table: TradeoffTable, path: Path) -> list[GridScore]:
    rows: dict[str, Any] = {model: model for model in table.models}
    grid = GridTable(kind="grid", model="{row}", task=table.task, rows=rows, languages=table.languages)
    scores = GridScores(path, grid).cells()
    if missing := [score.row for score in scores if not score.n]:
        raise SmeltError(path, f"has no score of {missing[0]!r} on {table.task!r}")
    return scores


def _tradeoff(table: TradeoffTable, score: GridScore, record: Mapping[str, Any], whole: float) -> Tradeoff:
    own = record["parameters"]["total"]
    latencies = tuple(_latency(table, record, batch) for batch in table.batches or ())
    return Tradeoff(score, own, whole / own, record["bytes"].get("fp32", math.nan), latencies)


def _latency(table: TradeoffTable, record: Mapping[str, Any], batch: int) -> Latency:
    measured = record["devices"].get(table.device, {}).get("latency", [])
    for entry in measured:
        if (entry["batch"], entry["length"]) == (batch, table.length):
            seconds = entry["seconds"]
            median, low, high = (1e3 * value for value in (seconds["median"], *seconds["quartiles"]))
            return Latency(batch, median, low, high, seconds["n"], 1 / entry["ratio"]["median"])
    what = f"{record['model']!r} has no latency of {batch} × {table.length} tokens on {table.device}"
    raise SmeltError("--sources", f"{what}: measure it, or show what was")
