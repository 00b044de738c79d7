"""Fine-tuning with five seeds: smelt against transformers' example scripts, and against a build of smelt before.

What it needs beside smelt stands in the environment; without it, it is skipped:

- SMELT_DATA: the folder of public data; part of a set is taken from there;
- TRANSFORMERS_EXAMPLES: the folder examples/pytorch of a checkout of transformers at the installed version, since no
  package holds it;
- EVALUATE_METRICS: the folder metrics of a checkout of evaluate, since the scripts ask the hub for their metrics
  otherwise;
- EXAMPLES_PYTHON: the interpreter of an environment with what the scripts need (torch and transformers of the same
  versions, accelerate, datasets, evaluate, seqeval, scikit-learn); by default this one;
- SMELT_BEFORE: a checkout of smelt to compare with, if any.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from bench.finetuning_data import PARTS
from bench.finetuning_ways import EXAMPLES, METRICS, FinetuningWorkload, SeedsFigures, make_ways
from bench.measure import Benchmark, Figures, SkippedBenchmark, ratio

SEEDS = range(1, 6)
RATES = {"tiny": 5e-4, "base": 1e-4}
SCALES = {"tiny": 0.25, "base": 0.05}  # of the part of the set: a step of base takes some fifteen times as long
RUNS = {"tiny": 3, "base": 1}
NEEDED = ("SMELT_DATA", EXAMPLES, METRICS)


def finetuning(name: str) -> Benchmark | SkippedBenchmark:
    """Seeds an hour of processor time, of the set and size in the name: finetune-<set>-<size>.

    Ours is in fp32, as the scripts are by default. On a processor with bf16 units, ours in bf16 takes its turn, too.
    """
    _, part, size = name.split("-")
    if missing := [variable for variable in NEEDED if variable not in os.environ]:
        return SkippedBenchmark(name, f"{', '.join(missing)} not set; bench/finetuning.py says what they name")
    folder = Path(tempfile.mkdtemp(prefix="smelt-bench-"))
    scale = max(SCALES[size], PARTS[part].smallest)
    ways = make_ways(FinetuningWorkload(part, f"albert-{size}", RATES[size], scale, folder))
    measured: dict[str, list[SeedsFigures]] = {way: [] for way in (*ways, "one")}

    def speed(way: str, kept: str, seeds: range) -> Callable[[], float]:
        def run() -> float:
            figures = ways[way](seeds)
            measured[kept].append(figures)
            return 3600 * figures.seeds / figures.processor_seconds

        return run

    others = {name: speed(name, name, SEEDS) for name in ways if name not in ("ours", "peer")}
    return Benchmark(
        name,
        "seeds/h of a core",
        "transformers' script",
        ours=speed("ours", "ours", SEEDS),
        peer=speed("peer", "peer", SEEDS),
        runs=RUNS[size],
        others={**others, "one": speed("ours", "one", SEEDS[:1])},
        further=lambda _: further(measured),
        rehearse=False,  # each run is processes of its own
        close=lambda: shutil.rmtree(folder),
    )


def further(measured: Mapping[str, list[SeedsFigures]]) -> Figures:
    """Return times, memory and scores of the ways, and their ratios to ours."""
    found: dict[str, float] = {}
    for way, runs in measured.items():
        if way != "one":
            found[f"{way}, seeds/h"] = median(3600 * one.seeds / one.wall_seconds for one in runs)
            found[f"{way}, wall s"] = median(one.wall_seconds for one in runs)
            found[f"{way}, processor s"] = median(one.processor_seconds for one in runs)
            found[f"{way}, score"] = runs[0].mean
            found[f"{way}, deviation"] = runs[0].deviation
        found[f"{way}, peak MiB"] = max(one.memory for one in runs)
    ours = measured["ours"]
    for way in [way for way in measured if way not in ("ours", "one")]:
        both = [[getattr(one, which) for one in measured[way]] for which in ("wall_seconds", "processor_seconds")]
        own = [[getattr(one, which) for one in ours] for which in ("wall_seconds", "processor_seconds")]
        found[f"{way} to ours, wall"] = ratio(both[0], own[0])
        found[f"{way} to ours, processor"] = ratio(both[1], own[1])
    found["five seeds to one, MiB"] = found["ours, peak MiB"] / found["one, peak MiB"]
    spread = max(ours[0].deviation, measured["peer"][0].deviation)
    found["scores apart, deviations"] = abs(ours[0].mean - measured["peer"][0].mean) / spread if spread else 0.0
    return found
