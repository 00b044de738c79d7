"""From scores.csv to the three files of significance, through the command."""

import json
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from smelt.__main__ import main
from smelt.report.compare import ACROSS_COLUMNS, PAIRS_COLUMNS
from smelt.report.page.results import across_table, pair_tables
from smelt.report.render import markdown
from smelt.report.significance import Significance

COLUMNS = ["model", "task", "language", "setting", "seed", "split", "metric", "value"]
SMALL = [0.80, 0.82, 0.81, 0.79, 0.83]
LARGE = [0.90, 0.93, 0.89, 0.91, 0.94]
LARGEST = [0.905, 0.92, 0.90, 0.93, 0.935]


def rows(model: str, task: str, values: list[float], metric: str = "f1", **others: str) -> list[dict[str, object]]:
    """Return the score of each seed, from 1."""
    fixed = {"language": "en", "setting": "standard", "split": "test", **others}
    return [
        {"model": model, "task": task, "seed": seed, "metric": metric, "value": value, **fixed}
        for seed, value in enumerate(values, 1)
    ]


class Compared:
    """The command run on some scores in a folder: its exit status and the three tables."""

    def __init__(self, folder: Path, scores: list[dict[str, object]], **settings: object) -> None:
        self.folder = folder
        pd.DataFrame(scores, columns=COLUMNS).to_csv(folder / "scores.csv", index=False)
        words = ["job", "compare", "--scores", str(folder / "scores.csv")]
        words += ["--settings", json.dumps({"resamples": 200} | settings)]
        for name in ("summary", "pairs", "across"):
            words += [f"--{name}", str(folder / "out" / f"{name}.csv")]
        self.status = main(words)

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "out" / f"{name}.csv")


def three_models(task: str = "ner") -> list[dict[str, object]]:
    return [*rows("small", task, SMALL), *rows("large", task, LARGE), *rows("largest", task, LARGEST)]


def test_the_summary_holds_number_mean_and_deviation_over_seeds(tmp_path: Path) -> None:
    table = Compared(tmp_path, three_models()).table("summary")
    named = ["task", "unit", "metric", "model", "languages"]
    assert list(table.columns) == [*named, "n", "mean", "standard_deviation", "beside"]
    assert table["beside"].isna().all()
    assert table["model"].tolist() == ["small", "large", "largest"]
    assert table["n"].tolist() == [5, 5, 5]
    assert table["mean"].tolist() == pytest.approx([0.81, 0.914, 0.918])
    assert table["standard_deviation"][0] == pytest.approx(0.0158114, abs=1e-6)


def test_exact_match_stands_beside_f1_and_is_never_compared(tmp_path: Path) -> None:
    scores = [*rows("a", "qa", [0.8, 0.6], "squad_f1"), *rows("a", "qa", [0.5, 0.3], "exact_match")]
    scores += [*rows("b", "qa", [0.7, 0.7], "squad_f1"), *rows("b", "qa", [0.9, 0.9], "exact_match")]
    compared = Compared(tmp_path, scores + rows("a", "ner", [0.1, 0.2]) + rows("b", "ner", [0.1, 0.2]))
    summary = compared.table("summary").set_index(["task", "model"])
    assert summary.loc[("qa", "a"), "metric"] == "squad_f1"
    assert summary.loc["qa", "mean"].tolist() == pytest.approx([0.7, 0.7])
    assert summary.loc["qa", "beside"].tolist() == pytest.approx([0.4, 0.9])
    assert summary.loc["ner", "beside"].isna().all()
    pairs = compared.table("pairs").set_index("task")
    assert pairs.loc["qa", "difference"] == pytest.approx(0.0)


def test_every_test_stands_in_pairs_with_its_holm_correction(tmp_path: Path) -> None:
    table = Compared(tmp_path, three_models()).table("pairs")
    assert tuple(table.columns) == PAIRS_COLUMNS
    raw = [
        stats.ttest_ind(a, b, equal_var=False).pvalue for a, b in ((SMALL, LARGE), (SMALL, LARGEST), (LARGE, LARGEST))
    ]
    assert table["welch_p"].tolist() == pytest.approx(raw)
    smallest, middle = sorted(raw)[:2]
    assert sorted(table["welch_p_corrected"]) == pytest.approx([3 * smallest, max(3 * smallest, 2 * middle), max(raw)])
    assert table["significant"].tolist() == [True, True, False]
    assert table["paired_t_p"].tolist()[0] == pytest.approx(stats.ttest_rel(SMALL, LARGE).pvalue)
    assert (table["wilcoxon_p"] >= 0.0625).all()


def test_the_chosen_test_is_the_one_that_is_marked(tmp_path: Path) -> None:
    table = Compared(tmp_path, three_models(), test="paired-t", correction="none").table("pairs")
    assert set(table["test"]) == {"paired-t"}
    assert table["p"].tolist() == table["paired_t_p"].tolist() == table["p_corrected"].tolist()


