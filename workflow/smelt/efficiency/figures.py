"""What many measurements come to: medians, their spread, and ratios of neighbours in time."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from smelt.efficiency.turns import Turns


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Return number, median, quartiles, 95th percentile and range of measurements."""
    low, first, third, high_tail, high = (float(q) for q in np.percentile(values, [0, 25, 75, 95, 100]))
    return {
        "n": len(values),
        "median": statistics.median(values),
        "quartiles": [first, third],
        "percentile_95": high_tail,
        "range": [low, high],
    }


def ratio(ours: Sequence[float], reference: Sequence[float]) -> dict[str, Any]:
    """Return the median and quartiles of the ratios of measurements that lie beside each other in time."""
    values = [one / other for one, other in zip(ours, reference, strict=True)]
    first, third = (float(q) for q in np.percentile(values, [25, 75]))
    return {"n": len(values), "median": statistics.median(values), "quartiles": [first, third]}


def loading(loads: Sequence[Mapping[str, Any]], reference: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the seconds of a model's loads, of the part before weights were asked for, and of the imports."""
    seconds = [load["seconds"] for load in loads]
    return {
        "seconds": spread(seconds),
        "ratio": ratio(seconds, [load["seconds"] for load in reference]),
        "mapped_seconds": statistics.median(load["mapped_seconds"] for load in loads),
        "import_seconds": statistics.median(load["import_seconds"] for load in loads),
        "all_seconds": seconds,
    }


def memory(loads: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
    """Return the bytes of a model's loads: the median of each figure over the fresh processes."""
    names = ("libraries", "mapped", "loaded", "used", "highest", "on_gpu")
    return {name: _median([load[name] for load in loads]) for name in names}


def latency(batch: int, length: int, turns: Turns, reference: Turns) -> dict[str, Any]:
    """Return the seconds of a model's passes, its ratio to the reference turn by turn, and its throughput."""
    seconds = [value for turn in turns for value in turn]
    medians, of_reference = ([statistics.median(turn) for turn in which] for which in (turns, reference))
    return {
        "batch": batch,
        "length": length,
        "seconds": spread(seconds),
        "ratio": ratio(medians, of_reference),
        "tokens_per_second": batch * length / statistics.median(seconds),
        "all_seconds": seconds,
    }


def _median(values: Sequence[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known)) if known else None
