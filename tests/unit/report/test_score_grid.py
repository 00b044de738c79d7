"""The table of scores in ways that no kind of table has: its parts may be put together freely."""

import math
from pathlib import Path

import pandas as pd
import pytest

from smelt.report.comparisons import AgainstBaseline, EachOther
from smelt.report.hypotheses import Hypothesis, OverColumns
from smelt.report.places import Place, PlaceScores
from smelt.report.render import markdown
from smelt.report.score_grid import ScoreGrid
from smelt.report.significance import Significance

SIGNIFICANCE = Significance(correction="none")
MEANS = {("a", "ner"): 0.5, ("a", "pos"): 0.8, ("b", "ner"): 0.7, ("b", "pos"): 0.6}
COLUMNS = {"row": "row", "column": "column", "mean": "mean", "best": "best", "marked": "star", "p": "p"}


@pytest.fixture
def scores(tmp_path: Path) -> PlaceScores:
    rows = [
        {"model": model, "task": task, "language": "sw", "setting": "standard", "seed": seed, "split": "test"}
        | {"metric": "f1", "value": mean + shift}
        for (model, task), mean in MEANS.items()
        for seed, shift in enumerate((-0.01, 0.0, 0.01), 1)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "scores.csv", index=False)
    return PlaceScores(tmp_path / "scores.csv")


def places(sections: int = 1) -> list[Place]:
    return [Place(model, task, model, task, number) for number in range(sections) for model, task in MEANS]


def test_a_row_may_be_compared_with_a_baseline_among_its_columns(scores: PlaceScores) -> None:
    baseline = AgainstBaseline(scores, SIGNIFICANCE, "ner")
    grid = ScoreGrid(places(), ["NER", "POS"], scores, COLUMNS, by_row=True, comparison=baseline)
    table, rows = grid.table("t", "A table")
    found = {(row["row"], row["column"]): row for row in rows}
    assert [cell for cell, row in found.items() if row["best"]] == [("a", "pos"), ("b", "ner")]
    assert [cell for cell, row in found.items() if row["marked"]] == [("a", "pos"), ("b", "pos")]
    assert math.isnan(found["a", "ner"]["p"])
    assert "| a | 50.00 (1.00) | **80.00**\\* (1.00) |" in markdown(table)
    assert any("Best mean of a row in bold." in note for note in table.notes)


def test_sections_are_compared_alone_and_may_have_hypotheses(scores: PlaceScores) -> None:
    each_other = EachOther(scores, SIGNIFICANCE, "by a test", "its like", "nothing differs")
    hypotheses = OverColumns([Hypothesis(less="a", than="b")], scores, SIGNIFICANCE)
    grid = ScoreGrid(
        places(2),
        ["NER", "POS"],
        scores,
        COLUMNS,
        titles=["One", "Two"],
        comparison=each_other,
        hypotheses=hypotheses,
    )
    table, rows = grid.table("t", "A table")
    assert [group.title for group in table.grids[0].groups] == ["One", "Two"]
    assert sum(row.get("best", False) for row in rows) == 4
    assert "* differs from its like: by a test." in table.notes
    assert table.grids[1].groups[0].rows[0].head == "a < b"
    assert rows[-1]["n"] == 4


def test_two_scores_of_a_task_stand_in_one_cell(tmp_path: Path) -> None:
    """F1 and exact match of answers, over seeds, and over the languages of a place."""
    rows = [
        {"model": "a", "task": "qa", "language": language, "setting": "standard", "seed": seed, "split": "test"}
        | {"metric": metric, "value": value + step * seed}
        for metric, step in (("mlqa_f1", 0.1), ("exact_match", 0.02))
        for language, value in (("es", 0.5), ("de", 0.3), ("mean", 0.4))
        for seed in (0, 1)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "scores.csv", index=False)
    scores = PlaceScores(tmp_path / "scores.csv")
    shown = [Place("a", "all", "a", "qa"), Place("a", "es", "a", "qa", language="es")]
    shown.append(Place("a", "both", "a", "qa", languages=("es", "de")))
    table, found = ScoreGrid(shown, ["all", "es", "both"], scores, COLUMNS | {"beside": "beside"}).table("t", "A table")
    assert [row["beside"] for row in found] == pytest.approx([0.41, 0.51, 0.41])
    assert "| a | 45.00 / 41.00 (7.07) | 55.00 / 51.00 (7.07) | 45.00 / 41.00 (7.07) |" in markdown(table)
    assert any("MLQA's script" in note and "F1 / exact match" in note for note in table.notes)