def test_five_seeds_by_wilcoxon_say_that_significance_is_out_of_reach(tmp_path: Path) -> None:
    table = Compared(tmp_path, three_models(), test="wilcoxon").table("pairs")
    assert "with 5 seed pairs the smallest two-sided p is 0.0625: 0.05 is out of reach" in table["note"][0]
    assert not table["significant"].any()


def test_six_seeds_are_out_of_reach_only_after_correction(tmp_path: Path) -> None:
    scores = [
        *rows("a", "ner", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        *rows("b", "ner", [0.2, 0.31, 0.42, 0.53, 0.64, 0.75]),
        *rows("c", "ner", [0.3, 0.42, 0.54, 0.66, 0.78, 0.9]),
    ]
    table = Compared(tmp_path, scores, test="wilcoxon").table("pairs")
    assert table["p"].tolist() == [0.03125] * 3
    assert "0.0312, times 3 pairs of models: 0.05 is out of reach after correction" in table["note"][0]


def test_one_seed_cannot_be_tested_and_leaves_empty_cells_with_a_note(tmp_path: Path) -> None:
    compared = Compared(tmp_path, [*rows("a", "ner", [0.8]), *rows("b", "ner", [0.7])])
    (row,) = compared.table("pairs").to_dict("records")
    assert row["note"].startswith("cannot be tested: one seed")
    assert pd.isna(row["p"])
    assert pd.isna(row["significant"])
    assert row["difference"] == pytest.approx(0.1)
    assert compared.table("summary")["standard_deviation"].isna().all()


def test_a_missing_run_is_noted_and_not_invented(tmp_path: Path) -> None:
    scores = [*rows("a", "ner", SMALL), *rows("b", "ner", LARGE), *rows("a", "slots", SMALL)]
    compared = Compared(tmp_path, scores)
    assert compared.table("summary")[["task", "model"]].values.tolist() == [["ner", "a"], ["ner", "b"], ["slots", "a"]]
    missing = compared.table("pairs").query("task == 'slots'").iloc[0]
    assert (missing["note"], missing["n_a"], missing["n_b"]) == ("cannot be tested: no run of b on slots", 5, 0)
    assert pd.isna(missing["mean_a"])
    assert "left out: slots (no run of b)" in compared.table("across")["note"][0]


def test_pairs_that_left_out_other_tasks_share_their_notes_on_the_page(tmp_path: Path) -> None:
    shared = [row for task in ("ner", "slots") for row in three_models(task)]
    Compared(tmp_path, [*shared, *rows("small", "mood", SMALL), *rows("large", "nli", LARGE)])
    table = across_table(tmp_path / "out/across.csv", Significance())
    assert table is not None
    assert "Tasks: those that both models ran on; across.csv names the others." in table.notes
    (note,) = [note for note in table.notes if note[0].isdigit()]
    assert "with 2 tasks the smallest two-sided p is 0.5" in note
    assert "left out" not in note
    assert "one-sided" not in note


def test_seeds_are_paired_by_number_also_where_some_are_missing(tmp_path: Path) -> None:
    scores = [row for row in three_models() if not (row["model"] == "large" and row["seed"] == 2)]
    (row,) = Compared(tmp_path, scores).table("pairs").query("model_b == 'large'").to_dict("records")
    assert (row["n_a"], row["n_b"], row["n_pairs"]) == (5, 4, 4)
    kept = [place for place in range(5) if place != 1]
    expected = stats.ttest_rel([SMALL[place] for place in kept], [LARGE[place] for place in kept])
    assert row["paired_t_p"] == pytest.approx(expected.pvalue)
    assert "paired tests use seeds 1, 3, 4, 5" in row["note"]


def test_each_task_is_judged_on_test_by_its_own_metric_over_all_languages(tmp_path: Path) -> None:
    noise = [
        *rows("a", "ner", [0.1] * 5, metric="accuracy"),
        *rows("a", "ner", [0.2] * 5, split="validation"),
        *rows("a", "ner", [0.3] * 5, language="fr"),
        *rows("a", "mood", [0.4] * 5, "macro_f1"),
    ]
    scores = [*noise, *rows("a", "ner", SMALL, language="all"), *rows("a", "mood", LARGE, "accuracy")]
    table = Compared(tmp_path, scores).table("summary")
    assert table[["task", "metric"]].values.tolist() == [["ner", "f1"], ["mood", "accuracy"]]
    assert table["mean"].tolist() == pytest.approx([0.81, 0.914])


def test_across_tasks_uses_one_mean_a_task(tmp_path: Path) -> None:
    a = [0.8923, 0.9795, 0.8512, 0.9681, 0.9326, 0.9791, 0.9033, 0.9623, 0.4744, 0.9666, 0.8689, 0.8490]
    b = [0.8952, 0.9792, 0.8567, 0.9705, 0.9365, 0.9822, 0.8970, 0.9625, 0.5066, 0.9683, 0.8701, 0.8632]
    scores = []
    for task, (value_a, value_b) in enumerate(zip(a, b, strict=True)):
        scores += rows("mbert", f"task-{task}", [value_a - 0.01, value_a + 0.01])
        scores += rows("eliquare", f"task-{task}", [value_b - 0.02, value_b, value_b + 0.02])
    table = Compared(tmp_path, scores).table("across")
    assert tuple(table.columns) == ACROSS_COLUMNS
    (row,) = table.to_dict("records")
    assert (row["tasks"], row["wins_a"], row["wins_b"], row["less_statistic"]) == (12, 2, 10, 12)
    assert row["less_p"] == pytest.approx(0.01709, abs=5e-6)
    assert row["wilcoxon_p"] == pytest.approx(2 * row["less_p"])
    assert row["rank_biserial"] == pytest.approx((12 - 66) / 78)


def test_across_is_corrected_over_all_pairs(tmp_path: Path) -> None:
    scores = [row for task in range(8) for row in three_models(f"task-{task}")]
    table = Compared(tmp_path, scores).table("across")
    assert table["family"].tolist() == [3, 3, 3]
    # Eight equal differences each: every pair has the smallest p that eight tied tasks can give.
    assert table["wilcoxon_p"].tolist() == pytest.approx([2 / 2**8] * 3)
    assert table["wilcoxon_p_corrected"].tolist() == pytest.approx([6 / 2**8] * 3)


def test_a_study_with_one_model_has_nothing_to_compare(tmp_path: Path) -> None:
    compared = Compared(tmp_path, rows("a", "ner", SMALL))
    assert compared.status == 0
    assert (len(compared.table("summary")), len(compared.table("pairs")), len(compared.table("across"))) == (1, 0, 0)


def test_the_same_scores_give_the_same_files(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        Compared(tmp_path / name, three_models())
    first, second = ((tmp_path / name / "out/pairs.csv").read_bytes() for name in ("first", "second"))
    assert first == second


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (rows("a", "ner", [0.1, 0.2]) + rows("a", "ner", [0.3]), "f1 of a on ner, seed 1, stands twice"),
        (
            rows("a", "ner", [0.1], "recall"),
            "task ner has no f1, accuracy, macro_f1, ",
        ),
        (
            rows("a", "ner", [0.1]) + rows("a", "ner", [0.1], language="fr"),
            "task ner has scores of en, fr but none over",
        ),
        (rows("a", "ner", [float("nan")]), "f1 of a on ner, seed 1, is no number"),
    ],
)
def test_scores_that_cannot_be_compared_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scores: list[dict[str, object]], message: str
) -> None:
    compared = Compared(tmp_path, scores)
    error = capsys.readouterr().err
    assert compared.status == 1
    assert error.startswith(f"smelt: {tmp_path / 'scores.csv'}: {message}")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_wrong_setting_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Compared(tmp_path, three_models(), test="anova").status == 1
    assert "--settings: test: expected 'welch', 'paired-t' or 'wilcoxon'" in capsys.readouterr().err


