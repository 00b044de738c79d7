"""A margin that the study states: who is shown to be no worse stands beside each pair and on the first screen."""

import json
from pathlib import Path

import pandas as pd
import pytest
from small_results import SIGNIFICANCE
from test_example_pairs import Runs
from test_verdict import around, verdict

from smelt.__main__ import main
from smelt.report.column_help import column_help
from smelt.report.overview import StudyScores
from smelt.report.page.no_worse import ModelsNoWorse
from smelt.report.page.results import across_table, pair_tables
from smelt.report.render import NONE, markdown
from smelt.report.significance import Significance
from smelt.statistics.p_values import holm

SIZES = {"big": 100.0, "half": 50.0, "tiny": 10.0}
SCORES = {
    ("big", "a"): around(0.8),
    ("big", "b"): around(0.7),
    ("half", "a"): around(0.798)[::-1],
    ("half", "b"): around(0.699, 2),
    ("tiny", "a"): around(0.75),
    ("tiny", "b"): around(0.699),
}


def test_a_model_that_loses_less_than_the_margin_goes_before_one_without_a_difference(tmp_path: Path) -> None:
    found, table = verdict(tmp_path, SCORES, {"margin": 2}, **SIZES)
    assert found.answer == "Yes, within 2 points."
    assert found.sentences[0].startswith(
        "Of 3 models, half is the smallest that is shown to be no worse than big, the best one, by more than 2 points"
        " on any task: 74.9 against 75.0 points"
    )
    assert "The largest loss that is not ruled out is" in found.sentences[2]
    assert "| half | 74.85 | no worse |" in table
    assert "| tiny | 72.45 | lower |" in table
    assert "the margin of 2 points, which the study states" in table
    assert "over the 6 ordered pairs of models" in table


def test_too_small_a_margin_shows_nothing_and_the_page_says_so(tmp_path: Path) -> None:
    found, table = verdict(tmp_path, SCORES, {"margin": 0.1}, **SIZES)
    assert found.answer.startswith("No loss is shown, but one of up to")
    assert "Of no smaller model is it shown that it is no worse than big by more than 0.1 points." in found.untested
    assert "no worse |" not in table


def test_a_difference_that_is_significant_and_small_is_within_the_margin(tmp_path: Path) -> None:
    scores = {("big", "a"): around(0.8, 0.1), ("half", "a"): around(0.795, 0.1)}
    assert verdict(tmp_path, scores, big=100.0, half=50.0)[0].answer == "No, not without a loss."
    found, _ = verdict(tmp_path, scores, {"margin": 1}, big=100.0, half=50.0)
    assert found.answer == "Yes, within 1 point."
    assert "It is significantly lower on a, by less than that." in found.sentences


def test_one_task_where_it_is_not_shown_is_enough_to_say_nothing(tmp_path: Path) -> None:
    once = SCORES | {("half", "b"): [0.699]}
    found, table = verdict(tmp_path, once, {"margin": 2}, **SIZES)
    assert "no worse |" not in table
    assert "Yes" not in found.answer


def test_without_a_margin_files_and_settings_are_as_before(tmp_path: Path) -> None:
    assert "margin" not in Significance().model_dump()
    assert Significance(margin=1).model_dump()["margin"] == 1
    found, table = verdict(tmp_path, SCORES, **SIZES)
    assert any("is no proof that it is as good" in sentence for sentence in found.sentences)
    assert "No worse" not in table
    for name in ("pairs", "across"):
        assert not [
            column for column in pd.read_csv(tmp_path / f"{name}.csv") if "worse" in column or column == "margin"
        ]
        tables = pair_tables(tmp_path / "pairs.csv", [], Significance())
    assert "No worse" not in "".join(map(markdown, tables))


