"""The order of measurements: models alternate, so that a temporary slowdown of the machine affects all of them alike.

Loading: in each round every model is loaded once, by a fresh process, one process at a time. Reading: every model keeps
a process alive, and for each setting they alternate in rounds of a few passes each. So passes of two models are seconds
apart; they would be minutes apart if each round loaded the model again. Live processes take memory: where all of them
would exceed the limit, models are measured in several groups, each with the reference, so that every ratio compares
neighbours in time.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.efficiency.worker import Worker, make_loader, make_reader
from smelt.errors import SmeltError
from smelt.study.efficiency import Efficiency

PASSES = 10  # in a round, if passes are short; the first pass after another model's is slower, and is not timed
LONG = 0.1  # seconds; if a pass takes this long or longer, a round is one timed pass
SPARE = 1.25  # memory that a live process may take, as a multiple of what loading took

Rounds = list[list[float]]
"""Seconds of the timed passes, round by round."""


@dataclass(frozen=True)
class Job:
    """The models and settings of one job."""

    folders: Mapping[str, Path]
    """Of each model, the reference first."""
    settings: Efficiency
    threads: int
    memory: int
    """Bytes that the processes that are alive together may take."""
    report: Callable[[str], None]

    @property
    def reference(self) -> str:
        """The model that ratios are to."""
        return next(iter(self.folders))


def measure_loads(job: Job, models: Sequence[str], device: str) -> dict[str, list[dict[str, Any]]]:
    """Return time and memory of each model's loads, a fresh process each; each round starts with another model."""
    found: dict[str, list[dict[str, Any]]] = {model: [] for model in models}
    for number in range(job.settings.loads):
        job.report(f"{device}: loading, round {number + 1} of {job.settings.loads}")
        for model in _rotate(models, number):
            folder = job.folders[model]
            _read_through(folder)
            with Worker(folder, make_loader, folder, job.settings.precision, job.threads, device) as worker:
                found[model].append(worker(min(job.settings.lengths)))
    return found


def groups(takes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Return the models in groups that take no more than the limit, the first model in each group.

    Args:
        takes: bytes that each model's process takes.
        limit: bytes that a group may take; two models make a group whatever they take.
    """
    first, *others = takes
    made = [[first]]
    for model in others:
        if len(made[-1]) > 1 and sum(takes[name] for name in [*made[-1], model]) > limit:
            made.append([first])
        made[-1].append(model)
    return made


def memory_of(loads: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, int]:
    """Return the bytes that each model's process is expected to take while it reads."""
    return {
        model: int(SPARE * max(load["libraries"] + load["used"] for load in found)) for model, found in loads.items()
    }


def measure_passes(job: Job, group: Sequence[str], device: str) -> dict[tuple[int, int], dict[str, Rounds]]:
    """Return the rounds of each model of a group for each batch and length; the n-th rounds are neighbours in time."""
    with ExitStack() as stack:
        settings = job.settings
        workers = {}
        for model in group:
            folder = job.folders[model]
            process = Worker(folder, make_reader, folder, settings.precision, job.threads, device)
            workers[model] = stack.enter_context(process)
        found = {}
        for batch in settings.batches:
            for length in settings.lengths:
                job.report(f"{device}: batch {batch}, length {length}: {', '.join(group)}")
                found[batch, length] = _alternate(workers, batch, length, settings)
        return found


def _alternate(workers: Mapping[str, Worker], batch: int, length: int, settings: Efficiency) -> dict[str, Rounds]:
    warm = {model: worker(batch, length, settings.warmup, 1)[0] for model, worker in workers.items()}
    short = min(warm.values()) < LONG
    passes, untimed = (PASSES, 1) if short else (1, 0)
    rounds: dict[str, Rounds] = {model: [] for model in workers}
    for number, count in enumerate(_passes_of_rounds(settings.items, passes)):
        for model in _rotate(list(workers), number):
            rounds[model].append(workers[model](batch, length, untimed, count))
    return rounds


def _passes_of_rounds(items: int, passes: int) -> Iterator[int]:
    """Yield the passes of each round."""
    for start in range(0, items, passes):
        yield min(passes, items - start)


def _rotate(models: Sequence[str], number: int) -> list[str]:
    start = number % len(models)
    return [*models[start:], *models[:start]]


def _read_through(folder: Path) -> None:
    """Read a model's files once, so that every load finds them in the system's cache."""
    for file in sorted(folder.iterdir()):
        if file.is_file():
            with file.open("rb") as stream:
                while stream.read(1 << 24):
                    pass


def models_by_device(described: Mapping[str, Mapping[str, Any]], gpus: int) -> dict[str, list[str]]:
    """Return the models that can be measured on each device, the reference first: the CPU, and a GPU if one was given.

    Raises:
        SmeltError: models can be measured on the GPU, and the reference cannot.
    """
    found = {}
    for device in ("cpu", *(["cuda"] if gpus else [])):
        if able := [model for model, entry in described.items() if device in entry["devices"]]:
            found[device] = able
            if (reference := next(iter(described))) not in able:
                raise SmeltError("--settings", f"reference: {reference!r} cannot run on {device}: name another model")
    return found


def elapsed(since: float) -> str:
    """Return minutes and seconds since a moment of time.monotonic()."""
    minutes, seconds = divmod(round(time.monotonic() - since), 60)
    return f"{minutes}:{seconds:02}"


def folders_of(models: Sequence[Path], reference: str | None) -> dict[str, Path]:
    """Return folders by the models' names, the reference first.

    Raises:
        SmeltError: two folders have one name, or the reference is none of them.
    """
    found = {folder.name: folder for folder in models}
    if len(found) < len(models):
        raise SmeltError("--models", "two folders have one name: results are named by it")
    first = reference or next(iter(found))
    if first not in found:
        raise SmeltError("--settings", f"reference: {first!r} is not measured: expected one of {', '.join(found)}")
    return {first: found[first], **found}
