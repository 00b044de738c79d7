"""Exactness, tried on vocabularies drawn at random, far odder than trained ones, and on every short word there is."""

import itertools
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
from bench.tokenizer_layouts import bert, llama, roberta, write_json, xlm_roberta
from hypothesis import given, settings
from hypothesis import strategies as st
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoTokenizer

from smelt.models.vocabulary.vocabulary import Closure, Vocabulary, read_vocabulary

# d never is a piece of its own in some vocabularies, e never is in any.
WORDS = ["".join(letters) for size in range(1, 5) for letters in itertools.product("abc", repeat=size)]
WORDS += ["".join(letters) for size in range(1, 4) for letters in itertools.product("abde", repeat=size)]
WORDS += ["".join(random.Random(seed).choices("abcd", k=5 + seed % 4)) for seed in range(100)]

pieces = st.text("abcd", min_size=1, max_size=4)
examples = settings(max_examples=25, deadline=None)


def read(tokenizer: Tokenizer, folder: Path, unknown: str | None) -> Vocabulary:
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Fuse()
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast"} | ({"unk_token": unknown} if unknown else {})
    write_json(folder / "tokenizer_config.json", settings)
    return read_vocabulary(folder, "random")


def chosen(vocabulary: Vocabulary, seed: int, share: float) -> np.ndarray[Any, Any]:
    return np.flatnonzero(np.random.default_rng(seed).random(vocabulary.size) < share)


def reduce(vocabulary: Vocabulary, closure: Closure) -> Tokenizer:
    with tempfile.TemporaryDirectory() as output:
        vocabulary.write(closure.ids, Path(output))
        return Tokenizer.from_file(str(Path(output, "tokenizer.json")))


def cuts(tokenizer: Tokenizer) -> list[tuple[list[str], list[tuple[int, int]]]]:
    """Return every word's pieces, by the spellings of their ids, and their offsets."""
    encodings = tokenizer.encode_batch(WORDS)
    return [([str(tokenizer.id_to_token(place)) for place in cut.ids], cut.offsets) for cut in encodings]


def changed(full: Tokenizer, small: Tokenizer, closure: Closure) -> list[str]:
    """Return words of kept pieces that the small tokenizer cuts differently."""
    kept = {full.id_to_token(identity) for identity in closure.ids.tolist()}
    words = zip(WORDS, cuts(full), cuts(small), strict=True)
    return [word for word, old, new in words if kept.issuperset(old[0]) and old != new]


def newly_unknown(full: Tokenizer, small: Tokenizer, closure: Closure, unknown: str) -> list[str]:
    """Return words of the characters of kept pieces that only the full tokenizer knows."""
    kept = {str(full.id_to_token(identity)) for identity in closure.ids.tolist()}
    letters = set().union(*(piece.removeprefix("##") for piece in kept - {unknown}))
    words = zip(WORDS, cuts(full), cuts(small), strict=True)
    return [word for word, old, new in words if letters >= {*word} and unknown in new[0] and unknown not in old[0]]


@examples
@given(st.sets(pieces, max_size=25), st.sets(pieces, max_size=25), st.integers(0, 999), st.floats(0, 1), st.booleans())
def test_wordpiece(starts: set[str], rest: set[str], seed: int, share: float, characters: bool) -> None:
    listed = ["[UNK]", *sorted(starts), *(f"##{piece}" for piece in sorted(rest))]
    full = Tokenizer(models.WordPiece({piece: place for place, piece in enumerate(listed)}, unk_token="[UNK]"))
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = read(full, Path(folder), "[UNK]")
        closure = vocabulary.closure(chosen(vocabulary, seed, share), characters)
        small = reduce(vocabulary, closure)
    became_known = [word for word in changed(full, small, closure) if full.encode(word).tokens == ["[UNK]"]]
    assert became_known == changed(full, small, closure)
    assert not became_known or len(closure.loosened)
    if characters and all({letter, f"##{letter}"} <= {*listed} for letter in "abcd"):
        assert newly_unknown(full, small, closure, "[UNK]") == []


# Halves, so that many cuts are equally good.
scores = st.one_of(st.integers(-12, -2).map(lambda half: half / 2), st.floats(-20, -0.01))
letters_alone = st.one_of(st.just({}), st.fixed_dictionaries(dict.fromkeys("abcd", scores)))
scored = st.tuples(letters_alone, st.dictionaries(pieces, scores, min_size=2, max_size=40)).map(
    lambda both: both[1] | both[0]
)


@examples
@given(scored, st.integers(0, 999), st.floats(0, 1), st.booleans())
def test_unigram(scored: dict[str, float], seed: int, share: float, characters: bool) -> None:
    full = Tokenizer(models.Unigram([("<unk>", 0.0), *scored.items()], unk_id=0, byte_fallback=False))
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = read(full, Path(folder), "<unk>")
        full = Tokenizer.from_file(str(Path(folder, "tokenizer.json")))  # its scores as the library reads them
        closure = vocabulary.closure(chosen(vocabulary, seed, share), characters)
        small = reduce(vocabulary, closure)
    assert changed(full, small, closure) == []
    if characters and set("abcd") <= scored.keys():
        assert newly_unknown(full, small, closure, "<unk>") == []


