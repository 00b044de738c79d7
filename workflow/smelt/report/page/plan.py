"""The table of the page that compares what stages were planned to take with what they took."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.overview import ENERGY_UNITS
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, digits

_TIME = (("h", 3600.0), ("min", 60.0), ("s", 1.0))
_BYTES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


@dataclass(frozen=True)
class PlannedQuantity:
    """Something that stages take: its head, its key in plan.json, and the units that it is shown in."""

    head: str
    key: str
    units: Sequence[tuple[str, float]]
    """The largest first, each with its size."""
    adds_up: bool = True
    """Whether stages together take the sum; otherwise the most that one takes."""

    def of(self, stage: Mapping[str, Any]) -> float | None:
        """Return how much a stage takes."""
        value = stage[self.key]
        return None if value is None else float(value)

    def text(self, value: float | None) -> str:
        """Return an amount in the unit that suits it."""
        if value is None:
            return NONE
        name, size = next(((name, size) for name, size in self.units if value >= size), self.units[-1])
        return f"{digits(value / size)} {name}" if value else "0"

    def together(self, stages: Sequence[Mapping[str, Any]]) -> float | None:
        """Return how much stages take together; None where it is not known of one."""
        values = [self.of(stage) for stage in stages]
        known = [value for value in values if value is not None]
        return (sum(known) if self.adds_up else max(known)) if known and len(known) == len(values) else None


_QUANTITIES = (
    PlannedQuantity("CPU time", "cpu_seconds", _TIME),
    PlannedQuantity("GPU time", "gpu_seconds", _TIME),
    PlannedQuantity("Disk", "disk", _BYTES),
    PlannedQuantity("Memory", "memory", tuple((name, size / 1e6) for name, size in _BYTES), adds_up=False),
    PlannedQuantity("Energy", "kwh", ENERGY_UNITS),
)


def plan_table(path: Path) -> PaperTable:
    """Return the table of plan.json: a row a stage, for each quantity what was planned and what was measured.

    Raises:
        SmeltError: the file is missing, or no plan.
    """
    plan = read_json(path)
    try:
        return _table(plan["stages"], plan["rates"]["machine"], list(plan.get("assumed", {})))
    except (KeyError, TypeError, AttributeError) as error:
        raise SmeltError(path, f"is no plan ({error}): expected what `smelt plan --output` writes") from None


def _table(stages: Sequence[Mapping[str, Any]], machine: str, assumed: Sequence[str]) -> PaperTable:
    measured = [stage["measured"] for stage in stages if stage["measured"]]
    shown = [q for q in _QUANTITIES if q.key != "gpu_seconds" or any(map(q.of, [*stages, *measured]))]
    heads = ["Jobs", *(head for quantity in shown for head in (quantity.head, f"{quantity.head}, measured"))]
    groups = [Group([_row(stage["name"], [stage], shown) for stage in stages])]
    whole = [stage for stage in stages if _is_whole(stage)]
    groups += [Group([_row("All measured to the end", whole, shown)])] if len(whole) > 1 else []
    notes = [
        f"Planned by the sizes of sources that are known by now and the rates of {machine}; smelt check and "
        "smelt plan print the same numbers. Memory is that of the largest job.",
        "Measured: processor time and memory of jobs by Snakemake, of one that was resumed from its last start; GPU "
        "time and energy as models and fine-tunings recorded them; disk is what the files of a stage take. In "
        "brackets: measured over planned, where all jobs of a stage were measured.",
    ]
    notes += [f"Planned as large as BERT-base, for want of a better number: {', '.join(assumed)}."] if assumed else []
    return PaperTable("plan", "Planned and measured", [Grid("Stage", heads, groups)], notes)


def _is_whole(stage: Mapping[str, Any]) -> bool:
    return bool(stage["measured"]) and stage["measured"]["jobs"] == stage["jobs"]


def _row(head: str, stages: Sequence[Mapping[str, Any]], shown: Sequence[PlannedQuantity]) -> Row:
    """Return the row of a stage, or of several together."""
    found = [stage["measured"] for stage in stages if stage["measured"]]
    compared = all(map(_is_whole, stages))
    jobs, measured = (sum(each["jobs"] for each in some) for some in (stages, found))
    cells = [Cell(f"{jobs:,}", detail=f"({measured:,} measured)" if found and not compared else "")]
    for quantity in shown:
        planned, took = quantity.together(stages), quantity.together(found)
        ratio = f"({took / planned:.2f})" if compared and planned and took is not None else ""
        cells += [Cell(quantity.text(planned)), Cell(quantity.text(took), detail=ratio)]
    return Row(head, cells)
