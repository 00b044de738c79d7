"""Measures of efficiency, from the records of one benchmark: sizes, memory, times, and their ratios to a reference."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.render import Cell, digits

MB = 1e6
HEADS = {
    "parameters": "Parameters (M)",
    "encoder parameters": "Encoder (M)",
    "embedding parameters": "Table of pieces (M)",
    "size": "{of} (MB)",
    "memory": "Memory{on} (MB)",
    "loading": "Loading{on} (s)",
    "latency": "{batch} × {length}{on} (ms)",
    "throughput": "{batch} × {length}{on} (tokens/s)",
    "operations": "MFLOP a token at {length}",
}
"""Figures in the order of their columns, with the heads of these."""
_PARTS = ("model", "reference", "parameters", "bytes", "operations_per_token", "devices", "machine", "threads")


@dataclass(frozen=True)
class Measure:
    """One measured number of one model; what does not exist is nan."""

    model: str
    figure: str
    """A key of the heads above."""
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
    models: int = 1
    """Models that it is the mean of; then low and high are the lowest and highest of them."""

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """Its identity among the measures of a model."""
        return (self.figure, self.of, self.device, self.batch, self.length)

    def head(self, several_devices: bool) -> str:
        """Return the head of its column."""
        on = f", {self.device}" if several_devices and self.device else ""
        return HEADS[self.figure].format(of=self.of, on=on, batch=self.batch, length=self.length)

    def cell(self) -> Cell:
        """Return its value with its spread and ratio."""
        details = []
        if self.figure == "latency" and not math.isnan(self.percentile_95):
            details.append(f"95%: {digits(self.percentile_95)}")
        elif not math.isnan(self.low):
            details.append(f"{digits(self.low)} to {digits(self.high)}")
        details += [] if math.isnan(self.ratio) else [f"{self.ratio:.2f}×"]
        return Cell(digits(self.value), detail=f"({'; '.join(details)})" if details else "")


def read_records(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the records of efficiency of some models, which one job measured.

    Raises:
        SmeltError: a file is missing or holds something else, or two were measured in different jobs: their times
            cannot be compared.
    """
    records = [_read(path) for path in paths]
    for path, record in zip(paths, records, strict=True):
        for part in ("reference", "machine", "threads"):
            if record[part] != records[0][part]:
                raise SmeltError(path, f"was measured in another job than {paths[0]} ({part}): measure them together")
    return records


def _read(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = read_json(path)
    if missing := [part for part in _PARTS if part not in record]:
        raise SmeltError(path, f"has no {missing[0]!r}: expected what `smelt job efficiency` writes")
    return record


def measures_of(records: Sequence[Mapping[str, Any]]) -> list[Measure]:
    """Return the measures of all records, in their order; ratios of sizes are to the reference's, if it is there."""
    found = {str(record["model"]): _measures(record) for record in records}
    reference = {measure.key: measure.value for measure in found.get(str(records[0]["reference"]), [])}
    return [_with_ratio(measure, reference) for measures in found.values() for measure in measures]


def _measures(record: Mapping[str, Any]) -> list[Measure]:
    model, parameters = str(record["model"]), record["parameters"]
    found = [
        Measure(model, "parameters", "M", parameters["total"] / 1e6),
        Measure(model, "encoder parameters", "M", parameters["encoder"] / 1e6),
        Measure(model, "embedding parameters", "M", parameters["embedding"] / 1e6),
    ]
    found += [Measure(model, "size", "MB", size / MB, of=name) for name, size in record["bytes"].items()]
    for length, value in record["operations_per_token"].items():
        found.append(Measure(model, "operations", "MFLOP", value / 1e6, length=int(length)))
    for device, measured in record["devices"].items():
        found += _on_device(model, device, measured)
    return found


def _on_device(model: str, device: str, measured: Mapping[str, Any]) -> list[Measure]:
    memory, loading = measured["memory"], measured["loading"]
    on_gpu = memory.get("on_gpu")
    taken, repeated = memory["used"] if on_gpu is None else on_gpu, loading["seconds"]["n"]
    found = [
        Measure(model, "memory", "MB", taken / MB, device=device, n=repeated),
        Measure(model, "loading", "s", device=device, **_spread(loading, 1)),
    ]
    for entry in measured["latency"]:
        shape = {"device": device, "batch": entry["batch"], "length": entry["length"]}
        found.append(Measure(model, "latency", "ms", **shape, **_spread(entry, 1e3)))
        speed = entry["tokens_per_second"]
        found.append(Measure(model, "throughput", "tokens/s", speed, n=entry["seconds"]["n"], **shape))
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


def _with_ratio(measure: Measure, reference: Mapping[tuple[str, str, str, int, int], float]) -> Measure:
    of_reference = reference.get(measure.key, math.nan)
    if not math.isnan(measure.ratio) or not of_reference:
        return measure
    return replace(measure, ratio=measure.value / of_reference)


def mean_of(label: str, measures: Sequence[Measure]) -> list[Measure]:
    """Return the mean of several models' measures, where all of them have one, with the lowest and the highest.

    The ratio is the mean of theirs, and what is repeated is what is repeated of each.
    """
    models = {measure.model for measure in measures}
    found: dict[tuple[str, str, str, int, int], list[Measure]] = {}
    for measure in measures:
        found.setdefault(measure.key, []).append(measure)
    return [
        replace(
            own[0],
            model=label,
            value=fmean(measure.value for measure in own),
            low=min(measure.value for measure in own),
            high=max(measure.value for measure in own),
            percentile_95=math.nan,
            ratio=fmean(measure.ratio for measure in own),
            models=len(own),
        )
        for own in found.values()
        if len(own) == len(models)
    ]
