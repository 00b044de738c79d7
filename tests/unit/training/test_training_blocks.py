"""Lines as blocks, grouped by length, over a schedule in epochs: how Eliquare and DistilBERT were trained."""

import json
import random
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from training_toy import LENGTH, RECIPE, SHAPE, Toy, sentence, toy_batches, train_toy, write_documents

from smelt.__main__ import main
from smelt.entry import merge
from smelt.errors import SmeltError
from smelt.models.encoders import new_encoder
from smelt.models.job import recipe_for_blocks
from smelt.training import memory as micro_batches
from smelt.training.blocks import TokenBlocks, keep_lines
from smelt.training.data import Batch
from smelt.training.distributed import ALONE, Processes
from smelt.training.memory import memory_of, micro_batch_of, parts
from smelt.training.objectives import ModelWithObjective, objective_of, share_of_loss
from smelt.training.pack import pack
from smelt.training.pieces import load_tokenizer
from smelt.training.recipes import RECIPES, Recipe, override_recipe

LINES = RECIPE.override(
    {"data": {"packing": "lines"}, "model": {"dropout": 0.0}, "objective": {"sentences": "none", "masking": "rare"}}
)
GROUPED = LINES.override({"machine": {"grouped": True}})
CPU = torch.device("cpu")


def line(draw: random.Random) -> str:
    return " ".join(sentence(draw, place) for place in range(draw.randint(1, 4)))


