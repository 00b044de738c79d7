"""What the efficiency ruler measured of each model, as named figures with their spread and ratio to the reference."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from smelt.errors import SmeltError
from smelt.files import read_json

MB = 1e6
_PARTS = ("model", "reference", "parameters", "bytes", "operations_per_token", "devices", "machine", "threads")


@dataclass(frozen=True)
class Figure:
    """One figure of one model; what does not exist is nan."""

    model: str
    figure: str
    """parameters, encoder parameters, embedding parameters, size, operations, memory, loading, latency, throughput."""
    unit: str
    value: float
    """The median, where it was measured several times."""
    of: str = ""
    """The precision of a size; the length of operations."""
    device: str = ""
    batch: int = 0
    length: int = 0
    n: int = 1
    low: float = math.nan
    """First quartile."""
    high: float = math.nan
    """Third quartile."""
    percentile_95: float = math.nan
    ratio: float = math.nan
    """To the reference: of times, the median ratio of neighbours in time."""

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """What it is a figure of, whatever the model."""
        return (self.figure, self.of, self.device, self.batch, self.length)


def read_efficiency(path: Path) -> dict[str, Any]:
    """Return the ruler's record of a model.

    Raises:
        SmeltError: the file is missing, or holds something else.
    """
    record: dict[str, Any] = read_json(path)
    if missing := [part for part in _PARTS if part not in record]:
        raise SmeltError(path, f"has no {missing[0]!r}: expected what `python -m smelt efficiency` writes")
    return record


def figures_of(records: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Return the figures of all records, in their order; ratios of sizes are to the reference's, if it is there."""
    found = {str(record["model"]): list(_figures(record)) for record in records}
    if not found:
        return []
    reference = {figure.key: figure.value for figure in found.get(str(records[0]["reference"]), [])}
    return [_with_ratio(figure, reference) for figures in found.values() for figure in figures]


def efficiency_frame(figures: Sequence[Figure]) -> pd.DataFrame:
    """Return the numbers behind the table: a row for each model and figure."""
    return pd.DataFrame([asdict(figure) for figure in figures], columns=[field.name for field in fields(Figure)])


def _figures(record: Mapping[str, Any]) -> list[Figure]:
    model, parameters = str(record["model"]), record["parameters"]
    found = [
        Figure(model, "parameters", "M", parameters["total"] / 1e6),
        Figure(model, "encoder parameters", "M", parameters["encoder"] / 1e6),
        Figure(model, "embedding parameters", "M", parameters["embedding"] / 1e6),
    ]
    found += [Figure(model, "size", "MB", size / MB, of=name) for name, size in record["bytes"].items()]
    for length, value in record["operations_per_token"].items():
        found.append(Figure(model, "operations", "MFLOP", value / 1e6, length=int(length)))
    for device, measured in record["devices"].items():
        found += _on_device(model, device, measured)
    return found


def _on_device(model: str, device: str, measured: Mapping[str, Any]) -> list[Figure]:
    memory, loading = measured["memory"], measured["loading"]
    on_gpu = memory.get("on_gpu")
    taken, repeated = memory["used"] if on_gpu is None else on_gpu, loading["seconds"]["n"]
    found = [
        Figure(model, "memory", "MB", taken / MB, device=device, n=repeated),
        Figure(model, "loading", "s", device=device, **_spread(loading, 1)),
    ]
    for entry in measured["latency"]:
        shape = {"device": device, "batch": entry["batch"], "length": entry["length"]}
        found.append(Figure(model, "latency", "ms", **shape, **_spread(entry, 1e3)))
        speed = entry["tokens_per_second"]
        found.append(Figure(model, "throughput", "tokens/s", speed, n=entry["seconds"]["n"], **shape))
    return found


def _spread(entry: Mapping[str, Any], scale: float) -> dict[str, Any]:
    seconds = entry["seconds"]
    low, high = (scale * value for value in seconds["quartiles"])
    return {
        "value": scale * seconds["median"],
        "n": seconds["n"],
        "low": low,
        "high": high,
        "percentile_95": scale * seconds["percentile_95"],
        "ratio": entry["ratio"]["median"],
    }


def _with_ratio(figure: Figure, reference: Mapping[tuple[str, str, str, int, int], float]) -> Figure:
    of_reference = reference.get(figure.key, math.nan)
    if not math.isnan(figure.ratio) or not of_reference:
        return figure
    return Figure(**(asdict(figure) | {"ratio": figure.value / of_reference}))
