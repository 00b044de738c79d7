import csv
import multiprocessing
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from training_toy import RECIPE, Toy, toy_batches, train_toy

from smelt.entry import merge
from smelt.errors import SmeltError
from smelt.study.architectures import Shape
from smelt.training.data import Batch, Batches

METRICS = {"mlm_loss", "mlm_accuracy", "sop_loss", "sop_accuracy"}

IMPORTED_BY_TRANSFORMERS = [
    "transformers.models.albert.modeling_albert",
    "transformers.models.albert.tokenization_albert",
    "transformers.models.auto.tokenization_auto",
]


class Interrupted:
    """Batches that send this process a signal as a step's batch is made."""

    def __init__(self, batches: Batches, step: int, number: int) -> None:
        self.batches, self.step, self.number = batches, step, number

    def train(self, step: int) -> Batch:
        if step == self.step:
            os.kill(os.getpid(), self.number)
        return self.batches.train(step)

    def validation(self) -> Iterator[tuple[str, Batch]]:
        return self.batches.validation()


def die_at(toy: Toy, folder: Path, step: int, while_saving: bool) -> None:
    """Train until killed: at a step, or in the middle of writing the first checkpoint from that step on."""

    def die(batches: Batches) -> Any:
        return Interrupted(batches, 0 if while_saving else step, signal.SIGKILL)

    if while_saving:
        fsync = os.fsync
        os.fsync = lambda file: os.kill(os.getpid(), signal.SIGKILL) if drafts(folder, step) else fsync(file)
    train_toy(toy, folder, wrap=die)


def drafts(folder: Path, step: int) -> bool:
    return any(int(path.stem[5:]) >= step for path in folder.rglob("step-*.draft"))


@pytest.fixture(scope="module")
def straight(toy: Toy, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("straight")
    return folder, *train_toy(toy, folder)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one | other)


def test_two_runs_are_the_same_to_the_bit(toy: Toy, tmp_path: Path, straight) -> None:
    weights, curve = train_toy(toy, tmp_path)
    assert same(weights, straight[1])
    assert curve == straight[2]


@pytest.mark.slow
@pytest.mark.parametrize(("moments", "while_saving"), [((3, 12, 14, 19), False), ((5, 10, 20), True)])
def test_a_killed_run_resumes_to_the_same_weights_and_curve(
    toy: Toy, tmp_path: Path, straight, moments: tuple[int, ...], while_saving: bool
) -> None:
    processes = multiprocessing.get_context("forkserver")  # a fresh process each, without importing torch each time
    processes.set_forkserver_preload(["sentencepiece", "pyarrow.parquet", "torch", *IMPORTED_BY_TRANSFORMERS])
    for moment in moments:
        process = processes.Process(target=die_at, args=(toy, tmp_path, moment, while_saving))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    weights, curve = train_toy(toy, tmp_path)
    assert same(weights, straight[1])
    assert curve == straight[2]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_keeps_a_checkpoint_and_running_again_ends_the_same(
    toy: Toy, tmp_path: Path, straight, number: signal.Signals
) -> None:
    with pytest.raises(SmeltError, match=rf"stopped by {number.name}; kept a checkpoint of step 1\d of 20\. Run again"):
        train_toy(toy, tmp_path, wrap=lambda batches: Interrupted(batches, 12, number))
    weights, curve = train_toy(toy, tmp_path)
    assert same(weights, straight[1])
    assert curve == straight[2]


@pytest.mark.slow
def test_a_job_whose_time_is_over_keeps_a_checkpoint_at_each_attempt_and_gets_there(
    toy: Toy, tmp_path: Path, straight, capsys: pytest.CaptureFixture[str]
) -> None:
    attempts = 0
    for _ in range(200):
        attempts += 1
        try:
            weights, curve = train_toy(toy, tmp_path, minutes=0.12 / 60)
            break
        except SmeltError as error:
            assert "minutes are nearly over" in str(error)  # noqa: PT017 - the attempt may also get there
    assert attempts > 1
    assert same(weights, straight[1])
    assert curve == straight[2]
    assert "going on from the checkpoint of step" in capsys.readouterr().out


