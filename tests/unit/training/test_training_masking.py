from typing import Any

import numpy as np
import pytest
import torch
from masking_toy import CLS, MASK, PAD, SEP, Vocabulary, draws_of, make_rows, objective_settings
from scipy.stats import chisquare
from tokenizers import decoders, models, pre_tokenizers
from training_toy import LENGTH, RECIPE, Toy, toy_batches

from smelt.errors import SmeltError
from smelt.training.blocks import TokenBlocks
from smelt.training.data import counts_of
from smelt.training.masking import OF_FATE, Masking, RareTokens, Runs, length_probabilities, masking_of
from smelt.training.pieces import Pieces, bytes_of, pieces_of
from smelt.training.sampler import VALIDATION, seeded_draws

WHOLE = ["words", "ngrams", "spans"]
KINDS = ["tokens", *WHOLE]
COUNTS = np.array([0, 0, 0, 0, 0, 0, 1, 10, 100, 1000])


def starts(pieces: list[str], *parts: object) -> list[bool]:
    return pieces_of(Vocabulary(pieces, *parts)).word_start[5:].tolist()


def test_sentencepiece_words_begin_at_their_mark_at_punctuation_and_in_scripts_without_spaces() -> None:
    assert starts(["▁the", "re", "▁", ",", "今日", "のは", "ไทย", "한국", "é"]) == [
        True, False, True, True, True, True, True, False, False,
    ]  # fmt: skip


def test_wordpiece_words_begin_without_their_mark() -> None:
    assert starts(["the", "##re", ",", "日"], models.WordPiece()) == [True, False, True, True]


def test_a_wordpiece_vocabulary_with_sentencepieces_mark_among_its_characters_stays_wordpiece() -> None:
    assert starts(["the", "##re", "▁", "##▁"], models.WordPiece())[:2] == [True, False]


def byte_level(*texts: bytes) -> list[str]:
    letters = {byte: letter for letter in pre_tokenizers.ByteLevel.alphabet() for byte in bytes_of(letter)}
    return ["".join(letters[byte] for byte in text) for text in texts]


def test_byte_level_words_begin_at_a_blank_at_punctuation_and_in_scripts_without_spaces() -> None:
    pieces = byte_level(b" the", b"re", "é".encode(), b" ", b",", "“".encode(), "日本".encode(), "한".encode())
    assert starts(pieces, models.BPE(), decoders.ByteLevel()) == [
        True, False, False, True, True, True, True, False,
    ]  # fmt: skip


def test_parts_of_characters_begin_a_word_by_what_they_may_become_and_never_within_a_character() -> None:
    japanese, thai, quotes, cyrillic, rest = b"\xe3\x81", b"\xe0\xb8", b"\xe2\x80", b"\xd0", b"\x82"
    pieces = byte_level(japanese, thai, quotes, cyrillic, rest, rest + "日".encode(), b"\xf0\xa0")
    assert starts(pieces, models.BPE(), decoders.ByteLevel()) == [True, True, True, False, False, False, True]


def test_pieces_that_mark_no_words_are_refused() -> None:
    with pytest.raises(SmeltError, match=r"marked with ▁ .* ## .* Ġ .*; found none"):
        starts(["the", "re"], models.BPE())


def no_counts() -> np.ndarray:
    raise AssertionError("counts are for rare tokens only")


Masked = tuple[Pieces, np.ndarray, np.ndarray, np.ndarray]


def mask(pieces: Pieces, kind: str, rows: int = 2000, length: int = 128, **settings: Any) -> Masked:
    ids = make_rows(pieces, rows, length)
    ids[: rows // 20, -length // 6 :] = PAD
    masking = masking_of(objective_settings(kind, **settings), pieces, no_counts)
    return pieces, ids, *masking(ids, draws_of(masking, rows, length))


@pytest.fixture(scope="module", params=KINDS)
def masked(toy: Toy, request: pytest.FixtureRequest) -> Masked:
    return mask(toy.pieces, request.param)


def test_the_share_of_masked_tokens_is_the_rate(masked: Masked) -> None:
    pieces, ids, _, chosen = masked
    ordinary = (~pieces.special[ids]).sum()
    assert chosen.sum() == pytest.approx(0.15 * ordinary, rel=0.005)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("length", "rate"), [(16, 0.15), (32, 0.3), (256, 0.05)])
def test_the_share_is_the_rate_at_any_length(toy: Toy, kind: str, length: int, rate: float) -> None:
    pieces, ids, _, chosen = mask(toy.pieces, kind, 3000, length, masking_probability=rate)
    ordinary = (~pieces.special[ids]).sum()
    assert chosen.sum() == pytest.approx(rate * ordinary, rel=0.02)


