"""Two texts with one label: encoded as the model's tokenizer joins them, learnt, and predicted."""

import json

import pyarrow.parquet as parquet
import pytest
import torch
from invented_tasks import pairs, tokenizer, write_task
from tokenizers import processors
from transformers import BertConfig, BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM

from smelt.__main__ import main
from smelt.tasks.kinds.base import Examples, Task
from smelt.tasks.prepared_task import encode
from smelt.tasks.tokenizer import load_pieces

TASK = Task("pairs", "sequence-classification", "accuracy", None, ["north", "south"], pairs=True)
KIND = "sequence-classification"


def examples(text: str, pair: str) -> Examples:
    return Examples([0], ["en"], {"text": [text], "pair": [pair]}, [["north"]])


def finetune(model, task, output, **settings) -> int:
    words = ["--model", model, "--task", task, "--output", output, "--seed", 1]
    chosen = {"epochs": 1, "batch": 8, "learning_rate": 0.003, "length": 32} | settings
    return main(["finetune", *map(str, words), "--settings", json.dumps(chosen)])


def scores(output, split="test") -> dict[str, float]:
    found = json.loads((output / "metrics.json").read_text())["scores"]
    return {row["language"]: row["value"] for row in found if (row["split"], row["metric"]) == (split, "accuracy")}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "bert"
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    pieces = tokenizer()
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig(vocab_size=len(pieces), pad_token_id=0, **shape)).save_pretrained(folder)
    pieces.save_pretrained(folder)
    return folder


def test_a_pair_is_one_window_with_the_types_of_its_sides(model_folder):
    pieces = load_pieces(model_folder)
    (window,) = encode(examples("anna sees", "the"), TASK, pieces, 32).windows
    tokens = pieces.tokenizer.convert_ids_to_tokens(list(window.ids))
    assert tokens == ["[CLS]", "▁", "a", "n", "n", "a", "▁sees", "[SEP]", "▁the", "[SEP]"]
    assert list(window.types) == [0] * 8 + [1] * 2


def test_the_longer_side_of_a_pair_is_cut_and_its_lost_words_are_counted(model_folder):
    pieces = load_pieces(model_folder)
    encoded = encode(examples("sees likes leaves finds the sees likes", "the sees"), TASK, pieces, 9)
    (window,) = encoded.windows
    tokens = pieces.tokenizer.convert_ids_to_tokens(list(window.ids))
    assert tokens == ["[CLS]", "▁sees", "▁likes", "▁leaves", "▁finds", "[SEP]", "▁the", "▁sees", "[SEP]"]
    assert (encoded.words, encoded.truncated_words, encoded.words_without_pieces) == (9, 3, 0)


def test_a_label_of_two_texts_is_learnt_with_token_types(bert, tmp_path):
    rows = pairs(64)
    task = write_task(
        tmp_path / "pairs", KIND, dict.fromkeys(("train", "validation", "test"), rows), "accuracy", pairs=True
    )
    assert finetune(bert, task, tmp_path / "out", epochs=12) == 0
    assert scores(tmp_path / "out")["en"] == 1.0
    found = parquet.read_table(tmp_path / "out" / "predictions.parquet")
    assert found.column_names == ["example", "language", "text", "pair", "gold", "predicted", "probability"]
    assert found["pair"].to_pylist() == [row["pair"] for row in rows]


def test_token_types_reach_a_model_that_has_them(bert, tmp_path, monkeypatch):
    seen = []
    forward = torch.nn.Embedding.forward
    monkeypatch.setattr(torch.nn.Embedding, "forward", lambda self, ids: seen.append((self, ids)) or forward(self, ids))
    splits = dict.fromkeys(("train", "validation", "test"), pairs(16))
    task = write_task(tmp_path / "pairs", KIND, splits, "accuracy", pairs=True)
    assert finetune(bert, task, tmp_path / "out") == 0
    types = [ids for table, ids in seen if table.num_embeddings == 2]
    assert types
    assert all(ids.max() == 1 and ids.min() == 0 for ids in types)


def test_a_model_without_token_types_reads_pairs_too(tmp_path):
    pieces = tokenizer()
    shape = {"dim": 32, "n_layers": 1, "n_heads": 2, "hidden_dim": 64}
    DistilBertForMaskedLM(DistilBertConfig(vocab_size=len(pieces), **shape)).save_pretrained(tmp_path / "model")
    pieces.save_pretrained(tmp_path / "model")
    splits = dict.fromkeys(("train", "validation", "test"), pairs(16))
    task = write_task(tmp_path / "pairs", KIND, splits, "accuracy", pairs=True)
    assert finetune(tmp_path / "model", task, tmp_path / "out") == 0


def test_a_tokenizer_that_marks_no_border_is_refused(bert, tmp_path, capsys):
    pieces = tokenizer()
    pieces.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    BertForMaskedLM.from_pretrained(bert).save_pretrained(tmp_path / "model")
    pieces.save_pretrained(tmp_path / "model")
    splits = dict.fromkeys(("train", "validation", "test"), pairs(8))
    task = write_task(tmp_path / "pairs", KIND, splits, "accuracy", pairs=True)
    assert finetune(tmp_path / "model", task, tmp_path / "out") == 1
    assert "no special piece between the two texts of a pair" in capsys.readouterr().err


@pytest.fixture
def languages_task(tmp_path):
    splits = {
        "train": pairs(16),
        "validation": pairs(16),
        "test": pairs(16) + pairs(12, "fr") + pairs(8, "sw"),
    }
    changes = {"pairs": True, "setting": "transfer", "average": "languages"}
    return write_task(tmp_path / "pairs.transfer", KIND, splits, "accuracy", **changes)


def test_one_fine_tuning_serves_all_test_languages(bert, languages_task, tmp_path):
    assert finetune(bert, languages_task, tmp_path / "out") == 0
    found = scores(tmp_path / "out")
    assert list(found) == ["en", "fr", "sw", "mean", "deviation"]
    assert found["mean"] == pytest.approx((found["en"] + found["fr"] + found["sw"]) / 3)
    assert list(scores(tmp_path / "out", "validation")) == ["en"]
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["setting"] == "transfer"


def test_a_model_is_tested_only_on_the_languages_it_has(bert, languages_task, tmp_path, capsys):
    assert finetune(bert, languages_task, tmp_path / "all") == 0
    assert finetune(bert, languages_task, tmp_path / "some", tested_on=["en", "sw"]) == 0
    whole, some = scores(tmp_path / "all"), scores(tmp_path / "some")
    assert list(some) == ["en", "sw", "mean", "deviation"]
    assert (some["en"], some["sw"]) == (whole["en"], whole["sw"])
    assert finetune(bert, languages_task, tmp_path / "none", tested_on=["de"]) == 1
    assert "test.parquet: holds no example in de" in capsys.readouterr().err
