"""Run the benchmarks and print a table of them."""

import argparse
import sys
from collections.abc import Callable
from fnmatch import fnmatch

from rich.console import Console
from rich.table import Table

from bench import bounded_memory, slurm_jobs
from bench.blocks import blocks, scaling
from bench.corpus_kills import corpus_kills
from bench.counting import counting
from bench.distillation import distillation
from bench.efficiency import efficiency
from bench.extraction import EXTRACTIONS, extraction
from bench.finetuning import finetuning
from bench.finetuning_data import PARTS
from bench.head import head
from bench.kills import kills
from bench.latency import latency
from bench.measure import Benchmark, BenchmarkOutcome, SkippedBenchmark, Unequal, measure
from bench.memory import SIZES, memory
from bench.page import comparing, writing
from bench.planning import STUDIES, planning
from bench.pretraining import pretraining
from bench.reduction import reduction
from bench.sentences import agreement, speed
from bench.students import students
from bench.trimming import SOURCES, trimming
from bench.workers import Ended
from bench.workflow_kills import workflow_kills

# Each is made only when it is asked for, because making one prepares its data.
BENCHMARKS: dict[str, Callable[[str], Benchmark | BenchmarkOutcome | SkippedBenchmark]] = {
    **{f"extract-{dump}": extraction for dump in EXTRACTIONS},
    **{
        f"pretrain-{size}-{vocabulary}-{precision}": pretraining
        for size in ("tiny", "base")
        for vocabulary in ("32k", "128k")
        for precision in ("fp32", "bf16")
    },
    **{
        f"distil-{vocabulary}-{positions}-{precision}": distillation
        for vocabulary in ("119k", "20k")
        for positions in ("all", "masked")
        for precision in ("fp32", "bf16")
    },
    **{f"finetune-{part}-{size}": finetuning for part in PARTS for size in ("tiny", "base")},
    "masked-head-32k": head,
    "masked-head-128k": head,
    **{f"blocks-{kind}": blocks for kind in ("wordpiece", "unigram", "bpe")},
    "blocks-scaling": scaling,
    **{f"count-{kind}": counting for kind in ("wordpiece", "unigram", "bpe")},
    "sentences-speed": speed,
    "sentences-agreement": agreement,
    "reduce-119k-20k": reduction,
    **{f"trim-{source}": trimming for source in SOURCES},
    "efficiency-mbert": efficiency,
    "efficiency-eliquare": students,
    "latency-1-cpu": latency,
    "latency-32-cpu": latency,
    "latency-32-gpu": latency,
    **{f"memory-{size}": memory for size in SIZES},
    "memory-of-blocks": bounded_memory.of_blocks,
    "memory-of-a-page": bounded_memory.of_a_page,
    **{f"plan-{study}{state}": planning for study in STUDIES for state in ("", "-finished")},
    "page-large": writing,
    "compare-large": comparing,
    "slurm-2000-jobs": slurm_jobs.all_jobs,
    "slurm-60-jobs": slurm_jobs.cost,
    "corpus-20-kills": corpus_kills,
    "workflow-100-kills": workflow_kills,
    "resume-30-kills": kills,
    "resume-30-kills-2-processes": kills,
}


def main() -> int:
    """Measure all benchmarks, or those named by --only."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--only", default="*", help=f"name or pattern of those to run, of {', '.join(BENCHMARKS)}")
    only = parser.parse_args().only
    chosen = [name for name in BENCHMARKS if fnmatch(name, only)]
    if not chosen:
        parser.error(f"no benchmark is called {only}; there are {', '.join(BENCHMARKS)}")
    table = Table("name", "unit", "ours", "peer", "peer's name", "ratio", "runs", "further")
    failed = False
    for name in chosen:
        outcome = outcome_of(name)
        failed |= isinstance(outcome, SkippedBenchmark) and outcome.failed
        table.add_row(*row(outcome), end_section=True)
        Console(stderr=True).print(*row(outcome), sep="  ")  # the table comes at the end, which may be far
    Console(width=160).print(table)
    return int(failed)


def outcome_of(name: str) -> BenchmarkOutcome | SkippedBenchmark:
    """Return the outcome of a benchmark; one that fails, or whose process dies, does not end the others."""
    try:
        made = BENCHMARKS[name](name)
        return measure(made) if isinstance(made, Benchmark) else made
    except (Ended, Unequal) as error:
        return SkippedBenchmark(name, str(error), failed=True)


def row(outcome: BenchmarkOutcome | SkippedBenchmark) -> list[str]:
    """Return the cells of a benchmark's row."""
    if isinstance(outcome, SkippedBenchmark):
        return [outcome.name, "", "", "", "", "", "", f"not run: {outcome.reason}"]
    numbers = [f"{value:,.2f}" for value in (outcome.ours, outcome.peer)]
    further = "\n".join(f"{name} {value:,.4g}" for name, value in outcome.further.items())
    ratio = f"{outcome.ratio:.2f}"
    return [outcome.name, outcome.unit, *numbers, outcome.peer_name, ratio, str(outcome.runs), further]


if __name__ == "__main__":
    sys.exit(main())
