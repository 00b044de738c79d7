"""Coverage, weights, multiples and sets choose the pieces that they say, with each kind of tokenizer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from counted_tokenizers import BUILDERS, sentences
from reducible import PIECES, write_model
from test_reduction_selection import NONE, counts_of, ids
from transformers import AutoTokenizer

from smelt.__main__ import main
from smelt.entry import check
from smelt.errors import SmeltError
from smelt.models.reduce.choice import choose
from smelt.models.reduce.count import count_languages
from smelt.models.reduce.selection import PieceCounts, select
from smelt.models.reduce.sets import pieces_of_set, pieces_of_texts
from smelt.models.vocabulary.spelling import texts_of_pieces
from smelt.models.vocabulary.texts import texts_by_language, write_languages
from smelt.models.vocabulary.vocabulary import Vocabulary, read_vocabulary
from smelt.study.makers.reduce import SelectionRule

KINDS = ["WordPiece, cased", "byte-level BPE", "Unigram, ours"]


@pytest.mark.parametrize(
    ("coverage", "kept"), [(0.5, [1]), (0.6, [1, 3]), (0.9, [1, 3]), (0.91, [0, 1, 3]), (1, [0, 1, 3, 4])]
)
def test_a_coverage_takes_the_fewest_pieces_that_reach_it(coverage: float, kept: list[int]) -> None:
    counts = [counts_of("xa", [5, 50, 0, 40, 5])]
    assert ids(select(counts, SelectionRule(coverage=coverage), NONE).ids) == kept


def test_a_coverage_is_reached_in_each_language_however_small() -> None:
    counts = [counts_of("xa", [900, 90, 10, 0, 0]), counts_of("xb", [0, 0, 0, 6, 4])]
    selection = select(counts, SelectionRule(coverage=0.9), NONE)
    assert {name: ids(kept) for name, kept in selection.by_language.items()} == {"xa": [0], "xb": [3, 4]}


def test_weights_move_room_of_a_size_to_a_language() -> None:
    counts = [counts_of("xa", [40, 30, 20, 0, 0, 0]), counts_of("xb", [0, 0, 0, 15, 10, 5])]
    chosen = [ids(select(counts, SelectionRule(size=3, weights=weights), NONE).ids) for weights in ({}, {"xb": 4.0})]
    assert chosen == [[0, 1, 2], [0, 3, 4]]


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        ({"coverage": 0.9, "size": 5}, "expected either threshold, coverage or size, found coverage and size"),
        ({"coverage": 0.9, "of": "lines"}, "of: has no effect with coverage"),
        ({"coverage": 1.5}, "coverage: expected a number of at most 1"),
        ({"threshold": 0.1, "weights": {"xa": 2}}, "weights: has no effect without size"),
        ({"size": 100, "multiple_of": 64}, "size: expected a multiple of 64, such as 64 or 128; found 100"),
        ({"multiple_of": 1}, "multiple_of: expected a number of at least 2"),
    ],
)
def test_rules_that_do_not_go_together_are_refused(rule: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SmeltError) as error:
        check(SelectionRule, rule, "study")
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("weights", "complaint"),
    [({"xc": 2.0}, "'xc' is not among"), ({"xa": 2.0, "xb": 2.0}, "all languages weigh the same")],
)
def test_weights_of_no_effect_are_refused(weights: dict[str, float], complaint: str) -> None:
    counts = [counts_of("xa", [3, 1]), counts_of("xb", [1, 2])]
    with pytest.raises(SmeltError, match=complaint):
        select(counts, SelectionRule(size=1, weights=weights), NONE)


@pytest.fixture(params=KINDS)
def counted(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Vocabulary, list[PieceCounts]]:
    """A tokenizer, and how often some sentences use its pieces."""
    BUILDERS[request.param]().whole.save_pretrained(tmp_path / "tokenizer")
    vocabulary = read_vocabulary(tmp_path / "tokenizer", "tokenizer")
    text = tmp_path / "qaa.txt"
    text.write_text("\n".join(sentences(60, seed=5)), encoding="utf-8")
    documents = write_languages(texts_by_language([f"qaa={text}"], None), tmp_path, 0.1, 1)
    return vocabulary, count_languages(vocabulary, documents, tmp_path, 1)


@pytest.mark.parametrize("rule", [{"coverage": 0.9}, {"threshold": 0.1}, {"coverage": 1.0}])
def test_a_multiple_is_filled_with_the_next_pieces_and_stays_closed(
    counted: tuple[Vocabulary, list[PieceCounts]], rule: dict[str, Any]
) -> None:
    vocabulary, counts = counted
    before = choose(vocabulary, counts, SelectionRule(**rule), {})
    after = choose(vocabulary, counts, SelectionRule(**rule, multiple_of=32), {})
    assert len(after.ids) == -(-len(before.ids) // 32) * 32
    assert np.isin(before.ids, after.ids).all()
    assert ids(np.union1d(before.ids, after.fill)) == ids(after.ids)
    assert ids(vocabulary.closure(after.ids).ids) == ids(after.ids)
    used = counts[0].occurrences
    left = np.setdiff1d(np.arange(vocabulary.size), after.ids)
    assert used[after.fill].sum() >= np.sort(used[left])[-len(after.fill) :].sum() * 0.5


def test_a_multiple_beyond_the_vocabulary_is_refused(counted: tuple[Vocabulary, list[PieceCounts]]) -> None:
    vocabulary, counts = counted
    with pytest.raises(SmeltError, match="multiple_of: found 100,000"):
        choose(vocabulary, counts, SelectionRule(multiple_of=100_000), {})


@pytest.mark.parametrize(
    ("name", "letters"), [("greek", "αβγδεικλνοπρστώ"), ("devanagari", "कखगतनपमरलसािे्ं"), ("digits", "0123456789")]
)
def test_a_set_has_the_pieces_whose_whole_text_is_of_it(
    counted: tuple[Vocabulary, list[PieceCounts]], name: str, letters: str
) -> None:
    vocabulary, _ = counted
    texts = list(texts_of_pieces(vocabulary))
    of_set = [texts[identity] for identity in pieces_of_set(vocabulary, texts, name)]
    assert of_set
    assert all(set(text) <= set(letters + letters.upper()) for text in of_set)
    rest = [text for identity, text in enumerate(texts) if identity not in set(pieces_of_set(vocabulary, texts, name))]
    assert not any(text and set(text) <= set(letters) for text in rest)


def _cut(vocabulary: Vocabulary, text: str) -> list[str]:
    return list(vocabulary.tokenizer.tokenize(text))


def test_texts_keep_the_pieces_that_they_are_cut_into(counted: tuple[Vocabulary, list[PieceCounts]]) -> None:
    vocabulary, _ = counted
    known = [
        text for text in texts_of_pieces(vocabulary) if vocabulary.tokenizer.unk_token not in _cut(vocabulary, text)
    ]
    text = max(known, key=len)
    kept = pieces_of_texts(vocabulary, [text])
    assert set(vocabulary.tokenizer(text, add_special_tokens=False)["input_ids"]) == set(kept.tolist())


def test_the_command_records_what_was_asked_for(tmp_path: Path) -> None:
    source = write_model(tmp_path / "source")
    text = tmp_path / "qaa.txt"
    text.write_text("\n".join(f"{'pata kimo' if n % 2 else 'pata'} ." for n in range(60)), encoding="utf-8")
    words = ["--coverage", "0.9", "--multiple-of", "8", "--keep-sets", "latin-letters", "--keep-texts", "baba"]
    place = ["--model", str(source), "--corpus", str(text), "--output", str(tmp_path / "out"), "--threads", "1"]
    assert main(["reduce", *words, *place]) == 0
    record = json.loads((tmp_path / "out/reduction.json").read_text())
    rule = {"coverage": 0.9, "multiple_of": 8, "of": "occurrences", "keep_sets": ["latin-letters"]}
    assert rule.items() <= record["rule"].items()
    assert record["pieces"] % 8 == 0
    kept = set(AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab())
    assert {"ba", "##ba", "pa"} <= kept
    assert {piece for piece in PIECES if len(piece.removeprefix("##")) == 1 and piece[-1].isalpha()} <= kept


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--keep-sets", "cyrilic"], "did you mean cyrillic?"),
        (["--keep-sets", "cyrillic"], "no piece of its tokenizer is of the set 'cyrillic'"),
        (["--keep-texts", " "], "expected a text whose pieces are to be kept"),
        (["--keep-texts", "жук"], "unknown pieces in 'жук'"),
        (["--weights", "sw"], "expected a language and its weight, such as sw=2, found 'sw'"),
    ],
)
def test_what_cannot_be_kept_is_one_line(
    words: list[str], complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = write_model(tmp_path / "source")
    text = tmp_path / "qaa.txt"
    text.write_text("\n".join(["pata kimo ."] * 100), encoding="utf-8")
    place = ["--model", str(source), "--corpus", str(text), "--output", str(tmp_path / "out"), "--threads", "1"]
    assert main(["reduce", *words, *place]) == 1
    shown = capsys.readouterr().err
    assert complaint in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "out").exists()
