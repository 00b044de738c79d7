"""Tables of a model on a task in each cell: scores over languages and seeds, and tests over either."""

import json
from itertools import product
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import pandas as pd
import pytest
from scipy import stats
from small_results import SIGNIFICANCE

from smelt.__main__ import main
from smelt.statistics.p_values import holm

LANGUAGES = ("af", "ar", "bn", "de", "en", "fa")
# F1 in these languages: of XtremeDistil, of mBERT for each language alone, and of MMNER (Mukherjee and Hassan Awadallah
# 2020, Table 17).
PUBLISHED = {"ours": (87, 85, 91, 84, 78, 90), "bert": (89, 88, 83, 89, 83, 92), "mmner": (84, 88, 95, 89, 81, 93)}


class Report:
    """scores.csv and the command that makes a table of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: list[dict[str, Any]] = []
        self.metrics: list[str] = []

    def add(self, model: str, task: str, seed: int, values: dict[str, float]) -> None:
        """Add what a run scores in each language, with the mean and a decoy: scores on validation."""
        fixed = {"model": model, "task": task, "setting": "standard", "seed": seed, "metric": "f1"}
        several = {"mean": mean(values.values()), "deviation": stdev(values.values())} if len(values) > 1 else {}
        for language, value in (values | several).items():
            self.rows.append(fixed | {"language": language, "split": "test", "value": value})
            self.rows.append(fixed | {"language": language, "split": "validation", "value": 0.5 * value})

    def add_steps(self, model: str, task: str, seed: int, steps: list[int]) -> None:
        """Add the record of a compression: the optimiser steps of each phase."""
        record = {"model": model, "task": task, "seed": seed, "stages": [{"steps": number} for number in steps]}
        self.metrics.append(str(self.folder / f"{model}-{task}-{seed}.json"))
        Path(self.metrics[-1]).write_text(json.dumps(record))

    def path(self) -> Path:
        pd.DataFrame(self.rows).to_csv(self.folder / "scores.csv", index=False)
        return self.folder / "scores.csv"

    def command(self, settings: dict[str, Any], **significance: Any) -> int:
        words = ["table", "--name", "table-3", "--settings", json.dumps({"kind": "grid", "titles": {}} | settings)]
        words += [
            "--significance",
            json.dumps(SIGNIFICANCE | significance),
            "--sources",
            str(self.path()),
            *self.metrics,
        ]
        for kind in ("csv", "markdown", "latex", "html"):
            words += [f"--{kind}", str(self.folder / f"table.{kind}")]
        return main(words)

    def table(self, settings: dict[str, Any], **significance: Any) -> tuple[pd.DataFrame, str]:
        assert self.command(settings, **significance) == 0
        frame = pd.read_csv(self.folder / "table.csv", keep_default_na=False, na_values=[""])
        return frame, (self.folder / "table.markdown").read_text()


@pytest.fixture
def published(tmp_path: Path) -> Report:
    return published_scores(tmp_path)


def published_scores(folder: Path) -> Report:
    """Add the published scores: mBERT of each language alone has a task of its own, the others share one task."""
    report = Report(folder)
    for row in ("ours", "mmner"):
        report.add(row, "panx", 1, dict(zip(LANGUAGES, (x / 100 for x in PUBLISHED[row]), strict=True)))
    for language, value in zip(LANGUAGES, PUBLISHED["bert"], strict=True):
        report.add("mbert", f"panx.monolingual.{language}", 1, {language: value / 100})
    return report


ROWS = {
    "MMNER": "mmner",
    "mBERT-single": {"model": "mbert", "task": "panx.monolingual.{language}"},
    "XtremeDistil": "ours",
}
TABLE_5 = {"model": "{row}", "task": "panx", "rows": ROWS, "languages": list(LANGUAGES)}


def scores_of(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["kind"] == "score"].set_index(["row", "column"], drop=False)


def test_a_family_of_tasks_is_the_mean_of_its_languages(published: Report) -> None:
    frame, text = published.table(TABLE_5)
    single = scores_of(frame).loc["mBERT-single"].iloc[0]
    assert single["mean"] == pytest.approx((89 + 88 + 83 + 89 + 83 + 92) / 600)
    assert single["deviation_over_languages"] == pytest.approx(stdev(PUBLISHED["bert"]) / 100)
    assert (single["languages"], single["n"]) == (6, 1)
    assert "| mBERT-single | 87.33 (3.61) |" in text
    assert "| XtremeDistil | 85.83 (4.71) |" in text
    assert "| MMNER | **88.33** (5.28) |" in text
    assert "Mean over 1 seed (standard deviation over 6 languages, mean over the seeds). Best of a column" in text
    assert "A score is the mean of the languages' scores, computed for each seed: af, ar, bn, de, en, fa." in text


def test_hypotheses_are_tested_over_languages(published: Report) -> None:
    frame, text = published.table(TABLE_5 | {"hypotheses": [{"less": "XtremeDistil", "than": "MMNER"}]})
    (tested,) = frame[frame["kind"] == "hypothesis"].to_dict("records")
    # Differences of MMNER: -3, 3, 4, 5, 3, 3; the threes share the ranks 1 to 4, and one of them is negative.
    assert (tested["n"], tested["won"], tested["lost"], tested["statistic"]) == (6, 5, 1, 2.5)
    assert tested["difference"] == pytest.approx(0.025)
    # Sums of at most 2.5: all signs alike, or any one of the four threes alone against.
    assert tested["p"] == pytest.approx((1 + 4) / 2**6)
    assert "| XtremeDistil \\< MMNER | 6 | 5 – 1 | 2.50 | 2.5 | 0.078 | 0.078 | – | – |" in text
    assert "XtremeDistil \\< MMNER: over languages, exact, with ties; over seeds, cannot be tested: one seed." in text
    assert "Over seeds: Welch's t-test over seeds, two-sided. Holm's correction" in text


def test_languages_are_averaged_alike_where_a_task_has_a_score_over_all_its_examples(published: Report) -> None:
    published.rows += [row | {"language": "all", "value": 0.1} for row in published.rows if row["language"] == "mean"]
    rows = {"MMNER": "mmner", "XtremeDistil": "ours"}
    frame, _ = published.table({"model": "{row}", "task": "panx", "rows": rows})
    assert scores_of(frame)["mean"].tolist() == pytest.approx([0.1, 0.1])
    frame, _ = published.table({"model": "{row}", "task": "panx", "rows": rows, "languages": ["af", "bn"]})
    assert scores_of(frame)["mean"].tolist() == pytest.approx([(84 + 95) / 200, (87 + 91) / 200])
    assert scores_of(frame)["deviation_over_languages"].iloc[0] == pytest.approx(stdev([0.84, 0.95]))


STRATEGIES = {"D1": "d1", "D4.2": "d42"}
SIZES = {"0.7MM": "small", "1.4MM": "large"}
TABLE_3 = {
    "model": "{row}-{column}",
    "task": "panx",
    "rows": {"D0-S": "d0s"} | STRATEGIES,
    "columns": SIZES,
    "hypotheses": [{"less": "D1", "than": "D4.2"}, {"less": "D0-S", "than": "D1"}],
}
BASE = {"d0s": 0.60, "d1": 0.70, "d42": 0.80}


def value_of(strategy: str, size: str, seed: int, place: int) -> float:
    """Return a score that rises with all of these, and in each language by another amount."""
    return BASE[strategy] + 0.02 * (size == "large") + 0.001 * seed * (1 + place % 2) + 0.013 * place


@pytest.fixture
def strategies(tmp_path: Path) -> Report:
    report = Report(tmp_path)
    for strategy, size in [("d0s", "small"), *((s, z) for s in ("d1", "d42") for z in ("small", "large"))]:
        for seed in (1, 2, 3):
            values = {code: value_of(strategy, size, seed, place) for place, code in enumerate(LANGUAGES)}
            report.add(f"{strategy}-{size}", "panx", seed, values)
    return report


def test_the_spread_is_over_languages_within_each_seed(strategies: Report) -> None:
    frame, text = strategies.table(TABLE_3)
    cell = scores_of(frame).loc[("D1", "1.4MM")]
    by_seed = [[value_of("d1", "large", seed, place) for place in range(6)] for seed in (1, 2, 3)]
    assert cell["mean"] == pytest.approx(mean(map(mean, by_seed)))
    assert cell["deviation_over_languages"] == pytest.approx(mean(map(stdev, by_seed)))
    assert cell["deviation_over_seeds"] == pytest.approx(stdev(map(mean, by_seed)))
    assert cell["n"] == 3
    shown = f"{100 * mean(map(mean, by_seed)):.2f} ({100 * mean(map(stdev, by_seed)):.2f})"
    assert f" {shown} " in text
    assert "Mean over 3 seeds (standard deviation over 6 languages" in text


def test_the_spread_is_over_seeds_where_the_study_says_so(strategies: Report) -> None:
    _, text = strategies.table(TABLE_3 | {"spread": "seeds"})
    means = [mean(value_of("d1", "large", seed, place) for place in range(6)) for seed in (1, 2, 3)]
    assert f"{100 * mean(means):.2f} ({100 * stdev(means):.2f})" in text
    assert "Mean (standard deviation) over 3 seeds; 6 languages." in text


def test_both_tests_are_corrected_over_hypotheses_and_columns(strategies: Report) -> None:
    frame, text = strategies.table(TABLE_3)
    tests = frame[frame["kind"] == "hypothesis"].set_index(["row", "line"])
    tested = tests[tests["p"].notna()]
    assert len(tests) == 4
    assert tested["p"].tolist() == [1 / 2**6] * 3
    assert tested["p_corrected"].tolist() == pytest.approx(holm(tested["p"].tolist()))
    means = {
        (strategy, size): [mean(value_of(strategy, size, seed, place) for place in range(6)) for seed in (1, 2, 3)]
        for strategy, size in [("d0s", "small"), ("d1", "small"), ("d1", "large"), ("d42", "small"), ("d42", "large")]
    }
    pairs = [("d42", "d1", "small"), ("d42", "d1", "large"), ("d1", "d0s", "small")]
    expected = [stats.ttest_ind(means[a, size], means[b, size], equal_var=False).pvalue for a, b, size in pairs]
    assert tested["p_seeds"].tolist() == pytest.approx(expected)
    assert tested["p_seeds_corrected"].tolist() == pytest.approx(holm(expected))
    assert "D0-S \\< D1, 1.4MM: not run: D0-S." in text


def test_a_cell_that_is_not_run_is_empty_and_the_best_of_each_column_bold(strategies: Report) -> None:
    frame, text = strategies.table(TABLE_3)
    assert scores_of(frame)["best"].tolist() == [False, False, False, False, True, True]
    assert "| N/A |" in text
    assert "N/A: the study does not run the model on the task." in text


def test_the_best_of_several_models_on_validation_stands_in_the_cell(tmp_path: Path) -> None:
    report = Report(tmp_path)
    mixes = {"even": (0.6, 0.9), "little": (0.7, 0.5), "much": (0.65, 0.7)}  # on validation and test
    for (model, values), seed in product(mixes.items(), (1, 2)):
        for split, value in zip(("validation", "test"), values, strict=True):
            row = {"model": model, "task": "panx", "setting": "standard", "seed": seed, "metric": "f1"}
            report.rows.append(row | {"language": "en", "split": split, "value": value + seed / 100})
    rows = {"D1": ["even", "little", "much"], "plain": "even"}
    hypotheses = [{"less": "D1", "than": "plain"}]
    frame, text = report.table({"model": "{row}", "task": "panx", "rows": rows, "hypotheses": hypotheses})
    scores = scores_of(frame).droplevel("column")
    assert scores.loc["D1", ["model", "choices"]].tolist() == ["little", 3]
    assert scores.loc["D1", "mean"] == pytest.approx(0.515)  # on test the worst: it chooses nothing
    assert "The best of 3 models, by the mean score on validation: D1: little." in text
    assert frame.set_index("kind").loc["hypothesis", "difference"] == pytest.approx(0.4)


def test_the_steps_that_students_took_stand_beside_their_scores(strategies: Report) -> None:
    for seed in (1, 2, 3):
        strategies.add_steps("d0s-small", "panx", seed, [100 * seed])
        strategies.add_steps("d42-large", "panx", seed, [1000, 500, 500 * seed])
    frame, text = strategies.table(TABLE_3 | {"one_teacher": ["d42-small", "d42-large"]})
    steps = scores_of(frame)["steps"]
    assert steps.loc[[("D0-S", "0.7MM"), ("D4.2", "1.4MM")]].tolist() == [200, 2500]
    assert steps.isna().sum() == len(steps) - 2  # the others' records do not say, as a fine-tuned model's would not
    assert "Students learnt for 200 (D0-S, 0.7MM) to 2,500 (D4.2, 1.4MM) optimiser steps" in text
    assert "The seeds of D4.2 share one teacher: their deviations and tests over seeds are over students" in text


def test_no_teacher_and_no_steps_are_mentioned_where_there_are_none(strategies: Report) -> None:
    _, text = strategies.table(TABLE_3)
    assert "teacher" not in text
    assert "steps" not in text


def test_paired_tests_use_the_seeds_that_both_have(strategies: Report) -> None:
    strategies.rows = [row for row in strategies.rows if (row["model"], row["seed"]) != ("d1-large", 2)]
    frame, _ = strategies.table(TABLE_3, test="paired-t")
    tested = frame[frame["kind"] == "hypothesis"].set_index(["row", "line"]).loc[("D1 < D4.2", "1.4MM")]
    assert tested["n_seeds"] == 2


TABLE_9 = {
    "model": "{column}",
    "task": "{row}",
    "rows": {"AG": "ag", "DB": "dbpedia"},
    "columns": {"no distil.": "alone", "Distil": "student"},
    "hypotheses": [{"less": "no distil.", "than": "Distil"}],
}


def test_columns_are_compared_where_each_row_is_a_task(tmp_path: Path) -> None:
    report = Report(tmp_path)
    # XtremeDistil, Table 9: accuracies of a student without and with distillation, here of two seeds around them.
    for task, alone, student in (("ag", 0.8971, 0.9233), ("dbpedia", 0.9864, 0.9910)):
        for seed, shift in ((1, -0.001), (2, 0.001)):
            report.add("alone", task, seed, {"en": alone + shift})
            report.add("student", task, seed, {"en": student + shift})
    frame, text = report.table(TABLE_9)
    assert "| AG | 89.71 (0.14) | **92.33** (0.14) |" in text
    assert "| DB | 98.64 (0.14) | **99.10** (0.14) |" in text
    tested = frame[frame["kind"] == "hypothesis"]
    assert tested["line"].tolist() == ["AG", "DB"]
    assert tested["p"].isna().all()
    assert "cannot be tested: fewer than two languages" in text
    assert tested["p_seeds"].iloc[0] == pytest.approx(stats.ttest_ind([0.9223, 0.9243], [0.8961, 0.8981]).pvalue)
    assert "Best of a row in bold." in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": {"D1": ""}}, "'D1' has no value for the {row} of its patterns"),
        ({"columns": None}, "the patterns of 'D0-S' hold {column}"),
        ({"task": "panx.monolingual.{language}"}, "languages: are missing"),
    ],
)
def test_settings_that_make_no_table_are_refused(
    strategies: Report, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
) -> None:
    assert strategies.command(TABLE_3 | changes) == 1
    assert message in capsys.readouterr().err
    assert not (strategies.folder / "table.csv").exists()
