"""Tables of results that only the page shows: comparisons of two models, and splitting against missed labels."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.report.csv_files import read_csv
from smelt.report.notes import metric_notes, metric_title, test_of
from smelt.report.records import read_tokenisation
from smelt.report.render import Cell, Grid, Group, PaperTable, Row, number, p_value
from smelt.report.significance import Significance

if TYPE_CHECKING:
    import pandas as pd

# ---- Every comparison of two models, within each task and across tasks

_INTERVAL = ["difference", "interval_low", "interval_high", "confidence", "interval_method"]
PAIRS = ["task", "metric", "model_a", "model_b", *_INTERVAL, "hedges_g", "p", "p_corrected", "significant", "note"]
PAIRS += ["n_pairs"]
ACROSS = ["model_a", "model_b", "tasks", "wins_a", "wins_b", *_INTERVAL, "significant", "note"]
ACROSS += ["wilcoxon_statistic", "wilcoxon_n", "wilcoxon_p", "wilcoxon_p_corrected"]
SHOWN_WITHOUT_TEST = 20
"""Pairs that could not be tested are listed on the page up to this number."""


def pair_tables(path: Path, significance: Significance) -> list[PaperTable]:
    """Return a table for each task of pairs.csv: a row a pair of models."""
    pairs = read_csv(path, PAIRS)
    return [_pairs_of(str(task), rows, significance) for task, rows in pairs.groupby("task", sort=False)]


def across_table(path: Path, significance: Significance) -> PaperTable | None:
    """Return the table of across.csv: a row a pair of models; None where there is no pair."""
    across = read_csv(path, ACROSS)
    shared = across["tasks"] > 0
    left_out = int((~shared).sum()) if (~shared).sum() > SHOWN_WITHOUT_TEST and shared.any() else 0
    across = across[shared] if left_out else across
    if across.empty:
        return None
    columns = ["Tasks", "Won – lost", _difference_head(across), "W", "n", "p", "p corrected", "Significant"]
    marks = _number_notes(across["note"].dropna())
    rows = [Row(_pair(entry), _across_cells(entry, marks)) for entry in across.to_dict("records")]
    level = f"p < {significance.alpha:g}"
    correction = significance.correction_in_words("over all pairs")
    notes = [
        "One value a task, the mean over seeds; differences in points, first model minus second. "
        f"Wilcoxon's signed-rank test, two-sided, {level}, {correction}; n counts the tasks whose means differ."
    ]
    notes += _interval_note(across)
    notes += [f"{left_out} pairs that share no task stand in across.csv, each with the reason."] if left_out else []
    return PaperTable("across", "Pairs of models across tasks", [_grid(columns, rows)], [*notes, *_mark_notes(marks)])


def _pairs_of(task: str, pairs: "pd.DataFrame", significance: Significance) -> PaperTable:
    without = pairs["n_pairs"].eq(0) & pairs["difference"].isna()
    left_out = int(without.sum()) if without.sum() > SHOWN_WITHOUT_TEST and not without.all() else 0
    pairs = pairs[~without] if left_out else pairs
    columns = [_difference_head(pairs), "Hedges' g", "p", "p corrected", "Significant"]
    marks = _number_notes(pairs["note"].dropna())
    rows = [Row(_pair(entry), _pair_cells(entry, marks)) for entry in pairs.to_dict("records")]
    metric = pairs["metric"].iloc[0]
    notes = [
        f"Differences of {metric_title(metric)} in points, first model minus second. {test_of(significance)}.",
        *_interval_note(pairs),
        *metric_notes([metric]),
    ]
    notes += (
        [f"{left_out} pairs that could not be tested stand in pairs.csv, each with the reason."] if left_out else []
    )
    return PaperTable(
        f"pairs-{task}", f"Pairs of models on {task}", [_grid(columns, rows)], [*notes, *_mark_notes(marks)]
    )


def _difference_head(rows: "pd.DataFrame") -> str:
    confidences = rows["confidence"].dropna()
    return f"Difference ({confidences.iloc[0]:.0%} interval)" if len(confidences) else "Difference"


def _interval_note(rows: "pd.DataFrame") -> list[str]:
    methods = ", or ".join(dict.fromkeys(rows["interval_method"].dropna()))
    return [f"Interval: {methods}."] if methods else []


def _pair(entry: Mapping[Any, Any]) -> str:
    return f"{entry['model_a']} – {entry['model_b']}"


def _pair_cells(entry: Mapping[Any, Any], marks: Mapping[str, str]) -> list[Cell]:
    p_values = [Cell(p_value(entry["p"])), Cell(p_value(entry["p_corrected"]))]
    return [_difference(entry), Cell(number(entry["hedges_g"])), *p_values, _verdict(entry, marks)]


def _across_cells(entry: Mapping[Any, Any], marks: Mapping[str, str]) -> list[Cell]:
    test = [Cell(number(entry["wilcoxon_statistic"], "g")), Cell(number(entry["wilcoxon_n"], ".0f"))]
    test += [Cell(p_value(entry["wilcoxon_p"])), Cell(p_value(entry["wilcoxon_p_corrected"]))]
    won = f"{entry['wins_a']} – {entry['wins_b']}"
    return [Cell(str(entry["tasks"])), Cell(won), _difference(entry), *test, _verdict(entry, marks)]


def _difference(entry: Mapping[Any, Any]) -> Cell:
    low, high = 100 * entry["interval_low"], 100 * entry["interval_high"]
    detail = "" if math.isnan(low) else f"({number(low)} to {number(high)})"
    return Cell(number(100 * entry["difference"]), detail=detail)


def _verdict(entry: Mapping[Any, Any], marks: Mapping[str, str]) -> Cell:
    verdict = str(entry["significant"])
    text = {"True": "yes", "False": "no"}.get(verdict, "not tested")
    return Cell(text, marks.get(entry["note"], ""), bold=verdict == "True")


def _number_notes(notes: Iterable[str]) -> dict[str, str]:
    """Return a number for each different note: notes are long, and many rows share one."""
    return {note: str(place) for place, note in enumerate(dict.fromkeys(notes), 1)}


def _mark_notes(marks: Mapping[str, str]) -> list[str]:
    return [f"{mark}: {note}." for note, mark in marks.items()]


def _grid(columns: list[str], rows: list[Row]) -> Grid:
    return Grid("Models", columns, [Group(rows)])


# ---- Splitting and missed labels, a table for each token task (mALBERT, section 3.3)

_CORRELATION_COLUMNS = ["r", "Interval (sentences)", "Interval (words)", "p", "r of single runs", "Words"]


def correlation_tables(paths: Sequence[Path]) -> list[PaperTable]:
    """Return a table for each task: a group a model, a row a population of words and set of conditions."""
    by_task: dict[str, list[dict[str, Any]]] = {}
    for study in map(read_tokenisation, paths):
        by_task.setdefault(study["task"], []).append(study)
    return [_correlation_table(task, studies) for task, studies in by_task.items()]


def _correlation_table(task: str, studies: list[dict[str, Any]]) -> PaperTable:
    # Only notes on correlations that do not exist get a mark: notes on the others are covered by the table's own.
    missing = [str(row["note"]) for study in studies for row in study["correlations"] if row["r"] is None]
    marks = _number_notes(missing)
    groups = [
        Group([_correlation_row(row, marks) for row in study["correlations"]], study["model"]) for study in studies
    ]
    notes = [
        "Pearson's r between a word's added segmentation (pieces minus one) and its non-detection (share of the runs "
        "whose label for it is wrong); below it the partial correlation given what the row names.",
        f"Intervals at {_levels(studies)}. The one over sentences resamples whole sentences, since words of a sentence "
        "are not independent; p and the interval over words (Fisher's) treat words as independent.",
    ]
    notes += _mark_notes(marks)
    caption = f"Splitting and missed labels on {task}"
    return PaperTable(f"correlations-{task}", caption, [Grid("Words, given", _CORRELATION_COLUMNS, groups)], notes)


def _levels(studies: Sequence[Mapping[str, Any]]) -> str:
    """Return the confidence of the intervals; all of one study's have the same."""
    return " or ".join(dict.fromkeys(f"{row['confidence']:.0%}" for study in studies for row in study["correlations"]))


def _correlation_row(entry: Mapping[str, Any], marks: Mapping[str, str]) -> Row:
    given = f", given {' and '.join(entry['given'])}" if entry["given"] else ""
    runs = entry.get("of_runs") or {"mean": None, "standard_deviation": None}
    spread = runs["standard_deviation"]
    single = Cell(number(runs["mean"]), detail="" if spread is None else f"({number(spread)})")
    p = Cell(p_value(math.nan if entry["p"] is None else entry["p"]))
    r = Cell(number(entry["r"]), marks[str(entry["note"])] if entry["r"] is None else "")
    cells = [r, _interval(entry["bootstrap"]), _interval(entry), p, single]
    return Row(f"{entry['population']}{given}", [*cells, Cell(f"{entry['words']:,}")])


def _interval(entry: Mapping[str, Any]) -> Cell:
    if entry["low"] is None:
        return Cell(number(None))
    return Cell(f"{number(entry['low'])} to {number(entry['high'])}")