def test_special_tokens_and_padding_are_never_masked(masked: Masked) -> None:
    pieces, ids, _, chosen = masked
    assert not chosen[pieces.special[ids]].any()


def test_every_place_of_a_row_is_as_likely_to_be_masked(masked: Masked) -> None:
    pieces, ids, _, chosen = masked
    unpadded = slice(100, None)
    places = ~pieces.special[ids[unpadded]].any(0)
    shares = chosen[unpadded].mean(0)[places]
    deviation = np.sqrt(0.15 * 0.85 / 1900)
    assert np.abs(shares - 0.15).max() < 5 * deviation


@pytest.mark.parametrize("kind", WHOLE)
def test_words_are_masked_whole_or_not_at_all(toy: Toy, kind: str) -> None:
    pieces, ids, _, chosen = mask(toy.pieces, kind)
    continues = ~pieces.word_start[ids[:, 1:]] & ~pieces.special[ids[:, :-1]]
    assert continues.any()
    assert (chosen[:, 1:] == chosen[:, :-1])[continues].all()


def test_single_tokens_are_masked_without_regard_to_words(toy: Toy) -> None:
    pieces, ids, _, chosen = mask(toy.pieces, "tokens")
    continues = ~pieces.word_start[ids[:, 1:]] & ~pieces.special[ids[:, :-1]]
    together = (chosen[:, 1:] & chosen[:, :-1])[continues].mean()
    assert together == pytest.approx(0.15**2, rel=0.1)


def test_eighty_percent_become_the_mask_ten_another_piece_and_ten_stay(masked: Masked) -> None:
    pieces, ids, replaced, chosen = masked
    n = chosen.sum() / 4  # spans share a fate, which leaves fewer that are independent
    deviation = 5 / np.sqrt(n)
    assert (replaced[chosen] == MASK).mean() == pytest.approx(0.8, abs=0.4 * deviation)
    stayed = (replaced[chosen] == ids[chosen]).mean()
    assert stayed == pytest.approx(0.1 + 0.1 / len(pieces.ordinary), abs=0.3 * deviation)


def test_random_pieces_are_never_special_and_come_from_the_whole_vocabulary(masked: Masked) -> None:
    pieces, ids, replaced, chosen = masked
    random = replaced[chosen & (replaced != MASK) & (replaced != ids)]
    assert not pieces.special[random].any()
    assert set(random) == set(pieces.ordinary)


def test_what_is_not_chosen_stays_as_it_is(masked: Masked) -> None:
    _, ids, replaced, chosen = masked
    assert np.array_equal(ids[~chosen], replaced[~chosen])