def test_the_interval_at_the_corrected_level_leaves_out_zero_where_the_pair_is_significant(tmp_path: Path) -> None:
    scores = [*three_models(), *rows("other", "ner", [0.80, 0.83, 0.82, 0.84, 0.81])]
    for test in ("welch", "paired-t"):
        pairs = Compared(tmp_path, scores, test=test).table("pairs")
        excluded = (pairs["level_low"] > 0) | (pairs["level_high"] < 0)
        assert excluded.tolist() == pairs["significant"].tolist()
        assert set(pairs["significant"]) == {True, False}, "both verdicts are seen"
        assert (pairs["level"] < 0.05).any(), "Holm's correction leaves less than alpha"


def test_more_seeds_are_needed_exactly_where_less_than_the_detectable_difference_was_seen(tmp_path: Path) -> None:
    pairs = Compared(tmp_path, three_models()).table("pairs")
    larger = pairs["difference"].abs() > pairs["detectable"]
    assert larger.tolist() == (pairs["seeds_needed"] <= 5).tolist()
    assert set(larger) == {True, False}


def test_no_difference_is_detectable_where_the_signed_rank_test_cannot_reach_its_level(tmp_path: Path) -> None:
    pairs = Compared(tmp_path, three_models(), test="wilcoxon").table("pairs")
    assert pairs["detectable"].isna().all(), "five seeds: the smallest p is 0.0625"
    assert (pairs["seeds_needed"].dropna() >= 6).all()


def test_no_seeds_are_needed_where_nothing_could_be_computed(tmp_path: Path) -> None:
    pairs = Compared(tmp_path, rows("a", "ner", [0.5] * 3) + rows("b", "ner", [0.5] * 3)).table("pairs")
    assert pairs[["power", "detectable", "seeds_needed"]].isna().all(axis=None)
    (table,) = pair_tables(tmp_path / "out" / "pairs.csv", [], Significance())
    assert "1,000" not in markdown(table)
