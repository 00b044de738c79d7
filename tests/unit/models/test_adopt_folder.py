import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from reducible import check_pipelines, spoil_for_pipelines
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import (
    AlbertConfig,
    AlbertForPreTraining,
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertModel,
    PreTrainedModel,
    XLMRobertaConfig,
    XLMRobertaForMaskedLM,
)

from smelt.__main__ import main

SHAPE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "Ein", "klein", "##er", "Satz", "é", "."]


def write_wordpiece(folder: Path, words: list[str] = WORDS) -> None:
    """Write a cased BERT tokenizer as old checkpoints have it: vocab.txt and its configuration."""
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))


def write_unigram(folder: Path, special: dict[str, str], tokenizer_class: str) -> None:
    """Write a unigram tokenizer as tokenizer.json."""
    pieces = [(piece, 0.0) for piece in special.values()] + [("▁a", -1.0), ("b", -2.0), ("▁", -3.0), ("c", -4.0)]
    unknown = list(special).index("unk_token")
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=unknown))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": tokenizer_class} | special))


def bert(folder: Path, kind: type[PreTrainedModel] = BertForMaskedLM, rows: int = len(WORDS)) -> Path:
    """Write a tiny BERT with its tokenizer."""
    torch.manual_seed(3)
    kind(BertConfig(vocab_size=rows, **SHAPE)).save_pretrained(folder)
    write_wordpiece(folder)
    return folder


def albert(folder: Path) -> Path:
    """Write a tiny ALBERT with both heads and a unigram tokenizer."""
    AlbertForPreTraining(AlbertConfig(vocab_size=9, embedding_size=8, **SHAPE)).save_pretrained(folder)
    names = ["pad_token", "unk_token", "cls_token", "sep_token", "mask_token"]
    special = dict(zip(names, ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"], strict=True))
    write_unigram(folder, special, "PreTrainedTokenizerFast")
    return folder


def xlm_roberta(folder: Path) -> Path:
    """Write a tiny XLM-R with a unigram tokenizer."""
    XLMRobertaForMaskedLM(XLMRobertaConfig(vocab_size=12, **SHAPE)).save_pretrained(folder)
    special = {
        "cls_token": "<s>",
        "pad_token": "<pad>",
        "sep_token": "</s>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    write_unigram(folder, special, "XLMRobertaTokenizer")
    return folder


def adopt(source: Path, output: Path) -> int:
    return main(["adopt", "--source", json.dumps({"folder": str(source)}), "--output", str(output)])


@pytest.mark.parametrize("make", [bert, albert, xlm_roberta])
def test_a_folder_is_adopted_with_its_head_weights_and_pieces(make: Any, tmp_path: Path) -> None:
    source = make(tmp_path / "source")
    assert adopt(source, tmp_path / "out") == 0
    for load in (AutoModel, AutoModelForMaskedLM):
        ours, theirs = (load.from_pretrained(folder).state_dict() for folder in (tmp_path / "out", source))
        kept = [name for name in theirs if "pooler" not in name]
        assert kept
        assert all(torch.equal(ours[name], theirs[name]) for name in kept)
    text = "Ein kleiner Satz é . ab c <mask>"
    ours, theirs = (AutoTokenizer.from_pretrained(folder)(text)["input_ids"] for folder in (tmp_path / "out", source))
    assert ours == theirs
    assert {"model.safetensors", "README.md", "provenance.json"} <= {file.name for file in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize(("make", "max_length"), [(bert, 512), (xlm_roberta, 510)])
@pytest.mark.parametrize("tokenizer", ["as earlier versions wrote it", "without a length", "with a length too great"])
def test_an_adopted_model_works_in_pipelines_whatever_its_source_is_like(
    make: Any, max_length: int, tokenizer: str, tmp_path: Path
) -> None:
    source = make(tmp_path / "source")
    if tokenizer == "as earlier versions wrote it":
        spoil_for_pipelines(source)
    elif tokenizer == "with a length too great":
        path = source / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"model_max_length": 10**30}))
    assert adopt(source, tmp_path / "out") == 0
    check_pipelines(tmp_path / "out", "a Satz", max_length)


@pytest.mark.parametrize("own", [{"model_max_length": 128}, {"model_max_length": 512, "split_special_tokens": False}])
def test_a_published_tokenizers_own_settings_stay(own: dict[str, Any], tmp_path: Path) -> None:
    source = bert(tmp_path / "source")
    (source / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False} | own))
    assert adopt(source, tmp_path / "out") == 0
    files = [(folder / "tokenizer_config.json").read_bytes() for folder in (source, tmp_path / "out")]
    assert files[0] == files[1]


