"""Tokenizers that cannot be reduced are refused by name, and broken ones where they are broken."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bench.tokenizer_layouts import (
    albert,
    bert,
    bert_with_tokenizer_json,
    merged_characters,
    roberta,
    saved_again,
    sentencepiece_model,
    write_json,
    xlm_roberta,
)
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer

from smelt.errors import SmeltError
from smelt.models.vocabulary.vocabulary import read_vocabulary


def slow(name: str) -> Callable[[Path], None]:
    return lambda folder: write_json(folder / "tokenizer_config.json", {"tokenizer_class": name})


def japanese(folder: Path) -> None:
    bert(folder)
    kinds = {"word_tokenizer_type": "basic", "subword_tokenizer_type": "wordpiece"}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "BertJapaneseTokenizer"} | kinds)


def whole_words(folder: Path) -> None:
    Tokenizer(models.WordLevel({"<unk>": 0, "a": 1}, unk_token="<unk>")).save(str(folder / "tokenizer.json"))
    slow("PreTrainedTokenizerFast")(folder)


def protobuf_of_characters(folder: Path) -> None:
    xlm_roberta(folder)
    (folder / "sentencepiece.bpe.model").write_bytes(sentencepiece_model("char", 50))


def tiktoken(folder: Path) -> None:
    (folder / "tokenizer.model").write_text("IQ== 0\nIg== 1\nIw== 2\n")
    write_json(folder / "config.json", {"model_type": "llama"})


def tiktoken_beside_a_tokenizer(folder: Path) -> None:
    merged_characters(folder)
    tiktoken(folder)


def dropping(folder: Path) -> None:
    merged_characters(folder)
    edit(folder / "tokenizer.json", lambda tree: tree["model"].update(dropout=0.1))


def entities(folder: Path) -> None:
    roberta(folder)
    write_json(folder / "config.json", {"model_type": "luke"})
    write_json(folder / "entity_vocab.json", {"[MASK]": 0, "[UNK]": 1, "[PAD]": 2, "[MASK2]": 3})


def another_class(folder: Path) -> None:
    roberta(folder)
    write_json(folder / "config.json", {"model_type": "camembert"})


def code_of_its_own(folder: Path) -> None:
    bert(folder)
    write_json(folder / "tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["code.Tokenizer", None]}})
    write_json(folder / "config.json", {"model_type": "own"})


def edit(path: Path, change: Callable[[Any], Any]) -> None:
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    write_json(path, value)


def other_lines(folder: Path) -> None:
    bert_with_tokenizer_json(folder)
    with (folder / "vocab.txt").open("a") as stream:
        stream.write("another\n")


def other_merges(folder: Path) -> None:
    saved_again(roberta)(folder)
    with (folder / "merges.txt").open("a") as stream:
        stream.write("a b\n")


def other_vocabulary(folder: Path) -> None:
    saved_again(roberta)(folder)
    edit(folder / "vocab.json", lambda vocabulary: vocabulary.pop("madeupword0000"))


def other_protobuf(folder: Path) -> None:
    saved_again(xlm_roberta)(folder)
    model = sentencepiece_model(pieces=30, lines=["other words altogether"] * 20)
    (folder / "sentencepiece.bpe.model").write_bytes(model)


def other_tokenizer_json(folder: Path) -> None:
    """Write a tokenizer.json whose pieces AlbertTokenizer takes, although they are in no unigram's list."""
    albert(folder)
    merged_characters(folder)
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "AlbertTokenizer"})


def two_of_an_id(folder: Path) -> None:
    bert(folder)
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    (folder / "vocab.txt").write_text("\n".join([*lines[:-1], lines[-2]]), encoding="utf-8")
    write_json(folder / "added_tokens.json", {"added": len(lines)})


def nothing(folder: Path) -> None:
    """Leave the folder empty."""
    assert folder.is_dir()


