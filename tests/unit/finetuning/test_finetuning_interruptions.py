"""What becomes of `smelt job finetune` when it is stopped or killed: it resumes to the same bits."""

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from test_finetuning_command import SETTINGS, metrics

from smelt.__main__ import main
from smelt.finetuning.job import FineTuningPhase
from smelt.training.checkpoints import Checkpoints
from smelt.training.epochs import CHECKPOINT_FORMAT, EpochTraining

OFTEN = ["--checkpoint-minutes", "0"]  # a checkpoint after each step
STEPS = 24  # three epochs of 64 sentences


class Finetuning:
    """One fine-tuning of entities, again and again, that keeps its model."""

    def __init__(self, model: Path, task: Path) -> None:
        self.model, self.task = model, task

    def __call__(self, output: Path, *words: str, **settings: object) -> int:
        every = ["--model", self.model, "--task", self.task, "--output", output, "--seed", 1]
        every += ["--checkpoints", output.with_name(f"{output.name}-kept"), *words]
        return main(["finetune", *map(str, every), "--settings", json.dumps(SETTINGS | {"keep": True} | settings)])


@pytest.fixture(scope="module")
def finetuning(model_folder, entity_task) -> Finetuning:
    return Finetuning(model_folder, entity_task)


@pytest.fixture(scope="module")
def straight(finetuning, tmp_path_factory) -> Path:
    """The result of a run that nothing stopped."""
    output = tmp_path_factory.mktemp("straight") / "out"
    assert finetuning(output) == 0
    return output


def assert_same_bits(one: Path, other: Path) -> None:
    assert metrics(one) == metrics(other)
    for name in ("predictions.parquet", "model/model.safetensors"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def kept(output: Path) -> list[Path]:
    return list(output.with_name(f"{output.name}-kept").rglob("manifest.json"))


def fail_at(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str, calls: set[int], act: Callable[[], None]
) -> None:
    """Act before some calls of a method, counted from 1 through all runs."""
    original, count = getattr(owner, method), 0

    def watched(*arguments: object) -> object:
        nonlocal count
        count += 1
        if count in calls:
            act()
        return original(*arguments)

    monkeypatch.setattr(owner, method, watched)


def killed() -> None:
    raise SystemExit(137)


@pytest.mark.parametrize(
    ("owner", "method", "calls"),
    [
        pytest.param(FineTuningPhase, "learn", {1, 3}, id="in the first step, and in the second"),
        pytest.param(FineTuningPhase, "learn", {5, 14, 20}, id="in the middle of epochs"),
        pytest.param(FineTuningPhase, "measure", {1, 3}, id="at validation"),
        pytest.param(EpochTraining, "end_stretch", {2}, id="at the end of an epoch"),
        pytest.param(FineTuningPhase, "predict", {4, 6}, id="after the best epoch, and at the test split"),
        pytest.param(FineTuningPhase, "record", {1}, id="after the last epoch"),
    ],
)
def test_a_killed_run_resumes_to_the_same_bits(finetuning, straight, tmp_path, monkeypatch, owner, method, calls):
    fail_at(monkeypatch, owner, method, calls, killed)
    for _ in calls:
        with pytest.raises(SystemExit):
            finetuning(tmp_path / "out", *OFTEN)
        assert not (tmp_path / "out").exists()
    assert finetuning(tmp_path / "out", *OFTEN) == 0
    assert_same_bits(tmp_path / "out", straight)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]  # the checkpoints are gone


def test_nothing_is_done_twice_but_the_step_that_was_under_way(finetuning, tmp_path, monkeypatch):
    learn, steps = FineTuningPhase.learn, []

    def watched(tuning: FineTuningPhase, step: int) -> object:
        steps.append(step)
        if len(steps) in (11, 20):
            raise SystemExit(137)
        return learn(tuning, step)

    monkeypatch.setattr(FineTuningPhase, "learn", watched)
    for _ in range(2):
        with pytest.raises(SystemExit):
            finetuning(tmp_path / "out", *OFTEN)
    assert finetuning(tmp_path / "out", *OFTEN) == 0
    assert steps == [*range(11), *range(10, 19), *range(18, STEPS)]


def test_a_run_that_is_stopped_anywhere_ends_with_the_same_bits(finetuning, straight, tmp_path, monkeypatch, capsys):
    """Without checkpoints in between: the signal alone keeps one."""
    fail_at(monkeypatch, FineTuningPhase, "learn", {1, 8, 9, 17}, lambda: os.kill(os.getpid(), signal.SIGTERM))
    codes = [finetuning(tmp_path / "out") for _ in range(5)]
    assert codes == [75, 75, 75, 75, 0]
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith("smelt: ")]
    assert lines[1] == "smelt: fine-tuning: stopped by SIGTERM; kept a checkpoint of step 8. Run again to go on"
    assert "going on from the checkpoint of step 8" in captured.out
    assert_same_bits(tmp_path / "out", straight)


