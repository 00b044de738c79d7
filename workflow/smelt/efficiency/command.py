"""`python -m smelt efficiency`: measure the models of a study against each other, on this machine, in one job.

One file a model: parameters, bytes on disk, operations a token; and for each device memory, loading time and latency,
with ratios to the reference. MB are 10^6 bytes.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from smelt.cli import json_object, natural, positive
from smelt.efficiency import figures
from smelt.efficiency.memory import at_hand
from smelt.efficiency.tasks import describer
from smelt.efficiency.turns import Job, Turns, able_on, elapsed, folders_of, groups, load_all, read_all, taken
from smelt.efficiency.worker import Worker
from smelt.entry import check
from smelt.files import write_json
from smelt.provenance import code_revision, library_versions, machine
from smelt.study.efficiency import Efficiency

Read = dict[str, dict[tuple[int, int], tuple[Turns, Turns]]]
"""By model, batch and length: its turns, and the reference's beside them."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    parser.add_argument("--models", type=Path, nargs="+", required=True, help="folders of the models")
    parser.add_argument("--int8", type=Path, nargs="*", default=[], help="int8 exports of some, by the same names")
    parser.add_argument("--settings", type=json_object(), default={}, help="JSON: the study's `efficiency`")
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads of every model")
    parser.add_argument("--gpus", type=natural, default=0, help="0 leaves a GPU alone that is there")
    parser.add_argument("--memory", type=positive, default=8000, help="MB that models that are alive together may take")
    parser.add_argument("--output", type=Path, required=True, help="folder of the results, one <model>.json each")


def run(arguments: argparse.Namespace) -> None:
    """Measure all models, and write their files once all is measured."""
    began = time.monotonic()
    settings = check(Efficiency, arguments.settings, "--settings")
    folders = folders_of(arguments.models, settings.reference)
    memory = min(arguments.memory * 10**6, at_hand())
    job = Job(folders, settings, arguments.threads, memory, lambda text: print(text, flush=True))
    before = _load_average()
    described = describe_all(job, {folder.name: folder for folder in arguments.int8}, arguments.output)
    measured: dict[str, dict[str, Any]] = {model: {} for model in folders}
    for device, able in able_on(described, arguments.gpus).items():
        for model, entry in measure(job, able, device).items():
            measured[model][device] = entry
    surroundings = _surroundings(arguments, settings, job, before)
    for model in folders:
        facts = {key: value for key, value in described[model].items() if key != "devices"}
        names = {"model": model, "reference": job.reference}
        write_json(arguments.output / f"{model}.json", names | facts | {"devices": measured[model]} | surroundings)
    print(f"{len(folders)} models in {elapsed(began)} minutes")


def describe_all(job: Job, int8: Mapping[str, Path], output: Path) -> dict[str, dict[str, Any]]:
    """Return what can be said of each model without a clock.

    Raises:
        SmeltError: a model cannot be measured, or not at the lengths asked for.
    """
    output.mkdir(parents=True, exist_ok=True)
    found: dict[str, dict[str, Any]] = {}
    lengths, sizes = list(job.settings.lengths), list(job.settings.sizes)
    with ExitStack() as stack:
        # Written anew to be measured, and removed by this process, which outlives one that dies of it.
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix=".", suffix=".draft", dir=output)))
        worker = stack.enter_context(Worker(job.folders[job.reference], describer, job.settings.precision))
        for model, folder in job.folders.items():
            job.tell(f"describing {model}")
            worker.model = folder
            found[model] = worker(folder, lengths, sizes, scratch)
            if model in int8 and "int8" in sizes:
                exported = worker(int8[model], lengths, ["int8"], scratch)
                found[model]["bytes"] |= exported["bytes"]
    return found


def measure(job: Job, models: Sequence[str], device: str) -> dict[str, dict[str, Any]]:
    """Return memory, loading and latency of each model on a device."""
    loads = load_all(job, models, device)
    read: Read = {model: {} for model in models}
    for group in groups(taken(loads), job.memory):
        for setting, turns in read_all(job, group, device).items():
            for model in group:
                read[model].setdefault(setting, (turns[model], turns[job.reference]))
    return {
        model: {
            "memory": figures.memory(loads[model]),
            "loading": figures.loading(loads[model], loads[job.reference]),
            "latency": [figures.latency(*setting, *turns) for setting, turns in read[model].items()],
        }
        for model in models
    }


def _surroundings(arguments: argparse.Namespace, settings: Efficiency, job: Job, before: list[float]) -> dict[str, Any]:
    """Return what the figures were taken with, where and when; the load average says who else was at work."""
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
