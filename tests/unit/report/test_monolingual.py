"""Tables of monolingual models: tests over (language, task) pairs, marks against a baseline, what is lost."""

import json
import random
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.container import ErrorbarContainer
from scipy import stats

from smelt.__main__ import main
from smelt.report.figures import caption_of, drops
from smelt.report.figures.drops import mean_loss
from smelt.report.tables import table_of
from smelt.statistics.p_values import holm

SIGNIFICANCE = {"test": "welch", "alpha": 0.05, "correction": "holm", "resamples": 200}
LANGUAGES = ("fr", "he", "sl", "nl", "hi", "sw")
COLUMNS = {language: [f"{language}-1", f"{language}-2"] for language in LANGUAGES}
# Singh et al. 2023, Table 4: two tasks a language, in the order of LANGUAGES.
PUBLISHED = {
    "mbert": "0.8923 0.9795 0.8512 0.9681 0.9326 0.9791 0.9033 0.9623 0.4744 0.9666 0.8689 0.8490",
    "eliquare": "0.8952 0.9792 0.8567 0.9705 0.9365 0.9822 0.8970 0.9625 0.5066 0.9683 0.8701 0.8632",
    "distil": "0.8773 0.9790 0.8391 0.9597 0.9268 0.9790 0.8812 0.9607 0.4555 0.9597 0.8666 0.8452",
}