@pytest.mark.slow
def test_it_stops_before_the_job_s_time_is_over_and_goes_on(finetuning, tmp_path, capsys):
    long = {"epochs": 150}
    assert finetuning(tmp_path / "straight", **long) == 0
    assert finetuning(tmp_path / "out", "--minutes", "0.01", **long) == 75
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("smelt: ")]
    assert line.startswith("smelt: fine-tuning: the job's 0.01 minutes are nearly over; kept a checkpoint of step")
    assert finetuning(tmp_path / "out", **long) == 0
    assert_same_bits(tmp_path / "out", tmp_path / "straight")


def test_a_short_run_keeps_no_checkpoint(finetuning, tmp_path, monkeypatch):
    fail_at(monkeypatch, FineTuningPhase, "record", {1}, killed)
    with pytest.raises(SystemExit):
        finetuning(tmp_path / "out")
    assert kept(tmp_path / "out") == []


@pytest.mark.parametrize("change", ["settings", "seed", "model", "tokenizer", "task", "version", "format"])
def test_a_changed_run_does_not_go_on_from_another_s_checkpoint(
    finetuning, tmp_path, monkeypatch, capsys, change, text_task
):
    with monkeypatch.context() as patch:
        fail_at(patch, FineTuningPhase, "learn", {9}, killed)
        with pytest.raises(SystemExit):
            finetuning(tmp_path / "out", *OFTEN)
    (left,) = {manifest.parents[1] for manifest in kept(tmp_path / "out")}
    other, words, settings = finetuning, [], {}
    if change in ("settings", "version"):
        settings = {"learning_rate": 0.001} if change == "settings" else {"version": 2}
    elif change == "seed":
        words = ["--seed", "2"]
    elif change == "format":
        monkeypatch.setattr("smelt.finetuning.job.CHECKPOINT_FORMAT", CHECKPOINT_FORMAT + 1)
    elif change == "task":
        other = Finetuning(finetuning.model, text_task)
    else:
        model = shutil.copytree(finetuning.model, tmp_path / "other")
        with (model / ("config.json" if change == "model" else "tokenizer.json")).open("a") as file:
            file.write("\n")
        other = Finetuning(model, finetuning.task)
    capsys.readouterr()
    assert other(tmp_path / "out", *words, **settings) == 0
    printed = capsys.readouterr().out
    assert "going on" not in printed
    assert f"{left}: checkpoints of another seed, other settings or other inputs" in printed
    assert [manifest.parents[1] for manifest in kept(tmp_path / "out")] == [left] * len(kept(tmp_path / "out"))


def test_a_note_beside_the_model_makes_no_other_run(finetuning, straight, tmp_path, monkeypatch, capsys):
    model = shutil.copytree(finetuning.model, tmp_path / finetuning.model.name)
    noted = Finetuning(model, finetuning.task)
    with monkeypatch.context() as patch:
        fail_at(patch, FineTuningPhase, "learn", {9}, killed)
        with pytest.raises(SystemExit):
            noted(tmp_path / "out", *OFTEN)
    (model / "README.md").write_text("another")
    (model / "provenance.json").write_text("{}")
    assert noted(tmp_path / "out") == 0
    assert "going on from the checkpoint of step 8" in capsys.readouterr().out
    assert_same_bits(tmp_path / "out", straight)


def test_checkpoints_left_by_a_kill_after_the_result_are_named(finetuning, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        fail_at(patch, Checkpoints, "remove", {1}, killed)
        with pytest.raises(SystemExit):
            finetuning(tmp_path / "out", *OFTEN)
    assert (tmp_path / "out/metrics.json").is_file()
    (left,) = {manifest.parents[1] for manifest in kept(tmp_path / "out")}
    capsys.readouterr()
    assert finetuning(tmp_path / "out", learning_rate=0.001) == 0
    assert f"{left}: checkpoints of another seed" in capsys.readouterr().out
    assert finetuning(tmp_path / "out") == 0
    assert not (tmp_path / "out-kept").exists()


def test_a_second_run_beside_the_first_is_refused(finetuning, tmp_path, monkeypatch, capsys):
    codes = []
    inner = lambda: codes or codes.append(finetuning(tmp_path / "out"))  # noqa: E731
    fail_at(monkeypatch, FineTuningPhase, "learn", {2}, inner)
    assert finetuning(tmp_path / "out") == 0
    assert codes == [1]
    assert "in use by process" in capsys.readouterr().err


def test_time_and_energy_count_the_parts_before_a_stop(finetuning, tmp_path, monkeypatch):
    fail_at(monkeypatch, FineTuningPhase, "learn", {9}, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert finetuning(tmp_path / "out") == 75
    (manifest,) = kept(tmp_path / "out")
    before = torch.load(manifest.with_name("shared.pt"), weights_only=True)
    assert finetuning(tmp_path / "out") == 0
    provenance = json.loads((tmp_path / "out/provenance.json").read_text())
    assert provenance["hours"] * 3600 > before["seconds"] > 0
    assert provenance["energy"]["kwh"] > before["energy"]["kwh"] > 0
