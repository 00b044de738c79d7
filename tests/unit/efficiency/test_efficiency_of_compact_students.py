"""Compact students in the benchmark: counted and timed whole, by torch and exported."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_encoders import PIECES

from smelt.architectures import CompactConfig, CompactForTokenClassification, CompactModel
from smelt.efficiency.torch_encoder import TorchEncoder
from smelt.efficiency.worker import subject_in
from smelt.errors import SmeltError
from smelt.models.onnx_graph import load_exported, write_graph

EMBEDDING, HIDDEN, PROJECTION, LABELS = 12, 20, 32, 5


def student(folder: Path, rows: int = PIECES) -> CompactForTokenClassification:
    torch.manual_seed(4)
    shape = {"embedding_size": EMBEDDING, "hidden_size": HIDDEN, "projection_size": PROJECTION}
    model = CompactForTokenClassification(CompactConfig(vocab_size=PIECES, rows=rows, num_labels=LABELS, **shape))
    model.save_pretrained(folder)
    return model


def test_parameters_and_operations_are_of_all_that_a_query_needs(tmp_path: Path) -> None:
    model = student(tmp_path, rows=100)
    subject = TorchEncoder(tmp_path, "fp32")
    found = subject.parameters()
    classifier = (PROJECTION + 1) * LABELS
    assert (found.total, found.encoder) == (model.num_parameters(), model.num_parameters() - classifier)
    assert found.embedding == 100 * EMBEDDING
    lstm = 2 * 4 * HIDDEN * (EMBEDDING + HIDDEN)
    assert subject.operations(8) == 2 * (lstm + 2 * HIDDEN * PROJECTION + PROJECTION * LABELS)
    assert (subject.pieces, subject.max_length) == (PIECES, None)
    assert subject.kind == "compact student with its head, run by torch"


def test_a_pass_takes_ids_by_torch_and_exported(tmp_path: Path) -> None:
    student(tmp_path / "student")
    exported = tmp_path / "exported"
    exported.mkdir()
    write_graph(load_exported(tmp_path / "student"), exported / "model.onnx")
    for file, text in {"config.json": (tmp_path / "student/config.json").read_text(), "provenance.json": "{}"}.items():
        (exported / file).write_text(text)
    for folder in (tmp_path / "student", exported):
        subject = subject_in(folder, "fp32")
        subject.prepare("cpu", 1)
        subject.load()(np.ones((2, 8), dtype=np.int64))
        subject.touch()
        assert subject.bytes_on_disk("fp32", tmp_path)
    assert subject.kind == "exported compact student with its head, run by ONNX Runtime"


def test_a_student_without_a_classifier_is_refused_in_one_line(tmp_path: Path) -> None:
    CompactModel(CompactConfig(vocab_size=PIECES)).save_pretrained(tmp_path)
    with pytest.raises(SmeltError) as caught:
        TorchEncoder(tmp_path, "fp32").parameters()
    assert str(caught.value) == f"{tmp_path}: is a CompactModel; expected one with its classifier"
