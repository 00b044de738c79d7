"""Compact students as ONNX graphs: the same logits at any shape, in fp32 to rounding and in int8 near to it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from test_adopt_folder import WORDS, write_wordpiece
from transformers import BertTokenizerFast

from smelt.__main__ import main
from smelt.architectures import (
    CompactConfig,
    CompactForSequenceClassification,
    CompactForTokenClassification,
    CompactModel,
)


def student(folder: Path, headed: Any = CompactForTokenClassification, **further: Any) -> Any:
    """Write a compact student with its tokenizer, and return it."""
    torch.manual_seed(4)
    shape = {"embedding_size": 12, "projection_size": 32, "num_labels": 5, "rows": 6} | further
    if further.get("kind") != "transformer":
        shape["hidden_size"] = 20
    model = headed(CompactConfig(vocab_size=len(WORDS), **shape)).eval()
    if shape["rows"] == 6:
        getattr(model, "compact", model).keep_pieces([0, 1, 2, 3, 4, 7], unknown=1)
    model.save_pretrained(folder)
    write_wordpiece(folder)
    # Written whole: a folder of vocab.txt alone leaves it to the model's type which tokenizer reads it.
    BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)
    return model


def export(source: Path, output: Path, **settings: Any) -> int:
    words = ["export", "--source", str(source), "--settings", json.dumps(settings), "--output", str(output)]
    return main(words)


def logits(folder: Path, ids: Any, mask: Any) -> Any:
    (found,) = onnxruntime.InferenceSession(str(folder / "model.onnx")).run(
        None, {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}
    )
    return found


def padded() -> tuple[Any, Any]:
    ids = torch.randint(1, len(WORDS), (4, 13), generator=torch.Generator().manual_seed(2))
    mask = (torch.arange(13) < torch.tensor([[13], [8], [2], [1]])).long()
    return ids * mask, mask


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headed", "further"),
    [
        (CompactForTokenClassification, {}),
        (CompactForTokenClassification, {"num_hidden_layers": 2, "projection_size": None}),
        (CompactForSequenceClassification, {}),
        (CompactForTokenClassification, {"kind": "transformer"}),
    ],
)
def test_an_export_gives_its_sources_logits_whatever_the_padding(
    tmp_path: Path, headed: Any, further: dict[str, Any]
) -> None:
    model = student(tmp_path / "student", headed, **further)
    assert export(tmp_path / "student", tmp_path / "exported", format="onnx") == 0
    ids, mask = padded()
    with torch.inference_mode():
        expected = model(ids, mask).logits.numpy()
    found = logits(tmp_path / "exported", ids, mask)
    real = mask.numpy() == 1 if found.ndim == 3 else slice(None)
    np.testing.assert_allclose(found[real], expected[real], atol=1e-5)
    assert "logits: float32, (batch" in (tmp_path / "exported/README.md").read_text()


def test_int8_keeps_the_lstm_in_bytes_and_says_how_far_it_is(tmp_path: Path) -> None:
    student(tmp_path / "student")
    assert export(tmp_path / "student", tmp_path / "exported", format="int8") == 0
    checks = json.loads((tmp_path / "exported/provenance.json").read_text())["checks"]
    assert checks["of"] == "logits"
    assert 0.97 < checks["mean_cosine"] < 1
    import onnx

    graph = onnx.load(tmp_path / "exported/model.onnx").graph
    assert "DynamicQuantizeLSTM" in {node.op_type for node in graph.node}


def test_a_student_without_a_classifier_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    student(tmp_path / "student", CompactModel)
    capsys.readouterr()
    assert export(tmp_path / "student", tmp_path / "exported", format="onnx") == 1
    expected = f"smelt: {tmp_path}/student: is a CompactModel without a classifier: there is nothing to export\n"
    assert capsys.readouterr().err == expected
    assert not (tmp_path / "exported").exists()
