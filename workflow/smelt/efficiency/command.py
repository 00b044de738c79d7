"""`smelt job efficiency`: measure the models of a study against each other, on this machine, in one job.

One file a model: parameters, bytes on disk, operations a token; and for each device memory, loading time and latency,
with ratios to the reference. MB are 10^6 bytes.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from smelt.cli import KeyValues, add_examples, natural, positive
from smelt.efficiency.alternation import (
    Job,
    Rounds,
    elapsed,
    folders_of,
    groups,
    measure_loads,
    measure_passes,
    memory_of,
    models_by_device,
)
from smelt.efficiency.worker import Worker, available_memory, make_describer
from smelt.files import write_json
from smelt.provenance import code_revision, library_versions, machine
from smelt.study.efficiency import Efficiency

Read = dict[str, dict[tuple[int, int], tuple[Rounds, Rounds]]]
"""By model, batch and length: its rounds, and the reference's beside them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="folders of the models")
    parser.add_argument("--int8", type=Path, nargs="*", default=[], help="int8 exports of some, by the same names")
    parser.add_argument(
        "--settings", action=KeyValues, kind=Efficiency, default=Efficiency(), help="the study's `efficiency`"
    )
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads of every model")
    parser.add_argument("--gpus", type=natural, default=0, help="0 leaves a GPU alone that is there")
    parser.add_argument("--memory", type=positive, default=8000, help="MB that models that are alive together may take")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results, one <model>.json each")
    add_examples(
        parser,
        "--models models/mbert models/mbert-sw --settings reference=mbert --output efficiency",
    )


def run(arguments: argparse.Namespace) -> None:
    """Measure all models, and write their files once all is measured."""
    began = time.monotonic()
    settings: Efficiency = arguments.settings
    folders = folders_of(arguments.models, settings.reference)
    memory = min(arguments.memory * 10**6, available_memory())
    job = Job(folders, settings, arguments.threads, memory, lambda text: print(text, flush=True))
    before = _load_average()
    described = describe_all(job, {folder.name: folder for folder in arguments.int8}, arguments.output)
    measured: dict[str, dict[str, Any]] = {model: {} for model in folders}
    for device, able in models_by_device(described, arguments.gpus).items():
        for model, entry in measure(job, able, device).items():
            measured[model][device] = entry
    surroundings = _surroundings(arguments, settings, job, before)
    for model in folders:
        facts = {key: value for key, value in described[model].items() if key != "devices"}
        names = {"model": model, "reference": job.reference}
        write_json(arguments.output / f"{model}.json", names | facts | {"devices": measured[model]} | surroundings)
    print(f"{len(folders)} models in {elapsed(began)} minutes")


def describe_all(job: Job, int8: Mapping[str, Path], output: Path) -> dict[str, dict[str, Any]]:
    """Return the description of each model, without timing it.

    Raises:
        SmeltError: a model cannot be measured, or not at the lengths asked for.
    """
    output.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    lengths, sizes = list(job.settings.lengths), list(job.settings.sizes)
    with ExitStack() as stack:
        stack.callback(_remove_if_empty, output)  # a refusal leaves nothing; the first result makes it again
        # Weights are written here to measure their size. This process removes them, because a worker may die of it.
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".", suffix=".draft", dir=output)))
        worker = stack.enter_context(Worker(job.folders[job.reference], make_describer, job.settings.precision))
        for model, folder in job.folders.items():
            job.report(f"describing {model}")
            worker.model = folder
            found[model] = worker(folder, lengths, sizes, scratch)
            if model in int8 and "int8" in sizes:
                exported = worker(int8[model], lengths, ["int8"], scratch)
                found[model]["bytes"] |= exported["bytes"]
    return found


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def measure(job: Job, models: Sequence[str], device: str) -> dict[str, dict[str, Any]]:
    """Return memory, loading and latency of each model on a device."""
    loads = measure_loads(job, models, device)
    read: Read = {model: {} for model in models}
    for group in groups(memory_of(loads), job.memory):
        for setting, rounds in measure_passes(job, group, device).items():
            for model in group:
                read[model].setdefault(setting, (rounds[model], rounds[job.reference]))
    return {
        model: {
            "memory": memory_figures(loads[model]),
            "loading": loading_figures(loads[model], loads[job.reference]),
            "latency": [latency_figures(*setting, *rounds) for setting, rounds in read[model].items()],
        }
        for model in models
    }


def _surroundings(arguments: argparse.Namespace, settings: Efficiency, job: Job, before: list[float]) -> dict[str, Any]:
    """Return settings, machine and time of the measurement; the load average shows other work on the machine."""
    return {
        "settings": settings.model_dump(exclude={"models", "reference"}),
        "threads": arguments.threads,
        "memory_limit": job.memory,
        "machine": machine() | {"load_average_before": before, "load_average_after": _load_average()},
        "libraries": library_versions(),
        "code": code_revision(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _load_average() -> list[float]:
    return [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else []


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
    """Return the median and quartiles of the ratios of measurements that are neighbours in time."""
    values = [one / other for one, other in zip(ours, reference, strict=True)]
    first, third = (float(q) for q in np.percentile(values, [25, 75]))
    return {"n": len(values), "median": statistics.median(values), "quartiles": [first, third]}


def loading_figures(loads: Sequence[Mapping[str, Any]], reference: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the seconds of a model's loads, of the part before weights were asked for, and of the imports."""
    seconds = [load["seconds"] for load in loads]
    return {
        "seconds": spread(seconds),
        "ratio": ratio(seconds, [load["seconds"] for load in reference]),
        "mapped_seconds": statistics.median(load["mapped_seconds"] for load in loads),
        "import_seconds": statistics.median(load["import_seconds"] for load in loads),
        "all_seconds": seconds,
    }


def memory_figures(loads: Sequence[Mapping[str, Any]]) -> dict[str, int | None]:
    """Return the bytes of a model's loads: the median of each figure over the fresh processes."""
    names = ("libraries", "mapped", "loaded", "used", "highest", "on_gpu")
    return {name: _median([load[name] for load in loads]) for name in names}


def latency_figures(batch: int, length: int, rounds: Rounds, reference: Rounds) -> dict[str, Any]:
    """Return the seconds of a model's passes, its ratio to the reference round by round, and its throughput."""
    seconds = [value for one_round in rounds for value in one_round]
    medians, of_reference = ([statistics.median(one_round) for one_round in which] for which in (rounds, reference))
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
