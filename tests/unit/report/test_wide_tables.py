"""Tables of many columns: tasks become rows, and averages say what they mix."""

import re
from pathlib import Path

import pandas as pd
import pytest

from smelt.report.column_help import column_help
from smelt.report.render import Cell, Grid, Group, PaperTable, Row, html, transpose
from smelt.report.significance import Significance
from smelt.report.statistics import OVER_SEEDS
from smelt.report.tables.base import Made, TableJob
from smelt.report.tables.scores import PAIRS, ScoresTable

MODELS = ["small", "large"]


def scores_table(
    folder: Path, tasks: list[str], models: list[str] = MODELS, metrics: tuple[str, ...] = ("f1",)
) -> Made:
    """Return the table of models whose scores on a task are 50.00, 51.00 and so on."""
    rows = [
        dict.fromkeys(OVER_SEEDS, float("nan"))
        | {"task": task, "metric": metrics[number % len(metrics)], "model": model, "n": 2, "mean": 0.5 + place / 100}
        for number, task in enumerate(tasks)
        for place, model in enumerate(models)
    ]
    pd.DataFrame(rows).to_csv(folder / "summary.csv", index=False)
    pd.DataFrame(columns=list(PAIRS)).to_csv(folder / "pairs.csv", index=False)
    sources = [folder / "summary.csv", folder / "pairs.csv"]
    table = ScoresTable(kind="scores", tasks=tasks, models=models)
    return table.make(TableJob("wide", sources, Significance(), {"models": models}))


@pytest.mark.parametrize("count", [12, 13])
def test_from_thirteen_tasks_on_they_are_rows(tmp_path: Path, count: int) -> None:
    tasks = [f"task-{number}" for number in range(count)]
    table, rows, _ = scores_table(tmp_path, tasks)
    (grid,) = table.grids
    upright = count == 12
    heads = [grid.corner, *grid.columns], [row.head for row in grid.rows]
    assert heads == ((["Model", *tasks, "Average"], MODELS) if upright else (["Task", *MODELS], [*tasks, "Average"]))
    assert [cell.text for cell in grid.rows[-1].cells][-2:] == (["51.00", "51.00"] if upright else ["50.00", "51.00"])
    assert f"Best mean of a {'column' if upright else 'row'} in bold." in table.notes[0]
    assert len(list(rows)) == 2 * count  # the CSV has a row a cell, either way
    assert table.caption == (f"Scores on {', '.join(tasks)}" if upright else "Scores on 13 tasks")


def test_more_models_than_tasks_stay_rows(tmp_path: Path) -> None:
    models = [f"model-{number}" for number in range(14)]
    (grid,) = scores_table(tmp_path, [f"task-{number}" for number in range(13)], models).table.grids
    assert [row.head for row in grid.rows] == models


def test_a_line_with_one_score_has_no_best(tmp_path: Path) -> None:
    alone, both = (scores_table(tmp_path, ["ner"], models).table for models in (MODELS[:1], MODELS))
    bold = [[cell.bold for row in table.grids[0].rows for cell in row.cells] for table in (alone, both)]
    assert bold == [[False], [False, True]]
    assert ["bold" in table.notes[0] for table in (alone, both)] == [False, True]


def test_an_average_over_several_metrics_says_so(tmp_path: Path) -> None:
    notes = [
        " ".join(scores_table(tmp_path, ["a", "b"], metrics=found).table.notes) for found in (("f1",), ("f1", "em"))
    ]
    assert ["It mixes metrics" in note for note in notes] == [False, True]
    assert "models that ran on all of them. It mixes metrics: use it only to compare" in notes[1]


def test_columns_become_rows() -> None:
    rows = [Row("model", [Cell(f"{number}.00") for number in range(30)])]
    grid = Grid("Model", [f"task {number}" for number in range(30)], [Group(rows)])
    assert [row.cells for row in transpose(grid, "Task").rows] == [[cell] for cell in rows[0].cells]


def test_a_head_that_means_something_else_in_a_table_says_so_there() -> None:
    rows = [Group([Row("a", [Cell("1"), Cell("2")])])]
    grids = [Grid("Model", ["n", "p"], rows), Grid("Words", ["n", "p"], rows, help={"n": "Words of the row."})]
    for grid, meaning in zip(grids, (column_help("n"), "Words of the row."), strict=True):
        text = html(PaperTable("t", "T", [grid]))
        assert re.findall(r'title="([^"]*)">n<', text) == [meaning]
        assert f'title="{column_help("p")}">p<' in text
