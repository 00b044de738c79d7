"""How long compressed models learnt: strategies that are compared may have taken very different times."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.grid_scores import GridScore
from smelt.study.grids import GridTable, Place

Steps = Mapping[tuple[str, str], float]
"""Optimiser steps of all phases together, mean over seeds, of a (model, task)."""


def read_steps(paths: Sequence[Path]) -> Steps:
    """Return the steps of compressed models, from the metrics.json of each run; nan where one does not say.

    Raises:
        SmeltError: a file is missing, or not of a compressed model.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for path in paths:
        metrics = read_json(path)
        if "stages" not in metrics:
            raise SmeltError(path, "has no 'stages': expected the metrics of a compressed model")
        steps = sum(phase.get("steps", math.nan) for phase in metrics["stages"])
        found.setdefault((metrics["model"], metrics["task"]), []).append(steps)
    return {run: fmean(values) for run, values in found.items()}


def with_steps(cells: Sequence[GridScore], table: GridTable, steps: Steps) -> list[GridScore]:
    """Return cells with their steps: of a family the mean over its models; nan of what is fine-tuned otherwise."""
    return [replace(cell, steps=_of_cell(cell, table, steps)) for cell in cells]


def steps_note(cells: Sequence[GridScore]) -> list[str]:
    """Return how far students differ in their steps, where they do."""
    known = [cell for cell in cells if not math.isnan(cell.steps)]
    if not known:
        return []
    least, most = (choose(known, key=lambda cell: cell.steps) for choose in (min, max))
    if least.steps == most.steps:
        return []
    ends = [f"{cell.steps:,.0f} ({', '.join(filter(None, (cell.row, cell.column)))})" for cell in (least, most)]
    return [f"Students learnt for {ends[0]} to {ends[1]} optimiser steps, all phases together; the CSV has all."]


def _of_cell(cell: GridScore, table: GridTable, steps: Steps) -> float:
    runs = Place(cell.row, cell.column, cell.model, cell.task).runs(table.languages or [])
    found = [steps[run] for run in runs if run in steps]
    return fmean(found) if found else math.nan
