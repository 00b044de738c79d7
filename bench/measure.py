"""Alternating ours and a peer, and keeping what came out."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

RESULTS = Path("results/bench")

Figures = Mapping[str, float]


class Unequal(Exception):
    """Two ways that are to do one thing have done two."""


@dataclass(frozen=True)
class Benchmark:
    """Two ways to do one thing; each call does it once and returns its speed, in `unit`."""

    name: str
    unit: str
    peer_name: str
    ours: Callable[[], float]
    peer: Callable[[], float]
    runs: int = 5
    others: Mapping[str, Callable[[], float]] = field(default_factory=dict)
    """Further ways, run in turn with the two."""
    further: Callable[[Mapping[str, list[float]]], Figures] = lambda speeds: {}  # noqa: ARG005 - none by default
    """What else to report, of the speeds of each way (ours, peer and the others) in all runs."""
    rehearse: bool = True
    """Whether each way is run once before anything is measured."""
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class SkippedBenchmark:
    """A benchmark that says nothing on this machine, and why."""

    name: str
    reason: str
    failed: bool = False
    """Whether it should have run."""


@dataclass(frozen=True)
class BenchmarkOutcome:
    """Medians of both; a ratio above 1 says that ours is faster."""

    name: str
    unit: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    runs: int
    machine: str
    further: Figures = field(default_factory=dict)
    speeds: Mapping[str, list[float]] = field(default_factory=dict)
    """Of each way, in each run."""


def measure(benchmark: Benchmark) -> BenchmarkOutcome:
    """Run all ways in turn, and write results/bench/<name>.json."""
    ways = {"ours": benchmark.ours, **benchmark.others, "peer": benchmark.peer}
    try:
        if benchmark.rehearse:
            for run in ways.values():
                run()
        rounds = [{name: run() for name, run in ways.items()} for _ in range(benchmark.runs)]
    finally:
        benchmark.close()
    speeds = {name: [speeds[name] for speeds in rounds] for name in ways}
    outcome = BenchmarkOutcome(
        name=benchmark.name,
        unit=benchmark.unit,
        ours=statistics.median(speeds["ours"]),
        peer=statistics.median(speeds["peer"]),
        peer_name=benchmark.peer_name,
        ratio=ratio(speeds["ours"], speeds["peer"]),
        runs=benchmark.runs,
        machine=machine(),
        further=benchmark.further(speeds),
        speeds=speeds,
    )
    write(outcome)
    return outcome


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median of the rounds' ratios: what slows one run slows its neighbour too."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


def write(outcome: BenchmarkOutcome) -> None:
    """Write results/bench/<name>.json."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{outcome.name}.json").write_text(json.dumps(asdict(outcome), indent=2) + "\n")


def machine() -> str:
    """Return the processor's name, the number of cores that this process may use, and the GPU if torch has one."""
    cores = len(os.sched_getaffinity(0))
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else platform.processor()}, {cores} cores{_gpu()}"


def _gpu() -> str:
    import torch

    return f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