def test_pairs_say_which_of_the_two_is_shown_to_be_no_worse(tmp_path: Path) -> None:
    verdict(tmp_path, SCORES, {"margin": 2}, **SIZES)
    pairs = pd.read_csv(tmp_path / "pairs.csv").set_index(["task", "model_a", "model_b"])
    first = pairs.loc["a"]
    shown = first[["no_worse_a_shown", "no_worse_b_shown"]].to_numpy().tolist()
    assert dict(zip(first.index, shown, strict=True)) == {
        ("big", "half"): [True, True],
        ("big", "tiny"): [True, False],
        ("half", "tiny"): [True, False],
    }
    for side in "ab":
        bounds, p = pairs[f"no_worse_{side}_bound"], pairs[f"no_worse_{side}_p_corrected"]
        assert ((bounds > -0.02) == pairs[f"no_worse_{side}_shown"]).all()
        assert ((p < 0.05) == pairs[f"no_worse_{side}_shown"]).all()
    significance = Significance.model_validate(SIGNIFICANCE | {"margin": 2})
    table = pair_tables(tmp_path / "pairs.csv", [], significance)[0]
    text = markdown(table)
    assert [row.cells[-2].text for row in table.grids[0].rows] == ["both", "first", "first"]
    assert "by more than 2 points, the margin that the study states; one-sided, of the same runs" in text
    assert "over both directions of all pairs" in text
    assert "below minus the margin does not contradict the claim" in text
    over_tasks = across_table(tmp_path / "across.csv", significance)
    assert over_tasks is not None
    assert over_tasks.grids[0].columns[-1] == "No worse over tasks"
    assert {row.cells[-1].text for row in over_tasks.grids[0].rows} == {"neither"}, "two tasks cannot show it"


def test_examples_show_it_from_one_run_and_in_either_order_of_the_pair(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    for model, share in (("good", 0.9), ("better", 0.92), ("bad", 0.5)):
        runs.add(model, share)
    assert runs.compare(margin=10) == 0
    table = runs.table()
    assert table["no_worse_a_shown"].to_dict() == {
        ("good", "better"): True,
        ("good", "bad"): True,
        ("better", "bad"): True,
    }
    assert table["no_worse_b_shown"].to_dict() == {
        ("good", "better"): True,
        ("good", "bad"): False,
        ("better", "bad"): False,
    }
    lines = ["model,task,language,setting,seed,split,metric,value"]
    lines += [f"{model},topic,all,standard,1,test,accuracy,0.9" for model in ("bad", "good", "better")]  # another order
    (tmp_path / "scores.csv").write_text("\n".join(lines) + "\n")
    significance = SIGNIFICANCE | {"margin": 10}
    words = ["job", "compare", "--scores", str(tmp_path / "scores.csv"), "--settings", json.dumps(significance)]
    for name in ("summary", "pairs", "across"):
        words += [f"--{name}", str(tmp_path / f"{name}.csv")]
    assert main(words) == 0
    (made,) = pair_tables(tmp_path / "pairs.csv", [tmp_path / "topic.csv"], Significance.model_validate(significance))
    grid = made.grids[0]
    cells = {row.head: dict(zip(grid.columns, row.cells, strict=True)) for row in grid.rows}
    assert {head: row["No worse over examples"].text for head, row in cells.items()} == {
        "bad – good": "second",
        "bad – better": "second",
        "good – better": "both",
    }
    assert {row["No worse over seeds"].text for row in cells.values()} == {"not tested"}


@pytest.mark.parametrize(("test", "cell"), [("paired-t", "equal"), ("welch", "both")])
def test_of_a_model_with_the_same_scores_examples_decide(tmp_path: Path, test: str, cell: str) -> None:
    runs = Runs(tmp_path)
    for seed, share in ((1, 0.9), (2, 0.91), (3, 0.92)):
        runs.add("base", share, seed)
        runs.add("copy", share, seed)
    assert runs.compare(margin=3) == 0
    scores = {(model, "topic"): [0.9, 0.91, 0.92] for model in ("base", "copy")}
    settings = {"margin": 3, "test": test}
    found, _ = verdict(tmp_path, scores, settings, [tmp_path / "topic.csv"], base=2.0, copy=1.0)
    assert found.answer == "Yes, within 3 points."
    significance = Significance.model_validate(SIGNIFICANCE | settings)
    (table,) = pair_tables(tmp_path / "pairs.csv", [tmp_path / "topic.csv"], significance)
    cells = dict(zip(table.grids[0].columns, table.grids[0].rows[0].cells, strict=True))
    assert (cells["No worse over seeds"].text, cells["No worse over examples"].text) == (cell, "both")
    assert ("leaves a t-test no spread to judge by" in markdown(table)) == (cell == "equal")
    assert (cells["Seeds for the margin"].text == NONE) == (cell == "equal")


@pytest.mark.parametrize("margin", [0, -1, 100, "much"])
def test_a_margin_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], margin: object) -> None:
    (tmp_path / "scores.csv").write_text("")
    words = ["job", "compare", "--scores", str(tmp_path / "scores.csv"), "--settings", json.dumps({"margin": margin})]
    for name in ("summary", "pairs", "across"):
        words += [f"--{name}", str(tmp_path / f"{name}.csv")]
    assert main(words) == 1
    error = capsys.readouterr().err
    assert "margin" in error
    assert error.count("\n") == 1


