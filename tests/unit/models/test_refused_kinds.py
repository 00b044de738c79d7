"""Models of kinds that cannot be worked on are refused in one line, before anything takes long."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from reducible import MODELS, PIECES, SMALL, bert_like, write_model, write_texts, write_wordpiece
from transformers import (
    BertConfig,
    BertForMaskedLM,
    CLIPConfig,
    CLIPModel,
    EncoderDecoderConfig,
    EncoderDecoderModel,
    MT5Config,
    MT5EncoderModel,
    PreTrainedModel,
)

from smelt.__main__ import main

SHAPE = {key: SMALL[key] for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")}


def clip(rows: int) -> PreTrainedModel:
    """Return a model of images and text."""
    text = SHAPE | {"vocab_size": rows, "max_position_embeddings": 64}
    vision = SHAPE | {"image_size": 16, "patch_size": 8}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16))


def put_together(rows: int) -> PreTrainedModel:
    """Return a model put together from two of BERT's."""
    encoder = BertConfig(vocab_size=rows, **SMALL)
    decoder = BertConfig(vocab_size=rows, is_decoder=True, add_cross_attention=True, **SMALL)
    return EncoderDecoderModel(EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder))


def arguments(command: str, source: Path, documents: Path, output: Path) -> list[str]:
    """Return the flags of a command on a folder of a model."""
    of_command: dict[str, list[str]] = {
        "reduce": ["--model", str(source), "--corpus", f"qaa={documents.parent / 'qaa.txt'}"],
        "amplify": ["--model", str(source), "--corpus", f"qaa={documents.parent / 'qaa.txt'}"],
        "adopt": ["--source", json.dumps({"folder": str(source)})],
        "export": ["--source", str(source), "--settings", '{"format": "onnx"}'],
        "count": [
            *["--documents", str(documents), "--tokenizer", str(source), "--language", "qaa"],
            *["--shards", str(output.with_name("shards"))],
        ],
    }
    return [command, *of_command[command], "--output", str(output)]


def last_line(command: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command that fails; return what it says, and check that it is one line and leaves nothing."""
    documents = write_texts(tmp_path / "texts")["qaa"]
    (documents.parent / "qaa.txt").write_text("pata kama\n" * 40)
    capsys.readouterr()
    assert main(arguments(command, source, documents, tmp_path / "out")) == 1
    message = capsys.readouterr().err.split("smelt: ")[-1]
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / "shards").exists()
    return message


@pytest.mark.parametrize("command", ["reduce", "amplify", "adopt", "export", "count"])
@pytest.mark.parametrize(("make", "kind"), [(clip, "CLIP"), (put_together, "EncoderDecoder")])
def test_models_without_one_vocabulary_are_named(
    make: Any, kind: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_model(tmp_path / "source", make)
    message = last_line(command, source, tmp_path, capsys)
    assert message.startswith(f"{source}: is of the kind {kind}: its config.json has no vocab_size")


@pytest.mark.parametrize("command", ["reduce", "amplify", "count"])
def test_an_id_beyond_the_vocabulary_is_named_before_pieces_are_counted(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_model(tmp_path / "source", bert_like(BertForMaskedLM, bos_token_id=50256))
    message = last_line(command, source, tmp_path, capsys)
    assert f"bos_token_id of its config.json is 50256, but its vocab_size is {len(PIECES)}" in message


@pytest.mark.parametrize("command", ["reduce", "amplify", "count"])
def test_a_head_of_another_form_is_named(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_model(tmp_path / "source")
    monkeypatch.setattr(BertForMaskedLM, "get_output_embeddings", lambda _: torch.nn.Linear(8, 8))
    message = last_line(command, source, tmp_path, capsys)
    assert "the head of BertForMaskedLM is of a form that smelt does not know" in message


def test_a_decoder_that_needs_a_text_of_its_own_is_not_exported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_model(tmp_path / "source", MODELS["mt5"])
    assert "MT5Model cannot read a text alone" in last_line("export", source, tmp_path, capsys)


def test_a_tokenizer_of_no_model_is_still_counted(tmp_path: Path) -> None:
    source, documents = tmp_path / "source", write_texts(tmp_path / "texts")["qaa"]
    source.mkdir()
    write_wordpiece(source)
    (source / "config.json").write_text('{"model_type": "bert"}')
    assert main(arguments("count", source, documents, tmp_path / "out.parquet")) == 0


def test_an_encoder_without_its_decoder_is_adopted_whole(tmp_path: Path) -> None:
    shape = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4}
    source = write_model(tmp_path / "source", lambda rows: MT5EncoderModel(MT5Config(vocab_size=rows, **shape)))
    assert main(["adopt", "--source", json.dumps({"folder": str(source)}), "--output", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out/config.json").read_text())["architectures"] == ["MT5EncoderModel"]
