"""Distillation in several processes: one objective without anything to learn, and one with projections."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_training_launch import ALIKE, curve
from training_toy import LENGTH, RECIPE, Toy
from transformers import BertConfig, BertForMaskedLM

from smelt.__main__ import main
from smelt.entry import merge

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def teacher(toy: Toy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher")
    shutil.copytree(toy.tokenizer, folder, dirs_exist_ok=True)
    torch.manual_seed(2)
    numbers: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = BertConfig(
        vocab_size=toy.pieces.size,
        intermediate_size=64,
        max_position_embeddings=LENGTH,
        initializer_range=0.2,
        pad_token_id=toy.pieces.padding,
        **numbers,
    )
    BertForMaskedLM(config).save_pretrained(folder)
    return folder


def words(toy: Toy, teacher: Path, folder: Path, recipe: dict[str, Any], losses: dict[str, Any]) -> list[str]:
    settings = {
        "student": {"layers": 1, "hidden": 24, "start": "random"},
        "losses": losses,
        "recipe": merge(
            RECIPE.model_dump(),
            {"objective": {"sentences": "none"}, "schedule": {"steps": 6}, "validation": {"every": 3}},
            ALIKE,
            recipe,
        ),
        "alpha": 0.7,
        "seed": 1,
    }
    return [
        *["distil", "--blocks", *map(str, toy.blocks), "--teachers", str(teacher), "--threads", "1", "--gpus", "0"],
        *["--settings", json.dumps(settings | {"version": 1, "distillation_version": 1})],
        *["--checkpoints", str(folder / "checkpoints"), "--output", str(folder / "model")],
        *["--curve", str(folder / "curve.csv")],
    ]


@pytest.mark.parametrize(
    ("losses", "zero"), [({"cosine": 0.0}, 0), ({"hidden": 0.5, "attention": 0.25, "positions": "masked"}, 2)]
)
def test_two_processes_distil_what_one_does(
    toy: Toy, teacher: Path, tmp_path: Path, losses: dict[str, Any], zero: int
) -> None:
    assert main(words(toy, teacher, tmp_path / "one", {}, losses)) == 0
    command = [*words(toy, teacher, tmp_path / "two", {"optimizer": {"zero": zero}}, losses), "--processes", "2"]
    done = subprocess.run([sys.executable, "-m", "smelt", *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert curve(tmp_path / "two") == pytest.approx(curve(tmp_path / "one"), rel=2e-4)
    one, two = (load_file(tmp_path / name / "model" / "model.safetensors") for name in ("one", "two"))
    for name, weights in one.items():
        assert two[name].sub(weights).abs().max() < 1e-4, name
