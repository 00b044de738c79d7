"""Batches cut into parts that fit the memory, and the other ways of making a model fit."""

import signal
from pathlib import Path

import pytest
import torch
from test_training_loop import Interrupted
from training_toy import RECIPE, SHAPE, Toy, toy_batches, train_toy

from smelt.errors import SmeltError
from smelt.models.encoders import new_encoder, resize_vocabulary
from smelt.study.architectures import Shape
from smelt.training import memory as micro_batches
from smelt.training.data import Batch, Batches
from smelt.training.distillation import distillation_of
from smelt.training.distributed import ALONE
from smelt.training.losses import Losses
from smelt.training.memory import LiveTensors, even_size, memory_of, micro_batch_of, parts
from smelt.training.objectives import MaskedLanguageModel, ModelWithObjective, objective_of

CPU = torch.device("cpu")
QUIET = RECIPE.override({"model": {"dropout": 0.0}})


@pytest.fixture
def module(toy: Toy) -> ModelWithObjective:
    torch.manual_seed(1)
    return ModelWithObjective(new_encoder(SHAPE, QUIET, toy.pieces), objective_of(QUIET.objective, toy.pieces))


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_a_batch_in_parts_teaches_what_it_teaches_as_a_whole(toy: Toy, tmp_path: Path, rows: int) -> None:
    weights, curve = train_toy(toy, tmp_path / "parts", QUIET.override({"machine": {"micro_batch": rows}}))
    whole, curve_of_whole = train_toy(toy, tmp_path / "whole", QUIET)
    assert [row[4] for row in curve] == pytest.approx([row[4] for row in curve_of_whole], rel=1e-4)
    for name in whole:
        torch.testing.assert_close(weights[name], whole[name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_batch_in_the_order_of_its_lengths_teaches_the_same_but_for_what_is_dropped_out(
    toy: Toy, tmp_path: Path, dropout: float
) -> None:
    recipe = QUIET.override(
        {"data": {"short_sequence_probability": 0.5}, "model": {"dropout": dropout}, "machine": {"micro_batch": 3}}
    )
    weights, _ = train_toy(toy, tmp_path / "grouped", recipe.override({"machine": {"grouped": True}}))
    plain, _ = train_toy(toy, tmp_path / "plain", recipe)
    alike = [torch.allclose(weights[name], plain[name], atol=1e-4, rtol=1e-3) for name in plain]
    # Dropout falls on rows by their place in a pass, so with it the runs differ as those of two micro-batches do.
    assert all(alike) == (dropout == 0)


def test_parts_have_all_rows_once(toy: Toy) -> None:
    batch = toy_batches(toy, QUIET).train(1)
    made = list(parts(batch, 3))
    assert [len(part) for part in made] == [3, 3, 2]
    assert torch.equal(torch.cat([part.input_ids for part in made]), batch.input_ids)


@pytest.mark.parametrize(("rows", "fitting", "size"), [(8, 8, 8), (8, 100, 8), (8, 5, 4), (9, 4, 3), (7, 1, 1)])
def test_parts_are_few_and_even(rows: int, fitting: int, size: int) -> None:
    assert even_size(rows, fitting) == size


def test_memory_grows_with_rows_and_leaves_no_trace(toy: Toy, module: ModelWithObjective) -> None:
    batch, state = toy_batches(toy, QUIET).train(1), torch.get_rng_state()
    sizes = [memory_of(module, batch.part(slice(0, rows)), QUIET.model, CPU) for rows in (1, 2, 4, 8)]
    assert sizes == sorted(set(sizes))
    # In a straight line, as the choice of a micro-batch takes it to be.
    assert sizes[3] - sizes[2] == pytest.approx(4 * (sizes[1] - sizes[0]), rel=0.3)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(weight.grad is None for weight in module.parameters())


def test_the_memory_of_a_head_counts_its_buffers(toy: Toy, module: ModelWithObjective) -> None:
    batch = toy_batches(toy, QUIET).train(1).part(slice(0, 1))
    few = memory_of(module, batch, QUIET.model, CPU)
    rows = 20_000
    resize_vocabulary(module.model, rows)
    module.objective = MaskedLanguageModel(rows)
    masked, width = len(batch.masked), SHAPE.embedding
    gradients, logits = rows * (width + 1), masked * rows  # of the decoder and its bias, and of the masked positions
    assert memory_of(module, batch, QUIET.model, CPU) - few > 4 * (gradients + logits)


@pytest.mark.parametrize("weights", [{"kl": 1}, {"hidden": 1}])
def test_the_memory_of_a_teacher_counts_although_it_keeps_nothing(toy: Toy, weights: dict[str, float]) -> None:
    batch = toy_batches(toy, QUIET).train(1).part(slice(0, 4))
    shape = Shape(family="bert", layers=3, hidden=256, heads=4, feed_forward=512)
    recipe = QUIET.override({"objective": {"sentences": "none"}})
    student, teacher = (new_encoder(each, recipe, toy.pieces) for each in (SHAPE, shape))

    def memory(**losses: float) -> int:
        made = distillation_of(Losses(**({"kl": 0, "cosine": 0} | losses)), [teacher], student, toy.pieces, "fp32")
        return memory_of(ModelWithObjective(student, made), batch, recipe.model, CPU)

    states = 4 * batch.input_ids.numel() * shape.hidden
    inner = 4 * batch.input_ids.numel() * shape.feed_forward
    # A layer at a time, or what all of them show; the student is small beside it.
    assert memory(**weights) - memory() > (states + 2 * inner if "kl" in weights else (1 + shape.layers) * states)


def test_memory_is_counted_from_when_a_tensor_is_made_until_it_is_freed() -> None:
    before = torch.ones(1000)
    with LiveTensors() as live:
        doubled = before.view(10, 100) * 2  # a view of what was there is nothing new
        assert live.most == 4000
        del doubled
        with torch.inference_mode():
            for _ in range(5):
                torch.zeros(1000).add_(before)
        assert live.most == 4000
        kept = [before + 1, before + 2]
    assert live.most == 8000
    assert len(kept) == 2


def test_as_many_rows_pass_at_once_as_the_memory_holds(
    toy: Toy, module: ModelWithObjective, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = toy_batches(toy, QUIET).train(1)
    assert micro_batch_of(module, batch, QUIET, CPU, ALONE) == 8
    states = micro_batches.states_to_come(module)
    three = memory_of(module, batch.part(slice(0, 3)), QUIET.model, CPU)
    monkeypatch.setattr(micro_batches, "free_memory", lambda _: int((states + 1.1 * three) / micro_batches.USABLE))
    assert micro_batch_of(module, batch, QUIET, CPU, ALONE) == 3


def test_memory_too_small_for_one_block_is_one_clear_line(
    toy: Toy, module: ModelWithObjective, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(micro_batches, "free_memory", lambda _: 10_000)
    with pytest.raises(
        SmeltError, match=r"memory: a block of 32 tokens takes .* GiB, .* are free\. Set machine\.gradient"
    ):
        micro_batch_of(module, toy_batches(toy, QUIET).train(1), QUIET, CPU, ALONE)


class TooLarge:
    """Batches, one of which needs more memory than there is."""

    def __init__(self, batches: Batches) -> None:
        self.validation, self._batches = batches.validation, batches

    def train(self, step: int) -> Batch:
        if step == 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")
        return self._batches.train(step)


def test_a_gpu_whose_memory_runs_out_is_one_clear_line(toy: Toy, tmp_path: Path) -> None:
    message = r"memory: cpu has run out of it at step [23]; 8 rows passed at once\. Set a smaller machine\.micro_batch"
    with pytest.raises(SmeltError, match=message):
        train_toy(toy, tmp_path, wrap=TooLarge)


def test_the_chosen_micro_batch_survives_a_stop(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    straight = train_toy(toy, tmp_path / "straight", RECIPE.override({"machine": {"micro_batch": 3}}))
    stopping = RECIPE.override({"machine": {"micro_batch": None}})
    monkeypatch.setattr("smelt.training.loop.micro_batch_of", lambda *_: 3)
    with pytest.raises(SmeltError, match=r"stopped by SIGTERM; kept a checkpoint of step 6"):
        train_toy(toy, tmp_path, stopping, wrap=lambda batches: Interrupted(batches, 7, signal.SIGTERM))
    monkeypatch.setattr("smelt.training.loop.micro_batch_of", lambda *_: 8)
    weights, _ = train_toy(toy, tmp_path, stopping)
    assert all(torch.equal(weights[name], straight[0][name]) for name in weights)


def test_recomputed_layers_teach_the_same(toy: Toy, tmp_path: Path) -> None:
    weights, curve = train_toy(
        toy, tmp_path / "recomputed", RECIPE.override({"machine": {"gradient_checkpointing": True}})
    )
    plain, curve_of_plain = train_toy(toy, tmp_path / "plain")
    assert curve == curve_of_plain
    assert all(torch.equal(weights[name], plain[name]) for name in plain)


def test_the_best_weights_become_the_model_where_the_recipe_says_so(toy: Toy, tmp_path: Path) -> None:
    # A rate that first teaches, then breaks: the last step is not the best.
    wild = QUIET.override(
        {"optimizer": {"learning_rate": 0.3}, "schedule": {"warmup": 0.9}, "validation": {"choose": "best", "every": 4}}
    )
    weights, curve = train_toy(toy, tmp_path, wild)
    losses = {
        step: sum(value for at, split, language, metric, value in curve
                  if (at, split, language) == (step, "validation", "all") and metric in ("mlm_loss", "sop_loss"))
        for step in {row[0] for row in curve}
    }  # fmt: skip
    best = min(losses, key=lambda step: losses[step])
    assert best not in (0, 20)
    until_best, _ = train_toy(
        toy, tmp_path / "until", wild.override({"schedule": {"stop_at": best}, "validation": {"choose": "last"}})
    )
    assert all(torch.equal(weights[name], until_best[name]) for name in weights)
