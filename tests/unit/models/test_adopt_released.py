"""Folders in the layouts in which the papers' authors released their models are adopted as what they are."""

import functools
import io
import json
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from transformers import (
    AlbertConfig,
    AlbertForPreTraining,
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    DistilBertConfig,
    DistilBertForMaskedLM,
    PreTrainedModel,
)

from smelt.__main__ import main

SENTENCES = [
    "El niño corre por la plaza mayor de la ciudad",
    "l'été est passé à Évry",
    "the house of Anna",
    "el niño corre",
    "la ciudad y el árbol",
]
PIECES = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "el", "El", "niño", "Niño", "ni", "##ño", "nino"]
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}


@functools.cache
def sentencepiece_model() -> bytes:
    """Return a unigram model with ALBERT's special pieces, cased and with accents."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20),
        model_writer=model,
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        control_symbols=["[CLS]", "[SEP]"],
        user_defined_symbols=["[MASK]"],
        minloglevel=2,
    )
    return model.getvalue()


def albert(folder: Path, settings: dict[str, Any] | None) -> Path:
    """Write ALBERT as mALBERT, FrALBERT and ALBETO stand on the hub: spiece.model and, in some, its settings."""
    torch.manual_seed(1)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model()).get_piece_size()
    shape = AlbertConfig(vocab_size=pieces, embedding_size=8, pad_token_id=0, **SHAPE)
    AlbertForPreTraining(shape).save_pretrained(folder)
    (folder / "spiece.model").write_bytes(sentencepiece_model())
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def wordpiece(folder: Path, model: PreTrainedModel, lower: bool) -> Path:
    """Write a model with the files of BERT's old tokenizers, as DistilBETO and Geotrend's models have them."""
    model.save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": lower, "model_max_length": 512}))
    return folder


def adopt(source: Path, output: Path) -> int:
    return main(["adopt", "--source", json.dumps({"folder": str(source)}), "--output", str(output)])


def adopted(source: Path, output: Path) -> Any:
    """Return the tokenizer of the adopted folder, whose weights are those of its source."""
    assert adopt(source, output) == 0
    ours, theirs = (AutoModel.from_pretrained(folder).state_dict() for folder in (output, source))
    kept = [name for name in theirs if "pooler" not in name]
    assert kept
    assert all(torch.equal(ours[name], theirs[name]) for name in kept)
    return AutoTokenizer.from_pretrained(output)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"do_lower_case": False, "keep_accents": True}, "El niño"),  # mALBERT
        ({"do_lower_case": True, "keep_accents": True}, "el niño"),  # ALBETO
        ({"do_lower_case": True, "keep_accents": False}, "el nino"),
        (None, "el nino"),  # FrALBERT: spiece.model alone, and the defaults of ALBERT's class
    ],
)
def test_an_albert_with_its_sentencepiece_model_reads_case_and_accents_as_its_settings_say(
    settings: dict[str, Any] | None, text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tokenizer = adopted(albert(tmp_path / "source", settings), tmp_path / "out")
    ids = tokenizer("El niño", add_special_tokens=False)["input_ids"]
    sentence_pieces = sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model())
    assert ids == sentence_pieces.encode(text)
    # Nobody is advised to make a tokenizer of an uncased model cased.
    assert ("it lower-cases what it reads" in capsys.readouterr().out) == (text != "El niño")
    framed = tokenizer.convert_ids_to_tokens(tokenizer("El")["input_ids"])
    assert (framed[0], framed[-1]) == ("[CLS]", "[SEP]")


def test_a_distilbert_with_sinusoidal_positions_keeps_them(tmp_path: Path) -> None:
    torch.manual_seed(1)
    shape = {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32}
    model = DistilBertForMaskedLM(DistilBertConfig(vocab_size=len(PIECES), sinusoidal_pos_embds=True, **shape))
    positions = model.distilbert.embeddings.position_embeddings.weight
    tokenizer = adopted(wordpiece(tmp_path / "source", model, lower=True), tmp_path / "out")
    written = AutoModel.from_pretrained(tmp_path / "out")
    assert written.config.sinusoidal_pos_embds
    assert torch.equal(written.embeddings.position_embeddings.weight, positions)
    assert torch.allclose(positions[1, :2].cpu(), torch.tensor([math.sin(1), math.cos(1)]), atol=1e-6)
    assert tokenizer.tokenize("El") == ["el"]


@pytest.mark.parametrize("kind", [BertForMaskedLM, BertModel])
def test_a_reduced_bert_with_vocab_txt_keeps_its_pieces_in_their_order(kind: type[Any], tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = kind(BertConfig(vocab_size=len(PIECES), **SHAPE))
    tokenizer = adopted(wordpiece(tmp_path / "source", model, lower=False), tmp_path / "out")
    assert tokenizer.convert_ids_to_tokens(list(range(len(PIECES)))) == PIECES
    assert tokenizer.tokenize("El Niño niño") == ["El", "Niño", "niño"]
    named = json.loads((tmp_path / "out/config.json").read_text())["architectures"]
    assert named == [kind.__name__]


class Trap:
    """An object whose pickle writes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


def test_weights_as_pickles_alone_are_refused_and_not_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = wordpiece(tmp_path / "source", BertModel(BertConfig(vocab_size=len(PIECES), **SHAPE)), lower=False)
    (source / "model.safetensors").unlink()
    sprung = tmp_path / "sprung"
    (source / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Trap(sprung)}))
    capsys.readouterr()
    assert adopt(source, tmp_path / "out") == 1
    message = capsys.readouterr().err
    assert message.startswith(f"smelt: {source}: has no *.safetensors, but pytorch_model.bin: pickles can run code")
    assert "save_pretrained" in message
    assert message.count("\n") == 1
    assert not sprung.exists()
    assert not (tmp_path / "out").exists()


def test_safetensors_are_read_where_pickles_stand_beside_them(tmp_path: Path) -> None:
    source = wordpiece(tmp_path / "source", BertModel(BertConfig(vocab_size=len(PIECES), **SHAPE)), lower=False)
    sprung = tmp_path / "sprung"
    (source / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Trap(sprung)}))
    adopted(source, tmp_path / "out")
    assert not sprung.exists()
