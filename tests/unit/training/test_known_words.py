"""Lines encoded by words that were met before have the ids that the tokenizer gives them."""

import random

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from smelt.training import known_words
from smelt.training.known_words import LineEncoder

WORDS = ["water", "Été", "l'eau", "naïve", "3.5", "x" * 30, "(and)", "日本語", "नमस्ते", "don't", "a", "—", "\u0301mark"]


def lines_of(seed: int, number: int = 300) -> list[str]:
    """Return lines of words, some with runs of blanks or blanks at their ends."""
    drawn = random.Random(seed)
    joined = (drawn.choice([" ", " ", " ", "  ", "\t"]).join(drawn.choices(WORDS, k=12)) for _ in range(number))
    return [drawn.choice(["", " "]) + line + drawn.choice(["", " "]) for line in joined]


def trained(kind: str) -> Tokenizer:
    """Return a tokenizer of a kind."""
    if kind == "wordpiece":
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=["[UNK]", "[MASK]"], show_progress=False)
    elif kind == "unigram":
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.NFKC(), pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=120, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
        )
    else:
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(vocab_size=350, special_tokens=["<s>"], show_progress=False)
    tokenizer.train_from_iterator(lines_of(1), trainer)
    once = Tokenizer.from_str(tokenizer.to_str())  # which may change the last digit of a score
    return Tokenizer.from_str(once.to_str())


def expected(tokenizer: Tokenizer, lines: list[str]) -> list[list[int]]:
    """Return the ids that the tokenizer itself gives."""
    return [encoding.ids for encoding in tokenizer.encode_batch(lines, add_special_tokens=False)]


def found(encoder: LineEncoder, lines: list[str]) -> list[list[int]]:
    """Return the ids of each line."""
    sizes, ids = encoder.encode(lines)
    assert sizes.sum() == len(ids)
    return [part.tolist() for part in np.split(ids, np.cumsum(sizes)[:-1])]


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "bpe"])
def test_ids_are_those_of_the_tokenizer(kind: str) -> None:
    tokenizer = trained(kind)
    encoder = LineEncoder(tokenizer)
    for seed in range(2, 5):  # words of one call are known in the next
        lines = lines_of(seed)
        assert found(encoder, lines) == expected(tokenizer, lines)


@pytest.mark.parametrize("kind", ["wordpiece", "unigram", "bpe"])
@pytest.mark.parametrize("remembers", [True, False])
def test_ends_stand_where_the_offsets_of_ids_say(kind: str, remembers: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer, drawn = trained(kind), random.Random(3)
    encoder = LineEncoder(tokenizer)
    if not remembers:
        monkeypatch.setattr(encoder, "_words", None)
    lines = lines_of(7)
    places = [[place for place in range(1, len(line)) if not line[place - 1].isspace()] for line in lines]
    before_blanks = [[place for place in own if lines[row][place] == " "] for row, own in enumerate(places)]
    for chosen in (places, before_blanks):
        ends = [sorted(drawn.sample(own, min(3, len(own)))) if row % 3 else [] for row, own in enumerate(chosen)]
        sizes, ids, found_places = encoder.encode_with_ends(lines, ends)
        wanted, start = [], 0
        for line, own in zip(lines, ends, strict=True):
            encoding = tokenizer.encode(line, add_special_tokens=False)
            reach = np.maximum.accumulate([end for _, end in encoding.offsets])
            wanted += [start + int((reach <= end).sum()) for end in own]
            start += len(encoding.ids)
        assert found_places.tolist() == wanted
        assert (sizes.tolist(), ids.tolist()) == tuple(part.tolist() for part in encoder.encode(lines))


def test_words_that_hardly_come_again_are_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_words, "TRIAL", 20)
    tokenizer = trained("unigram")
    encoder = LineEncoder(tokenizer)
    lines = [f"日本語{number}です" for number in range(40)]
    assert found(encoder, lines) == expected(tokenizer, lines)
    assert encoder._words is None
    assert found(encoder, lines_of(2)) == expected(tokenizer, lines_of(2))
    again = LineEncoder(tokenizer)
    again.encode(lines_of(2))
    assert again._words is not None


def test_a_tokenizer_that_is_not_read_as_it_is_written_cuts_lines_itself() -> None:
    changed = -15.275492379532281  # tokenizers 0.23.3 reads another last digit
    tokenizer = Tokenizer(models.Unigram([("<unk>", 0.0), ("a", -1.0), ("b", changed)], 0, False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    encoder = LineEncoder(tokenizer)
    assert (encoder._words is None) == (Tokenizer.from_str(tokenizer.to_str()).to_str() != tokenizer.to_str())
    assert found(encoder, ["ab ba", "b"]) == expected(tokenizer, ["ab ba", "b"])


def test_no_line_has_no_ids() -> None:
    sizes, ids = LineEncoder(trained("wordpiece")).encode([])
    assert len(sizes) == len(ids) == 0
