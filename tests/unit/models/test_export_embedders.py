"""Models of sentence-transformers for ONNX Runtime: the graph gives the library's own embeddings."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from published_kinds import EMBEDDERS, write_embedder
from reducible import MODELS, sentence, write_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import (
    Dense,
    Dropout,
    LayerNorm,
    Normalize,
    Pooling,
    Transformer,
)
from tests.pasted import run_card
from transformers import AutoTokenizer

from smelt.__main__ import main
from smelt.efficiency.onnx_encoder import OnnxEncoder

pytestmark = pytest.mark.slow

MODES = ("cls", "max", "mean", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")


def texts() -> list[str]:
    generator = random.Random(4)
    return [sentence("qaa", generator) for _ in range(12)]


def export(source: Path, output: Path, *words: str) -> int:
    return main(["export", "--source", str(source), *words, "--output", str(output)])


def embed(folder: Path, given: list[str], **settings: Any) -> np.ndarray:
    """Return embeddings by ONNX Runtime alone."""
    tokenizer = AutoTokenizer.from_pretrained(folder, **settings)
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    rows = tokenizer(given, padding=True, truncation=True, return_token_type_ids=True, return_tensors="np")
    inputs = {each.name: rows[each.name].astype(np.int64) for each in session.get_inputs()}
    (found,) = session.run(["sentence_embedding"], inputs)
    return np.asarray(found)


def write_sentences(folder: Path, *modules: torch.nn.Module) -> Path:
    """Write a small BERT with these modules behind it."""
    encoder = write_model(folder.with_name("encoder"), MODELS["bert-encoder"])
    SentenceTransformer(modules=[Transformer(str(encoder), max_seq_length=40), *modules]).save(str(folder))
    return folder


def cosine(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


@pytest.mark.parametrize("name", EMBEDDERS)
def test_the_graph_gives_the_librarys_embeddings(name: str, tmp_path: Path) -> None:
    source = write_embedder(name, tmp_path / "source")
    assert export(source, tmp_path / "onnx", "--format", "onnx") == 0
    expected = SentenceTransformer(str(source), device="cpu").encode(texts())
    np.testing.assert_allclose(embed(tmp_path / "onnx", texts()), expected, atol=1e-5)
    assert export(source, tmp_path / "int8", "--format", "int8") == 0
    found = json.loads((tmp_path / "int8/provenance.json").read_text())["checks"]["sentence_embedding"]
    assert 0.99 < found["least_cosine"] <= found["mean_cosine"] < 1
    assert cosine(embed(tmp_path / "int8", texts()), expected).min() > 0.99


def test_a_reduced_model_gives_its_sources_embeddings_from_the_graph(tmp_path: Path) -> None:
    source = write_embedder("e5", tmp_path / "source")
    (tmp_path / "qaa.txt").write_text("\n".join(texts() * 5))
    words = ["--corpus", str(tmp_path / "qaa.txt"), "--coverage", "1", "--threads", "1", "--held-out-share", "0.2"]
    assert main(["reduce", "--model", str(source), *words, "--output", str(tmp_path / "reduced")]) == 0
    assert export(tmp_path / "reduced", tmp_path / "onnx", "--format", "onnx") == 0
    assert len(AutoTokenizer.from_pretrained(tmp_path / "onnx")) < len(AutoTokenizer.from_pretrained(source))
    expected = SentenceTransformer(str(source), device="cpu").encode(texts())
    np.testing.assert_allclose(embed(tmp_path / "onnx", texts()), expected, atol=1e-5)


def test_all_ways_of_pooling_at_once_with_padding_on_either_side(tmp_path: Path) -> None:
    torch.manual_seed(2)
    dense = Dense(32 * len(MODES), 24, activation_function=torch.nn.GELU(), use_residual=True)
    source = write_sentences(tmp_path / "source", Pooling(32, MODES), dense, Dropout(0.3), LayerNorm(24), Normalize())
    assert export(source, tmp_path / "onnx", "--format", "onnx") == 0
    model = SentenceTransformer(str(source), device="cpu")
    for side in ("right", "left"):
        model.tokenizer.padding_side = side
        expected = model.encode(texts())
        np.testing.assert_allclose(embed(tmp_path / "onnx", texts(), padding_side=side), expected, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
def test_each_way_of_pooling(mode: str, tmp_path: Path) -> None:
    source = write_sentences(tmp_path / "source", Pooling(32, mode))
    assert export(source, tmp_path / "onnx", "--format", "onnx") == 0
    expected = SentenceTransformer(str(source), device="cpu").encode(texts())
    np.testing.assert_allclose(embed(tmp_path / "onnx", texts()), expected, atol=1e-5)


def test_the_folder_has_what_the_librarys_backend_reads(tmp_path: Path) -> None:
    source = write_sentences(tmp_path / "source", Pooling(32, "cls"), Dense(32, 48), Normalize())
    listed = json.loads((source / "modules.json").read_text())
    old = [{**module, "type": f"sentence_transformers.models.{module['type'].split('.')[-1]}"} for module in listed]
    (source / "modules.json").write_text(json.dumps(old))  # as most published folders name them
    (source / "README.md").write_text("---\nlanguage: [sw]\nlicense: mit\n---\n# A model\n")
    assert export(source, tmp_path / "int8", "--format", "int8") == 0
    for name in (
        "modules.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
        "1_Pooling/config.json",
    ):
        assert (tmp_path / "int8" / name).read_bytes() == (source / name).read_bytes()
    session = onnxruntime.InferenceSession(str(tmp_path / "int8/model.onnx"))
    assert [output.name for output in session.get_outputs()] == ["last_hidden_state", "sentence_embedding"]
    provenance = json.loads((tmp_path / "int8/provenance.json").read_text())
    assert provenance["checks"]["bytes"] == (tmp_path / "int8/model.onnx").stat().st_size
    assert provenance["checks"]["sentence_embedding"]["of"] == "sentence embeddings"
    card = (tmp_path / "int8/README.md").read_text()
    assert "library_name: sentence-transformers" in card
    assert "(Pooling, Dense, Normalize)" in card
    assert "| sentence embeddings |" in card
    run_card(tmp_path / "int8")


def test_the_benchmark_measures_an_embedding_model(tmp_path: Path) -> None:
    source = write_sentences(tmp_path / "source", Pooling(32, "mean"))
    assert export(source, tmp_path / "onnx", "--format", "onnx") == 0
    subject = OnnxEncoder(tmp_path / "onnx")
    assert subject.kind == "exported embedding model, run by ONNX Runtime"
    subject.prepare("cpu", 1)
    subject.load()(np.full((2, 7), 5))
    assert subject.bytes_on_disk("fp32", tmp_path) == (tmp_path / "onnx/model.onnx").stat().st_size


def test_pooling_is_left_to_the_library_on_demand(tmp_path: Path) -> None:
    source = write_sentences(tmp_path / "source", Pooling(32, "mean", include_prompt=False))
    assert export(source, tmp_path / "onnx", "--format", "onnx", "--no-pooling") == 0
    session = onnxruntime.InferenceSession(str(tmp_path / "onnx/model.onnx"))
    assert [output.name for output in session.get_outputs()] == ["last_hidden_state"]
    assert (tmp_path / "onnx/modules.json").is_file()


def wrong_dense(folder: Path) -> None:
    (folder / "2_Dense/model.safetensors").write_bytes(b"no tensors")


def without_pooling(folder: Path) -> None:
    listed = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([listed[0], listed[2]]))


def all_layers(folder: Path) -> None:
    text = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(text.replace("dense.Dense", "weighted_layer_pooling.WeightedLayerPooling"))


def excluded_prompt(folder: Path) -> None:
    path = folder / "1_Pooling/config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"include_prompt": False}))


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (
            excluded_prompt,
            "1_Pooling: pools without the prompt (include_prompt: false), whose length ids and mask do",
        ),
        (without_pooling, "source: modules.json has no Pooling: expected pooling: false"),
        (all_layers, "2_Dense: pools the states of all layers: expected pooling: false"),
        (wrong_dense, "2_Dense: sentence_transformers.base.modules.dense.Dense cannot be loaded"),
    ],
)
def test_modules_that_a_graph_cannot_hold_are_one_line(
    damage: Any, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_sentences(tmp_path / "source", Pooling(32, "mean"), Dense(32, 16))
    damage(source)
    capsys.readouterr()
    assert export(source, tmp_path / "made/onnx", "--format", "onnx") == 1
    error = capsys.readouterr().err
    assert complaint in error
    assert error.splitlines()[-1].startswith("smelt: ")
    assert not list(tmp_path.glob("made/*"))


def test_pooling_is_refused_for_other_models_and_twice_given_settings_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_model(tmp_path / "source", MODELS["bert-encoder"])
    assert export(source, tmp_path / "onnx", "--format", "onnx", "--no-pooling") == 1
    assert "is no folder of sentence-transformers: pooling: false has no effect" in capsys.readouterr().err
    assert export(source, tmp_path / "onnx", "--format", "onnx", "--settings", '{"format": "int8"}') == 1
    assert "--format: stands in --settings already" in capsys.readouterr().err
