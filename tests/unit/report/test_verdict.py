"""The first screen: which model is best, which smaller one stands beside it, and what that could cost."""

import json
import re
from pathlib import Path

import pytest
from small_results import SIGNIFICANCE, make

from smelt.__main__ import main
from smelt.report.overview import ModelCosts, StudyScores
from smelt.report.page.verdict import StudyVerdict, answer
from smelt.report.render import markdown
from smelt.report.significance import Significance

SEEDS = [-0.004, 0.001, 0.003, -0.001, 0.001]
Runs = dict[tuple[str, str], list[float]]


def around(mean: float, spread: float = 1.0) -> list[float]:
    """Return five scores."""
    return [mean + spread * each for each in SEEDS]


def verdict(folder: Path, scores: Runs, **sizes: float) -> tuple[StudyVerdict, str]:
    """Return the verdict on some models, and the overview as Markdown."""
    lines = ["model,task,language,setting,seed,split,metric,value"]
    for (model, task), values in scores.items():
        for seed, value in enumerate(values):
            lines.append(f"{model},{task},en,standard,{seed},test,accuracy,{value}")
    (folder / "scores.csv").write_text("\n".join(lines) + "\n")
    words = ["job", "compare", "--scores", str(folder / "scores.csv"), "--settings", json.dumps(SIGNIFICANCE)]
    paths = {name: folder / f"{name}.csv" for name in ("summary", "pairs", "across")}
    for name, path in paths.items():
        words += [f"--{name}", str(path)]
    assert main(words) == 0
    costs = {
        model: ModelCosts(size, {}, 1.0, size / 10, False, {"a": size, "b": size}) for model, size in sizes.items()
    }
    found, table = answer(paths, [], costs, Significance(**SIGNIFICANCE))
    return found, markdown(table)


def test_a_smaller_model_that_is_worse_nowhere_stands_beside_the_best(tmp_path: Path) -> None:
    scores = {("big", "a"): around(0.8), ("big", "b"): around(0.7)}
    scores |= {("half", "a"): around(0.799)[::-1], ("half", "b"): around(0.698, 2)}
    scores |= {("tiny", "a"): around(0.5), ("tiny", "b"): around(0.699)}
    found, table = verdict(tmp_path, scores, big=100.0, half=50.0, tiny=10.0)
    assert found.sentences[0].startswith("half is the smallest of 3 models that no test finds worse than big")
    assert "50% of the parameters and 50% of the energy of fine-tuning" in found.sentences[1]
    price = re.search(r"largest on (\w): there it is (\S+) points \(interval over seeds: (\S+) to", found.sentences[2])
    assert price is not None
    assert price[1] == "b", "the task with the wider spread"
    assert f"one of up to {price[3].removeprefix('−')} points is possible" in found.answer
    standings = dict(re.findall(r"\| ([a-z]+) \| \S+ \| ([\w ]+?) \|", table))
    assert standings == {"big": "best", "half": "no loss shown", "tiny": "lower"}
    assert any("p across tasks cannot fall below 0.5" in reason for reason in found.untested)


def test_where_every_smaller_model_loses_the_closest_is_named_with_its_loss(tmp_path: Path) -> None:
    scores = {("big", "a"): around(0.8), ("half", "a"): around(0.75), ("tiny", "a"): around(0.5)}
    found, _ = verdict(tmp_path, scores, big=100.0, half=50.0, tiny=10.0)
    assert found.answer == "No, not without a loss."
    assert found.sentences[1].startswith("The closest is half: 5.0 points lower in the mean (75.0 against 80.0)")
    assert any("One task says nothing of others" in reason for reason in found.untested)


def test_the_best_of_all_may_be_the_smallest(tmp_path: Path) -> None:
    scores = {("big", "a"): around(0.7), ("half", "a"): around(0.75)}
    assert verdict(tmp_path, scores, big=100.0, half=50.0)[0].answer == "Yes."
    assert verdict(tmp_path, scores, big=50.0, half=50.0)[0].answer == "There is no smaller model."


def test_one_run_of_each_model_is_no_ground_to_say_anything(tmp_path: Path) -> None:
    found, table = verdict(tmp_path, {("big", "a"): [0.8], ("half", "a"): [0.79]}, big=100.0, half=50.0)
    assert found.answer == "Cannot be said."
    assert "No smaller model could be tested" in found.sentences[0]
    assert any("One run of a model gives no test over seeds: a" in reason for reason in found.untested)
    assert "not tested" in table