def test_the_claim_on_all_tasks_has_the_largest_p_corrected_over_ordered_pairs(tmp_path: Path) -> None:
    verdict(tmp_path, SCORES, {"margin": 2}, **SIZES)
    shared = StudyScores(tmp_path / "summary.csv", tmp_path / "pairs.csv").shared
    assert shared is not None
    settings = Significance.model_validate(SIGNIFICANCE | {"margin": 2})
    claims = ModelsNoWorse(tmp_path / "pairs.csv", [], shared, settings)
    rows = pd.read_csv(tmp_path / "pairs.csv").groupby(["model_a", "model_b"])
    largest = rows[["no_worse_a_p", "no_worse_b_p"]].max()
    raw = {pair: row["no_worse_a_p"] for pair, row in largest.iterrows()}
    raw |= {pair[::-1]: row["no_worse_b_p"] for pair, row in largest.iterrows()}
    corrected = dict(zip(raw, holm(list(raw.values())), strict=True))
    assert len(corrected) == 6
    assert {pair: claims.p(*pair) for pair in raw} == pytest.approx(corrected)
    assert {pair for pair in raw if claims.shown(*pair)} == {pair for pair, p in corrected.items() if p < 0.05}


def test_signed_ranks_of_few_seeds_show_nothing_and_have_no_bounds(tmp_path: Path) -> None:
    found, _ = verdict(tmp_path, SCORES, {"margin": 30, "test": "wilcoxon"}, **SIZES)
    assert not found.answer.startswith("Yes, within")
    significance = Significance.model_validate(SIGNIFICANCE | {"margin": 30, "test": "wilcoxon"})
    rows = pair_tables(tmp_path / "pairs.csv", [], significance)[0].grids[0].rows
    cells = [row.cells[-2] for row in rows]
    assert {(cell.text, cell.detail) for cell in cells} == {("neither", "")}
    needed = {row.head: row.cells[-1].text for row in rows}
    assert needed.pop("big – tiny") == NONE, "their differences are all the same"
    assert set(needed.values()) == {"7"}, "1 / 2^7 is the first below 0.05 / 6"


def test_the_seeds_for_a_margin_grow_as_it_shrinks(tmp_path: Path) -> None:
    needed: dict[float, list[str]] = {}
    for margin in (2, 0.5, 0.01):
        verdict(tmp_path, SCORES, {"margin": margin}, **SIZES)
        assert "margin_seeds_needed" not in pd.read_csv(tmp_path / "across.csv")
        written = pd.read_csv(tmp_path / "pairs.csv", dtype=str)["margin_seeds_needed"].fillna("")
        significance = Significance.model_validate(SIGNIFICANCE | {"margin": margin})
        grids = [table.grids[0] for table in pair_tables(tmp_path / "pairs.csv", [], significance)]
        assert {grid.columns[-1] for grid in grids} == {"Seeds for the margin"}
        needed[margin] = [row.cells[-1].text for grid in grids for row in grid.rows]
        assert [cell if cell != "> 1,000" else "" for cell in needed[margin]] == written.to_list()
    assert all(int(few) < int(many) for few, many in zip(needed[2], needed[0.5], strict=True))
    assert set(needed[0.01]) == {"> 1,000"}
    heads = {head for grid in grids for head in grid.columns}
    assert {head for head in heads if not column_help(head)} == set()