def test_both_heads_of_albert_are_kept(tmp_path: Path) -> None:
    assert adopt(albert(tmp_path / "source"), tmp_path / "out") == 0
    _, report = AlbertForPreTraining.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"]


def test_a_classifier_is_adopted_as_its_encoder(tmp_path: Path) -> None:
    assert adopt(bert(tmp_path / "source", BertForSequenceClassification), tmp_path / "out") == 0
    assert json.loads((tmp_path / "out/config.json").read_text())["architectures"] == ["BertModel"]
    assert "pipeline_tag: feature-extraction" in (tmp_path / "out/README.md").read_text()


def test_an_encoder_that_claims_a_head_is_adopted_as_what_it_is(tmp_path: Path) -> None:
    source = bert(tmp_path / "source", BertModel)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps(config | {"architectures": ["BertForMaskedLM"]}))
    assert adopt(source, tmp_path / "out") == 0
    assert json.loads((tmp_path / "out/config.json").read_text())["architectures"] == ["BertModel"]


def test_weights_in_half_precision_are_adopted_in_single(tmp_path: Path) -> None:
    source = bert(tmp_path / "source")
    BertForMaskedLM.from_pretrained(source).half().save_pretrained(source)
    assert adopt(source, tmp_path / "out") == 0
    assert {tensor.dtype for tensor in AutoModel.from_pretrained(tmp_path / "out").parameters()} == {torch.float32}


def test_provenance_and_card_name_the_models_source(tmp_path: Path) -> None:
    source = bert(tmp_path / "source")
    (source / "README.md").write_text("---\nlicense: apache-2.0\nlanguage: [de, fr]\n---\n# theirs\n")
    assert adopt(source, tmp_path / "out") == 0
    provenance = json.loads((tmp_path / "out/provenance.json").read_text())
    assert provenance["settings"] == {"folder": str(source)}
    assert len(provenance["inputs"]["source"][0]["sha256"]) == 64
    card = (tmp_path / "out/README.md").read_text()
    assert all(part in card for part in ("license: apache-2.0", "- de\n- fr", "| architecture | BertForMaskedLM |"))


def remove_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def remove_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def remove_tokenizer(folder: Path) -> None:
    (folder / "vocab.txt").unlink()


def empty_vocabulary(folder: Path) -> None:
    write_wordpiece(folder, WORDS[:5])


def enlarge_vocabulary(folder: Path) -> None:
    write_wordpiece(folder, [*WORDS, "one", "more"])


def cut_weights(folder: Path) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: len(weights) // 2])


def forget_a_layer(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 3}))


def invent_an_architecture(folder: Path) -> None:
    (folder / "config.json").write_text('{"model_type": "no-such-model"}')


def break_config(folder: Path) -> None:
    (folder / "config.json").write_text("<html>")


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (shutil.rmtree, "no such folder"),
        (remove_config, "has no config.json"),
        (remove_weights, "has no weights"),
        (remove_tokenizer, "has no tokenizer"),
        (empty_vocabulary, "special tokens only"),
        (enlarge_vocabulary, "13 pieces but its embeddings only 11 rows"),
        (cut_weights, "its weights cannot be read"),
        (forget_a_layer, "lacks 16 of its weights, such as encoder.layer.2."),
        (invent_an_architecture, "describes no model that transformers knows"),
        (break_config, "describes no model that transformers knows"),
    ],
)
def test_a_spoilt_folder_gives_one_clear_line_and_no_output(
    spoil: Any, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = bert(tmp_path / "source")
    spoil(source)
    capsys.readouterr()
    assert adopt(source, tmp_path / "out" / "model") == 1
    message = capsys.readouterr().err.split("smelt: ")[-1]
    assert message.startswith(f"{source}: ")
    assert complaint in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_a_source_that_is_neither_hub_nor_folder_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["adopt", "--source", '{"hub": "a/b"}', "--output", str(tmp_path / "out")]) == 1
    assert "expected a revision" in capsys.readouterr().err