def test_a_model_that_was_tested_on_some_of_the_tasks_alone_stands_beside_none(tmp_path: Path) -> None:
    scores = {("big", "a"): around(0.8), ("big", "b"): [0.7] * 5}
    scores |= {("half", "a"): around(0.799)[::-1], ("half", "b"): [0.5] * 5}
    found, table = verdict(tmp_path, scores, big=100.0, half=50.0)
    assert found.answer == "Cannot be said.", "neither varies on b"
    assert "half could not be tested on b: Comparisons has the reasons." in found.untested
    assert "| half | 64.95 | not tested |" in table


def test_a_model_that_found_nothing_has_failed_and_is_never_bold(tmp_path: Path) -> None:
    scores = {("big", "a"): around(0.8), ("half", "a"): [0.0] * 5}
    found, table = verdict(tmp_path, scores, big=100.0, half=50.0)
    assert any("half found nothing on a (score 0): it failed" in reason for reason in found.untested)
    assert "| half | 0.00 | failed |" in table
    nothing, table = verdict(tmp_path, {("big", "a"): [0.0] * 5, ("half", "a"): [0.0] * 5}, big=100.0, half=50.0)
    assert nothing.answer == "No model works."
    assert "**0.00**" not in table


def test_means_are_over_the_largest_part_in_which_each_model_ran_on_each_task(tmp_path: Path) -> None:
    scores = {(model, task): around(0.7) for model in ("big", "half", "tiny") for task in "ab"}
    scores |= {("big", "c"): around(0.1), ("other", "c"): around(0.9)}
    found, table = verdict(tmp_path, scores, big=100.0, half=50.0, tiny=10.0, other=5.0)
    shared = StudyScores(tmp_path / "summary.csv", tmp_path / "pairs.csv").shared
    assert shared is not None
    assert (shared.models, shared.tasks) == (["big", "half", "tiny"], ["a", "b"])
    assert any(reason.startswith("Compared on a, b. other did not run") for reason in found.untested)
    assert "| other | – | not compared |" in table


def test_models_without_a_common_task_cannot_be_compared(tmp_path: Path) -> None:
    found, _ = verdict(tmp_path, {("big", "a"): around(0.7), ("half", "b"): around(0.6)}, big=9.0, half=5.0)
    assert (found.answer, found.sentences) == (
        "Cannot be said.",
        ["No two models ran on the same task in the same languages."],
    )


def test_costs_hold_each_job_once_and_are_read_as_written(tmp_path: Path) -> None:
    from smelt.report.costs import read_costs

    results = make(tmp_path / "results")
    copied = results.path("finetuned", "small_8k", "ner", "seed-1", "provenance.json").read_text()
    results.path("models", "small_8k", "provenance.json").write_text(copied.replace("T12:00", "T13:00"))
    run = results.path("finetuned", "small_8k", "ner", "seed-1", "provenance.json")
    results.path("models", "adopted", "provenance.json").write_text(copied.replace("T12:00", "T14:00"))
    run.write_text(copied.replace("T12:00", "T14:00"))  # a student stands among models as a copy of its run
    assert results.costs() == 0
    costs = read_costs(results.path("costs.csv"))
    assert [cost.model for cost in costs if not cost.task] == ["small_8k", "large_32k"]
    assert len(costs) == 2 + 15
    assert {(cost.hours, round(cost.kwh, 9), cost.seed) for cost in costs if cost.task} == {
        (0.25, 0.05, seed) for seed in "123"
    }


def test_a_run_without_provenance_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = make(tmp_path / "results")
    results.path("finetuned", "adopted", "ner", "seed-2", "provenance.json").unlink()
    assert results.costs() == 1
    assert "adopted/ner/seed-2/provenance.json" in capsys.readouterr().err
    assert not results.path("costs.csv").exists()


def test_tables_show_a_model_at_0_as_one_that_found_nothing(tmp_path: Path) -> None:
    results = make(tmp_path / "results")
    for seed in (1, 2, 3):
        path = results.metrics("small_8k", "intent", seed)
        path.write_text(re.sub(r'"value": [\d.]+', '"value": 0.0', path.read_text()))
        path = results.metrics("large_32k", "intent", seed)
        path.write_text(re.sub(r'"value": [\d.]+', '"value": 0.0', path.read_text()))
    assert (results.scores(), results.compare(), results.score_table()) == (0, 0, 0)
    table = results.read("tables", "table_1.md")
    assert table.count("| 0.00 (found nothing) |") == 2
    assert "**0.00**" not in table
