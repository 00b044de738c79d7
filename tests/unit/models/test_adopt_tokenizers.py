"""An adopted folder says how its tokenizer cuts lines against its own SentencePiece model, and can be made faithful."""

import functools
import io
import json
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AlbertConfig,
    AlbertModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    CamembertConfig,
    CamembertForMaskedLM,
    DebertaV2Config,
    DebertaV2ForMaskedLM,
    LlamaConfig,
    LlamaModel,
    T5Config,
    T5EncoderModel,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

from smelt.__main__ import main
from smelt.models.segmentation import LINES
from smelt.study.makers.adopt import Adopt

SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
T5 = {"d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 1, "num_heads": 2}
DEBERTA = {"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3}
DEBERTA |= {"pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
OF_T5 = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
LLAMA = {"model_type": "bpe", "byte_fallback": True, "remove_extra_whitespaces": False}
LLAMA |= {"normalization_rule_name": "identity"}
NEVER = {"add_dummy_prefix": False}
BYTES = {"byte_fallback": True}
XLM_R = ("sentencepiece.bpe.model", XLMRobertaForMaskedLM, XLMRobertaConfig, SHAPE)
CAMEMBERT = ("sentencepiece.bpe.model", CamembertForMaskedLM, CamembertConfig, SHAPE)
OF_T5_ENCODER = ("spiece.model", T5EncoderModel, T5Config, T5)

KINDS: dict[str, tuple[Any, dict[str, Any], dict[str, Any]]] = {
    "DeBERTa-v3": (("spm.model", DebertaV2ForMaskedLM, DebertaV2Config, SHAPE), DEBERTA, {"vocab_type": "spm"}),
    "XLM-R": (XLM_R, {}, {}),
    "XLM-R with bytes": (XLM_R, BYTES, {}),
    "XLM-R without prefix": (XLM_R, NEVER, {}),
    "CamemBERT with bytes, without prefix": (CAMEMBERT, BYTES | NEVER, {}),
    "T5 with bytes": (OF_T5_ENCODER, BYTES | OF_T5, {"extra_ids": 100}),
    "T5 without prefix": (OF_T5_ENCODER, NEVER | OF_T5, {}),
    "Llama": (("tokenizer.model", LlamaModel, LlamaConfig, SHAPE), LLAMA, {"tokenizer_class": "LlamaTokenizer"}),
}
"""Files and class, what the SentencePiece model was trained with, and tokenizer_config.json."""


@functools.cache
def trained(**options: Any) -> bytes:
    """Return a SentencePiece model of the lines, of few of their characters, so that some are unknown."""
    written = io.BytesIO()
    usual = {"model_type": "unigram", "vocab_size": 1000, "character_coverage": 0.98, "minloglevel": 2}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([line for line in LINES if line.strip()] * 20),
        model_writer=written,
        hard_vocab_limit=False,
        num_threads=1,
        **(usual | options),
    )
    return written.getvalue()


def folder_of(folder: Path, kind: str) -> Path:
    """Write a model in its publisher's layout."""
    (file, model, configuration, shape), options, config = KINDS[kind]
    folder.mkdir()
    (folder / file).write_bytes(trained(**options))
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "config.json").write_text(json.dumps({"model_type": configuration.model_type}))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    rows = max(tokenizer.get_vocab().values()) + 1
    torch.manual_seed(0)
    model(configuration(vocab_size=rows, pad_token_id=tokenizer.pad_token_id or 0, **shape)).save_pretrained(folder)
    return folder


def adopt(source: Path, output: Path, *flags: str, **how: str) -> int:
    given = json.dumps({"folder": str(source)} | how)
    return main(["adopt", "--source", given, "--output", str(output), *flags])


def differing(folder: Path, file: str, lines: list[str]) -> list[str]:
    """Return the lines that AutoTokenizer cuts into other pieces than SentencePiece itself."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = sentencepiece.SentencePieceProcessor(model_file=str(folder / file))
    found = []
    for line in lines:
        ids = tokenizer(line, add_special_tokens=False)["input_ids"]
        ours = [None if one == tokenizer.unk_token_id else tokenizer.convert_ids_to_tokens(one) for one in ids]
        theirs = [None if model.is_unknown(one) else model.id_to_piece(one) for one in model.encode(line)]
        found += [line] if ours != theirs else []
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_the_card_log_and_provenance_give_the_share_of_lines_cut_differently(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = folder_of(tmp_path / "source", kind)
    file = KINDS[kind][0][0]
    capsys.readouterr()
    assert adopt(source, tmp_path / "out") == 0
    (found,) = json.loads((tmp_path / "out/provenance.json").read_text())["checks"]["cutting"]
    otherwise = differing(source, file, list(LINES))
    assert bool(otherwise) == (found["cut_otherwise"] > 0)
    assert len(otherwise) <= found["cut_otherwise"] < found["lines"] + 1
    counted = f"{found['cut_otherwise']:,} of {found['lines']:,}"
    card, log = (tmp_path / "out/README.md").read_text(), capsys.readouterr().out
    assert f"otherwise than {file} | {counted} (" in card
    assert f"cuts {counted} lines (" in log
    assert ("such as" in card) == ("such as" in log) == ("tokenizer: faithful" in log) == bool(otherwise)
    if otherwise:
        assert found["example"]["line"] == otherwise[0][:80]


def test_the_published_kinds_differ_from_their_own_models_as_was_found(tmp_path: Path) -> None:
    """Check what transformers loses; where this fails, a new version of it has fixed something."""
    lost = {kind for kind in KINDS if differing(folder_of(tmp_path / kind, kind), KINDS[kind][0][0], list(LINES))}
    assert lost == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_faithful_tokenizer_cuts_every_line_as_the_model_does(kind: str, tmp_path: Path) -> None:
    source, output = folder_of(tmp_path / "source", kind), tmp_path / "out"
    assert adopt(source, output, tokenizer="faithful") == 0
    file = KINDS[kind][0][0]
    others = [" ".join(pair) for pair in zip(LINES[3:], LINES[7:], strict=False)]  # none that adopting looked at
    assert differing(output, file, [*LINES, *others]) == []
    ours, theirs = (AutoTokenizer.from_pretrained(folder) for folder in (output, source))
    assert ours.get_vocab() == theirs.get_vocab()
    assert ours.all_special_ids == theirs.all_special_ids
    assert ours.model_input_names == theirs.model_input_names
    around = [each.backend_tokenizer.post_processor.__getstate__() for each in (ours, theirs)]
    assert around[0] == around[1]
    assert ours.num_special_tokens_to_add(pair=True) == theirs.num_special_tokens_to_add(pair=True)
    settings = json.loads((output / "provenance.json").read_text())
    assert settings["settings"] == {"folder": str(source), "tokenizer": "faithful"}
    assert all(found["cut_otherwise"] == 0 for found in settings["checks"]["cutting"])
    assert "with a tokenizer made of its SentencePiece model" in (output / "README.md").read_text()


def test_a_faithful_tokenizer_can_be_adopted_reduced_and_filled_in(tmp_path: Path) -> None:
    assert adopt(folder_of(tmp_path / "source", "DeBERTa-v3"), tmp_path / "one", tokenizer="faithful") == 0
    assert adopt(tmp_path / "one", tmp_path / "two") == 0
    found = json.loads((tmp_path / "two/provenance.json").read_text())["checks"]["cutting"]
    assert [one["reader"] for one in found][1:] == ["tokenizer.json"]
    assert {one["cut_otherwise"] for one in found} == {0}
    text = tmp_path / "text.txt"
    text.write_text("\n".join([line for line in LINES if len(line) > 9] * 9))
    command = ["reduce", "--model", str(tmp_path / "one"), "--corpus", f"mul={text}", "--threshold", "0.001"]
    assert main([*command, "--held-out-share", "0.2", "--threads", "1", "--output", str(tmp_path / "less")]) == 0
    assert differing(tmp_path / "less", "spm.model", ["Ｆｕｌｌ － ｗｉｄｔｈ", "cafe\u0301"]) == []
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "less")
    batch = tokenizer(f"a {tokenizer.mask_token}", return_tensors="pt")
    logits = AutoModelForMaskedLM.from_pretrained(tmp_path / "less")(**batch).logits
    assert logits.shape[-1] == len(tokenizer)


def test_a_tokenizer_json_beside_the_model_is_compared_with_it_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = folder_of(tmp_path / "source", "XLM-R")
    before = differing(source, "sentencepiece.bpe.model", list(LINES))
    backend = AutoTokenizer.from_pretrained(source).backend_tokenizer
    backend.normalizer = None
    backend.save(str(source / "tokenizer.json"))
    assert adopt(source, tmp_path / "out") == 0
    by_class, by_file = json.loads((tmp_path / "out/provenance.json").read_text())["checks"]["cutting"]
    assert (by_class["reader"], by_file["reader"]) == ("XLMRobertaTokenizer", "tokenizer.json")
    assert by_file["cut_otherwise"] > len(before)
    assert "tokenizer.json cuts" in capsys.readouterr().out


def test_a_users_own_lines_are_compared_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = folder_of(tmp_path / "source", "XLM-R with bytes")
    assert adopt(source, tmp_path / "one") == 0
    (tmp_path / "text.txt").write_text("ж\n\n  \nπ and ж\n")
    assert adopt(source, tmp_path / "two", "--text", str(tmp_path / "text.txt")) == 0
    counts = [
        json.loads((tmp_path / name / "provenance.json").read_text())["checks"]["cutting"][0]["lines"]
        for name in ("one", "two")
    ]
    assert counts[1] == counts[0] + 2
    capsys.readouterr()
    assert adopt(source, tmp_path / "three", "--text", str(tmp_path / "none.txt")) == 1
    assert "none.txt: cannot be read as text" in capsys.readouterr().err


def unfaithful(folder: Path) -> None:
    """Write a model that marks the ends of words, as no tokenizer of the tokenizers library does."""
    (folder / "sentencepiece.bpe.model").write_bytes(trained(treat_whitespace_as_suffix=True))


def two_models(folder: Path) -> None:
    (folder / "second.model").write_bytes(trained())


def no_model(folder: Path) -> None:
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "sentencepiece.bpe.model").unlink()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (unfaithful, "marks the end of words, which no faithful tokenizer does yet"),
        (two_models, "has 2 SentencePiece models"),
        (no_model, "has 0 SentencePiece models"),
    ],
)
def test_where_no_faithful_tokenizer_can_be_made_one_line_says_why(
    spoil: Any, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = folder_of(tmp_path / "source", "XLM-R")
    spoil(source)
    capsys.readouterr()
    assert adopt(source, tmp_path / "out", tokenizer="faithful") == 1
    error = capsys.readouterr().err.split("smelt: ")[-1]
    assert error.startswith(f"{source}: ")
    assert complaint in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_lowercasing_that_a_publisher_asks_for_is_not_taken_away(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Uncased ALBERT's text is lowercased before its SentencePiece model sees it."""
    source = tmp_path / "source"
    options = {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "pad_piece": "<pad>"}
    source.mkdir()
    (source / "spiece.model").write_bytes(
        trained(**options, control_symbols="[CLS],[SEP]", user_defined_symbols="[MASK]")
    )
    (source / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))
    (source / "config.json").write_text(json.dumps({"model_type": "albert"}))
    rows = len(AutoTokenizer.from_pretrained(source))
    AlbertModel(AlbertConfig(vocab_size=rows, embedding_size=8, **SHAPE)).save_pretrained(source)
    assert adopt(source, tmp_path / "out", tokenizer="faithful") == 1
    assert "says do_lower_case" in capsys.readouterr().err
    (source / "tokenizer_config.json").unlink()  # without it, the class lowercases by itself
    assert adopt(source, tmp_path / "out", tokenizer="faithful") == 0
    assert differing(tmp_path / "out", "spiece.model", list(LINES)) == []


def test_only_a_sentencepiece_model_is_compared_with(tmp_path: Path) -> None:
    """Llama 3's tokenizer.model is tiktoken's."""
    source = folder_of(tmp_path / "source", "Llama")
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1, "<unk>": 2}, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Whitespace(), decoders.BPEDecoder()
    tokenizer.save(str(source / "tokenizer.json"))
    kind = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>"}
    (source / "tokenizer_config.json").write_text(json.dumps(kind))
    (source / "tokenizer.model").write_text("YQ== 0\nYg== 1\n")
    assert adopt(source, tmp_path / "out") == 0
    assert "checks" not in json.loads((tmp_path / "out/provenance.json").read_text())


def test_models_adopted_before_there_was_a_choice_are_not_adopted_again() -> None:
    published = Adopt(maker="adopt", folder="x")
    assert published.chosen() == {"folder": "x"}
    assert Adopt(maker="adopt", folder="x", tokenizer="faithful").chosen() == {"folder": "x", "tokenizer": "faithful"}
