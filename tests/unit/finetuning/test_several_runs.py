"""Several runs in one process: each gives what it gives alone, and a job that is killed goes on where it was."""

import gc
import json
import shutil
import weakref
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.pasted import run_card
from transformers import AutoModelForTokenClassification, AutoTokenizer

from smelt.__main__ import main
from smelt.finetuning import finetune as finetune_module
from smelt.finetuning.job import FineTuningJob, FineTuningPhase
from smelt.tasks.kinds.token_classification import TokenClassification

SETTINGS = {"epochs": 2, "batch": 8, "learning_rate": 0.003, "length": 32, "keep": "best"}
SEEDS = (3, 1, 2)
STEPS = 16  # of a run: two epochs of 64 sentences
FILES = ("metrics.json", "predictions.parquet", "model/model.safetensors", "model/README.md")

Finetune = Callable[..., int]


@pytest.fixture
def finetune(tmp_path, model_folder, entity_task) -> Finetune:
    def run(seeds: tuple[int, ...], outputs: list[str], **settings: object) -> int:
        words = ["--model", model_folder, "--task", entity_task, "--seed", *seeds]
        words += ["--output", *(tmp_path / output for output in outputs), "--checkpoints", tmp_path / "kept"]
        return main(["finetune", *map(str, words), "--settings", json.dumps(SETTINGS | settings)])

    return run


def assert_equal(one: Path, other: Path) -> None:
    for name in FILES:
        assert (one / name).read_bytes() == (other / name).read_bytes(), (one, name)


def test_each_run_gives_what_it_gives_alone(finetune, tmp_path, monkeypatch):
    for seed in SEEDS:
        assert finetune((seed,), [f"alone/{seed}"]) == 0
    encode, encoded = TokenClassification.encode, []
    monkeypatch.setattr(TokenClassification, "encode", lambda kind, *rest: encoded.append(rest) or encode(kind, *rest))
    assert finetune(SEEDS, [f"together/{seed}" for seed in SEEDS]) == 0
    assert len(encoded) == 3  # the splits, once for all runs
    for seed in SEEDS:
        assert_equal(tmp_path / f"together/{seed}", tmp_path / f"alone/{seed}")
        provenance = json.loads((tmp_path / f"together/{seed}/provenance.json").read_text())
        assert provenance["seeds"] == [seed]
    assert (tmp_path / "alone/1/metrics.json").read_bytes() != (tmp_path / "alone/2/metrics.json").read_bytes()
    assert not (tmp_path / "kept").exists()


def test_a_killed_job_goes_on_with_the_run_that_was_under_way(finetune, tmp_path, monkeypatch, capsys):
    outputs = [f"out/{seed}" for seed in SEEDS]
    assert finetune(SEEDS, [f"straight/{seed}" for seed in SEEDS]) == 0
    learn, steps = FineTuningPhase.learn, []

    def watched(phase: FineTuningPhase, step: int) -> object:
        steps.append((phase.seed, step))
        if len(steps) == STEPS + 5:
            raise SystemExit(137)
        return learn(phase, step)

    monkeypatch.setattr(FineTuningPhase, "learn", watched)
    with pytest.raises(SystemExit):
        finetune(SEEDS, outputs)
    assert not (tmp_path / "out").exists()  # none appears before all are done
    capsys.readouterr()
    assert finetune(SEEDS, outputs) == 0
    assert "is finished already" in capsys.readouterr().out
    assert [seed for seed, _ in steps[STEPS + 5 :]] == [1] * STEPS + [2] * STEPS
    for seed in SEEDS:
        assert_equal(tmp_path / f"out/{seed}", tmp_path / f"straight/{seed}")
    assert not (tmp_path / "kept").exists()


