"""The first screen: which model is best, which smaller one stands beside it, and what that could cost."""

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
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


def verdict(
    folder: Path, scores: Runs, settings: dict[str, object] | None = None, examples: Sequence[Path] = (), **sizes: float
) -> tuple[StudyVerdict, str]:
    """Return the verdict on some models, and the overview as Markdown."""
    significance = SIGNIFICANCE | (settings or {})
    lines = ["model,task,language,setting,seed,split,metric,value"]
    for (model, task), values in scores.items():
        for seed, value in enumerate(values):
            lines.append(f"{model},{task},en,standard,{seed},test,accuracy,{value}")
    (folder / "scores.csv").write_text("\n".join(lines) + "\n")
    words = ["job", "compare", "--scores", str(folder / "scores.csv"), "--settings", json.dumps(significance)]
    paths = {name: folder / f"{name}.csv" for name in ("summary", "pairs", "across")}
    for name, path in paths.items():
        words += [f"--{name}", str(path)]
    assert main(words) == 0
    costs = {
        model: ModelCosts(size, {}, 1.0, size / 10, False, {"a": size, "b": size}) for model, size in sizes.items()
    }
    found, table = answer(paths, examples, costs, Significance.model_validate(significance))
    return found, markdown(table)


def test_a_smaller_model_that_is_worse_nowhere_stands_beside_the_best(tmp_path: Path) -> None:
    scores = {("big", "a"): around(0.8), ("big", "b"): around(0.7)}
    scores |= {("half", "a"): around(0.799)[::-1], ("half", "b"): around(0.698, 2)}
    scores |= {("tiny", "a"): around(0.5), ("tiny", "b"): around(0.699)}
    found, table = verdict(tmp_path, scores, big=100.0, half=50.0, tiny=10.0)
    assert found.sentences[0].startswith("Of 3 models, half is the smallest that no test finds worse than big")
    assert "50% of the parameters and 50% of the energy of fine-tuning" in found.sentences[1]
    price = re.search(r"largest on (\w): there it is (\S+) points \(interval over seeds: (\S+) to", found.sentences[2])
    assert price is not None
    assert price[1] == "b", "the task with the wider spread"
    assert f"one of up to {price[3].removeprefix('−')} points is possible" in found.answer
    standings = dict(re.findall(r"\| ([a-z]+) \| \S+ \| ([\w ]+?) \|", table))
    assert standings == {"big": "best", "half": "no loss shown", "tiny": "lower"}
    assert any("p across tasks, corrected, cannot fall below 1," in reason for reason in found.untested)


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


def over_examples(
    folder: Path, task: str, difference: float, low: float, high: float, p: float, resamples: int = 9999
) -> Path:
    """Write what the test over examples finds of half minus big."""
    head = "task,model_a,model_b,difference,low,high,p,p_corrected,significant,note,resamples,family,correction"
    path = folder / f"examples-{task}.csv"
    path.write_text(f"{head}\n{task},half,big,{difference},{low},{high},{p},{p},{p < 0.05},,{resamples},1,holm\n")
    return path


def standing(table: str, model: str) -> str:
    """Return a model's standing in the overview."""
    (found,) = re.findall(rf"\| {model} \| \S+ \| ([\w ]+?) \|", table)
    return str(found)


def test_a_model_that_only_the_test_across_tasks_finds_lower_does_not_stand_beside_the_best(tmp_path: Path) -> None:
    noise = [-0.03, 0.0, 0.03]
    scores = {("big", f"t{task}"): [0.8 + each for each in noise] for task in range(10)}
    scores |= {("half", f"t{task}"): [0.79 - 0.0001 * task + each for each in noise] for task in range(10)}
    found, table = verdict(tmp_path, scores, big=100.0, half=50.0)
    assert standing(table, "half") == "lower over tasks"
    assert found.answer == "No, not without a loss."
    assert "lower than big, the best of 2: over all tasks together by the test across tasks." in found.sentences[0]


def test_a_loss_by_chance_on_one_of_many_tasks_is_none(tmp_path: Path) -> None:
    generator = np.random.default_rng(12)  # with this seed, half is lower on a task: p = 0.015
    scores = {
        (model, f"t{task}"): list(generator.normal(0.8, 0.01, 5)) for model in ("big", "half") for task in range(12)
    }
    few = {"resamples": 10}
    assert standing(verdict(tmp_path, scores, few, big=100.0, half=50.0)[1], "half") == "no loss shown"
    loose = verdict(tmp_path, scores, few | {"correction": "none"}, big=100.0, half=50.0)[1]
    assert standing(loose, "half") == "lower", "among 12 tests, without a correction"


def test_a_task_that_is_lost_by_itself_alone_is_named(tmp_path: Path) -> None:
    scores = {(model, f"t{task}"): around(0.8, 2) for model in ("big", "half") for task in range(5)}
    scores["half", "t0"] = around(0.791, 2)
    found, table = verdict(tmp_path, scores, big=100.0, half=50.0)
    assert standing(table, "half") == "no loss shown"
    assert "half is lower on t0 (over seeds) by itself, which does not hold among 5 tests." in found.untested
    loose, table = verdict(tmp_path, scores, {"correction": "none"}, big=100.0, half=50.0)
    assert standing(table, "half") == "lower"
    assert "Nor is anything corrected over tasks" in loose.untested[0]


