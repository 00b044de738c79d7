import shutil
from pathlib import Path

import pytest
import torch
import torch._inductor.config
from training_toy import RECIPE, SHAPE, Toy, train_toy

from smelt.training.forward_pass import can_compile, is_to_be_compiled

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")

needs_a_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="compiling for CPUs takes a C++ compiler")


def test_a_cpu_compiles_only_where_the_recipe_says_so() -> None:
    assert not is_to_be_compiled(RECIPE.machine, CPU)
    assert is_to_be_compiled(RECIPE.override({"machine": {"compile": True}}).machine, CPU)


def test_a_machine_without_a_compiler_trains_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch.compiler.reset()
    with torch._inductor.config.patch({"cpp.cxx": (str(tmp_path / "none"),)}):
        assert not can_compile(CPU)
    assert "warning: training goes on without torch.compile, which fails here (" in capsys.readouterr().err
    torch.compiler.reset()


@needs_a_compiler
def test_a_compiled_encoder_learns_the_same_and_validation_compiles_nothing(toy: Toy, tmp_path: Path) -> None:
    shape = SHAPE.model_copy(update={"layers": 1})
    recipe = RECIPE.override({"model": {"dropout": 0.0}, "schedule": {"steps": 3}, "machine": {"micro_batch": 8}})
    plain, curve_of_plain = train_toy(toy, tmp_path / "plain", recipe, shape=shape)
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    compiling = recipe.override({"machine": {"compile": True}})
    compiled, curve = train_toy(toy, tmp_path / "compiled", compiling, shape=shape)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert [row[4] for row in curve] == pytest.approx([row[4] for row in curve_of_plain], rel=1e-4)
    for name, weights in plain.items():
        torch.testing.assert_close(compiled[name], weights, atol=1e-4, rtol=1e-3)
    torch.compiler.reset()