class Report:
    """scores.csv and the commands that read it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scores: list[dict[str, Any]] = []

    def add(self, model: str, task: str, values: list[float]) -> None:
        fixed = {"model": model, "task": task, "language": task[:2], "setting": "standard", "split": "test"}
        for seed, value in enumerate(values, 1):
            self.scores.append(fixed | {"seed": seed, "metric": "accuracy", "value": value})

    def path(self) -> Path:
        pd.DataFrame(self.scores).to_csv(self.folder / "scores.csv", index=False)
        return self.folder / "scores.csv"

    def table(self, **settings: Any) -> tuple[pd.DataFrame, str]:
        settings = {"kind": "monolingual", "columns": COLUMNS, "hypotheses": [], "baseline": None} | settings
        words = ["table", "--name", "table-4", "--settings", json.dumps(settings)]
        words += ["--significance", json.dumps(SIGNIFICANCE), "--sources", str(self.path())]
        for kind in ("csv", "markdown", "latex", "html"):
            words += [f"--{kind}", str(self.folder / f"table.{kind}")]
        assert main(words) == 0
        return pd.read_csv(self.folder / "table.csv"), (self.folder / "table.markdown").read_text()

    def figure(self, name: str, settings: dict[str, Any]) -> int:
        words = ["figure", "--name", name, "--sources", str(self.path()), "--settings", json.dumps(settings)]
        return main([*words, "--svg", str(self.folder / "figure.svg"), "--png", str(self.folder / "figure.png")])


@pytest.fixture
def published(tmp_path: Path) -> Report:
    report = Report(tmp_path)
    for row, line in PUBLISHED.items():
        values = iter(line.split())
        for language, tasks in COLUMNS.items():
            for task in tasks:
                report.add(row if row != "eliquare" else f"eliquare-{language}", task, [float(next(values))])
    return report


ROWS = {"mBERT": "mbert", "distilmBERT": "distil", "Eliquare": "eliquare-{language}"}


def test_the_published_scores_give_the_published_p(published: Report) -> None:
    frame, text = published.table(rows=ROWS, hypotheses=[{"less": "mBERT", "than": "Eliquare"}])
    (test,) = frame[frame["kind"] == "hypothesis"].to_dict("records")
    assert (test["statistic"], test["n"], test["won"], test["lost"]) == (12, 12, 10, 2)
    assert test["p"] == pytest.approx(0.01709, abs=5e-6)  # the paper's 0.017
    assert r"| mBERT \< Eliquare | 12 | 10 – 2 |" in text
    assert "| 12 | 0.017 | 0.017 |" in text
    assert "one-sided, over (language, task) pairs" in text


def test_hypotheses_of_a_table_are_corrected_together(published: Report) -> None:
    both = [{"less": "mBERT", "than": "Eliquare"}, {"less": "distilmBERT", "than": "Eliquare"}]
    frame, _ = published.table(rows=ROWS, hypotheses=both)
    tests = frame[frame["kind"] == "hypothesis"]
    assert tests["p_corrected"].tolist() == pytest.approx(holm(tests["p"].tolist()))
    assert tests["p"].iloc[1] == pytest.approx(1 / 2**12)


def test_a_family_fills_the_columns_of_its_languages_and_the_best_is_bold(published: Report) -> None:
    frame, text = published.table(rows=ROWS)
    cells = frame.set_index(["row", "task"])
    assert cells.loc[("Eliquare", "sw-2"), "model"] == "eliquare-sw"
    assert cells.loc[("Eliquare", "sw-2"), "best"]
    assert not cells.loc[("Eliquare", "nl-1"), "best"]
    assert "**89.52**" in text
    assert "A single seed: no spread." in text


def test_the_best_mean_is_bold_however_its_seeds_round(tmp_path: Path) -> None:
    report, draw = Report(tmp_path), random.Random(1)
    tasks = [f"sl-{number}" for number in range(40)]
    for task in tasks:
        report.add("one", task, [draw.randint(600, 999) / 1000 for _ in range(5)])
        report.add("other", task, [draw.randint(100, 500) / 1000 for _ in range(5)])
    frame, _ = report.table(columns={"sl": tasks}, rows={"one": "one", "other": "other"})
    assert frame.set_index("row")["best"].groupby(level=0).sum().to_dict() == {"one": 40, "other": 0}


def ablation(folder: Path) -> Report:
    report = Report(folder)
    report.add("all-sl", "sl-1", [0.90, 0.91, 0.92])
    report.add("no-kl-sl", "sl-1", [0.70, 0.72, 0.74])
    report.add("no-mlm-sl", "sl-1", [0.89, 0.91, 0.93])
    return report


SETTINGS = {
    "kind": "monolingual",
    "columns": {"sl": ["sl-1"]},
    "rows": {"all": "all-{language}", "no KL": "no-kl-{language}", "no MLM": "no-mlm-{language}"},
    "baseline": "all",
}


def test_rows_are_marked_where_they_differ_from_the_baseline(tmp_path: Path) -> None:
    frame, text = ablation(tmp_path).table(**SETTINGS)
    cells = frame.set_index("row")
    expected = [
        stats.ttest_ind(values, [0.90, 0.91, 0.92], equal_var=False).pvalue
        for values in ([0.70, 0.72, 0.74], [0.89, 0.91, 0.93])
    ]
    assert cells.loc[["no KL", "no MLM"], "p"].tolist() == pytest.approx(expected)
    assert cells.loc[["no KL", "no MLM"], "p_corrected"].tolist() == pytest.approx(holm(expected))
    assert cells["marked"].tolist() == [False, True, False]
    assert "* differs from all in this column: Welch's t-test over seeds" in text.replace("\\*", "*")


def test_a_row_without_scores_is_shown_as_not_run(tmp_path: Path) -> None:
    settings = SETTINGS | {"rows": SETTINGS["rows"] | {"absent": "absent-{language}"}}
    hypotheses = [{"less": "absent", "than": "all"}]
    frame, text = ablation(tmp_path).table(**settings, hypotheses=hypotheses)
    assert "| absent | N/A |" in text
    assert "1 column without both is left out" in text
    assert frame[frame["kind"] == "hypothesis"]["p"].isna().all()


def test_what_a_row_loses_is_paired_by_seed(tmp_path: Path) -> None:
    loss = mean_loss({1: 0.90, 2: 0.91, 3: 0.92}, {1: 0.70, 2: 0.72, 3: 0.74, 4: 0.1})
    assert (loss.mean, loss.deviation, loss.seeds) == (pytest.approx(19), pytest.approx(1), 3)
    figure = drops.draw([ablation(tmp_path).path()], table_of(SETTINGS))
    (axis,) = figure.axes
    assert [bar.get_height() for bar in axis.patches] == pytest.approx([19, 0])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["no KL", "no MLM"]
    (panel,) = drops.chart([tmp_path / "scores.csv"], table_of(SETTINGS)).panels
    (series,) = panel.series
    assert [(mark.y, mark.x) for mark in series.marks] == [("no KL", pytest.approx(19)), ("no MLM", pytest.approx(0))]
    assert series.marks[0].about[1] == "19.00 points lost against all, deviation 1.00 over 3 seeds"
    assert series.bars


def test_the_loss_of_a_single_seed_has_neither_deviation_nor_interval(tmp_path: Path) -> None:
    report = Report(tmp_path)
    report.add("all-sl", "sl-1", [0.90, 0.91, 0.92])
    report.add("no-kl-sl", "sl-1", [0.70])
    source, table = report.path(), table_of(SETTINGS)
    (series,) = drops.chart([source], table).panels[0].series
    (mark,) = series.marks
    assert (mark.low, mark.high, mark.about[1]) == (None, None, "20.00 points lost against all, one seed")
    (axis,) = drops.draw([source], table).axes
    (bars,) = [container for container in axis.containers if isinstance(container, ErrorbarContainer)]
    _, _, (lines,) = bars.lines
    assert not any(np.isfinite(segment).all() and len(segment) for segment in lines.get_segments())


def test_the_figure_is_written_in_both_forms_and_repeats(tmp_path: Path) -> None:
    report = ablation(tmp_path)
    assert report.figure("drops-table-6", SETTINGS) == 0
    first = (tmp_path / "figure.svg").read_bytes()
    assert ElementTree.fromstring(first.decode()).tag == "{http://www.w3.org/2000/svg}svg"
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")
    assert report.figure("drops-table-6", SETTINGS) == 0
    assert (tmp_path / "figure.svg").read_bytes() == first
    assert caption_of("drops-table-6")[0] == "Lost against the baseline: table-6"


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("drops-table-6", {"columns": {}}, "lacks columns, rows, baseline: expected a table of kind monolingual"),
        ("drops-table-6", SETTINGS | {"kind": "grid"}, "kind is 'grid': expected a table of kind monolingual"),
        ("pie", {}, "'pie' is no figure"),
    ],
)
def test_what_cannot_be_drawn_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, settings: dict[str, Any], message: str
) -> None:
    assert ablation(tmp_path).figure(name, settings) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "figure.svg").exists()