REFUSED = [
    (nothing, "has no tokenizer"),
    (slow("CanineTokenizer"), "CanineTokenizer is a slow tokenizer"),
    (slow("ByT5Tokenizer"), "ByT5Tokenizer is a slow tokenizer"),
    (japanese, "BertJapaneseTokenizer is a slow tokenizer"),
    (whole_words, "of the kind WordLevel; expected one of WordPiece, Unigram, BPE"),
    (protobuf_of_characters, "of words or characters; expected unigram or BPE"),
    (tiktoken, "its tokenizer cannot be read"),
    (tiktoken_beside_a_tokenizer, "tiktoken's are not supported"),
    (dropping, "drops merges at random"),
    (entities, "LukeTokenizer also reads entity_vocab.json"),
    (another_class, "CamembertTokenizer reads sentencepiece.bpe.model"),
    (code_of_its_own, "loads only with code of its own"),
    (other_lines, "vocab.txt holds other pieces"),
    (other_merges, "merges.txt holds other merges"),
    (other_vocabulary, "vocab.json holds other pieces"),
    (other_protobuf, "pieces that the tokenizer that loads does not know"),
    (other_tokenizer_json, "its tokenizer"),
    (two_of_an_id, "the same id"),
]


@pytest.mark.parametrize(("write", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_cannot_be_reduced_is_refused_by_name(write: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(SmeltError) as error:
        read_vocabulary(tmp_path, "the model")
    assert error.value.where == "the model"
    assert message in error.value.message
    assert "\n" not in error.value.message


def test_ids_that_are_not_closed_are_refused(tmp_path: Path) -> None:
    roberta(tmp_path)
    vocabulary = read_vocabulary(tmp_path, "the model")
    with pytest.raises(SmeltError, match="these pieces need others"):
        vocabulary.write(vocabulary.always[1:], tmp_path)
    with pytest.raises(SmeltError, match="expected ids of its 423 pieces, found 5 to 423"):
        vocabulary.closure(np.array([5, 423]))


def test_a_line_that_stands_twice_in_a_vocabulary_goes_once(tmp_path: Path) -> None:
    full, small = tmp_path / "full", tmp_path / "small"
    full.mkdir()
    small.mkdir()
    bert(full)
    lines = (full / "vocab.txt").read_text(encoding="utf-8").splitlines()
    lines[150] = lines[160]
    (full / "vocab.txt").write_text("\n".join(lines), encoding="utf-8")
    vocabulary = read_vocabulary(full, "the model")
    assert vocabulary.pieces[150] == ""
    closure = vocabulary.closure(np.arange(140, 170))
    assert 150 not in closure.ids
    assert 160 in closure.ids
    vocabulary.write(closure.ids, small)
    shutil.copy(full / "config.json", small)
    assert len(AutoTokenizer.from_pretrained(small)) == len(closure.ids)


def test_a_class_that_puts_the_unknown_piece_at_a_place_of_its_own_is_refused(tmp_path: Path) -> None:
    """AlbertTokenizer takes id 1 as the unknown piece; here that is an ordinary piece."""
    full, small = tmp_path / "full", tmp_path / "small"
    full.mkdir()
    small.mkdir()
    pieces = [("a", -1.0), ("b", -2.0), ("<unk>", 0.0), ("<pad>", 0.0), ("[CLS]", 0.0), ("[SEP]", 0.0), ("[MASK]", 0.0)]
    Tokenizer(models.Unigram(pieces, unk_id=2)).save(str(full / "tokenizer.json"))
    write_json(full / "tokenizer_config.json", {"tokenizer_class": "AlbertTokenizer"})
    vocabulary = read_vocabulary(full, "the model")
    closure = vocabulary.closure(vocabulary.always, characters=False)
    assert 0 not in closure.ids
    with pytest.raises(SmeltError, match="AlbertTokenizer does not load its rewritten files as written: its model"):
        vocabulary.write(closure.ids, small)
