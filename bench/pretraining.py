"""Pretraining ALBERT: smelt's loop against transformers' Trainer and a bare step, as shares of the machine's peak."""

import os
import statistics
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

from bench.measure import Benchmark, Figures, SkippedBenchmark, ratio
from bench.pretraining_ways import Opened, Throughput, TrainingWorkload, bare, loop
from bench.synthetic import SyntheticCorpus, corpus
from bench.trainer import trainer
from bench.workers import WayProcess, close
from smelt.training.speed import flops_per_token, measure_peak

LENGTH = 512
DOCUMENTS = 2000
SECONDS_OF_PEAK = 1.0

# Threads that wait sleep, as in all of smelt's commands; for the peer too, which gains as much where others work.
ENVIRONMENT = {"OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}


@dataclass(frozen=True)
class Amount:
    """How much is measured."""

    rows: int
    warm: int
    steps: int
    runs: int


ON_CPU = {"tiny": Amount(8, 1, 3, 3), "base": Amount(2, 1, 2, 3)}
ON_GPU = {"tiny": Amount(128, 10, 40, 5), "base": Amount(64, 10, 20, 5)}
EMULATED = {"tiny": Amount(1, 1, 1, 3)}  # bf16 on a processor that has no arithmetic for it


def pretraining(name: str) -> Benchmark | SkippedBenchmark:
    """Tokens a second of what stands in the name: pretrain-<size>-<vocabulary>-<precision>."""
    _, size, vocabulary, precision = name.split("-")
    amount = amount_of(size, precision)
    if amount is None:
        return SkippedBenchmark(name, "this processor only emulates bf16: a step would take minutes")
    blocks = _corpus(int(vocabulary.removesuffix("k")) * 1000)
    workload = TrainingWorkload(f"albert-{size}", precision, blocks, amount.rows, amount.warm, amount.steps)
    ways = {make.__name__: WayProcess(make, workload, environment=ENVIRONMENT) for make in (loop, bare, trainer, peak)}
    measured: dict[str, list[Throughput]] = {name: [] for name in ways}
    return Benchmark(
        name,
        "tokens/s",
        "transformers' Trainer",
        ours=_speed(ways["loop"], measured["loop"]),
        peer=_speed(ways["trainer"], measured["trainer"]),
        runs=amount.runs,
        others={name: _speed(ways[name], measured[name]) for name in ("bare", "peak")},
        further=lambda speeds: _further(workload, speeds, [one.waiting for one in measured["loop"]]),
        rehearse=False,  # each run warms up by itself
        close=lambda: close(ways),
    )


def amount_of(size: str, precision: str) -> Amount | None:
    """Return how much to measure on this machine, or None where it would take too long."""
    if torch.cuda.is_available():
        return ON_GPU[size]
    if precision == "bf16" and torch.backends.cpu.get_cpu_capability() == "AVX2":
        return EMULATED.get(size)
    return ON_CPU[size]


def peak(workload: TrainingWorkload) -> Callable[[], Throughput]:
    """The fastest product of matrices, as the tokens a second that it would train if it were all of training."""
    opened = Opened(workload)
    predicted = workload.recipe.objective.masking_probability
    cost = flops_per_token(opened.model(), workload.corpus.length, predicted)
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16}[workload.precision]
    return lambda: Throughput(measure_peak(opened.device, dtype, SECONDS_OF_PEAK) / cost)


def _speed(worker: WayProcess, kept: list[Throughput]) -> Callable[[], float]:
    def run() -> float:
        measured: Throughput = worker()
        kept.append(measured)
        return measured.tokens_per_second

    return run


def _further(workload: TrainingWorkload, speeds: Mapping[str, list[float]], waiting: list[float]) -> Figures:
    """Return the bare step's speed, the loop's against it, all three as shares of the peak, and the waiting."""
    highest = max(speeds["peak"])
    cost = flops_per_token(
        Opened(workload).model(), workload.corpus.length, workload.recipe.objective.masking_probability
    )
    return {
        "bare step, tokens/s": statistics.median(speeds["bare"]),
        "ours to bare": ratio(speeds["ours"], speeds["bare"]),
        "peak, GFLOP/s": highest * cost / 1e9,
        **{f"{way}, share of peak": statistics.median(speeds[way]) / highest for way in ("ours", "bare", "peer")},
        "waiting for data, share": max(waiting),
    }


@lru_cache
def _corpus(vocabulary: int) -> SyntheticCorpus:
    folder = Path(tempfile.mkdtemp(prefix="smelt-bench-"))
    return corpus(folder, vocabulary, LENGTH, DOCUMENTS)
