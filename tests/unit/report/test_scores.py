"""scores.csv: every score of the study's runs, once, and nothing else."""

import json
from typing import Any

import pandas as pd
import pytest
from small_results import SCORES, SEEDS, Results


def test_every_score_stands_once_in_a_row_of_its_own(results: Results) -> None:
    assert results.scores() == 0
    scores = pd.read_csv(results.path("scores.csv"))
    assert list(scores.columns) == ["model", "task", "language", "setting", "seed", "split", "metric", "value"]
    assert len(scores) == len(SCORES) * len(SEEDS) * 2
    test = scores[(scores["split"] == "test") & (scores["model"] == "small_8k") & (scores["task"] == "intent")]
    assert test["value"].tolist() == SCORES["small_8k", "intent"]
    assert set(scores["setting"]) == {"standard"}


def test_a_run_left_over_from_another_study_stays_out(results: Results) -> None:
    stale = json.loads(results.metrics("small_8k", "ner", 1).read_text()) | {"seed": 9}
    results.write(results.metrics("small_8k", "ner", 9), stale)
    assert results.scores() == 0
    assert 9 not in set(pd.read_csv(results.path("scores.csv"))["seed"])


def write_byte_level(results: Results, *models: str) -> None:
    """Turn models into RoBERTa's kind: files of old checkpoints, whose pieces hold the blank before a word."""
    for model in models:
        for name, content in (("merges.txt", "a b"), ("vocab.json", "{}"), ("tokenizer_config.json", "{}")):
            results.write(results.path("models", model, name), content)


def test_words_that_lost_their_blank_in_earlier_versions_are_refused_in_one_line(
    results: Results, capsys: pytest.CaptureFixture[str]
) -> None:
    results.settings["runs"]["adopted"] = ["ner", "intent"]
    for (model, task), values in (SCORES | {("adopted", "intent"): [0.8] * 3}).items():
        kind = "token-classification" if task == "ner" else "sequence-classification"
        for seed, value in zip(SEEDS, values, strict=True):
            names = {"model": model, "task": task, "seed": seed, "kind": kind}
            score = {"split": "test", "language": "qaa", "metric": "f1", "value": value}
            results.write(results.metrics(model, task, seed), names | {"scores": [score]})
    assert results.scores() == 0  # a missing tokenizer is no error here
    write_byte_level(results, "adopted", "large_32k")
    results.path("scores.csv").unlink()
    assert results.scores() == 1
    folder = results.path("finetuned")
    assert capsys.readouterr().err == (
        f"smelt: {folder}: 6 fine-tunings of an earlier version of smelt learnt words without the blank before them,"
        " which their tokenizers need: their scores are wrong. Delete them and run again:"
        f" rm -r {folder}/large_32k/ner {folder}/adopted/ner\n"
    )
    assert not results.path("scores.csv").exists()
    for model in ("adopted", "large_32k"):
        for seed in SEEDS:
            path = results.metrics(model, "ner", seed)
            results.write(path, json.loads(path.read_text()) | {"words_in_running_text": {"words": 8}})
    assert results.scores() == 0


def _changed(results: Results, **changes: Any) -> str:
    path = results.metrics("large_32k", "ner", 2)
    results.write(path, json.loads(path.read_text()) | changes)
    return str(path)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"model": "other"}, "holds the scores of other on ner with seed 2; expected large_32k on ner with seed 2"),
        ({"scores": [{"split": "test", "language": "qaa", "metric": "f1", "value": 1.0}] * 2}, "twice: test qaa f1"),
        (
            {"scores": [{"split": "test", "language": "qaa", "metric": "f1", "value": None}]},
            "is None: expected a number",
        ),
        ({"scores": [{"split": "test", "metric": "f1", "value": 1.0}]}, "a score has no 'language'"),
        ({"scores": []}, "gives no scores"),
        ({"scores": [0.5]}, "gives no scores"),
    ],
)
def test_wrong_metrics_are_one_clear_line(
    results: Results, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], complaint: str
) -> None:
    path = _changed(results, **changes)
    assert results.scores() == 1
    error = capsys.readouterr().err
    assert error.startswith(f"smelt: {path}: ")
    assert complaint in error
    assert error.count("\n") == 1
    assert not results.path("scores.csv").exists()


def test_a_missing_run_is_named(results: Results, capsys: pytest.CaptureFixture[str]) -> None:
    results.metrics("adopted", "ner", 3).unlink()
    assert results.scores() == 1
    assert "adopted/ner/seed-3/metrics.json: no such file" in capsys.readouterr().err
