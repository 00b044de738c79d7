"""What a process of the ruler does with its model: describe it, load it once, or read rows again and again."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smelt.efficiency.memory import highest_resident, resident
from smelt.efficiency.subject import Subject, random_ids
from smelt.efficiency.subjects import subject_in
from smelt.errors import SmeltError


def describer(precision: str) -> Callable[[Path, list[int], list[str], Path], dict[str, Any]]:
    """Return what counts parameters and operations of a model, and measures its bytes on disk; one after the other."""

    def describe(folder: Path, lengths: list[int], sizes: list[str], scratch: Path) -> dict[str, Any]:
        subject = subject_in(folder, precision)
        _refuse_longer(subject, lengths)
        own = str(subject.settings()["precision"])  # an export has that and no other
        measured = {size: subject.bytes_on_disk(size, scratch) for size in dict.fromkeys([*sizes, own])}
        return {
            "kind": subject.kind,
            **subject.settings(),
            "parameters": vars(subject.parameters()),
            "bytes": {size: value for size, value in measured.items() if value is not None},
            "operations_per_token": {str(length): subject.operations(length) for length in lengths},
            "devices": [device for device in ("cpu", "cuda") if subject.runs_on(device)],
        }

    return describe


def loader(folder: Path, precision: str, threads: int, device: str) -> Callable[[int], dict[str, float | int | None]]:
    """Return what loads a model once, in this process, and tells time and memory."""
    subject = subject_in(folder, precision)
    began = time.perf_counter()
    subject.prepare(device, threads)
    imported = time.perf_counter() - began

    def load(length: int) -> dict[str, float | int | None]:
        before = resident()
        began = time.perf_counter()
        run = subject.load()
        mapped, loaded = time.perf_counter() - began, resident()
        began = time.perf_counter()
        subject.touch()
        touched = time.perf_counter() - began
        whole, on_gpu = resident(), subject.allocated()
        run(random_ids(subject, 1, length))
        return {
            "seconds": mapped + touched,
            "mapped_seconds": mapped,
            "import_seconds": imported,
            "libraries": before,
            "mapped": loaded - before,
            "loaded": whole - before,
            "used": resident() - before,
            "highest": None if (highest := highest_resident()) is None else highest - before,
            "on_gpu": on_gpu,
        }

    return load


def reader(folder: Path, precision: str, threads: int, device: str) -> Callable[[int, int, int, int], list[float]]:
    """Return what reads a batch of rows several times, and tells the seconds of each pass after the first few."""
    subject = subject_in(folder, precision)
    subject.prepare(device, threads)
    run = subject.load()

    def read(batch: int, length: int, warmup: int, passes: int) -> list[float]:
        ids = random_ids(subject, batch, length)
        for _ in range(warmup):
            run(ids)
        seconds = []
        for _ in range(passes):
            began = time.perf_counter()
            run(ids)
            seconds.append(time.perf_counter() - began)
        return seconds

    return read


def _refuse_longer(subject: Subject, lengths: list[int]) -> None:
    if subject.longest is not None and max(lengths) > subject.longest:
        raise SmeltError(subject.folder, f"reads {subject.longest} tokens at once; lengths ask for {max(lengths)}")
