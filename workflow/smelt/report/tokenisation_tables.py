"""Splitting and missed labels, as tables of the page: one for each token task (mALBERT, section 3.3)."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smelt.report.comparison_tables import number, p_value
from smelt.report.grid import Cell, Grid, Group, PaperTable, Row
from smelt.report.segmentation_table import read_tokenisation

_COLUMNS = ["r", "Interval (sentences)", "Interval (words)", "p", "r of single runs", "Words"]


def correlation_tables(paths: Sequence[Path]) -> list[PaperTable]:
    """Return a table for each task: a group a model, a row a population of words and set of conditions."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    for study in map(read_tokenisation, paths):
        by_task.setdefault(study["task"], []).append(study)
    return [_table(task, studies) for task, studies in by_task.items()]


def _table(task: str, studies: list[dict[str, Any]]) -> PaperTable:
    # Why a correlation does not exist; what the notes say of those that do stands under the table once.
    missing = [str(row["note"]) for study in studies for row in study["correlations"] if row["r"] is None]
    marks = {note: str(number) for number, note in enumerate(dict.fromkeys(missing), 1)}
    groups = [Group([_row(row, marks) for row in study["correlations"]], study["model"]) for study in studies]
    notes = [
        "Pearson's r between a word's added segmentation (pieces minus one) and its non-detection (share of the runs "
        "whose label for it is wrong); below it the partial correlation given what the row names.",
        f"Intervals at {_levels(studies)}. The one over sentences resamples whole sentences, since words of a sentence "
        "are not independent; p and the interval over words (Fisher's) treat words as independent.",
    ]
    notes += [f"{mark}: {note}." for note, mark in marks.items()]
    caption = f"Splitting and missed labels on {task}"
    return PaperTable(f"correlations-{task}", caption, [Grid("Words, given", _COLUMNS, groups)], notes)


def _levels(studies: Sequence[Mapping[str, Any]]) -> str:
    """Return the confidence of the intervals; all of one study's have the same."""
    return " or ".join(dict.fromkeys(f"{row['confidence']:.0%}" for study in studies for row in study["correlations"]))


def _row(entry: Mapping[str, Any], marks: Mapping[str, str]) -> Row:
    given = f", given {' and '.join(entry['given'])}" if entry["given"] else ""
    runs = entry.get("of_runs") or {"mean": None, "standard_deviation": None}
    spread = runs["standard_deviation"]
    single = Cell(_number(runs["mean"]), detail="" if spread is None else f"({_number(spread)})")
    p = Cell(p_value(math.nan if entry["p"] is None else entry["p"]))
    r = Cell(_number(entry["r"]), marks[str(entry["note"])] if entry["r"] is None else "")
    cells = [r, _interval(entry["bootstrap"]), _interval(entry), p, single]
    return Row(f"{entry['population']}{given}", [*cells, Cell(f"{entry['words']:,}")])


def _interval(entry: Mapping[str, Any]) -> Cell:
    if entry["low"] is None:
        return Cell(_number(None))
    return Cell(f"{_number(entry['low'])} to {_number(entry['high'])}")


def _number(value: float | None) -> str:
    return number(math.nan if value is None else value)
