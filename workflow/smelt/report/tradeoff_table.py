"""Tables of score, size and latency: which model is worth it at which budget (XtremeDistil, Tables 15 and 16)."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from smelt.report.comparison_tables import NONE
from smelt.report.efficiency_records import MB
from smelt.report.efficiency_table import digits
from smelt.report.grid import Cell, Grid, Group, PaperTable, Row
from smelt.report.grid_table import counted, mean_and_spread, spread_cell
from smelt.report.score_notes import in_words, one_teacher_note, seqeval_note
from smelt.report.tradeoffs import Latency, Tradeoff, Tradeoffs
from smelt.study.students import TradeoffTable

NO_CELL = ("row", "column", "choices", "steps")  # what cells of a grid have besides
SIZES = ["Score", "Parameters (M)", "Compression", "Size (MB)"]


def tradeoff_table(
    name: str, table: TradeoffTable, found: Tradeoffs, one_teacher: Sequence[str]
) -> tuple[PaperTable, pd.DataFrame]:
    """Return the table as a paper prints it, and the numbers behind it: a row a model.

    one_teacher: models whose seeds share a teacher.
    """
    over = spread_of(found)
    times = [head for batch in table.batches or () for head in (f"{batch} × {table.length} (ms)", "Speed-up")]
    rows = [Row(each.model, _cells(each, over)) for each in found.models]
    grid = Grid("Model", [*SIZES, *times, "Worth it"], [Group(rows)])
    caption = table.caption or f"Score on {table.task}, size and latency"
    notes = _notes(table, found) + one_teacher_note(one_teacher)
    return PaperTable(name, caption, [grid], notes), pd.DataFrame(map(_numbers, found.models))


def spread_of(found: Tradeoffs) -> str:
    """Return what deviations are shown over: languages, where there are several, or else seeds."""
    return "languages" if any(each.score.languages > 1 for each in found.models) else "seeds"


def _cells(each: Tradeoff, over: str) -> list[Cell]:
    sizes = [Cell(digits(each.parameters / 1e6)), _times(each.compression), _number(each.bytes_fp32 / MB)]
    latencies = [cell for one in each.latencies for cell in (_number(one.milliseconds), _times(one.speedup))]
    worth = Cell("yes" if each.worth_it else "", bold=each.worth_it)
    return [spread_cell(each.score, over), *sizes, *latencies, worth]


def _number(value: float) -> Cell:
    return Cell(NONE if math.isnan(value) else digits(value))


def _times(value: float) -> Cell:
    """Return how many times smaller or faster: with one decimal, or two where there is little to tell."""
    return Cell(NONE if math.isnan(value) else f"{value:.1f}×" if value >= 2 else f"{value:.2f}×")


def _numbers(each: Tradeoff) -> dict[str, Any]:
    score = {key: value for key, value in asdict(each.score).items() if key not in NO_CELL}
    sizes = {"parameters": each.parameters, "compression": each.compression, "bytes_fp32": each.bytes_fp32}
    times = {key: value for one in each.latencies for key, value in _time_numbers(one).items()}
    return score | sizes | times | {"worth_it": each.worth_it}


def _time_numbers(one: Latency) -> dict[str, float]:
    parts = ("milliseconds", "low", "high", "passes", "speedup")
    return {f"{part}_batch_{one.batch}": getattr(one, part) for part in parts}


def _notes(table: TradeoffTable, found: Tradeoffs) -> list[str]:
    scores = [each.score for each in found.models]
    metric = {table.task: scores[0].metric}
    passes = counted([one.passes for each in found.models for one in each.latencies], "pass", "passes")
    machine = found.machine
    on = f", {', '.join(machine['gpus'])}" if table.device == "cuda" else ""
    return [
        f"{in_words(metric)} on {table.task}; test set, in percent. {mean_and_spread(scores, spread_of(found))}",
        *seqeval_note(metric.values()),
        f"Compression: parameters of {found.reference} divided by the model's own, heads included. Size: of the"
        " weights in fp32; MB are 10⁶ bytes.",
        f"Latency of rows × tokens on {table.device}: to the last hidden states, or to the logits of a compact student,"
        f" median of {passes}, with all models taking turns in one job on {machine['processor']}{on},"
        f" {counted([found.threads], 'thread')}."
        f" Speed-up: latency of {found.reference} divided by the model's, as the median over turns measured one after"
        " the other.",
        f"Worth it: no other model of the table has at least its mean score and at most its latency at"
        f" {(table.batches or [0])[-1]} × {table.length}. Neither is tested: models that are close may not differ.",
    ]
