"""A reduced tokenizer behaves as the full one on lines whose pieces are all kept, in every published layout."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
from bench.tokenizer_layouts import (
    LAYOUTS,
    camembert,
    deberta,
    llama,
    merged_characters,
    mt5,
    saved_again,
    sentences,
    xlm_roberta,
)
from tokenizers import Tokenizer, normalizers
from transformers import AutoTokenizer

from smelt.errors import SmeltError
from smelt.models.vocabulary.vocabulary import Vocabulary, read_vocabulary

NAMES = ["unk_token", "pad_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token"]


class Pair:
    """A full tokenizer and its reduction to the pieces of the first lines."""

    def __init__(self, write: Callable[[Path], None], folder: Path) -> None:
        self.full_folder, self.small_folder = folder / "full", folder / "small"
        self.full_folder.mkdir()
        self.small_folder.mkdir()
        write(self.full_folder)
        self.full = AutoTokenizer.from_pretrained(self.full_folder)
        self.vocabulary: Vocabulary = read_vocabulary(self.full_folder, "model")
        lines = sentences()[:4]
        chosen = {identity for ids in self.full(lines, truncation=False)["input_ids"] for identity in ids}
        self.closure = self.vocabulary.closure(np.array(sorted(chosen)))
        self.ids = self.closure.ids
        self.vocabulary.write(self.ids, self.small_folder)
        if (self.full_folder / "config.json").is_file():
            (self.small_folder / "config.json").write_bytes((self.full_folder / "config.json").read_bytes())
        self.small = AutoTokenizer.from_pretrained(self.small_folder)

    def new(self, old: Any) -> list[int]:
        """Return new ids of old ones, which must all be kept."""
        ranks = {identity: rank for rank, identity in enumerate(self.ids.tolist())}
        return [ranks[identity] for identity in old]

    def keeps(self, line: str) -> bool:
        return set(self.full(line, truncation=False)["input_ids"]) <= set(self.ids.tolist())


@pytest.fixture(scope="module", params=LAYOUTS, ids=lambda write: write.__name__)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(request.param, tmp_path_factory.mktemp("layout"))


@pytest.fixture(scope="module")
def kept_lines(pair: Pair) -> list[str]:
    """Lines of kept pieces, with blanks, special tokens in the text and characters that no vocabulary knows."""
    lines = sentences()[:4]
    words = [word for line in lines for word in line.split()]
    lines += [" ".join(words[start::3]) for start in range(3)] + [f"  {words[0]}   {words[1]} \t{words[2]}  "]
    lines += [f"{words[0]} {pair.full.unk_token} {words[1]}", f"{words[3]}☃{words[1]}", "☃", ""]
    lines += [line for line in sentences()[4:] if pair.keeps(line)]
    return [line for line in lines if pair.keeps(line)]


def test_the_reduction_is_smaller_and_as_large_as_its_ids(pair: Pair) -> None:
    assert len(pair.small) == len(pair.ids) < len(pair.full) == pair.vocabulary.size


def test_ids_are_ranks_of_the_old_ones(pair: Pair) -> None:
    pieces = pair.small.convert_ids_to_tokens(range(len(pair.ids)))
    assert pieces == pair.full.convert_ids_to_tokens(pair.ids.tolist())
    assert pieces == [pair.vocabulary.pieces[identity] for identity in pair.ids]


def test_lines_of_kept_pieces_are_cut_alike(pair: Pair, kept_lines: list[str]) -> None:
    assert len(kept_lines) >= 10
    options = {"return_offsets_mapping": True, "return_special_tokens_mask": True, "return_token_type_ids": True}
    for line in kept_lines:
        full, small = pair.full(line, **options), pair.small(line, **options)
        assert small["input_ids"] == pair.new(full["input_ids"])
        assert {**small, "input_ids": []} == {**full, "input_ids": []}
        assert small.word_ids() == full.word_ids()


def test_pairs_truncation_and_padding_are_alike(pair: Pair, kept_lines: list[str]) -> None:
    others = kept_lines[1:] + kept_lines[:1]
    options = {"truncation": True, "max_length": 11, "padding": "max_length", "return_overflowing_tokens": True}
    pair.full.pad_token = pair.full.pad_token or pair.full.eos_token
    pair.small.pad_token = pair.small.pad_token or pair.small.eos_token
    full, small = pair.full(kept_lines, others, **options), pair.small(kept_lines, others, **options)
    assert small["input_ids"] == [pair.new(ids) for ids in full["input_ids"]]
    assert {**small, "input_ids": []} == {**full, "input_ids": []}


def test_texts_come_back_alike(pair: Pair, kept_lines: list[str]) -> None:
    for line in kept_lines:
        for skip in (False, True):
            old = pair.full(line)["input_ids"]
            assert pair.small.decode(pair.new(old), skip_special_tokens=skip) == pair.full.decode(
                old, skip_special_tokens=skip
            )


def test_special_tokens_have_their_new_ids(pair: Pair) -> None:
    for name in NAMES:
        assert getattr(pair.small, name) == getattr(pair.full, name)
        old = getattr(pair.full, f"{name}_id")
        assert getattr(pair.small, f"{name}_id") == (None if old is None else pair.new([old])[0])
    assert set(pair.small.all_special_ids) == set(pair.new(pair.full.all_special_ids))
    assert pair.small.added_tokens_encoder == {
        token: pair.new([identity])[0] for token, identity in pair.full.added_tokens_encoder.items()
    }


def test_the_folder_has_the_files_of_its_source(pair: Pair) -> None:
    names = {path.name for path in pair.full_folder.iterdir()}
    assert {path.name for path in pair.small_folder.iterdir()} == names
    path = pair.small_folder / "tokenizer.json"
    if path.is_file():  # what other readers than transformers see
        raw, full = Tokenizer.from_file(str(path)), Tokenizer.from_file(str(pair.full_folder / "tokenizer.json"))
        assert [raw.id_to_token(rank) for rank in range(len(pair.ids))] == [
            full.id_to_token(identity) for identity in pair.ids.tolist()
        ]
        line = sentences()[0]
        assert raw.encode(line).ids == pair.new(full.encode(line).ids)


def test_reducing_twice_is_reducing_once(pair: Pair, tmp_path: Path) -> None:
    again = read_vocabulary(pair.small_folder, "small")
    closed = again.closure(np.arange(again.size))
    assert not closed.added
    again.write(closed.ids, tmp_path)
    for path in pair.small_folder.iterdir():
        if path.name != "config.json":
            assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


PROTOBUFS = [xlm_roberta, camembert, mt5, deberta, llama]


@pytest.mark.parametrize("write", [*PROTOBUFS, *map(saved_again, PROTOBUFS)], ids=lambda write: write.__name__)
def test_sentencepiece_itself_cuts_kept_lines_alike(write: Callable[[Path], None], tmp_path: Path) -> None:
    pair = Pair(write, tmp_path)
    path = next(pair.full_folder.glob("*.model"))
    full = sentencepiece.SentencePieceProcessor(model_file=str(path))
    small = sentencepiece.SentencePieceProcessor(model_file=str(pair.small_folder / path.name))
    assert small.get_piece_size() < full.get_piece_size()
    for name in ("unk_id", "bos_id", "eos_id", "pad_id"):
        old = getattr(full, name)()
        assert getattr(small, name)() == (old if old < 0 else small.piece_to_id(full.id_to_piece(old)))
    kept = [line for line in sentences() if pair.keeps(line)]
    assert len(kept) >= 4
    for line in [*kept, kept[0] + "☃", "☃"]:
        assert small.encode(line, out_type=str) == full.encode(line, out_type=str)
        assert small.decode(small.encode(line)) == full.decode(full.encode(line))


@pytest.mark.parametrize(("write", "offset"), [(xlm_roberta, 1), (camembert, 4)], ids=["xlm_roberta", "camembert"])
def test_fairseq_ids_stay_off_by_the_same_number(write: Callable[[Path], None], offset: int, tmp_path: Path) -> None:
    pair = Pair(write, tmp_path)
    protobuf = sentencepiece.SentencePieceProcessor(model_file=str(pair.small_folder / "sentencepiece.bpe.model"))
    ordinary = [protobuf.id_to_piece(place) for place in range(3, protobuf.get_piece_size())]
    assert pair.small.convert_tokens_to_ids(ordinary) == list(range(3 + offset, 3 + offset + len(ordinary)))
    assert pair.small.mask_token_id == len(pair.ids) - 1


def test_settings_name_tokens_by_their_new_ids(tmp_path: Path) -> None:
    pair = Pair(deberta, tmp_path)
    path = pair.full_folder / "tokenizer_config.json"
    token = {"content": "[MASK]", "special": True, "lstrip": False, "rstrip": False}
    token |= {"normalized": False, "single_word": False}
    mask = pair.full.mask_token_id
    settings = json.loads(path.read_text()) | {"added_tokens_decoder": {str(mask): token}, "pad_token_type_id": 0}
    path.write_text(json.dumps(settings))
    (pair.full_folder / "added_tokens.json").write_text(json.dumps({"[MASK]": mask}))
    (pair.full_folder / "special_tokens_map.json").write_text('{"mask_token": "[MASK]"}')
    output = tmp_path / "again"
    output.mkdir()
    read_vocabulary(pair.full_folder, "model").write(pair.ids, output)
    written = json.loads((output / "tokenizer_config.json").read_text())
    assert written["added_tokens_decoder"] == {str(len(pair.ids) - 1): token}
    assert written["pad_token_type_id"] == 0
    assert json.loads((output / "added_tokens.json").read_text()) == {"[MASK]": len(pair.ids) - 1}
    assert (output / "special_tokens_map.json").read_text() == '{"mask_token": "[MASK]"}'


def drop_a_merge(tree: dict[str, Any]) -> None:
    del tree["model"]["merges"][-1]


def move_a_score(tree: dict[str, Any]) -> None:
    entry = tree["model"]["vocab"][10]
    entry[1] = float(np.nextafter(entry[1], 0))


def lose_the_normaliser(tree: dict[str, Any]) -> None:
    tree["normalizer"] = None


def move_a_special_piece(tree: dict[str, Any]) -> None:
    vocabulary = tree["model"]["vocab"]
    vocabulary[0], vocabulary[1] = vocabulary[1], vocabulary[0]


def plain_unigram(folder: Path) -> None:
    """Write a Unigram that no class of transformers makes up by itself."""
    xlm_roberta(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    for path in folder.iterdir():
        path.unlink()
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"unk_token": "<unk>", "pad_token": "<pad>", "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(names))


@pytest.mark.parametrize(
    ("write", "spoil", "part"),
    [
        (merged_characters, drop_a_merge, "model"),
        (plain_unigram, move_a_score, "model"),
        (plain_unigram, lose_the_normaliser, "normalizer"),
        (plain_unigram, move_a_special_piece, "(model|added_tokens)"),
    ],
)
def test_a_tokenizer_that_is_not_the_reduced_one_is_named(
    write: Callable[[Path], None], spoil: Callable[[dict[str, Any]], None], part: str, tmp_path: Path
) -> None:
    pair = Pair(write, tmp_path)
    pair.vocabulary.check(pair.ids, pair.small_folder)
    path = pair.small_folder / "tokenizer.json"
    tree = json.loads(path.read_text(encoding="utf-8"))
    spoil(tree)
    path.write_text(json.dumps(tree), encoding="utf-8")
    with pytest.raises(SmeltError, match=f"its {part} differs"):
        pair.vocabulary.check(pair.ids, pair.small_folder)
