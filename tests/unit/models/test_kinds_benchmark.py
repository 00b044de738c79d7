"""The judge of reduced models finds what a reduction did not leave as it was."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from bench.kinds_judge import judge
from reducible import sentence, write_model
from safetensors.torch import load_file, save_file

LINES = [sentence("qaa", random.Random(number)) for number in range(20)]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    source = write_model(tmp_path / "source")
    return source, shutil.copytree(source, tmp_path / "result")


def test_a_copy_is_exact(folders: tuple[Path, Path]) -> None:
    found = judge(*folders, LINES)
    assert (found.whole, found.exact, found.cut_otherwise, found.largest, found.problem) == (20, 20, 0, 0.0, "")
    assert found.files == found.files_before > 2


def test_a_number_that_moved_is_found(folders: tuple[Path, Path]) -> None:
    path = folders[1] / "model.safetensors"
    tensors = load_file(path)
    rows = tensors["bert.embeddings.word_embeddings.weight"]
    rows[5:] = torch.nextafter(rows[5:], torch.tensor(1e9))
    save_file(tensors, path, {"format": "pt"})
    found = judge(*folders, LINES)
    assert (found.whole, found.exact) == (20, 0)
    assert found.problem.startswith("states of 20 of 20 lines differ by up to ")


@pytest.mark.parametrize("name", ["bert.embeddings.word_embeddings.weight", "bert.encoder.layer.1.output.dense.bias"])
def test_weights_of_nan_are_never_exact(folders: tuple[Path, Path], name: str) -> None:
    path = folders[1] / "model.safetensors"
    tensors = load_file(path)
    tensors[name] = torch.full_like(tensors[name], torch.nan)
    save_file(tensors, path, {"format": "pt"})
    found = judge(*folders, LINES)
    assert (found.whole, found.exact, np.isnan(found.largest)) == (20, 0, True)
    assert found.problem == "states of 20 of 20 lines differ by up to nan"


def test_a_piece_that_went_makes_no_line_wrong(folders: tuple[Path, Path]) -> None:
    pieces = (folders[1] / "vocab.txt").read_text().splitlines()
    lost = pieces[5]
    (folders[1] / "vocab.txt").write_text("\n".join([*pieces[:5], "[unused1]", *pieces[6:]]) + "\n")
    found = judge(*folders, LINES)
    assert any(word.startswith(lost) for line in LINES for word in line.split())
    assert found.cut_otherwise == 20 - found.whole > 0
    assert found.exact == found.whole


def test_lost_files_and_results_that_do_not_load_are_named(folders: tuple[Path, Path]) -> None:
    (folders[1] / "vocab.txt").unlink()
    assert "lost: vocab.txt" in judge(*folders, LINES).problem
    (folders[1] / "config.json").write_text("{}")
    assert judge(*folders, LINES).problem.startswith("the result does not load: ")