def test_finished_runs_of_other_settings_are_not_taken(finetune, tmp_path, monkeypatch):
    outputs = ["out/1", "out/2"]
    run, runs = FineTuningJob.run, []

    def stopped(job: FineTuningJob, limits: object) -> object:
        runs.append(job.seed)
        if len(runs) == 2:
            raise SystemExit(137)
        return run(job, limits)

    monkeypatch.setattr(FineTuningJob, "run", stopped)
    with pytest.raises(SystemExit):
        finetune((1, 2), outputs)
    assert finetune((1, 2), outputs, learning_rate=0.001) == 0
    assert runs == [1, 2, 1, 2]
    assert not (tmp_path / "kept").exists()
    assert finetune((1,), ["alone"], learning_rate=0.001) == 0
    assert_equal(tmp_path / "out/1", tmp_path / "alone")


def test_kept_weights_load_and_have_a_card(finetune, tmp_path):
    assert finetune((1,), ["out"]) == 0
    folder = tmp_path / "out/model"
    model = AutoModelForTokenClassification.from_pretrained(folder)
    assert model.config.num_labels > 2
    assert len(AutoTokenizer.from_pretrained(folder)("Anna")["input_ids"]) > 2
    card = (folder / "README.md").read_text()
    metrics = json.loads((tmp_path / "out/metrics.json").read_text())
    (f1,) = [row["value"] for row in metrics["scores"] if (row["split"], row["metric"]) == ("test", "f1")]
    assert f"{f1:.4g}" in card
    assert "fine-tuned on the task" in card
    run_card(folder)


@pytest.mark.parametrize(
    ("seeds", "outputs", "settings", "reason"),
    [
        ((1, 2), ["out"], {}, "--output: expected a folder for each of 2 runs, found 1"),
        ((1,), ["out"], {"batch": [8, 16]}, "--settings: is a grid of 2 runs: name some with --cell"),
    ],
)
def test_flags_that_do_not_go_together_are_refused(finetune, tmp_path, capsys, seeds, outputs, settings, reason):
    assert finetune(seeds, outputs, **settings) == 1
    assert reason in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_job_killed_while_it_places_results_loses_none(finetune, tmp_path, monkeypatch):
    link, linked = finetune_module.link_or_copy, []

    def stopped(source: str, target: str) -> None:
        linked.append(source)
        if len(linked) == len(FILES) + 6:  # in the second result
            raise SystemExit(137)
        link(source, target)

    monkeypatch.setattr(finetune_module, "link_or_copy", stopped)
    with pytest.raises(SystemExit):
        finetune((1, 2), ["out/1", "out/2"])
    shutil.rmtree(tmp_path / "out")  # as Snakemake does with what a failed job has made
    learnt = []
    monkeypatch.setattr(FineTuningPhase, "learn", lambda *rest: learnt.append(rest))
    assert finetune((1, 2), ["out/1", "out/2"]) == 0
    assert learnt == []
    assert {path.name for path in (tmp_path / "out/2").iterdir()} >= {"metrics.json", "provenance.json", "model"}
    assert not (tmp_path / "kept").exists()


def test_a_run_alone_takes_what_a_job_of_several_had_finished(finetune, tmp_path, monkeypatch):
    run, runs = FineTuningJob.run, []

    def stopped(job: FineTuningJob, limits: object) -> object:
        runs.append(job.seed)
        if job.seed == 2:
            raise SystemExit(137)
        return run(job, limits)

    monkeypatch.setattr(FineTuningJob, "run", stopped)
    with pytest.raises(SystemExit):
        finetune((1, 2), ["out/1", "out/2"])
    assert finetune((1,), ["out/1"]) == 0
    assert runs == [1, 2]
    assert (tmp_path / "out/1/metrics.json").is_file()


def test_a_run_s_model_is_gone_when_the_next_begins(finetune, monkeypatch):
    """Several models at once would take several times the memory."""
    run, models = FineTuningJob.run, []

    def watched(job: FineTuningJob, limits: object) -> object:
        assert [model() for model in models] == [None] * len(models)
        models.append(weakref.ref(job.model))
        return run(job, limits)

    monkeypatch.setattr(FineTuningJob, "run", watched)
    gc.disable()
    try:
        assert finetune((1, 2, 3), ["out/1", "out/2", "out/3"]) == 0
    finally:
        gc.enable()
    assert len(models) == 3
