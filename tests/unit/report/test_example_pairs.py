"""Comparisons over test examples: from predictions to a verdict, whatever the number of seeds."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_results import SIGNIFICANCE, prepared_task

from smelt.__main__ import main
from smelt.report.examples import read_contexts
from smelt.report.overview import StudyScores
from smelt.report.page.results import pair_tables
from smelt.report.render import markdown
from smelt.report.significance import Significance
from smelt.tasks.kinds.question_answering import QuestionAnswering
from smelt.tasks.kinds.retrieval import Retrieval
from smelt.tasks.kinds.sequence_classification import SequenceClassification

COUNT = 200


class Runs:
    """Runs of models on a task of texts with labels, each right on a share of the examples."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.metrics: list[Path] = []
        task = prepared_task("topic", ["en", "fr"], test=(0, 0)) | {"kind": SequenceClassification.name}
        (folder / "task.json").write_text(json.dumps(task))

    def add(self, model: str, share: float, seed: int = 1, count: int = COUNT, written: float | None = None) -> None:
        """Write a run; `written` is a score that is not that of its predictions."""
        generator = np.random.default_rng(100 * seed + len(model))
        right = generator.permutation(count) < share * count
        rows = {"example": range(count), "language": ["en", "fr"] * (count // 2), "gold": ["a"] * count}
        folder = self.folder / model / f"seed-{seed}"
        folder.mkdir(parents=True)
        pd.DataFrame(rows | {"predicted": np.where(right, "a", "b")}).to_parquet(folder / "predictions.parquet")
        scores = [
            {"split": "test", "language": "all", "metric": name, "value": right.mean() if written is None else written}
            for name in ("accuracy", "macro_f1")
        ]
        metrics = {"model": model, "task": "topic", "seed": seed, "metric": "accuracy", "scores": scores}
        self.metrics.append(folder / "metrics.json")
        self.metrics[-1].write_text(json.dumps(metrics))

    def compare(self, **settings: object) -> int:
        words = ["examples", "--task", str(self.folder / "task.json"), "--metrics", *map(str, self.metrics)]
        words += ["--settings", json.dumps(SIGNIFICANCE | {"resamples": 999} | settings)]
        return main([*words, "--output", str(self.folder / "topic.csv")])

    def table(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "topic.csv").set_index(["model_a", "model_b"])


def test_models_with_one_run_are_tested_over_examples(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    for model, share in (("good", 0.9), ("better", 0.92), ("bad", 0.5)):
        runs.add(model, share)
    assert runs.compare() == 0
    table = runs.table()
    assert table["significant"].to_dict() == {
        ("good", "better"): False,
        ("good", "bad"): True,
        ("better", "bad"): True,
    }
    assert table["difference"]["good", "bad"] == pytest.approx(0.4)
    assert ((table["low"] > 0) == table["significant"]).all()
    assert table["p_corrected"]["good", "bad"] == pytest.approx(3 * 2 / 1000), "Holm's over three pairs"


def test_several_runs_count_by_their_mean_on_the_same_resamples(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    for seed in (1, 2, 3):
        runs.add("good", 0.9, seed)
        runs.add("twin", 0.9, seed)
    assert runs.compare() == 0
    row = runs.table().iloc[0]
    assert (row["runs_a"], row["runs_b"], row["examples"], row["difference"]) == (3, 3, COUNT, 0.0)
    assert not row["significant"]


def test_predictions_that_are_not_those_of_the_score_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Runs(tmp_path)
    runs.add("good", 0.9, written=0.8)
    runs.add("bad", 0.5)
    assert runs.compare() == 1
    assert "predictions.parquet: gives accuracy 0.900000; metrics.json has 0.800000" in capsys.readouterr().err
    assert not (tmp_path / "topic.csv").exists()


def test_models_tested_on_different_examples_are_not_compared(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.add("good", 0.9)
    runs.add("bad", 0.5, count=100)
    assert runs.compare() == 0
    row = runs.table().iloc[0]
    assert pd.isna(row["p"])
    assert row["note"] == "cannot be tested: the two were tested on different examples"


def test_the_page_shows_both_tests_of_a_pair_and_the_verdict_takes_either(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    runs.add("good", 0.9)
    runs.add("bad", 0.5)
    assert runs.compare() == 0
    lines = ["model,task,language,setting,seed,split,metric,value"]
    lines += [f"{model},topic,all,standard,1,test,accuracy,{value}" for model, value in (("bad", 0.5), ("good", 0.9))]
    (tmp_path / "scores.csv").write_text("\n".join(lines) + "\n")
    names = ("summary", "pairs", "across")
    words = ["job", "compare", "--scores", str(tmp_path / "scores.csv"), "--settings", json.dumps(SIGNIFICANCE)]
    assert main(words + [word for name in names for word in (f"--{name}", str(tmp_path / f"{name}.csv"))]) == 0
    (table,) = pair_tables(tmp_path / "pairs.csv", [tmp_path / "topic.csv"], Significance(**SIGNIFICANCE))
    text = markdown(table)
    assert "not tested" in text, "over seeds"
    assert "200 test examples within each language, 999 resamples" in text
    assert text.splitlines()[4].endswith("| **yes** (p = 0.002) |")
    low, high = (float(end.replace("−", "-")) for end in text.splitlines()[4].split("|")[9].split(" to "))
    assert low < -40 < high < 0, "first model minus second, as the pair is named, whatever the order of the file"
    scores = StudyScores(tmp_path / "summary.csv", tmp_path / "pairs.csv", [tmp_path / "topic.csv"])
    pair = scores.pair("topic", "bad", "good")
    assert (pair.over_seeds, pair.is_lower, pair.shown[0]) == (None, True, "examples")
    assert not scores.pair("topic", "good", "bad").is_lower


def test_more_resamples_are_drawn_where_many_pairs_are_corrected(tmp_path: Path) -> None:
    runs = Runs(tmp_path)
    for place in range(6):
        runs.add("m" * (place + 1), 0.9 if place else 0.2)
    assert runs.compare(resamples=99) == 0
    table = runs.table().loc["m"]
    assert (table["resamples"] == 2 * 15 * 8 / 0.05).all()
    assert table["significant"].all(), "of 99 resamples, the smallest p is 0.02, times 15"
    assert table["low"].notna().all()


class Questions(Runs):
    """Runs on questions, five about each context; a run is right on whole contexts or wrong."""

    def __init__(self, folder: Path, contexts: int = 40) -> None:
        super().__init__(folder)
        task = json.loads((folder / "task.json").read_text()) | {"kind": QuestionAnswering.name}
        (folder / "task.json").write_text(json.dumps(task))
        self.contexts = [f"context {number // 10}" for number in range(10 * contexts)]
        self.languages = ["en", "fr"] * (5 * contexts)
        rows = {"example": range(10 * contexts), "language": self.languages, "context": self.contexts}
        pd.DataFrame(rows).to_parquet(folder / "test.parquet")

    def add_contexts(self, model: str, right: set[str]) -> None:
        """Write a run that is right on the questions about some contexts."""
        answers = ["yes" if context in right else "no" for context in self.contexts]
        rows = {"example": range(len(answers)), "language": self.languages, "gold": [["yes"]] * len(answers)}
        folder = self.folder / model / "seed-1"
        folder.mkdir(parents=True)
        pd.DataFrame(rows | {"predicted": answers}).to_parquet(folder / "predictions.parquet")
        share = sum(context in right for context in self.contexts) / len(self.contexts)
        scores = [{"split": "test", "language": "all", "metric": "squad_f1", "value": share}]
        metrics = {"model": model, "task": "topic", "seed": 1, "metric": "squad-f1", "scores": scores}
        self.metrics.append(folder / "metrics.json")
        self.metrics[-1].write_text(json.dumps(metrics))


def test_questions_on_one_context_are_drawn_together(tmp_path: Path) -> None:
    names = [f"context {number}" for number in range(40)]
    runs = Questions(tmp_path)
    runs.add_contexts("good", set(names[:24]))
    runs.add_contexts("bad", set(names[18:36]))
    assert runs.compare() == 0
    row = runs.table().loc[("good", "bad")]
    assert (row["examples"], row["contexts"]) == (400, 80), "40 in each language"
    test = pd.read_parquet(tmp_path / "test.parquet")
    test["context"] = [f"alone {number}" for number in range(400)]
    test.to_parquet(tmp_path / "test.parquet")
    assert runs.compare() == 0
    alone = runs.table().loc[("good", "bad")]
    assert pd.isna(alone["contexts"])
    assert row["high"] - row["low"] > 1.8 * (alone["high"] - alone["low"]), "five questions say what one does"
    assert row["p"] > alone["p"]


def test_a_language_with_few_contexts_is_warned_of_on_the_page_whatever_the_others_have(tmp_path: Path) -> None:
    names = [f"context {number}" for number in range(40)]
    runs = Questions(tmp_path)
    test = pd.read_parquet(tmp_path / "test.parquet")
    in_french = test["language"] == "fr"
    test.loc[in_french, "context"] = [f"context {number // 40}" for number in range(in_french.sum())]
    test.to_parquet(tmp_path / "test.parquet")
    runs.contexts = test["context"].tolist()
    runs.add_contexts("good", set(names[:24]))
    runs.add_contexts("bad", set(names[2:20]))
    assert runs.compare() == 0
    assert runs.table()["contexts"].tolist() == [45], "40 in English, 5 in French"
    warning = "a bootstrap of 5 contexts in fr gives too narrow an interval"
    assert runs.table()["note"].tolist() == [warning]
    lines = ["model,task,language,setting,seed,split,metric,value"]
    lines += [f"{model},topic,all,standard,1,test,squad_f1,0.5" for model in ("bad", "good")]
    (tmp_path / "scores.csv").write_text("\n".join(lines) + "\n")
    words = ["job", "compare", "--scores", str(tmp_path / "scores.csv"), "--settings", json.dumps(SIGNIFICANCE)]
    for name in ("summary", "pairs", "across"):
        words += [f"--{name}", str(tmp_path / f"{name}.csv")]
    assert main(words) == 0
    (table,) = pair_tables(tmp_path / "pairs.csv", [tmp_path / "topic.csv"], Significance(**SIGNIFICANCE))
    assert f"Beware: {warning}." in markdown(table)


def test_queries_with_one_first_relevant_passage_share_a_context(tmp_path: Path) -> None:
    judged = [["p1", "p2"], ["p1"], ["p2", "p1"], ["p1"]]
    relevant = [[{"passage": passage, "grade": 1} for passage in passages] for passages in judged]
    rows = {"example": [0, 1, 2, 0], "language": ["en", "en", "en", "fr"], "relevant": relevant}
    pd.DataFrame(rows).to_parquet(tmp_path / "test.parquet")
    contexts = read_contexts(tmp_path / "task.json", Retrieval.name)
    assert contexts == {("en", 0): "p1", ("en", 1): "p1", ("en", 2): "p2", ("fr", 0): "p1"}
    pd.DataFrame(rows).iloc[1:].to_parquet(tmp_path / "test.parquet")
    assert read_contexts(tmp_path / "task.json", Retrieval.name) is None, "each query has a context of its own"


def test_few_contexts_are_warned_of_and_foreign_examples_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = Questions(tmp_path, contexts=3)
    runs.add_contexts("good", {"context 0", "context 1"})
    runs.add_contexts("bad", {"context 1"})
    assert runs.compare() == 0
    assert runs.table()["note"].tolist() == ["a bootstrap of 3 contexts in en gives too narrow an interval"]
    (tmp_path / "topic.csv").unlink()
    test = pd.read_parquet(tmp_path / "test.parquet")
    test.iloc[1:].to_parquet(tmp_path / "test.parquet")
    assert runs.compare() == 1
    assert "was tested on example 0 (en), which the task lacks: run it again" in capsys.readouterr().err
    assert not (tmp_path / "topic.csv").exists()