def test_the_curve_is_tidy_and_covers_training_and_validation_by_language(straight) -> None:
    rows = list(csv.DictReader((straight[0] / "curve.csv").open()))
    assert list(rows[0]) == ["step", "split", "language", "metric", "value"]
    measured = {(row["split"], row["language"], int(row["step"])): set() for row in rows}
    for row in rows:
        measured[row["split"], row["language"], int(row["step"])].add(row["metric"])
    for language in ("all", "aa", "bb"):
        assert [step for split, name, step in measured if (split, name) == ("validation", language)] == [0, 8, 16, 20]
        assert measured["validation", language, 20] == METRICS
    assert measured["train", "all", 16] == METRICS | {
        "mlm_predictions",
        "sop_predictions",
        "learning_rate",
        "tokens",
        "tokens_dropped",
        "tokens_per_second",
    }


def test_the_curve_says_how_many_tokens_were_seen_and_left_out(toy: Toy, tmp_path: Path) -> None:
    recipe = RECIPE.override({"data": {"short_sequence_probability": 0.5}})
    batches = toy_batches(toy, recipe)
    taken = [batches.train(step) for step in range(1, recipe.schedule.last_step + 1)]
    _, curve = train_toy(toy, tmp_path, recipe)
    seen = {row[3]: row[4] for row in curve if row[:2] == (recipe.schedule.last_step, "train")}
    assert seen["tokens"] == sum(batch.tokens for batch in taken)
    assert seen["tokens_dropped"] == sum(batch.dropped for batch in taken) > 0


def test_training_rows_are_means_since_the_row_before(toy: Toy, tmp_path: Path, straight) -> None:
    _, every_step = train_toy(toy, tmp_path, RECIPE.override({"validation": {"every": 1}}))
    accuracies = [row[4] for row in every_step if row[1] == "train" and row[3] == "sop_accuracy"]
    (row,) = (row for row in straight[2] if row[:2] == (16, "train") and row[3] == "sop_accuracy")
    # Nearly so: the mean is over blocks, and in some batches a few blocks have no order.
    assert row[4] == pytest.approx(sum(accuracies[8:16]) / 8, abs=0.01)


def test_a_run_stops_at_its_step_on_the_schedule_of_the_whole(toy: Toy, tmp_path: Path, straight) -> None:
    _, curve = train_toy(toy, tmp_path, RECIPE.override({"schedule": {"stop_at": 8}}))
    assert max(row[0] for row in curve) == 8
    assert [row for row in curve if row[0] == 8] == [row for row in straight[2] if row[0] == 8]


def test_a_loss_that_is_not_a_number_stops_the_run_with_its_step(toy: Toy, tmp_path: Path) -> None:
    recipe = RECIPE.override(
        {"optimizer": {"learning_rate": 1e9}, "schedule": {"warmup": 0.0}, "checkpoints": {"every": 1}}
    )
    message = r"not a number at step [2-4]; the last good checkpoint is of step [1-3]; its batch is made of aa: "
    with pytest.raises(SmeltError, match=message):
        train_toy(toy, tmp_path, recipe)


@pytest.mark.slow
def test_pretraining_learns_words_and_sentence_order(toy: Toy, tmp_path: Path) -> None:
    settings = {
        "data": {"batch": 32},
        "model": {"dropout": 0.0},
        "optimizer": {"learning_rate": 2e-3},
        "schedule": {"steps": 900, "stop_at": 600},
    }
    recipe = RECIPE.override(merge(settings, {"validation": {"every": 600, "blocks": 64}}))
    shape = Shape(layers=1, hidden=64, heads=4, feed_forward=128, embedding=64)
    _, curve = train_toy(toy, tmp_path, recipe, shape=shape)
    value = {
        (step, metric): value
        for step, split, language, metric, value in curve
        if (split, language) == ("validation", "all")
    }
    assert value[600, "mlm_loss"] < 0.85 * value[0, "mlm_loss"]
    assert value[600, "sop_loss"] < 0.9 * value[0, "sop_loss"]
    assert value[600, "sop_accuracy"] > 0.75
