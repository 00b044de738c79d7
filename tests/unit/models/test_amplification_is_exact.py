"""Exactness, tried on vocabularies and texts drawn at random: what no new piece comes up in is cut as before."""

import itertools
import random
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from bench.tokenizer_layouts import write_json
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from smelt.models.amplify.command import count_words, write_vocabulary
from smelt.models.amplify.growth import SPARE, Growth, growth_of
from smelt.models.amplify.learning import draw, learn
from smelt.models.vocabulary.vocabulary import Vocabulary, read_vocabulary

WORDS = ["".join(letters) for size in range(1, 5) for letters in itertools.product("abc", repeat=size)]
WORDS += ["".join(random.Random(seed).choices("abcd", k=5 + seed % 4)) for seed in range(150)]

pieces = st.text("abcd", min_size=2, max_size=4)
examples = settings(max_examples=25, deadline=None)


def read(tokenizer: Tokenizer, folder: Path, unknown: str | None) -> Vocabulary:
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Fuse()
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"tokenizer_class": "PreTrainedTokenizerFast"} | ({"unk_token": unknown} if unknown else {})
    write_json(folder / "tokenizer_config.json", names)
    return read_vocabulary(folder, "random")


def text_of(folder: Path, seed: int) -> Path:
    """Write a text of the words, some of them common."""
    draw = random.Random(seed)
    lines = [" ".join(draw.choices(WORDS, [1 / (1 + place % 17) for place in range(len(WORDS))], k=400))]
    path = folder / "documents.parquet"
    pq.write_table(pa.table({"id": ["1"], "title": [""], "text": lines, "held_out": [False]}), path)
    return path


class Found(NamedTuple):
    growth: Growth
    wrong: list[Any]
    """Words without new pieces that are cut differently than before, with both cuts."""
    kept: int
    """Words of several pieces, none of them new."""
    added: int
    used: int
    """New pieces that come up in the words."""


def changed(tokenizer: Tokenizer, unknown: str | None, seed: int, number: int) -> Found:
    """Amplify a tokenizer, and cut all words with both."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vocabulary = read(tokenizer, folder / "old", unknown)
        growth = growth_of(vocabulary)
        words = count_words(vocabulary, growth, draw({"qaa": text_of(folder, seed)}, 1, 1))
        addition = growth.addition(learn(words or Counter({"a": 1}), int(SPARE * number)), number)
        (folder / "new").mkdir()
        write_vocabulary(vocabulary, growth, addition, folder / "new")
        new = Tokenizer.from_file(str(folder / "new/tokenizer.json"))
    before, after = ([cut.ids for cut in one.encode_batch(WORDS, add_special_tokens=False)] for one in (tokenizer, new))
    whole = [each for each in zip(WORDS, before, after, strict=True) if max(each[2], default=0) < vocabulary.size]
    wrong = [each for each in whole if each[1] != each[2]]
    used = {identity for cut in after for identity in cut if identity >= vocabulary.size}
    return Found(growth, wrong, sum(len(cut) > 1 for _, cut, _ in whole), len(addition.pieces), len(used))


def assert_exact(found: Found, number: int) -> None:
    """Check that only words with new pieces are cut differently, and that the examples have words of both kinds."""
    assert found.wrong == []
    assert 3 * found.used >= found.added
    assert found.added or number < 5  # what grows first may be an old piece that was never used
    assert found.kept > 0 or number > 10


@examples
@given(st.sets(pieces, max_size=15), st.sets(pieces, max_size=15), st.integers(0, 999), st.integers(1, 30))
def test_wordpiece(starts: set[str], rest: set[str], seed: int, number: int) -> None:
    listed = ["[UNK]", *"abcd", *(f"##{letter}" for letter in "abcd"), *sorted(starts)]
    listed += [f"##{piece}" for piece in sorted(rest)]
    tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(listed)}, unk_token="[UNK]"))
    found = changed(tokenizer, "[UNK]", seed, number)
    assert not found.growth.tightened
    assert_exact(found, number)


@examples
@given(st.sets(pieces, max_size=20), st.integers(0, 999), st.integers(1, 30))
@example(set(), 26, 20)
def test_wordpiece_whose_rest_may_fit_no_more(rest: set[str], seed: int, number: int) -> None:
    """Without a piece ##d of its own, a new piece's end may leave a d that none begins with: the word is unknown."""
    listed = ["[UNK]", *"abcd", "##a", "##b", "##c", *(f"##{piece}" for piece in sorted(rest | {"cd"}))]
    tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(listed)}, unk_token="[UNK]"))
    found = changed(tokenizer, "[UNK]", seed, number)
    assert found.growth.tightened
    assert found.wrong or (rest, seed) != (set(), 26)  # of a text whose new pieces are known to do so
    assert all((cut, 0 in known) == ([0], False) for _, known, cut in found.wrong)
    assert_exact(found._replace(wrong=[]), number)


@examples
@given(st.sets(pieces, max_size=25), st.integers(0, 999), st.integers(1, 30))
def test_unigram(some: set[str], seed: int, number: int) -> None:
    draw = np.random.default_rng(seed)
    listed = ["<unk>", *"abc", *sorted(some)]  # d is unknown alone
    scores = [0.0, *np.round(-0.1 - draw.exponential(4, len(listed) - 1), 1).tolist()]  # many ties
    tokenizer = Tokenizer(models.Unigram(list(zip(listed, scores, strict=True)), unk_id=0))
    found = changed(tokenizer, "<unk>", seed, number)
    assert_exact(found, number)


@examples
@given(st.integers(0, 40), st.integers(0, 999), st.integers(1, 30))
def test_byte_pairs(merges: int, seed: int, number: int) -> None:
    draw = random.Random(seed)
    listed, pairs = ["<unk>", *"abcd"], []
    for _ in range(merges):
        left, right = draw.choices(listed[1:], k=2)
        if len(left + right) <= 4 and (left, right) not in pairs:
            pairs.append((left, right))
            listed += [left + right] if left + right not in listed else []
    tokenizer = Tokenizer(models.BPE({piece: n for n, piece in enumerate(listed)}, pairs, unk_token="<unk>"))
    found = changed(tokenizer, "<unk>", seed, number)
    assert_exact(found, number)
