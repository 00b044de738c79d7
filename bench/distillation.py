"""Distillation of 12 layers into 6: smelt's objective against all logits of both models, and that both lose alike."""

import os
from collections.abc import Callable, Mapping
from statistics import median

import torch

from bench.distillation_ways import StepFigures, Workload, chunked, straightforward
from bench.measure import Benchmark, Figures, SkippedBenchmark, Unequal, ratio
from bench.workers import WayProcess, close
from smelt.training.speed import is_emulated

VOCABULARIES = {"119k": 119_547, "20k": 20_000}
ROWS_ON_CPU, ROWS_ON_GPU = 8, 32
TOLERANCE = {"fp32": 1e-4, "bf16": 2e-2}  # relative, of each loss

# Threads that wait sleep, as in all of smelt's commands; for the peer too, which gains as much where others work.
ENVIRONMENT = {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}


def distillation(name: str) -> Benchmark | SkippedBenchmark:
    """Tokens a second of what stands in the name: distil-<vocabulary>-<positions>-<precision of ours>."""
    _, vocabulary, positions, precision = name.split("-")
    on_gpu = torch.cuda.is_available()
    if is_emulated(precision, torch.device("cuda" if on_gpu else "cpu")):
        return SkippedBenchmark(name, "this processor only emulates bf16: a step would take minutes")
    rows = ROWS_ON_GPU if on_gpu else ROWS_ON_CPU
    workload = Workload(VOCABULARIES[vocabulary], positions, precision, rows, steps=20 if on_gpu else 1)
    makes = {"ours": chunked, "peer": straightforward}
    workers = {way: WayProcess(make, workload, environment=ENVIRONMENT) for way, make in makes.items()}
    measured: dict[str, list[StepFigures]] = {way: [] for way in workers}
    return Benchmark(
        name,
        "tokens/s",
        "all logits of both models, in fp32",
        ours=_speed(workers["ours"], measured["ours"]),
        peer=_speed(workers["peer"], measured["peer"]),
        runs=3,
        further=lambda _: _further(measured, precision, name),
        rehearse=False,  # each process has taken a step before
        close=lambda: close(workers),
    )


def _speed(worker: WayProcess, kept: list[StepFigures]) -> Callable[[], float]:
    def run() -> float:
        measured: StepFigures = worker()
        kept.append(measured)
        return measured.tokens_per_second

    return run


def _further(measured: Mapping[str, list[StepFigures]], precision: str, name: str) -> Figures:
    """Return processor time and peaks of memory, and how far the losses are apart.

    Raises:
        Unequal: farther than the tolerance of the precision.
    """
    ours, peer = (measured[way][0].losses for way in ("ours", "peer"))
    apart = {part: abs(ours[part] - loss) / abs(loss) for part, loss in peer.items()}
    worst = max(apart, key=lambda part: apart[part])
    if not apart[worst] < TOLERANCE[precision]:
        raise Unequal(f"{name}: {worst} is {ours[worst]:.6f}, of the peer {peer[worst]:.6f}")
    return {
        "processor time, peer to ours": ratio(*(_processor_seconds(measured[way]) for way in ("peer", "ours"))),
        **{f"{way}, processor s a step": median(_processor_seconds(runs)) for way, runs in measured.items()},
        **{f"{way}, peak MiB": max(one.memory for one in runs) for way, runs in measured.items()},
        **{f"{part} of the peer": loss for part, loss in peer.items()},
        "losses apart, relative": apart[worst],
    }


def _processor_seconds(runs: list[StepFigures]) -> list[float]:
    return [one.processor_seconds for one in runs]
