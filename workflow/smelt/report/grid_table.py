"""Tables of a model on a task in each cell (XtremeDistil, Tables 3, 5 to 11, 13 and 14)."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from smelt.report.comparison_tables import NONE, p_value
from smelt.report.grid import NOT_RUN, Cell, Grid, Group, PaperTable, Row
from smelt.report.grid_scores import GridScore, GridScores, GridTested
from smelt.report.hypotheses import HEADS, outcome_cells, outcome_row
from smelt.report.score_notes import TESTS, in_words, one_teacher_note, seqeval_note
from smelt.report.score_table import percent
from smelt.report.training_lengths import Steps, steps_note, with_steps
from smelt.study.grids import GridTable

MOST_NAMED = 12  # languages in a note
SPREADS = {"languages": "deviation_over_languages", "seeds": "deviation_over_seeds"}


def grid_table(
    name: str, scores: GridScores, significance: Mapping[str, Any], steps: Steps, one_teacher: Collection[str]
) -> tuple[PaperTable, pd.DataFrame]:
    """Return the table as a paper prints it, and the numbers behind it: a row a cell, then a row a hypothesis.

    Args:
        name: the table's.
        scores: of its cells.
        significance: how differences are tested.
        steps: of the compressed models.
        one_teacher: models whose seeds share a teacher.
    """
    table, tested = scores.table, scores.tested(significance)
    cells = with_steps(scores.cells(), table, steps)
    over = spread_of(table, cells)
    heads = [head or "Score" for head in table.heads]
    rows = [Row(row, [spread_cell(cell, over) for cell in cells if cell.row == row]) for row in table.rows]
    grids = [Grid("", heads, [Group(rows)])]
    if tested:
        columns = [HEADS[0].replace("Pairs", "Languages"), *HEADS[1:], "p over seeds", "p corrected"]
        grids.append(Grid("Hypothesis", columns, [Group([_outcome(each) for each in tested])]))
    notes = _notes(table, cells, tested, over, significance)
    notes += steps_note(cells) + one_teacher_note(_rows_of(scores, one_teacher))
    paper = PaperTable(name, table.caption or "Scores of each model on its task", grids, notes)
    return paper, pd.DataFrame([*map(_cell_row, cells), *map(_test_row, tested)])


def spread_of(table: GridTable, cells: Sequence[GridScore]) -> str:
    """Return what the deviation in brackets is over: what the study says, or languages where there are several."""
    return table.spread or ("languages" if any(cell.languages > 1 for cell in cells) else "seeds")


def spread_cell(score: GridScore, over: str) -> Cell:
    """Return a mean in percent with its deviation over languages or seeds, where there are several; best in bold."""
    if not score.n:
        return Cell(NOT_RUN)
    deviation = getattr(score, SPREADS[over])
    return Cell(percent(score.mean), detail="" if math.isnan(deviation) else f"({percent(deviation)})", bold=score.best)


def _outcome(each: GridTested) -> Row:
    tested = each.over_languages
    head = f"{tested.less} < {tested.than}" + (f", {each.line}" if each.line else "")
    return Row(head, [*outcome_cells(tested), Cell(p_value(each.p_seeds)), Cell(p_value(each.p_seeds_corrected))])


def _cell_row(cell: GridScore) -> dict[str, Any]:
    return {"kind": "score"} | asdict(cell)


def _test_row(each: GridTested) -> dict[str, Any]:
    parts = ("n_seeds", "p_seeds", "p_seeds_corrected", "note_seeds")
    return outcome_row(each.over_languages) | {"line": each.line} | {part: getattr(each, part) for part in parts}


def _notes(
    table: GridTable,
    cells: Sequence[GridScore],
    tested: Sequence[GridTested],
    over: str,
    significance: Mapping[str, Any],
) -> list[str]:
    run = [cell for cell in cells if cell.n]
    if not run:
        return ["No model of the table ran on any of its tasks."]
    metrics = {cell.task: cell.metric for cell in run}
    notes = [f"{in_words(metrics)}; test sets, in percent. {mean_and_spread(run, over)} {_best(table)}"]
    notes += seqeval_note(metrics.values())
    notes += [_over(table.languages)] if table.languages else []
    notes += _chosen(run)
    notes += [_tests(significance)] if tested else []
    notes += [f"{_outcome(each).head}: {why}." for each in tested if (why := _why(each))]
    return notes + ([f"{NOT_RUN}: the study does not run the model on the task."] if len(run) < len(cells) else [])


def _over(languages: Sequence[str]) -> str:
    """Return that scores are means over languages; many of these are not named."""
    named = f": {', '.join(languages)}" if len(languages) <= MOST_NAMED else f", {len(languages)} of them"
    return f"A score is the mean of the languages' scores, computed for each seed{named}."


def mean_and_spread(run: Sequence[GridScore], over: str) -> str:
    """Return what the numbers of the cells that were run are: over how many seeds and languages."""
    seeds = counted([cell.n for cell in run], "seed")
    languages = counted([cell.languages for cell in run], "language")
    if all(math.isnan(getattr(cell, SPREADS[over])) for cell in run):
        return f"Mean over {seeds}; no deviation, because there is only one {over.removesuffix('s')}."
    if over == "seeds":
        return f"Mean (standard deviation) over {seeds}; {languages}."
    return f"Mean over {seeds} (standard deviation over {languages}, mean over the seeds)."


def counted(counts: Sequence[int], what: str, plural: str = "") -> str:
    """Return one count of a thing, or the smallest and the largest."""
    fewest, most = min(counts), max(counts)
    number = str(most) if fewest == most else f"{fewest} to {most}"
    return f"{number} {what if most == 1 else plural or f'{what}s'}"


def _rows_of(scores: GridScores, models: Collection[str]) -> list[str]:
    """Return the rows that show any of some models, or the columns where these are compared."""
    table = scores.table
    shown = [place for place in scores.places if any(model in models for model, _ in place.runs(table.languages or []))]
    return list(dict.fromkeys(place.column if table.by_row else place.row for place in shown))


def _chosen(run: Sequence[GridScore]) -> list[str]:
    """Return which models stand in cells that were chosen for."""
    chosen = [f"{', '.join(filter(None, (cell.row, cell.column)))}: {cell.model}" for cell in run if cell.choices > 1]
    most = counted([cell.choices for cell in run if cell.choices > 1] or [0], "model")
    return [f"The best of {most}, by the mean score on validation: {'; '.join(chosen)}."] if chosen else []


def _best(table: GridTable) -> str:
    return f"Best of a {'row' if table.by_row else 'column'} in bold."


def _tests(significance: Mapping[str, Any]) -> str:
    every = "each over all hypotheses and columns of the table"
    holm = f"Holm's correction, {every}" if significance["correction"] == "holm" else "no correction"
    return (
        "Hypotheses: Wilcoxon's signed-rank test, one-sided, over languages with one value each, the mean over seeds;"
        " W sums the ranks of the languages that go against the hypothesis; difference in points, the second minus the"
        f" first. Over seeds: {TESTS[significance['test']]}, two-sided. {holm}. {NONE}: not tested."
    )


def _why(each: GridTested) -> str:
    """Return what is to be said of the two tests of a hypothesis, each once."""
    notes = [f"over languages, {note}" if (note := each.over_languages.note) else ""]
    if each.note_seeds == each.over_languages.note:
        return each.note_seeds
    notes.append(f"over seeds, {each.note_seeds}" if each.note_seeds else "")
    return "; ".join(filter(None, notes))
