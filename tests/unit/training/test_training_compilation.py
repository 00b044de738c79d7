import shutil
from pathlib import Path

import pytest
import torch
from training_toy import RECIPE, SHAPE, Toy, toy_batches, train_toy

from smelt.models.encoders import new_encoder
from smelt.training.compilation import can_compile, compile_encoder, is_to_be_compiled, uncompiled
from smelt.training.objectives import Trainee, objective_of, weighted_loss

CPU = torch.device("cpu")

needs_a_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for CPUs takes a C++ compiler")


def test_a_cpu_compiles_only_where_the_recipe_says_so() -> None:
    assert not is_to_be_compiled(RECIPE, CPU)
    assert is_to_be_compiled(RECIPE.model_copy(update={"compile": True}), CPU)


def test_a_machine_without_a_compiler_trains_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", (str(tmp_path / "none"),))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()
    assert not can_compile(CPU)
    assert "warning: training goes on without torch.compile, which fails here (" in capsys.readouterr().err
    torch.compiler.reset()


@needs_a_compiler
def test_a_compiled_encoder_learns_the_same(toy: Toy, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"dropout": 0.0, "steps": 3, "micro_batch": 8})
    plain, curve_of_plain = train_toy(toy, tmp_path / "plain", recipe)
    torch.compiler.reset()
    compiled, curve = train_toy(toy, tmp_path / "compiled", recipe.model_copy(update={"compile": True}))
    assert [row[4] for row in curve] == pytest.approx([row[4] for row in curve_of_plain], rel=1e-4)
    for name, weights in plain.items():
        torch.testing.assert_close(compiled[name], weights, atol=1e-4, rtol=1e-3)
    torch.compiler.reset()


@needs_a_compiler
def test_each_shape_is_compiled_once_and_validation_not_at_all(toy: Toy) -> None:
    torch.compiler.reset()
    model = new_encoder(SHAPE, RECIPE, toy.pieces)
    compile_encoder(model)
    trainee, batch = Trainee(model, objective_of(RECIPE, toy.pieces)), toy_batches(toy, RECIPE).train(1)
    compiled = torch._dynamo.utils.counters["stats"]
    for rows, graphs in ((4, 1), (3, 2), (4, 2)):
        weighted_loss(trainee(batch.part(slice(0, rows)))).backward()
        assert compiled["unique_graphs"] == graphs
    with uncompiled():
        trainee.eval()(batch)
    assert compiled["unique_graphs"] == 2
    torch.compiler.reset()
