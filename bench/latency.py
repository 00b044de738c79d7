"""How much faster XtremeDistil's students are than a BERT of mBERT's shape, beside Table 16 of the paper.

All 16 students and the BERT answer the same 1,000 queries of 32 random pieces, from ids to the logits of every token:
projection and head are in, of both. All stay in memory and take turns, an eighth of the queries each in every round, on
one thread of the CPU. BERT runs by torch, as the paper's columns have it run by its framework, and by ONNX Runtime:
speed-ups are stated over the first, and over the faster of both. Times are of the processor, which with one thread that
never waits are the latency, and which other work on a machine disturbs least; those of the clock are kept beside them.
Speed-ups are medians of the rounds' ratios. Weights are random: speed does not depend on what they say.

The paper's columns are of batches of 32 on a P100 and of single queries on a Xeon E5-2690 v4.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.latency_ways import INT8, TORCH, Shapes, TensorWay, bert_ways, by_torch, student, student_ways
from bench.measure import RESULTS, BenchmarkOutcome, SkippedBenchmark, Unequal, machine, ratio, write
from bench.workers import WayProcess

StudentSize = tuple[int, int]
Seconds = dict[str, list[float]]
"""Of a query, in each round, by the way."""

# (embedding, hidden): millions of parameters, speed-up of batches on a GPU, of single queries on a CPU (Table 16).
PAPER: dict[StudentSize, tuple[float, int, int]] = {
    **{(300, 600): (31.8, 14, 8), (200, 600): (22.5, 15, 9), (300, 400): (29.4, 23, 11), (200, 400): (20.2, 25, 12)},
    **{(100, 600): (13.1, 16, 9), (100, 400): (11.1, 24, 13), (50, 600): (8.5, 16, 10), (300, 200): (27.7, 40, 15)},
    **{(200, 200): (18.7, 46, 16), (50, 400): (6.5, 27, 13), (100, 200): (9.6, 49, 15), (50, 200): (5.1, 51, 16)},
    **{(300, 100): (27.0, 62, 16), (200, 100): (18.1, 68, 17), (100, 100): (9.2, 74, 15), (50, 100): (4.7, 77, 16)},
}
CHOSEN: StudentSize = (50, 200)  # the paper's 35 times smaller and 51 times faster
BERT = "bert"
TOLERANCE = 1e-5  # of the largest logit, for a way to count as exact: sums in another order


@dataclass(frozen=True)
class Plan:
    """What is measured, on what."""

    batch: int
    device: str = "cpu"
    settings: tuple[StudentSize, ...] = tuple(PAPER)
    chosen: StudentSize = CHOSEN
    shapes: Shapes = field(default_factory=Shapes)
    queries: int = 1000
    length: int = 32
    rounds: int = 8


def latency(name: str) -> BenchmarkOutcome | SkippedBenchmark:
    """Queries a second of the 50/200 student, in its fastest exact way, against BERT; the name has batch and device."""
    _, batch, device = name.split("-")
    if device == "gpu" and not torch.cuda.is_available():
        return SkippedBenchmark(name, "torch finds no GPU here")
    plan = Plan(int(batch), "cuda" if device == "gpu" else "cpu")
    environment = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    worker = WayProcess(measuring, plan, environment=environment)
    try:
        found = worker()
    finally:
        worker.close()
    if isinstance(found, str):
        raise Unequal(found)
    return outcome_of(name, plan, *found)


def measuring(plan: Plan) -> Callable[[], Any]:
    """Return what measures a plan: its result is what `measured` gives, or a line that says what is unequal."""

    def run() -> Any:
        try:
            return measure_rounds(plan)
        except Unequal as error:
            return str(error)

    return run


def measure_rounds(plan: Plan) -> tuple[dict[str, Seconds], dict[str, Seconds], dict[str, float]]:
    """Return seconds a query of the processor and of the clock, by setting and way, and what int8 changes.

    Raises:
        Unequal: a way that should be exact gives other logits.
    """
    torch.set_num_threads(1)
    count = max(1, plan.queries // plan.rounds)
    passes = -(-count // plan.batch)
    generator = torch.Generator().manual_seed(1)
    drawn = torch.randint(1, plan.shapes.pieces, (plan.rounds, passes, plan.batch, plan.length), generator=generator)
    with torch.inference_mode(), tempfile.TemporaryDirectory(prefix="smelt-bench-") as folder:
        of_bert = bert_ways(plan.shapes, plan.device, Path(folder, BERT))
        changed = deviations(of_bert, drawn[0, 0])
        ways = {(BERT, name): way for name, way in of_bert.items()}
        for setting in plan.settings:
            made = _ways(plan, setting, Path(folder))
            changed |= {f"{title(setting)}, {key}": value for key, value in deviations(made, drawn[0, 0]).items()}
            ways |= {(title(setting), name): way for name, way in made.items()}
        processor: dict[str, Seconds] = {}
        clock: dict[str, Seconds] = {}
        for ids in drawn.to(plan.device):
            for (model, name), way in ways.items():
                worked, waited = _seconds(way, ids, plan.device)
                processor.setdefault(model, {}).setdefault(name, []).append(worked)
                clock.setdefault(model, {}).setdefault(name, []).append(waited)
    return processor, clock, changed


def deviations(ways: Mapping[str, TensorWay], ids: Tensor) -> dict[str, float]:
    """Return how far int8 is from torch on the CPU; there is nothing to say where there is no int8.

    Raises:
        Unequal: another way is farther than rounding.
    """
    found: dict[str, float] = {}
    if len(ways) == 1:
        return found  # on a GPU
    expected = ways[TORCH](ids)
    for name, way in ways.items():
        logits = way(ids)
        distance = float((logits - expected).abs().max() / expected.abs().max())
        if name == INT8:
            same = float((logits.argmax(-1) == expected.argmax(-1)).float().mean())
            found |= {"int8 differs by, of the largest logit": distance, "int8, tokens of the same label": same}
        elif not distance <= TOLERANCE:
            raise Unequal(f"{name} differs from torch by {distance:.1e} of the largest logit; allowed is {TOLERANCE:g}")
    return found


def outcome_of(
    name: str, plan: Plan, processor: dict[str, Seconds], clock: dict[str, Seconds], changed: dict[str, float]
) -> BenchmarkOutcome:
    """Return the outcome, and write it with all times, and a table in Markdown."""
    seconds = clock if plan.device == "cuda" else processor
    bert, peer = seconds[BERT][TORCH], fastest_bert(seconds[BERT])
    ups, further_ups = (speed_ups(plan, seconds, way) for way in (TORCH, peer))
    best = fastest_exact(ups[plan.chosen])
    ours = seconds[title(plan.chosen)][best]
    further = {f"{title(setting)}, {way}": value for setting, found in ups.items() for way, value in found.items()}
    over = {setting: further_ups[setting][fastest_exact(found)] for setting, found in ups.items()}
    further |= {f"{title(setting)}, fastest exact, over BERT by {peer}": value for setting, value in over.items()}
    outcome = BenchmarkOutcome(
        name=name,
        unit="queries/s",
        ours=1 / statistics.median(ours),
        peer=1 / statistics.median(bert),
        peer_name=f"BERT by {TORCH}; ours is {title(plan.chosen)} by {best}",
        ratio=ups[plan.chosen][best],
        runs=plan.rounds,
        machine=machine(),
        further=further | changed,
        speeds={
            f"{model}, {way}": [1 / s for s in values]
            for model, ways in seconds.items()
            for way, values in ways.items()
        },
    )
    write(outcome)
    kept = {"processor_seconds": processor, "clock_seconds": clock, "threads": 1}
    (RESULTS / f"{name}.seconds.json").write_text(json.dumps(kept, indent=1) + "\n")
    (RESULTS / f"{name}.md").write_text(table(plan, seconds, ups, over))
    return outcome


def speed_ups(plan: Plan, seconds: Mapping[str, Seconds], peer: str) -> dict[StudentSize, dict[str, float]]:
    """Return how many times faster each way of each student is than BERT run in a way of its own."""
    bert = seconds[BERT][peer]
    return {
        setting: {way: ratio(bert, values) for way, values in seconds[title(setting)].items()}
        for setting in plan.settings
    }


def fastest_bert(ways: Seconds) -> str:
    """Return the way in which BERT is fastest; all of its are exact."""
    return min(ways, key=lambda way: statistics.median(ways[way]))


def fastest_exact(ups: Mapping[str, float]) -> str:
    """Return the fastest way whose logits are the model's to rounding."""
    return max((way for way in ups if way != INT8), key=lambda way: ups[way])


