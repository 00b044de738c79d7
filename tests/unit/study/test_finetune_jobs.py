"""Which runs one job makes: several where they are short, never those that exist with those that do not."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from published_studies import PAPERS, STUDIES

from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue
from smelt.study.check import left_over
from smelt.study.finetuning import FinetuningGrid
from smelt.study.rules.finetune import FinetuneRules
from smelt.study.rules.finetune_jobs import (
    JOB_MINUTES,
    at_least,
    at_most,
    count_jobs,
    division_of,
    jobs_of_cells,
    jobs_of_seeds,
    minutes_of_run,
    seconds_of_example,
    seeds_of_jobs,
    stretches,
)


class Wildcards:
    model, task = "tiny", "sst2"


TINY = {"layers": 1, "hidden": 32, "heads": 2, "feed_forward": 64, "embedding": 16}
STUDY: dict[str, Any] = {
    "study": "short",
    "corpora": {"text": {"text": {"eu": "eu.txt"}}},
    "tokenizers": {"pieces": {"algorithm": "unigram", "vocabulary": 300, "corpus": "text"}},
    "models": {
        name: {"maker": "pretrain", "tokenizer": "pieces", "corpus": "text", "recipe": "small", "architecture": shape}
        for name, shape in (("tiny", TINY), ("base", "albert-base"))
    },
    "tasks": {"sst2": {"limit": 200}, "sst5": {}},
    "finetuning": {"seeds": [11, 12, 13, 14, 15]},
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rules_of(**finetuning: object) -> FinetuneRules:
    Path("study.yaml").write_text(yaml.safe_dump(STUDY | {"finetuning": STUDY["finetuning"] | finetuning}))
    return Catalogue.load("study.yaml").finetune


def finish(run: str) -> None:
    folder = Path("results/short/finetuned") / run
    folder.mkdir(parents=True)
    (folder / "metrics.json").write_text("{}")


def makers(rules: FinetuneRules, path: str, started: list[str] | None = None) -> list[str]:
    """Return the rules that make a run, by the constraints of their wildcards."""
    found = []
    for jobs in jobs_of_seeds(rules, started):
        runs = "|".join(run.replace("{seed}", r"\d+") for run in jobs.runs)
        if re.fullmatch(f"(?:{jobs.models})/[^/]+/(?:{runs})/metrics.json", f"{path}/metrics.json"):
            found.append(jobs.rule)
    return found


def test_stretches_are_equal_neighbours_and_not_too_long() -> None:
    assert list(stretches("aabbb", at_most(2))) == [(0, 1), (2, 3), (4, 4)]
    assert list(stretches("aaaa", at_most(9))) == list(stretches("aaaa", at_least(9))) == [(0, 3)]
    assert list(stretches("", at_most(2))) == []
    parts = [list(stretches("a" * 10, division(7))) for division in (at_most, at_least)]
    assert parts == [[(0, 4), (5, 9)], [(0, 9)]]  # none is much shorter than the others


def test_short_runs_share_a_job_and_long_ones_have_their_own() -> None:
    rules = rules_of()
    assert makers(rules, "tiny/sst2/seed-13") == ["finetune_1_to_5"]
    assert makers(rules, "base/sst5/seed-13") == ["finetune"]
    assert count_jobs(rules) == (1 + 1 + 5 + 5, 0)
    assert count_jobs(rules_of(runs_per_job=2)) == (4 * 3, 0)
    assert makers(rules_of(runs_per_job=2), "base/sst5/seed-15") == ["finetune"]
    assert makers(rules_of(runs_per_job=2), "base/sst5/seed-14") == ["finetune_3_to_4"]


def test_every_run_is_made_by_one_rule_whatever_exists() -> None:
    for run in ("tiny/sst2/seed-12", "tiny/sst5/seed-11", "tiny/sst5/seed-12", "base/sst2/seed-15"):
        finish(run)
    rules = rules_of(keep="best", runs_per_job=3)
    for model, task in rules.tuned():
        for seed in rules.runs.seeds:
            assert len(makers(rules, f"{model}/{task}/seed-{seed}")) == 1


def test_a_further_seed_makes_itself_alone_and_changed_settings_make_all_together() -> None:
    for seed in (11, 12, 13):
        finish(f"tiny/sst2/seed-{seed}")
    rules = rules_of()
    assert {seed: makers(rules, f"tiny/sst2/seed-{seed}") for seed in (11, 13, 14, 15)} == {
        11: ["finetune_1_to_3"],
        13: ["finetune_1_to_3"],
        14: ["finetune_4_to_5"],
        15: ["finetune_4_to_5"],
    }


def test_the_process_of_a_job_has_its_rule_whatever_exists_by_now() -> None:
    """On a cluster a job reads the study again, after results of others have come or gone."""
    planned = {jobs.rule: jobs.runs for jobs in jobs_of_seeds(rules_of(runs_per_job=2, keep="best"), None)}
    for seed in (11, 12, 14):
        finish(f"tiny/sst2/seed-{seed}")
    again = rules_of(runs_per_job=5, keep="best")
    for name, runs in planned.items():
        (jobs,) = jobs_of_seeds(again, [name])
        assert (jobs.rule, jobs.runs, jobs.kept) == (name, runs, name.startswith("finetune_kept"))
    assert jobs_of_seeds(again, ["pretrain", "finetune_cell"]) == []
    cells = jobs_of_cells(rules_of(runs_per_job=4, epochs=[1, 2], batch=[8, 16, 32]), None)
    assert [len(jobs.runs) for jobs in cells] == [3, 3]
    for jobs in cells:
        (found,) = jobs_of_cells(rules_of(epochs=[1, 2], batch=[8, 16, 32]), [jobs.rule])
        assert (found.rule, found.runs) == (jobs.rule, jobs.runs)


def test_nothing_that_snakemake_compares_depends_on_how_runs_are_packed() -> None:
    """It compares no param whose function takes `input`."""
    for jobs in jobs_of_seeds(rules_of(), None):
        assert jobs.settings.__code__.co_varnames[: jobs.settings.__code__.co_argcount] == ("self", "wildcards")
    one, several = (rules_of(runs_per_job=number).settings("tiny", "sst2") for number in (1, 5))
    assert one == several
    assert "runs_per_job" not in one


def test_a_grid_s_choice_waits_for_its_own_seed_and_further_cells_change_nothing_of_others() -> None:
    rules = rules_of(epochs=[1, 2], runs_per_job=10)
    assert {jobs.rule for jobs in jobs_of_seeds(rules, None)} == {"finetune"}
    (jobs,) = jobs_of_cells(rules, None)
    assert len(jobs.runs) == 2
    assert count_jobs(rules) == (4 * 5, 4 * 5)

    wider = rules_of(epochs=[1, 2, 3], batch=[8, 16])
    assert wider.cell_identity(Wildcards) == rules.cell_identity(Wildcards)
    assert wider.cell_identity(Wildcards) != rules_of(epochs=[1, 2], warmup=0).cell_identity(Wildcards)


def test_a_teacher_on_a_task_that_is_not_its_own_has_the_runs_of_its_grid_too() -> None:
    teacher = STUDY["models"]["base"] | {"tasks": ["sst2"]}
    student = {"maker": "compress", "teacher": "base", "strategy": "D2", "tasks": ["sst5"]}
    student["student"] = {"kind": "bilstm", "embedding": 8, "hidden": 8}
    finetuning = {"seeds": [1, 2], "epochs": [1, 2]}
    study = STUDY | {"models": {"base": teacher, "student": student}, "finetuning": finetuning}
    Path("study.yaml").write_text(yaml.safe_dump(study))
    rules = Catalogue.load("study.yaml").finetune
    assert rules.teachers_alone() == ["base/sst5/seed-1", "base/sst5/seed-2"]
    assert list(rules.grids()) == [f"base/{task}/seed-{seed}" for task in ("sst2", "sst5") for seed in (1, 2)]
    assert count_jobs(rules) == (2 + 2 + 2, 2 * 2 * 2)
    (jobs,) = jobs_of_cells(rules, None)
    for run in rules.tried():
        assert re.fullmatch(f"(?:{jobs.models})/.*", f"{run}/metrics.json")


def test_what_dropped_runs_of_grids_left_is_named() -> None:
    rules_of(epochs=[1, 2])
    assert left_over(Catalogue.load("study.yaml")) == []
    cell = next(iter(Catalogue.load("study.yaml").finetune.grids()["tiny/sst2/seed-11"]))
    for file in (
        "grid-weights/tiny/sst2/seed-11/any.safetensors",  # of this, the choice removes all
        f"grids/tiny/sst2/seed-11/{cell}/state.pt",
        "grid-weights/tiny/sst2/seed-99/any.safetensors",
        "grids/tiny/sst2/seed-11/dropped/state.pt",
        "grids/gone/sst2/seed-11/dropped/state.pt",
    ):
        path = Path("checkpoints/short") / file
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(20_000_000))
    (line,) = left_over(Catalogue.load("study.yaml"))
    named = [
        f"checkpoints/short/{name}" for name in ("grid-weights/tiny/sst2/seed-99", "grids/gone/sst2/seed-11/dropped")
    ]
    assert all(name in line for name in named)
    assert "0.06 GB" in line
    assert "seed-11/any" not in line
    assert cell not in line
    (line,) = left_over(Catalogue(rules_of().study))  # without any grid
    assert line.endswith(" and 1 more; delete what you do not need")


def test_what_a_run_takes_is_estimated_as_it_was_measured() -> None:
    seconds = seconds_of_example({"layers": 4, "hidden": 312, "feed_forward": 1248}, 22, 7e10)
    assert 3 * 2_000 * seconds / 60 == pytest.approx(0.9, abs=0.1)  # measured: 0.8
    assert minutes_of_run(rules_of(), "base", "sst5", False) > 10 * JOB_MINUTES


def test_a_gpu_makes_runs_short_and_jobs_of_more_of_them() -> None:
    rules = rules_of()
    on_processors, on_gpus = (minutes_of_run(rules, "base", "sst5", gpus) for gpus in (False, True))
    assert on_gpus < on_processors / 50
    assert {jobs.rule for jobs in jobs_of_seeds(rules, None, gpus=True)} == {"finetune", "finetune_1_to_5"}
    assert count_jobs(rules, gpus=True) == (4, 0)
    tiny = [minutes_of_run(rules, "tiny", "sst2", gpus) for gpus in (False, True)]
    assert tiny[0] == tiny[1]  # it asks for no GPU
    settings = [jobs.settings(Wildcards) for gpus in (False, True) for jobs in jobs_of_seeds(rules, None, gpus)]
    assert len({*settings}) == 1


def test_jobs_of_an_adopted_model_are_those_of_its_own_size_once_that_is_known() -> None:
    """Between two runs a model is adopted: its further runs are divided otherwise, and none that exists is touched."""
    models = {"a": {"maker": "adopt", "folder": "a"}, "b": {"maker": "adopt", "folder": "b"}}
    Path("study.yaml").write_text(yaml.safe_dump(STUDY | {"models": models, "tasks": {"sst2": {"limit": 50}}}))
    before = Catalogue.load("study.yaml").finetune
    assert makers(before, "a/sst2/seed-11") == makers(before, "b/sst2/seed-11") == ["finetune_1_to_2"]
    finish("a/sst2/seed-11")
    finish("a/sst2/seed-12")
    numbers = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 500}
    for name, layers in (("a", 1), ("b", 48)):
        Path(name).mkdir()
        configuration = numbers | {"num_hidden_layers": layers} | ({"hidden_size": 1024} if name == "b" else {})
        Path(name, "config.json").write_text(json.dumps(configuration))
    after = Catalogue.load("study.yaml").finetune
    assert [makers(after, f"a/sst2/seed-{seed}") for seed in (11, 12, 13, 14, 15)] == [
        *2 * [["finetune_1_to_2"]],
        *3 * [["finetune_3_to_5"]],
    ]
    assert makers(after, "b/sst2/seed-11") == ["finetune"]
    assert after.settings("a", "sst2") == before.settings("a", "sst2")
    assert minutes_of_run(after, "a", "sst2", True) == minutes_of_run(after, "a", "sst2", False)  # too small for a GPU


@pytest.mark.parametrize("paper", PAPERS)
def test_no_job_of_a_paper_is_short_on_gpus_unless_it_makes_all_runs_and_none_takes_too_long(paper: str) -> None:
    rules = Catalogue.load(STUDIES / f"{paper}.yaml").finetune
    for model, task in rules.tuned():
        minutes = minutes_of_run(rules, model, task, True)
        cells, seeds = len(rules.grid(model, task).cells), len(rules.runs.seeds_of(model, task))
        parts = list(seeds_of_jobs(rules, model, task, True, again=True))
        if cells > 1:
            parts = list(stretches([None] * cells, division_of(rules, model, task, True)))
        for first, last in parts:
            assert (last + 1 - first) * minutes >= JOB_MINUTES or len(parts) == 1 or minutes == 0
            assert last == first or (last + 1 - first) * minutes < 240  # minutes that every fine-tuning asks for
        assert sum(last + 1 - first for first, last in parts) == (cells if cells > 1 else seeds)


@pytest.mark.parametrize(
    ("finetuning", "found"),
    [
        ({"batch": [*range(1, 5001)], "epochs": [*range(1, 5001)], "learning_rate": [*range(1, 5001)]},
         "the grid of base on sst2 has 125,000,000,000 runs: expected at most 1,000"),
        ({"seeds": [*range(300)], "batch": [*range(1, 101)]},
         "models, tasks, seeds and grids make 120,000 runs: expected at most 100,000"),
        ({"seeds": [*range(30_000)]}, "models, tasks, seeds and grids make 120,000 runs: expected at most 100,000"),
    ],
)  # fmt: skip
def test_more_runs_than_can_be_planned_are_refused_before_they_are_multiplied_out(
    finetuning: dict[str, Any], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FinetuningGrid, "cells", property(lambda _: pytest.fail("multiplied out")))
    monkeypatch.setattr("smelt.strict_yaml.MOST_NODES", 10**6)
    with pytest.raises(SmeltError) as error:
        rules_of(**finetuning)
    assert str(error.value) == f"study short: finetuning: {found}"