def test_the_price_is_the_lower_of_both_intervals(tmp_path: Path) -> None:
    scores = {("big", "a"): around(0.8), ("half", "a"): around(0.799)[::-1]}
    seeds, _ = verdict(tmp_path, scores, big=100.0, half=50.0)
    assert "(interval over seeds: " in seeds.sentences[-1]
    assert "Over examples" not in seeds.untested[0], "no such test was made"
    path = over_examples(tmp_path, "a", -0.001, -0.09, 0.08, 0.8)
    both, _ = verdict(tmp_path, scores, examples=[path], big=100.0, half=50.0)
    assert both.answer == "No loss is shown, but one of up to 9.0 points is possible."
    assert both.sentences[-1].endswith("-0.1 points (interval over examples: -9.0 to 8.0).".replace("-", "−"))
    assert "Over examples: paired bootstrap, Holm's correction" in both.untested[0]


@pytest.mark.parametrize(("low", "p"), [("", 0.9), (-0.5, 0.0001)])
def test_a_test_without_an_interval_is_none(tmp_path: Path, low: float, p: float) -> None:
    scores = {("big", "a"): [0.8], ("half", "a"): [0.79]}
    path = over_examples(tmp_path, "a", -0.01, low, low and -0.1, p)
    found, table = verdict(tmp_path, scores, examples=[path], big=100.0, half=50.0)
    assert standing(table, "half") == ("lower in these runs" if low else "not tested")
    assert found.answer != "Yes."


def test_where_resamples_are_too_few_for_any_difference_the_key_to_raise_is_named(tmp_path: Path) -> None:
    tasks = [f"t{number}" for number in range(30)]
    scores = {("big", task): [0.8] for task in tasks} | {("half", task): [0.79] for task in tasks}

    def reasons(resamples: int) -> str:
        files = [over_examples(tmp_path, task, -0.01, -0.03, 0.01, 0.3, resamples) for task in tasks]
        return " ".join(verdict(tmp_path, scores, examples=files, big=100.0, half=50.0)[0].untested)

    few = reasons(1000)
    assert "Over examples, among 30 tests, no difference of half on t0, t1" in few
    assert "2,000 as significance.resamples in the study suffice." in few
    assert "significance.resamples" not in reasons(2000)
    loose = verdict(tmp_path, scores, {"correction": "none"}, big=100.0, half=50.0)[0]
    assert "significance.resamples" not in " ".join(loose.untested)


def test_a_signed_rank_test_that_can_find_nothing_counts_as_none(tmp_path: Path) -> None:
    scores = {("big", "a"): around(0.8), ("half", "a"): around(0.8)[::-1]}
    found, table = verdict(tmp_path, scores, {"test": "wilcoxon"}, big=100.0, half=50.0)
    assert found.answer == "Cannot be said.", "five seeds: the smallest p is 0.0625"
    assert "not tested" in {standing(table, "half"), standing(table, "big")}
    assert any("0.05 is out of reach" in reason for reason in found.untested)


def test_while_a_size_is_unknown_nothing_is_a_plain_yes(tmp_path: Path) -> None:
    scores = {("big", "a"): around(0.7), ("half", "a"): around(0.75), ("odd", "a"): around(0.7)}
    found, _ = verdict(tmp_path, scores, big=100.0, half=50.0, odd=math.nan)
    assert found.answer == "Cannot be said."
    assert found.sentences[0].endswith("of 3 models; none is known to be smaller.")
    assert "Not known to be smaller or larger, for want of a size: odd." in found.untested


def test_a_model_that_failed_elsewhere_is_neither_best_nor_recommended(tmp_path: Path) -> None:
    scores = {(model, task): around(0.7) for model in ("big", "half", "tiny") for task in "ab"}
    scores |= {("big", "a"): around(0.72), ("tiny", "c"): [0.0] * 5}
    found, table = verdict(tmp_path, scores, big=100.0, half=50.0, tiny=10.0)
    assert standing(table, "tiny") == "failed"
    assert "tiny" not in " ".join(found.sentences)
    scores["big", "c"] = scores.pop(("tiny", "c"))
    _, table = verdict(tmp_path, scores, big=100.0, half=50.0, tiny=10.0)
    assert (standing(table, "big"), standing(table, "half")) == ("failed", "best")


def test_models_that_share_a_part_of_their_tasks_are_compared_on_it(tmp_path: Path) -> None:
    scores = {("big", "x"): around(0.8), ("big", "y"): around(0.8), ("half", "x"): around(0.7)}
    scores |= {("half", "z"): around(0.7), ("other", "q"): around(0.9)}
    verdict(tmp_path, scores, big=100.0, half=50.0, other=10.0)
    shared = StudyScores(tmp_path / "summary.csv", tmp_path / "pairs.csv").shared
    assert shared is not None
    assert (shared.models, shared.tasks) == (["big", "half"], ["x"])


def test_small_shares_and_losses_do_not_round_to_0(tmp_path: Path) -> None:
    scores = {("big", "a"): around(0.80001), ("half", "a"): around(0.8)[::-1]}
    found, _ = verdict(tmp_path, scores, big=100e6, half=1e5)
    assert "less than 0.1 lower in the mean" in found.sentences[0]
    assert "0.1% of the parameters" in found.sentences[1]
    lost = {("big", "a"): around(0.8), ("half", "a"): around(0.5)}
    assert "the best of 2: on a by the test over seeds." in verdict(tmp_path, lost, big=9.0, half=5.0)[0].sentences[0]
