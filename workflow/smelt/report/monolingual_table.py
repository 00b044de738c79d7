"""Tables of monolingual models: a row a model or family, a column a (language, task) pair (Eliquare, Tables 4 to 7)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from smelt.report.comparison_tables import NONE
from smelt.report.grid import NOT_RUN, Grid, Group, PaperTable, Row
from smelt.report.hypotheses import HEADS, Tested, outcome_cells, outcome_row
from smelt.report.monolingual_scores import MonolingualScore, MonolingualScores
from smelt.report.score_notes import MARK, TESTS, in_words, seqeval_note
from smelt.report.score_table import score_cell


def monolingual_table(
    name: str, settings: Mapping[str, Any], significance: Mapping[str, Any], scores: MonolingualScores
) -> tuple[PaperTable, pd.DataFrame]:
    """Return the table as a paper prints it, and the numbers behind it: a row a cell, then a row a hypothesis."""
    cells, tested = scores.cells(significance), scores.tested(significance)
    columns = [f"{language}: {_short(task, language)}" for language, task in scores.columns]
    rows = [Row(row, [score_cell(cell) for cell in cells if cell.row == row]) for row in scores.rows]
    grids = [Grid("Model", columns, [Group(rows)])]
    if tested:
        outcomes = [Row(f"{each.less} < {each.than}", outcome_cells(each)) for each in tested]
        grids.append(Grid("Hypothesis", list(HEADS), [Group(outcomes)]))
    caption = settings.get("caption") or "Scores of monolingual models"
    table = PaperTable(name, caption, grids, _notes(scores, significance, cells, tested))
    return table, pd.DataFrame([*map(_cell_row, cells), *map(outcome_row, tested)])


def _short(task: str, language: str) -> str:
    """Return a task's name without the language that its column names already."""
    return task.removesuffix(f".{language}")


def _cell_row(cell: MonolingualScore) -> dict[str, Any]:
    return {"kind": "score"} | asdict(cell)


def _notes(
    scores: MonolingualScores,
    significance: Mapping[str, Any],
    cells: Sequence[MonolingualScore],
    tested: Sequence[Tested],
) -> list[str]:
    run = [cell for cell in cells if cell.n]
    if not run:
        return ["No model of the table ran on any of its tasks."]
    metrics = {cell.task: cell.metric for cell in run}
    notes = [f"{in_words(metrics)}; test sets, in percent. {_spread(run)}", *seqeval_note(metrics.values())]
    if scores.baseline is not None:
        notes.append(_against(scores.baseline, significance, run))
    notes += [_over_pairs(significance)] if tested else []
    notes += [f"{each.less} < {each.than}: {each.note}." for each in tested if each.note]
    return notes + ([f"{NOT_RUN}: not run."] if len(run) < len(cells) else [])


def _spread(run: Sequence[MonolingualScore]) -> str:
    counts = sorted({cell.n for cell in run})
    if counts == [1]:
        return "A single seed: no spread. Best score of a column in bold."
    seeds = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"Mean (standard deviation) over {seeds} seeds. Best mean of a column in bold."


def _against(baseline: str, significance: Mapping[str, Any], run: Sequence[MonolingualScore]) -> str:
    if all(math.isnan(cell.p) for cell in run):
        return f"Nothing could be tested against {baseline}, so nothing is marked."
    holm = "Holm's correction over the rows of the column" if significance["correction"] == "holm" else "no correction"
    test = f"{TESTS[significance['test']]}, two-sided, p < {significance['alpha']:g}, {holm}"
    if any(cell.marked for cell in run):
        return f"{MARK} differs from {baseline} in this column: {test}."
    return f"None is marked: no score differs from that of {baseline} in its column ({test})."


def _over_pairs(significance: Mapping[str, Any]) -> str:
    holm = "Holm's correction over the hypotheses" if significance["correction"] == "holm" else "no correction"
    return (
        "Hypotheses: Wilcoxon's signed-rank test, one-sided, over (language, task) pairs with one value each, the mean"
        " over seeds; W sums the ranks of the pairs that go against the hypothesis; difference in points, the second"
        f" row minus the first; {holm}. {NONE}: not tested."
    )
