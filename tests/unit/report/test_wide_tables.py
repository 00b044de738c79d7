"""Tables of many columns: tasks become rows, LaTeX sets a wide grid in parts, and averages say what they mix."""

import re
from pathlib import Path

import pandas as pd
import pytest

from smelt.report.column_help import column_help
from smelt.report.latex import height_of, latex, split_long, split_wide, width_of
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


def wide_grid(columns: int, groups: int = 1) -> Grid:
    rows = [Row("model", [Cell(f"{number}.00", "*", "(1.00)") for number in range(columns)])]
    return Grid("Model", [f"task {number}" for number in range(columns)], [Group(rows, f"g{n}") for n in range(groups)])


def test_latex_sets_a_grid_in_parts_that_would_be_shrunk_below_half() -> None:
    for columns, parts in ((4, 1), (6, 1), (11, 1), (30, 6)):
        grid = wide_grid(columns, groups=2)
        text = latex(PaperTable("wide", "A table", [grid]))
        tabulars = re.findall(r"\\begin\{tabular\}\{l(r+)\}(.*?)\\end\{tabular\}", text, re.DOTALL)
        assert (len(tabulars), sum(len(form) for form, _ in tabulars)) == (parts, columns)
        assert all(body.count("model &") == body.count("multicolumn") == 2 for _, body in tabulars)
        assert re.findall(r"task (\d+)", text) == list(map(str, range(columns)))
        assert text.count(r"\begin{table*}") == text.count(r"\caption") == text.count(r"\label") == 1
        assert text.count(r"\resizebox") == (columns in (6, 11))
        assert "longtable" not in text


def test_grids_of_one_float_stand_below_each_other() -> None:
    text = latex(PaperTable("two", "A table", [wide_grid(2), wide_grid(3)], ["A note."]))
    between = text.partition(r"\end{tabular}")[2].partition(r"\begin{tabular}")[0]
    assert between.split() == [r"\par\smallskip"]


def test_parts_are_no_wider_than_asked_and_hold_a_column_at_least() -> None:
    grid = wide_grid(30)
    assert all(width_of(part) <= 60 for part in split_wide(grid, 60))
    assert [len(part.columns) for part in split_wide(grid, 1)] == [1] * 30
    assert [row.cells for row in transpose(grid, "Task").rows] == [[cell] for cell in grid.rows[0].cells]


def long_grid(*rows: int) -> Grid:
    heads = [[f"{place}-{row}" for row in range(count)] for place, count in enumerate(rows)]
    return Grid("Model", ["task"], [Group([Row(head, [Cell("1")]) for head in own], "Group") for own in heads])


@pytest.mark.parametrize(
    ("rows", "heights"), [((36,), [38]), ((60,), [40, 24]), ((37, 5), [39, 7]), ((38, 2), [40, 4])]
)
def test_a_table_too_long_for_a_page_is_several_floats(rows: tuple[int, ...], heights: list[int]) -> None:
    text = latex(PaperTable("long", "A table", [long_grid(*rows)], ["A note."]))
    floats = re.findall(r"\\begin\{table\*\}(.*?)\\end\{table\*\}", text, re.DOTALL)
    assert len(floats) == len(heights)
    assert [height_of(part) for part in split_long(long_grid(*rows), 40)] == heights
    heads = [f"{place}-{row}" for place, count in enumerate(rows) for row in range(count)]
    assert re.findall(r"^ *(\d+-\d+) &", text, re.MULTILINE) == heads
    assert text.count(r"\label") == text.count("A note.") == 1
    assert "A note." in floats[-1]
    assert [r"\addtocounter{table}{-1}" in each for each in floats] == [False] + [True] * (len(heights) - 1)
    assert text.count("A table (continued)") == len(heights) - 1


def test_parts_of_a_wide_grid_go_on_in_the_next_float() -> None:
    rows = [Row(f"model {row}", [Cell("50.00", detail="(1.00)")] * 30) for row in range(14)]
    text = latex(PaperTable("both", "A table", [Grid("Model", [f"task {n}" for n in range(30)], [Group(rows)])]))
    assert [each.count(r"\begin{tabular}") for each in text.split(r"\end{table*}")] == [2, 2, 2, 0]
    assert re.findall(r"task (\d+)", text) == list(map(str, range(30)))


def test_a_head_that_means_something_else_in_a_table_says_so_there() -> None:
    rows = [Group([Row("a", [Cell("1"), Cell("2")])])]
    grids = [Grid("Model", ["n", "p"], rows), Grid("Words", ["n", "p"], rows, help={"n": "Words of the row."})]
    for grid, meaning in zip(grids, (column_help("n"), "Words of the row."), strict=True):
        text = html(PaperTable("t", "T", [grid]))
        assert re.findall(r'title="([^"]*)">n<', text) == [meaning]
        assert f'title="{column_help("p")}">p<' in text