def merged(drawn: random.Random, prefix: str, suffix: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return a vocabulary and merges in any order: some pieces with several ways to build them, some with none."""
    letters = "abc" if drawn.random() < 0.5 else "abcd"
    vocabulary = list(dict.fromkeys("".join(form) for form in itertools.product(["", prefix], letters, ["", suffix])))
    merges: set[tuple[str, str]] = set()
    for _ in range(drawn.randint(1, 40)):
        left, right = drawn.choice(vocabulary), drawn.choice(vocabulary)
        if right.startswith(prefix) and not (suffix and left.endswith(suffix)) and len(left + right) < 8:
            merges.add((left, right))
            vocabulary.append(left + right[len(prefix) :])
    vocabulary = list(dict.fromkeys(["<unk>", *vocabulary, f"{letters[0]}{letters[1]}" * 2]))
    if drawn.random() < 0.5:  # every way to halve each piece, as transformers makes merges of a SentencePiece model
        halves = [(piece[:place], prefix + piece[place:]) for piece in vocabulary for place in range(1, len(piece))]
        merges = {pair for pair in halves if {*pair} <= {*vocabulary}}
    return {piece: place for place, piece in enumerate(vocabulary)}, drawn.sample(sorted(merges), len(merges))


@examples
@given(
    st.sampled_from(
        [{}, {}, {"ignore_merges": True}, {"continuing_subword_prefix": "##"}, {"end_of_word_suffix": "|"}]
    ),
    st.integers(0, 2**32),
    st.floats(0, 1),
)
def test_byte_pairs(options: dict[str, Any], seed: int, share: float) -> None:
    prefix, suffix = options.get("continuing_subword_prefix", ""), options.get("end_of_word_suffix", "")
    ids, merges = merged(random.Random(seed), prefix, suffix)
    full = Tokenizer(models.BPE(ids, merges, unk_token="<unk>", fuse_unk=True, **options))
    with tempfile.TemporaryDirectory() as folder:
        vocabulary = read(full, Path(folder), "<unk>")
        closure = vocabulary.closure(chosen(vocabulary, seed, share))
        small = reduce(vocabulary, closure)
    assert changed(full, small, closure) == []


def protobuf(kind: int, scored: dict[str, float], defined: set[str]) -> bytes:
    """Return a SentencePiece model of these pieces, some of them user-defined."""
    proto = sentencepiece_model_pb2.ModelProto()
    for piece, type_ in (("<unk>", 2), ("<s>", 3), ("</s>", 3)):
        proto.pieces.add(piece=piece, score=0, type=type_)
    for piece, score in scored.items():
        proto.pieces.add(piece=piece, score=score, type=4 if piece in defined else 1)
    proto.trainer_spec.model_type = kind
    proto.trainer_spec.vocab_size = len(proto.pieces)
    proto.normalizer_spec.add_dummy_prefix = False
    return bytes(proto.SerializeToString())


@examples
@given(
    st.sampled_from([(1, "camembert", "sentencepiece.bpe.model"), (2, "llama", "tokenizer.model")]),
    scored,
    st.sets(st.text("abcd", min_size=1, max_size=2), max_size=2),
    st.integers(0, 999),
    st.floats(0, 1),
)
def test_sentencepiece(
    kind: tuple[int, str, str], scored: dict[str, float], defined: set[str], seed: int, share: float
) -> None:
    number, model_type, name = kind
    if number == 2 and not set("abcd") <= scored.keys():
        scored = dict.fromkeys("abcd", -30.0) | scored  # SentencePiece's BPE has every character it learned from
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as output:
        Path(folder, name).write_bytes(protobuf(number, scored, defined))
        Path(folder, "config.json").write_text(json.dumps({"model_type": model_type}))
        vocabulary = read_vocabulary(Path(folder), "random")
        closure = vocabulary.closure(chosen(vocabulary, seed, share))
        vocabulary.write(closure.ids, Path(output))
        full = sentencepiece.SentencePieceProcessor(model_file=str(Path(folder, name)))
        small = sentencepiece.SentencePieceProcessor(model_file=str(Path(output, name)))
    kept = set(closure.ids.tolist())
    ids = {piece: identity for identity, piece in enumerate(vocabulary.pieces)}
    for word in WORDS:
        if kept.issuperset(ids[full.id_to_piece(place)] for place in full.encode(word)):
            assert small.encode(word, out_type=str) == full.encode(word, out_type=str)


texts = st.lists(
    st.lists(st.text("abcäß文字", min_size=1, max_size=6), min_size=1, max_size=6), min_size=6, max_size=40
)


@pytest.mark.parametrize("write", [bert, roberta, xlm_roberta, llama], ids=lambda write: write.__name__)
@settings(max_examples=12, deadline=None)
@given(texts, st.integers(0, 40))
def test_trained_on_any_text(write: Callable[..., None], words: list[list[str]], first: int) -> None:
    lines = [" ".join(line) for line in words]
    with tempfile.TemporaryDirectory() as source, tempfile.TemporaryDirectory() as output:
        write(Path(source), lines=[*lines, "abcäß文字"])
        full = AutoTokenizer.from_pretrained(source)
        vocabulary = read_vocabulary(Path(source), "trained")
        chosen = {place for ids in full(lines[first:] or lines[:1])["input_ids"] for place in ids}
        closure = vocabulary.closure(np.array(sorted(chosen)))
        vocabulary.write(closure.ids, Path(output))
        Path(output, "config.json").write_bytes(Path(source, "config.json").read_bytes())
        small = AutoTokenizer.from_pretrained(output)
    kept = set(closure.ids.tolist())
    same = [line for line in [*lines, *map("".join, words)] if kept.issuperset(full(line)["input_ids"])]
    assert same
    for line in same:
        assert closure.ids[small(line)["input_ids"]].tolist() == full(line)["input_ids"]
    letters = set().union(*(vocabulary.pieces[place].removeprefix("##") for place in chosen))
    if write is not bert:  # whose reduction keeps no characters unasked
        spelt = [line for line in lines if letters.issuperset(line.replace(" ", "▁"))]
        assert [line for line in spelt if small.unk_token_id in small(line)["input_ids"]] == []