def test_a_word_longer_than_the_rate_allows_is_masked_in_part_rather_than_never() -> None:
    pieces = pieces_of(Vocabulary(["▁a", "b"]))
    ids = np.full((400, 32), 6)
    ids[:, 0], ids[:, 1], ids[:, -1] = CLS, 5, SEP
    for kind in WHOLE:
        masking = Masking(pieces, Runs(pieces, objective_settings(kind)))
        _, chosen = masking(ids, draws_of(masking, 400, 32))
        assert chosen.sum(1).max() <= 5
        assert chosen.sum() == pytest.approx(0.15 * 30 * 400, rel=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_no_row_has_more_predictions_than_allowed(toy: Toy, kind: str) -> None:
    _, _, _, chosen = mask(toy.pieces, kind, max_predictions=7)
    assert 5 < chosen.sum(1).mean() <= chosen.sum(1).max() <= 7


def test_a_limit_above_the_rate_changes_nothing(toy: Toy) -> None:
    assert np.array_equal(mask(toy.pieces, "ngrams")[2], mask(toy.pieces, "ngrams", max_predictions=60)[2])


@pytest.fixture(scope="module", params=["ngrams", "spans"])
def cut(request: pytest.FixtureRequest) -> tuple[str, np.ndarray, np.ndarray]:
    """Long rows of one-token words, cut into runs: the number of each token's run, and which tokens are chosen."""
    pieces = pieces_of(Vocabulary(["▁a", "▁b"]))
    ids = np.full((40, 4096), 5)
    ids[:, 0], ids[:, -1] = CLS, SEP
    special = pieces.special[ids]
    masking = Masking(pieces, Runs(pieces, objective_settings(request.param)))
    draws = draws_of(masking, *ids.shape)
    _, chosen = masking(ids, draws)
    firsts = masking.choose.cut_runs(np.ones_like(special), special, draws[:, OF_FATE:])
    return request.param, firsts + np.arange(len(ids))[:, None] * ids.shape[1], chosen


def test_runs_of_words_are_masked_whole_but_for_one_in_a_row_that_the_rate_cuts(cut) -> None:
    _, runs, chosen = cut
    sizes, taken = np.bincount(runs.ravel()), np.bincount(runs.ravel(), weights=chosen.ravel())
    in_part = np.flatnonzero((taken > 0) & (taken < sizes))
    rows = in_part // chosen.shape[1]
    assert len(set(rows)) == len(rows)


def test_masked_runs_have_lengths_of_the_published_probabilities(cut) -> None:
    kind, runs, chosen = cut
    sizes, taken = np.bincount(runs.ravel()), np.bincount(runs.ravel(), weights=chosen.ravel())
    published = {"ngrams": [6 / 11, 3 / 11, 2 / 11], "spans": 0.2 * 0.8 ** np.arange(10) / (1 - 0.8**10)}[kind]
    lengths = sizes[(taken == sizes) & (sizes > 0)]
    found = np.bincount(lengths, minlength=len(published) + 1)[1:]
    assert found.sum() > 5000
    assert chisquare(found, np.array(published) * found.sum()).pvalue > 0.001


def test_spans_are_as_long_on_average_as_published() -> None:
    lengths = np.arange(1, 11)
    assert (length_probabilities("spans", 10) * lengths).sum() == pytest.approx(3.8, abs=0.005)


def test_the_longest_run_is_the_recipes(toy: Toy) -> None:
    assert length_probabilities("ngrams", objective_settings("ngrams").longest_run).shape == (3,)
    assert length_probabilities("ngrams", objective_settings("ngrams", max_ngram=5).longest_run).shape == (5,)
    assert np.array_equal(mask(toy.pieces, "ngrams", max_ngram=1)[3], mask(toy.pieces, "words")[3])


def test_all_pieces_of_a_span_share_one_fate(toy: Toy) -> None:
    pieces, ids, rate = toy.pieces, make_rows(toy.pieces, 500, 128), 0.1
    masking = masking_of(objective_settings("spans", masking_probability=rate), pieces, no_counts)
    draws = draws_of(masking, *ids.shape)
    replaced, chosen = masking(ids, draws)
    special = pieces.special[ids]
    allowed = rate * (~special).sum(1, keepdims=True)
    spans = masking.choose.cut_runs(masking.choose.atoms(ids, special, allowed), special, draws[:, OF_FATE:])
    spans += np.arange(len(ids))[:, None] * 128
    taken = np.bincount(spans.ravel(), weights=chosen.ravel())
    became_masks = np.bincount(spans.ravel(), weights=(chosen & (replaced == MASK)).ravel())
    stayed = np.bincount(spans.ravel(), weights=(chosen & (replaced == ids)).ravel())
    longer = taken > 3
    assert np.isin(became_masks[longer] / taken[longer], (0, 1)).all()
    share_that_stays = (stayed == taken)[longer].mean()
    assert share_that_stays == pytest.approx(0.1, abs=0.03)


def test_neighbours_that_are_masked_together_have_fates_of_their_own(toy: Toy) -> None:
    _, _, replaced, chosen = mask(toy.pieces, "ngrams")
    neighbours = chosen[:, 1:] & chosen[:, :-1]
    both = ((replaced[:, 1:] == MASK) & (replaced[:, :-1] == MASK))[neighbours].mean()
    assert both == pytest.approx(0.64, abs=0.02)


def test_draws_of_a_row_depend_neither_on_the_size_of_the_batch_nor_on_the_rows_before() -> None:
    whole = seeded_draws(1, 0, 5, range(8), 10)
    assert np.array_equal(whole[:3], seeded_draws(1, 0, 5, range(3), 10))
    assert np.array_equal(whole[5:7], seeded_draws(1, 0, 5, range(5, 7), 10))
    assert len(np.unique(whole)) == whole.size
    assert not np.array_equal(whole, seeded_draws(1, VALIDATION, 5, range(8), 10))
    assert not np.array_equal(whole, seeded_draws(1, 0, 6, range(8), 10))
    assert not np.array_equal(whole, seeded_draws(2, 0, 5, range(8), 10))


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return pieces_of(Vocabulary(["▁a", "▁b", "c", "▁d", "e"]))


def test_a_token_is_drawn_in_proportion_to_its_smoothed_count(pieces: Pieces) -> None:
    row = np.array([[CLS, 5, 6, 7, 8, 9, SEP, PAD]])
    choose = RareTokens(
        pieces, objective_settings("rare", masking_probability=0.1, smoothing=0.5), COUNTS
    )  # one of seven tokens
    draws = np.random.default_rng(2).random((8000, 1, 1, row.shape[1]))
    drawn = sum(choose(row, draw)[0] for draw in draws)[0]
    weights = np.array([1, 1, 10**-0.5, 0.1, 1000**-0.5])  # a piece that never occurs counts as one that does once
    assert drawn.sum() == 8000
    assert drawn[[0, 6, 7]].sum() == 0
    assert chisquare(drawn[1:6], weights / weights.sum() * 8000).pvalue > 0.001


def test_many_tokens_are_drawn_as_torch_draws_without_replacement(pieces: Pieces) -> None:
    ids = make_rows(pieces, 4, 16)
    settings = objective_settings("rare", masking_probability=0.3)
    choose = RareTokens(pieces, settings, COUNTS)
    draws = np.random.default_rng(3).random((3000, 4, 1, 16))
    ours = sum(choose(ids, draw)[0].astype(int) for draw in draws) / 3000
    weights = np.where(pieces.special, 0, np.maximum(COUNTS, 1.0) ** -settings.smoothing)[ids]
    torch.manual_seed(0)
    number = int(np.ceil(0.3 * 64))
    theirs = torch.multinomial(torch.from_numpy(weights.ravel()).expand(3000, -1), number, replacement=False)
    expected = np.bincount(theirs.numpy().ravel(), minlength=64).reshape(4, 16) / 3000
    assert np.abs(ours - expected).max() < 5 * np.sqrt(2 * 0.25 / 3000)


def test_64_rows_at_a_time_give_the_rate_of_their_tokens_to_the_last_one(pieces: Pieces) -> None:
    ids = make_rows(pieces, 150, 32)
    ids[:30, -11:] = PAD
    masking = masking_of(objective_settings("rare"), pieces, lambda: COUNTS)
    _, chosen = masking(ids, draws_of(masking, 150, 32))
    for first in range(0, 150, 64):
        rows = slice(first, first + 64)
        assert chosen[rows].sum() == np.ceil(0.15 * (ids[rows] != PAD).sum())
    assert chosen[:64].sum(1).std() > 1  # drawn over the rows together, not row by row


def test_special_tokens_are_never_drawn_even_where_more_are_wanted_than_there_are_others(pieces: Pieces) -> None:
    ids = np.array([[CLS, SEP, SEP, SEP, 5, 6, SEP, PAD]])
    masking = masking_of(objective_settings("rare", masking_probability=0.9), pieces, lambda: COUNTS)
    _, chosen = masking(ids, draws_of(masking, 1, 8))
    assert np.flatnonzero(chosen).tolist() == [4, 5]


def test_a_limit_leaves_each_row_the_first_that_were_drawn(pieces: Pieces) -> None:
    ids = make_rows(pieces, 64, 32)
    free, limited = (
        masking_of(objective_settings("rare", masking_probability=0.3, max_predictions=most), pieces, lambda: COUNTS)
        for most in (None, 8)
    )
    draws = draws_of(free, 64, 32)
    before, after = free(ids, draws)[1], limited(ids, draws)[1]
    assert not (after & ~before).any()
    assert np.array_equal(after.sum(1), np.minimum(before.sum(1), 8))
    assert (before.sum(1) > 8).any()


def test_counts_are_those_of_the_training_blocks_without_their_padding(toy: Toy) -> None:
    pieces = toy.pieces
    blocks = [TokenBlocks(folder, "train", pieces, LENGTH) for folder in toy.blocks]
    expected = np.zeros(pieces.size, int)
    for part in blocks:
        numbers = np.arange(len(part))
        for ids, length in zip(part.content(numbers), part.lengths(numbers), strict=True):
            np.add.at(expected, ids[:length], 1)
    assert counts_of(blocks, pieces.size).tolist() == expected.tolist()


def test_counting_a_part_at_a_time_changes_nothing(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = TokenBlocks(toy.blocks[0], "train", toy.pieces, LENGTH)
    whole = blocks.counts(toy.pieces.size)
    monkeypatch.setattr("smelt.training.blocks.COUNTED_AT_ONCE", 1000)
    assert blocks.tokens > 2000
    assert np.array_equal(blocks.counts(toy.pieces.size), whole)


def test_batches_of_a_recipe_mask_rare_pieces_more_often(toy: Toy) -> None:
    batches = toy_batches(toy, RECIPE.override({"data": {"batch": 256}, "objective": {"masking": "rare"}}))
    blocks = [TokenBlocks(folder, "train", toy.pieces, LENGTH) for folder in toy.blocks]
    counts = counts_of(blocks, toy.pieces.size)
    batch = batches.train(1)
    unmasked = batch.input_ids.flatten().index_copy(0, batch.masked, batch.labels)
    rare = torch.from_numpy(counts <= np.median(counts))
    assert rare[batch.labels].float().mean() > 1.5 * rare[unmasked[unmasked > 4]].float().mean()
