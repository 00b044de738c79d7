"""Exports for ONNX Runtime: the same hidden states at any shape, int8 that says how far it is, and refusals."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from test_adopt_folder import WORDS, albert, bert, write_wordpiece, xlm_roberta
from tests.pasted import run_card
from transformers import AutoModel, AutoTokenizer, BertConfig, BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM

from smelt.__main__ import main
from smelt.models import export as module
from smelt.models.onnx_graph import Exported, write_int8

pytestmark = pytest.mark.slow


def distilbert(folder: Path) -> Path:
    """Write a tiny DistilBERT with its tokenizer."""
    torch.manual_seed(3)
    shape = DistilBertConfig(vocab_size=len(WORDS), dim=16, n_layers=2, n_heads=2, hidden_dim=32)
    DistilBertForMaskedLM(shape).save_pretrained(folder)
    write_wordpiece(folder)
    return folder


def export(source: Path, output: Path, **settings: Any) -> int:
    words = ["export", "--source", str(source), "--settings", json.dumps(settings), "--output", str(output)]
    return main(words)


def hidden_states(folder: Path, **given: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    (hidden,) = session.run(None, given)
    return np.asarray(hidden)


def checks(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "provenance.json").read_text())["checks"]
    return found


def numbers(folder: Path) -> int:
    """Return the number of parameters in the graph."""
    weights = onnx.load(folder / "model.onnx").graph.initializer
    return sum(int(np.prod(weight.dims)) for weight in weights if weight.data_type == onnx.TensorProto.FLOAT)


@pytest.mark.parametrize("make", [albert, distilbert, xlm_roberta])
def test_an_export_has_its_sources_hidden_states_at_shapes_it_was_not_exported_with(make: Any, tmp_path: Path) -> None:
    source = make(tmp_path / "source")
    assert export(source, tmp_path / "exported", format="onnx") == 0
    model = AutoModel.from_pretrained(source).eval()
    padding = model.config.pad_token_id
    ids = np.random.default_rng(1).integers(2, 9, (5, 33))
    mask = (np.arange(33) < np.array([[33], [20], [7], [2], [1]])).astype(np.int64)
    ids[mask == 0] = padding
    given = {"input_ids": ids, "attention_mask": mask}
    if getattr(model.config, "type_vocab_size", 0) > 1:
        given["token_type_ids"] = np.random.default_rng(2).integers(0, 2, ids.shape)
    with torch.no_grad():
        expected = model(**{name: torch.from_numpy(rows) for name, rows in given.items()}).last_hidden_state.numpy()
    found = hidden_states(tmp_path / "exported", **given)
    np.testing.assert_allclose(found[mask == 1], expected[mask == 1], atol=1e-5)
    assert 0 < checks(tmp_path / "exported")["largest"] < 1e-4
    assert numbers(tmp_path / "exported") < 1.01 * model.num_parameters()  # layers that share weights share them here


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT, and what it is exported as."""
    folder = tmp_path_factory.mktemp("exports")
    source = bert(folder / "source")
    (source / "README.md").write_text("---\nlanguage: [de]\nlicense: mit\n---\n# A BERT\n")
    assert export(source, folder / "onnx", format="onnx") == 0
    assert export(source, folder / "int8", format="int8") == 0
    return folder


@pytest.mark.parametrize("form", ["onnx", "int8"])
def test_a_pair_of_texts_gives_what_torch_gives(form: str, exported: Path) -> None:
    model, tokenizer = (kind.from_pretrained(exported / "source") for kind in (AutoModel, AutoTokenizer))
    rows = tokenizer("Ein Satz.", "Ein kleiner Satz.", return_tensors="np", return_token_type_ids=True)
    assert set(rows["token_type_ids"].ravel()) == {0, 1}
    given = {name: rows[name].astype(np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
    with torch.no_grad():
        pair, no_pair = (
            model.eval()(**{name: torch.from_numpy(given[name]) for name in names}).last_hidden_state.numpy()
            for names in (list(given), ["input_ids", "attention_mask"])
        )
    found = hidden_states(exported / form, **given)
    np.testing.assert_allclose(found, pair, atol=1e-5 if form == "onnx" else 0.2)
    assert np.abs(found - no_pair).max() > 0.25  # what a graph without types would be wrong by
    assert "input_ids, attention_mask, token_type_ids: int64" in (exported / form / "README.md").read_text()


def test_an_exported_folder_holds_the_model_and_what_it_is(exported: Path) -> None:
    files = {path.name for path in (exported / "onnx").iterdir()}
    assert files == {"model.onnx", "config.json", "vocab.txt", "tokenizer_config.json", "README.md", "provenance.json"}
    card = (exported / "onnx/README.md").read_text()
    assert "library_name: onnx" in card
    assert "license: mit" in card
    run_card(exported / "onnx")
    assert onnx.load(exported / "onnx/model.onnx").opset_import[0].version == 18
    settings = json.loads((exported / "onnx/provenance.json").read_text())["settings"]
    assert settings == {"format": "onnx", "reduce_range": False, "pooling": True, "opset": 18}


def test_int8_keeps_weights_and_embeddings_in_bytes_and_says_how_far_it_is(exported: Path) -> None:
    weights = onnx.load(exported / "int8/model.onnx").graph.initializer
    sizes = {kind: sum(np.prod(weight.dims) for weight in weights if weight.data_type == kind) for kind in (1, 3)}
    assert sizes[onnx.TensorProto.INT8] > 5 * sizes[onnx.TensorProto.FLOAT]
    found = checks(exported / "int8")
    assert found["largest"] > checks(exported / "onnx")["largest"]
    assert 0.99 < found["least_cosine"] <= found["mean_cosine"] < 1
    assert "not equal to rounding" in (exported / "int8/README.md").read_text()


def test_seven_bits_are_farther_than_eight(tmp_path: Path) -> None:
    torch.manual_seed(3)
    wide = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    BertForMaskedLM(BertConfig(vocab_size=len(WORDS), **wide)).save_pretrained(tmp_path / "source")
    write_wordpiece(tmp_path / "source")
    assert export(tmp_path / "source", tmp_path / "onnx", format="onnx") == 0
    assert export(tmp_path / "source", tmp_path / "int8", format="int8") == 0
    graph = tmp_path / "onnx/model.onnx"
    write_int8(graph, reduce_range=True)
    (found,) = module.differences(Exported(AutoModel.from_pretrained(tmp_path / "source").eval()), graph)
    assert 0.98 < found.mean_cosine < checks(tmp_path / "int8")["mean_cosine"]


def test_an_export_that_is_not_its_source_is_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "TOLERANCE", 0.0)  # then rounding is too much
    source = bert(tmp_path / "source")
    capsys.readouterr()
    assert export(source, tmp_path / "exported", format="onnx") == 1
    error = capsys.readouterr().err
    assert f"smelt: {source}: its export is not it: hidden states differ by at most" in error
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


def test_an_export_as_source_and_an_unknown_format_are_refused_by_name(
    exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    again = shutil.copytree(exported / "onnx", tmp_path / "onnx")
    assert export(again, tmp_path / "twice", format="onnx") == 1
    assert "has no weights: expected" in capsys.readouterr().err
    assert export(exported / "source", tmp_path / "other", format="tflite") == 1
    assert "format: expected 'onnx' or 'int8'; found 'tflite'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["onnx"]