@pytest.fixture(scope="module")
def lines(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Toy:
    """The toy with lines of all lengths as blocks."""
    folder, draw = tmp_path_factory.mktemp("lines"), random.Random(7)
    blocks = []
    for language, documents in (("aa", 120), ("bb", 40)):
        texts = ["\n".join(line(draw) for _ in range(6)) for _ in range(documents)]
        written = write_documents(folder / "documents" / f"{language}.parquet", texts)
        pack(written, toy.tokenizer, LENGTH, folder / "blocks" / language, "lines")
        blocks.append(folder / "blocks" / language)
    return replace(toy, documents=folder / "documents", blocks=blocks)


def pieces_in(toy: Toy, text: str) -> list[int]:
    return load_tokenizer(toy.tokenizer)(text, add_special_tokens=False)["input_ids"]


def blocks_of(toy: Toy, tmp_path: Path, texts: list[str]) -> TokenBlocks:
    documents = write_documents(tmp_path / "documents.parquet", ["kal", *texts], held_out_every=99)
    pack(documents, toy.tokenizer, LENGTH, tmp_path / "blocks", "lines")
    return TokenBlocks(tmp_path / "blocks", "train", toy.pieces, LENGTH, "lines")


def rows_of(blocks: TokenBlocks) -> list[list[int]]:
    numbers = np.arange(len(blocks))
    contents = zip(blocks.content(numbers).tolist(), blocks.lengths(numbers).tolist(), strict=True)
    return [ids[:length] for ids, length in contents]


def test_a_block_is_a_line_and_a_longer_one_goes_on_in_further_blocks(tmp_path: Path, toy: Toy) -> None:
    short, long = "kal dap mirt urm vast kal.", " ".join(["kal"] * 3 * LENGTH)
    assert len(pieces_in(toy, short)) > 9
    made = rows_of(blocks_of(toy, tmp_path, [f"{short}\n{long}", short]))
    ids, content = pieces_in(toy, long), LENGTH - 2  # [CLS] and [SEP]: a line has no second segment
    cut = [ids[first : first + content] for first in range(0, len(ids), content)]
    assert made == [pieces_in(toy, short), *cut, pieces_in(toy, short)]


@pytest.mark.parametrize(("tokens", "kept"), [(8, False), (9, False), (10, True)])
def test_a_line_of_at_most_eleven_tokens_with_its_special_ones_is_left_out(tokens: int, kept: bool) -> None:
    found = keep_lines(np.full(tokens, 5), np.array([0]), np.array([0]), 30, unknown=1)
    assert (len(found.starts) == 1) == kept
    assert found.left_out["short_lines"] == 1 - kept
    assert found.left_out["short_line_tokens"] == found.left_out["dropped"] == tokens * (1 - kept)


@pytest.mark.parametrize(("unknown", "kept"), [(10, True), (11, False), (20, False)])
def test_a_line_is_left_out_if_half_or_more_of_it_is_unknown(unknown: int, kept: bool) -> None:
    ids = np.where(np.arange(20) < unknown, 1, 5)  # with [CLS] and [SEP] 22 tokens
    found = keep_lines(ids, np.array([0]), np.array([0]), 30, unknown=1)
    assert (len(found.starts) == 1) == kept
    assert (found.left_out["unknown_lines"], found.left_out["unknown_line_tokens"]) == (1 - kept, 20 * (1 - kept))


def test_lines_that_are_kept_stay_in_their_documents() -> None:
    ids = np.concatenate([np.full(5, 1), np.arange(100, 112), np.full(20, 7), np.full(3, 1), np.arange(200, 211)])
    found = keep_lines(ids, np.array([0, 17, 37]), np.array([0, 5, 17, 37, 40]), 12, unknown=1)
    assert found.starts.tolist() == [0, 12, 24]  # the tail of the long line is too short
    assert found.documents.tolist() == [0, 12, 24]
    assert found.ids.tolist() == [*range(100, 112), *[7] * 12, *range(200, 211)]
    assert found.left_out["dropped"] == 5 + 8 + 3


def test_the_counts_account_for_every_token_and_the_command_prints_them(
    tmp_path: Path, toy: Toy, capsys: pytest.CaptureFixture[str]
) -> None:
    good, short = "kal dap mirt urm vast kal.", "kal."
    documents = write_documents(tmp_path / "documents.parquet", ["kal", f"{good}\n{short}", short], held_out_every=99)
    words = ["blocks", "--documents", documents, "--tokenizer", toy.tokenizer, "--length", LENGTH]
    assert main([*map(str, words), "--packing", "lines", "--output", str(tmp_path / "aa")]) == 0
    few = 2 * len(pieces_in(toy, short))
    said = capsys.readouterr().out
    expected = (
        f"train: left out lines of at most 11 tokens: 2 ({few} tokens), lines half unknown or more: 0 (0 tokens)\n"
    )
    assert expected in said
    part = json.loads((tmp_path / "aa" / "blocks.json").read_text())["train"]
    assert (part["short_lines"], part["short_line_tokens"], part["unknown_lines"]) == (2, few, 0)
    assert part["dropped"] == few
    assert part["tokens"] == len(pieces_in(toy, good))
    assert part["blocks"] * (LENGTH - 2) == part["tokens"] + part["padding"]


def test_a_text_of_short_lines_alone_is_refused(tmp_path: Path, toy: Toy) -> None:
    with pytest.raises(SmeltError, match=r"no text to train on: .* or its lines are too short or too unknown"):
        blocks_of(toy, tmp_path, ["kal.\nmirt."])
    assert not (tmp_path / "blocks").exists()


def test_lines_are_one_segment() -> None:
    message = r"data\.packing: lines goes with objective\.sentences: none; with order, expected another"
    with pytest.raises(ValueError, match=message):
        Recipe.model_validate(
            {"data": {"batch": 8, "packing": "lines"}, "optimizer": {"name": "adamw"}, "schedule": {"steps": 9}}
        )


def whole_rows(batch: Batch) -> list[tuple[list[int], list[int], list[int]]]:
    """Return what each row holds: ids, places of masks and what stood there; sorted."""
    width = batch.input_ids.shape[1]
    rows = []
    for row, length in enumerate(batch.lengths):
        own = batch.masked // width == row
        rows.append(
            (batch.input_ids[row, :length].tolist(), (batch.masked[own] % width).tolist(), batch.labels[own].tolist())
        )
    return sorted(rows)


def test_grouped_rows_are_the_same_rows_in_the_order_of_their_length(lines: Toy) -> None:
    plain, grouped = (toy_batches(lines, recipe).train(3) for recipe in (LINES, GROUPED))
    assert whole_rows(grouped) == whole_rows(plain)
    assert grouped.lengths.tolist() == sorted(plain.lengths.tolist(), reverse=True) != plain.lengths.tolist()
    assert torch.equal(grouped.masked, grouped.masked.sort().values)
    assert grouped.attention_mask is not None
    assert grouped.attention_mask.sum(1).tolist() == grouped.lengths.tolist()


def test_each_process_groups_its_own_rows(lines: Toy) -> None:
    together = toy_batches(lines, GROUPED).train(2)
    apart = [toy_batches(lines, GROUPED, Processes(rank, 2)).train(2) for rank in (0, 1)]
    assert sorted(whole_rows(apart[0]) + whole_rows(apart[1])) == whole_rows(together)


def test_rows_pass_without_the_columns_that_only_pad_them(lines: Toy) -> None:
    batch = toy_batches(lines, GROUPED).train(1)
    made = list(parts(batch, 2))
    for part in made:
        longest = part.lengths.max()
        assert longest <= part.input_ids.shape[1] < longest + 8
        assert part.input_ids.shape == part.token_type_ids.shape
    assert sorted(row for part in made for row in whole_rows(part)) == whole_rows(batch)
    assert {part.input_ids.shape[1] for part in parts(batch, 1, multiple=16)} <= {16, 32}


def test_full_blocks_of_a_stream_are_left_as_they_are(toy: Toy) -> None:
    batch = toy_batches(toy, RECIPE).train(1)
    part = batch.part(slice(0, len(batch)))
    assert (batch.lengths == LENGTH).all()
    assert part is batch


def gradients(lines: Toy, recipe: Recipe, rows: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    objective = objective_of(recipe.objective, lines.pieces)
    module = ModelWithObjective(new_encoder(SHAPE, recipe, lines.pieces), objective)
    batch = toy_batches(lines, recipe).train(1)
    for part in parts(batch, rows):
        share_of_loss(module(part), objective.counts(batch)).backward()
    return {name: weight.grad for name, weight in module.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_a_grouped_step_learns_what_the_same_step_learns(lines: Toy, rows: int) -> None:
    plain, grouped = gradients(lines, LINES, 8), gradients(lines, GROUPED, rows)
    assert plain.keys() == grouped.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(grouped[name], gradient, atol=1e-6, rtol=1e-4)


def test_a_grouped_run_that_was_stopped_goes_on_to_the_same_weights(lines: Toy, tmp_path: Path) -> None:
    recipe = GROUPED.override({"model": {"dropout": 0.1}, "machine": {"micro_batch": 3}})
    straight = train_toy(lines, tmp_path / "straight", recipe)

    class Stopped:
        def __init__(self, batches: object) -> None:
            self.batches = batches

        def __getattr__(self, name: str) -> object:
            return getattr(self.batches, name)

        def train(self, step: int) -> Batch:
            if step == 14:
                raise SmeltError("test", "stopped here")
            return self.batches.train(step)  # type: ignore[attr-defined]

    with pytest.raises(SmeltError, match="stopped here"):
        train_toy(lines, tmp_path / "again", recipe, wrap=Stopped)
    weights, curve = train_toy(lines, tmp_path / "again", recipe)
    assert curve == straight[1]
    assert all(torch.equal(weights[name], straight[0][name]) for name in weights)


def test_memory_is_measured_on_the_longest_rows_at_full_width(lines: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    module = ModelWithObjective(new_encoder(SHAPE, LINES, lines.pieces), objective_of(LINES.objective, lines.pieces))
    batch = toy_batches(lines, LINES).train(1)
    three = memory_of(module, batch.longest_first().only(slice(0, 3)), LINES.model, CPU)
    states = micro_batches.states_to_come(module)
    monkeypatch.setattr(micro_batches, "free_memory", lambda _: int((states + 1.1 * three) / micro_batches.USABLE))
    assert micro_batch_of(module, batch, LINES, CPU, ALONE) == 3


def test_epochs_become_steps_when_the_blocks_are_known(lines: Toy) -> None:
    recipe = Recipe.model_validate(
        merge(LINES.model_dump(), {"schedule": {"steps": None, "epochs": 2.5}, "validation": {"every": None}})
    )
    blocks = [TokenBlocks(folder, "train", lines.pieces, LENGTH, "lines") for folder in lines.blocks]
    number = sum(map(len, blocks))
    known = recipe_for_blocks(recipe, blocks)
    assert known.schedule.total_steps == known.schedule.last_step == -(-5 * number // 2 // recipe.data.batch)
    assert known.validation.every == round(number / recipe.data.batch)
    assert recipe.schedule.duration == "2.5 passes over its texts"
    assert known.schedule.duration == f"{known.schedule.total_steps} steps, 2.5 passes over its texts"
    with pytest.raises(ValueError, match=r"the number of steps in 2\.5 epochs depends on the number of blocks"):
        _ = recipe.warmup_steps


def test_a_run_of_epochs_is_the_run_of_as_many_steps(lines: Toy, tmp_path: Path) -> None:
    blocks = [TokenBlocks(folder, "train", lines.pieces, LENGTH, "lines") for folder in lines.blocks]
    own = merge(LINES.model_dump(), {"data": {"batch": 64}, "validation": {"every": None}})
    in_epochs = recipe_for_blocks(
        Recipe.model_validate(merge(own, {"schedule": {"steps": None, "epochs": 1.0}})), blocks
    )
    in_steps = Recipe.model_validate(
        merge(
            own, {"schedule": {"steps": in_epochs.schedule.steps}, "validation": {"every": in_epochs.validation.every}}
        )
    )
    weights, curve = train_toy(lines, tmp_path / "epochs", in_epochs)
    others, same_curve = train_toy(lines, tmp_path / "steps", in_steps)
    assert curve == same_curve
    assert all(torch.equal(weights[name], others[name]) for name in weights)


def test_a_stop_beyond_the_epochs_is_refused(lines: Toy) -> None:
    recipe = Recipe.model_validate(
        merge(LINES.model_dump(), {"schedule": {"steps": None, "epochs": 0.1, "stop_at": 99}})
    )
    blocks = [TokenBlocks(lines.blocks[0], "train", lines.pieces, LENGTH, "lines")]
    with pytest.raises(SmeltError, match=r"recipe: schedule\.stop_at \(99\) lies beyond the schedule's \d+ steps"):
        recipe_for_blocks(recipe, blocks)


@pytest.mark.parametrize("both", [{"schedule": {"steps": None}}, {"schedule": {"epochs": 2.0}}])
def test_a_recipe_has_steps_or_epochs(both: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected either schedule\.steps or schedule\.epochs"):
        Recipe.model_validate(merge(RECIPE.model_dump(), both))


def test_steps_of_ones_own_replace_the_epochs_of_a_recipe() -> None:
    assert (RECIPES["eliquare"].schedule.epochs, RECIPES["eliquare"].schedule.steps) == (10, None)
    changed = override_recipe("eliquare", {"schedule": {"steps": 50}})
    assert (changed.schedule.epochs, changed.schedule.steps) == (None, 50)
    back = override_recipe("small", {"schedule": {"epochs": 3}})
    assert (back.schedule.epochs, back.schedule.steps) == (3, None)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for CPUs takes a C++ compiler")
def test_a_compiled_grouped_run_learns_the_same_and_compiles_once_a_width(
    lines: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smelt.training.loop.WIDTHS", 16)
    recipe = GROUPED.override({"data": {"batch": 24}, "schedule": {"steps": 2}, "machine": {"micro_batch": 4}})
    shape = SHAPE.model_copy(update={"layers": 1})
    plain, _ = train_toy(lines, tmp_path / "plain", recipe, shape=shape)
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    compiled, _ = train_toy(lines, tmp_path / "compiled", recipe.override({"machine": {"compile": True}}), shape=shape)
    batches = toy_batches(lines, recipe)
    shapes = {
        (part.input_ids.shape, part.attention_mask is None)
        for step in (1, 2)
        for part in parts(batches.train(step), 4, 16)
    }
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == len(shapes) > 1
    for name, weights in plain.items():
        torch.testing.assert_close(compiled[name], weights, atol=1e-4, rtol=1e-3)
    torch.compiler.reset()
