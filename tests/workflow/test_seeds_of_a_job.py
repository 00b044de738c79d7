"""Several seeds in one job: the same results, no part of what Snakemake compares, and only what is missing is made."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workflow.conftest import ROOT, Project, new_project

pytestmark = pytest.mark.slow

RUNS = [f"results/small/finetuned/wide/demo-ner/seed-{seed}" for seed in (1, 2)]
METRICS = [f"{run}/metrics.json" for run in RUNS]


def packed(edited: Project, *seeds: int) -> Project:
    study = edited.study
    del study["finetuning"]["runs_per_job"]
    study["finetuning"]["seeds"] += seeds
    edited.write(study)
    return edited


def test_seeds_in_one_job_give_what_they_give_alone_and_nothing_runs_again(project: Callable[[], Project]) -> None:
    edited = packed(project())
    assert set(edited.planned()) <= {"page"}  # results made one a job stay; the page shows the study
    files = [f"{run}/{name}" for run in RUNS for name in ("metrics.json", "predictions.parquet")]
    alone = {file: (edited.folder / file).read_bytes() for file in files}
    for run in RUNS:
        shutil.rmtree(edited.folder / run)
    assert edited.planned(*METRICS) == {"finetune_1_to_2": 1}
    edited.snakemake(*METRICS)
    assert {file: (edited.folder / file).read_bytes() for file in files} == alone
    assert edited.planned(*METRICS) == {}
    study = edited.study
    study["finetuning"]["runs_per_job"] = 1
    edited.write(study)
    assert edited.planned(*METRICS) == {}  # nor do results made together
    assert edited.planned(*METRICS, "--resources", "gpu=8") == {}


def test_further_seeds_and_lost_ones_make_themselves_alone(project: Callable[[], Project]) -> None:
    edited = packed(project(), 3, 4, 5)
    assert edited.planned(*METRICS[:1]) == {}
    further = [f"results/small/finetuned/wide/demo-ner/seed-{seed}/metrics.json" for seed in (3, 4, 5)]
    assert edited.planned(*further) == {"finetune_3_to_5": 1}
    shutil.rmtree(edited.folder / RUNS[0])
    assert edited.planned(*METRICS) == {"finetune": 1}


def test_changed_settings_make_all_seeds_in_one_job(project: Callable[[], Project]) -> None:
    edited = packed(project())
    study = edited.study
    study["finetuning"]["learning_rate"] = 2e-3
    edited.write(study)
    assert edited.planned(*METRICS) == {"finetune_1_to_2": 1}


def test_what_is_set_for_fine_tuning_counts_for_jobs_of_several_seeds(project: Callable[[], Project]) -> None:
    edited = packed(project())
    given = ["--set-resources", "finetune:gpu=1", "--set-threads", "finetune=2"]
    printed = edited.snakemake("--dry-run", "--printshellcmds", "--force", METRICS[0], *given)
    command = next(line for line in printed.splitlines() if "python -m smelt job finetune " in line)
    assert " --seed 1 2 " in command
    assert " --threads 2 --gpus 1 " in command


def test_the_process_of_a_job_on_a_cluster_finds_its_rule(project: Callable[[], Project]) -> None:
    """An executor starts Snakemake once more for a job; by then one of its results may have been removed."""
    edited = packed(project())
    shutil.rmtree(edited.folder / RUNS[0])
    edited.snakemake(
        *["--mode", "remote", "--force", "--allowed-rules", "finetune_1_to_2", "--nolock"],
        *["--target-jobs", "finetune_1_to_2:model=wide,task=demo-ner"],
    )
    assert (edited.folder / METRICS[0]).is_file()


def test_a_model_that_proves_smaller_has_other_jobs_and_nothing_runs_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An adopted model is assumed to be as large as BERT-base until its config.json is here."""
    edited = new_project(tmp_path / "project")
    commit = "3f076fdb1ab68d5b2880cb87a0886f315b8146f8"
    left = {key: value for key, value in edited.study.items() if key not in ("corpora", "tokenizers", "tables")}
    left["models"] = {"wide": {"maker": "adopt", "hub": "some/model", "revision": commit}}
    left |= {"tasks": {"demo-ner": {"limit": 1000}}, "finetuning": {"seeds": [1, 2]}}
    edited.write(left)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert edited.planned(*METRICS)["finetune"] == 2
    # Jobs write their outputs at once, so that nothing is fetched.
    instant = [sys.executable, "-m", "bench.instant_jobs", *edited.command()[1:]]
    paths = f"{edited.folder / 'workflow'}:{ROOT}"
    subprocess.run(instant, cwd=edited.folder, env=edited.environment() | {"PYTHONPATH": paths}, check=True)
    assert edited.planned() == {}

    snapshot = tmp_path / "hub/models--some--model/snapshots" / commit
    snapshot.mkdir(parents=True)
    numbers = {"num_hidden_layers": 1, "hidden_size": 64, "num_attention_heads": 1, "vocab_size": 500}
    (snapshot / "config.json").write_text(json.dumps(numbers))
    assert edited.planned() == edited.planned(*METRICS) == {}
    for run in RUNS:
        shutil.rmtree(edited.folder / run)
    assert edited.planned(*METRICS) == {"finetune_1_to_2": 1}