def table(
    plan: Plan,
    seconds: Mapping[str, Seconds],
    ups: Mapping[StudentSize, Mapping[str, float]],
    over: Mapping[StudentSize, float],
) -> str:
    """Return a row for each setting in Markdown: parameters, milliseconds, speed-ups by way, the paper's columns.

    Args:
        plan: what was measured.
        seconds: of a query, by model and way.
        ups: over BERT by torch, of each way.
        over: of each setting's fastest exact way over BERT's fastest.
    """
    ways = list(ups[plan.chosen])
    heads = [
        "E / H",
        "M",
        "ms a query, fastest exact",
        *ways,
        "fastest exact",
        f"the same over BERT by {fastest_bert(seconds[BERT])}",
        "paper, batch 32, GPU",
        "paper, batch 1, CPU",
    ]
    lines = [heads, ["---", *["---:"] * (2 + len(ways)), "---", "---:", "---:", "---:"]]
    for setting, found in ups.items():
        best = fastest_exact(found)
        millions, batched, single = PAPER.get(setting, (0.0, 0, 0))
        milliseconds = 1000 * statistics.median(seconds[title(setting)][best])
        cells = [f"{found[way]:.1f}" if way in found else "" for way in ways]
        known = [f"{over[setting]:.1f}", str(batched), str(single)]
        lines.append([title(setting), f"{millions}", f"{milliseconds:.3f}", *cells, best, *known])
    of_bert = [f"{1000 * statistics.median(values):.1f} ms a query by {way}" for way, values in seconds[BERT].items()]
    lines.append([f"BERT: {', '.join(of_bert)}", *[""] * (len(heads) - 1)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def title(setting: StudentSize) -> str:
    """Return a setting as the tables have it."""
    return f"{setting[0]}/{setting[1]}"


def _ways(plan: Plan, setting: StudentSize, folder: Path) -> dict[str, TensorWay]:
    """Return a student's ways: on the CPU several, and all of them of the chosen one."""
    model = student(plan.shapes, *setting)
    if plan.device == "cuda":
        return {TORCH: by_torch(model.to(plan.device))}
    shape = (plan.batch, plan.length) if setting == plan.chosen else None
    return student_ways(model, folder / title(setting), shape)


def _seconds(way: TensorWay, ids: Tensor, device: str) -> tuple[float, float]:
    """Return seconds a query of the processor and of the clock, of ids (passes, batch, length), after one pass more."""
    way(ids[0])
    _wait(device)
    worked, waited = time.process_time(), time.perf_counter()
    for batch in ids:
        way(batch)
    _wait(device)
    queries = ids.shape[0] * ids.shape[1]
    return (time.process_time() - worked) / queries, (time.perf_counter() - waited) / queries


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
