"""Which row of a student's embedding is which piece's, and whose rows they start from: seen in what a job writes."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from compression_toy import SIGNALS, STUDENT, Folders, write_alberts
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from smelt.finetuning.compression.job import CompressionInputs, CompressionJob
from smelt.study.compression import Compression
from smelt.tasks.prepared_task import read_task

FROZEN = {"epochs": 1, "learning_rate": 1e-30, "minimum_learning_rate": 0.0}  # a rate at which no weight moves


@pytest.fixture(scope="module")
def folders(tmp_path_factory, entity_task) -> Folders:
    return Folders(tmp_path_factory.mktemp("bert"), entity_task)


@pytest.fixture(scope="module")
def alberts(tmp_path_factory, entity_task) -> Folders:
    folder = tmp_path_factory.mktemp("albert")
    return Folders(folder, entity_task, write_alberts(folder, entity_task))


def embedding(folder: Path) -> torch.Tensor:
    tensors = load_file(folder / "model.safetensors")
    (found,) = [value for name, value in tensors.items() if name.endswith("embeddings.word_embeddings.weight")]
    return found


def written(output: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the row of each id, (ids,), and the rows, (rows, width)."""
    tensors = load_file(output / "model/model.safetensors")
    return tensors["compact.embeddings.row_of_piece"].long(), tensors["compact.embeddings.pieces.weight"]


def seen_ids(rows: torch.Tensor, source: Path) -> torch.Tensor:
    """Return the ids with a row of their own: all but those that share the unknown piece's."""
    unknown = AutoTokenizer.from_pretrained(source).unk_token_id
    own = (rows != rows[unknown]) | (torch.arange(len(rows)) == unknown)
    assert 10 < own.sum() < len(rows)
    return own.nonzero().flatten()


def compressed(folders: Folders, output: Path, width: int, **start: str) -> tuple[torch.Tensor, torch.Tensor]:
    student = STUDENT | {"embedding": width}
    assert folders.compress(output, "D1", student=student, embeddings=start, **FROZEN) == 0
    return written(output)


@pytest.mark.parametrize("of", ["finetuned", "pretrained"])
@pytest.mark.parametrize("kind", ["folders", "alberts"])
def test_a_piece_s_row_is_the_teacher_s_of_that_piece(request, tmp_path, kind, of):
    folders = request.getfixturevalue(kind)
    folder = {"finetuned": folders.teacher, "pretrained": folders.source}[of]
    assert not torch.equal(embedding(folders.teacher), embedding(folders.source))
    teacher = embedding(folder)
    assert teacher.shape[1] == {"folders": 24, "alberts": 8}[kind]
    rows, vectors = compressed(folders, tmp_path / "out", teacher.shape[1], start="full", of=of)
    ids = seen_ids(rows, folders.source)
    assert torch.equal(rows[ids], torch.arange(len(vectors)))
    torch.testing.assert_close(vectors[rows[ids]], teacher[ids], rtol=0, atol=1e-12)
    unknown = AutoTokenizer.from_pretrained(folders.source).unk_token_id
    others = [number for number in range(len(rows)) if number not in set(ids.tolist())]
    assert (rows[others] == rows[unknown]).all()


def test_a_piece_s_reduced_row_is_a_projection_of_the_teacher_s_of_that_piece(alberts, tmp_path):
    rows, vectors = compressed(alberts, tmp_path / "out", 5, start="svd", of="finetuned")
    ids = seen_ids(rows, alberts.source)
    teacher = embedding(alberts.teacher)[ids].double()
    found = vectors[rows[ids]].double()
    directions = torch.linalg.lstsq(teacher, found).solution
    assert len(ids) > teacher.shape[1]  # or else any rows would be a projection of any others
    torch.testing.assert_close(teacher @ directions, found, rtol=0, atol=1e-5)
    torch.testing.assert_close(directions.T @ directions, torch.eye(5, dtype=torch.float64), rtol=0, atol=1e-5)


def test_a_checkpoint_of_a_start_from_other_rows_is_another_run_s(folders, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(folders.source, source)
    settings = {"student": STUDENT, "stages": [{"losses": {"labels": 1}}], "embeddings": {"of": "pretrained"}}

    def identity() -> dict:
        inputs = CompressionInputs(folders.task, source, None, None)
        return CompressionJob(
            inputs, read_task(folders.task), Compression.model_validate(settings), 1, threads=1
        ).identity

    before = identity()
    assert identity() == before
    tensors = load_file(source / "model.safetensors")
    name = "bert.embeddings.word_embeddings.weight"
    save_file(tensors | {name: tensors[name].flip(0)}, source / "model.safetensors", {"format": "pt"})
    after = identity()
    assert {key for key in before if before[key] != after[key]} == {"start"}


def test_a_teacher_with_narrow_embeddings_teaches_all_stages(alberts, tmp_path):
    student = STUDENT | {"embedding": 8}
    assert alberts.compress(tmp_path / "out", "D4.1", student=student, epochs=1) == 0
    found = json.loads((tmp_path / "out/metrics.json").read_text())
    assert found["embeddings"]["teacher_width"] == 8
    assert found["student"]["projection_size"] == 24
    assert found["transfer"]["layer"] == SIGNALS["layers"][0]
