import numpy as np
import pytest
import torch
from masking_toy import CLS, PAD, SEP, Vocabulary, draws_of, make_rows, recipe_of
from scipy.stats import chisquare
from training_toy import LENGTH, RECIPE, Toy, toy_batches

from smelt.training.blocks import TokenBlocks
from smelt.training.data import counts_of
from smelt.training.masking import RareTokens, masking_of
from smelt.training.pieces import Pieces, pieces_of

COUNTS = np.array([0, 0, 0, 0, 0, 0, 1, 10, 100, 1000])


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return pieces_of(Vocabulary(["▁a", "▁b", "c", "▁d", "e"]))


def test_a_token_is_drawn_in_proportion_to_its_smoothed_count(pieces: Pieces) -> None:
    row = np.array([[CLS, 5, 6, 7, 8, 9, SEP, PAD]])
    choose = RareTokens(
        pieces, recipe_of("rare", objective={"masking_probability": 0.1, "smoothing": 0.5}), COUNTS
    )  # one of seven tokens
    draws = np.random.default_rng(2).random((8000, 1, 1, row.shape[1]))
    drawn = sum(choose(row, draw)[0] for draw in draws)[0]
    weights = np.array([1, 1, 10**-0.5, 0.1, 1000**-0.5])  # a piece that never occurs counts as one that does once
    assert drawn.sum() == 8000
    assert drawn[[0, 6, 7]].sum() == 0
    assert chisquare(drawn[1:6], weights / weights.sum() * 8000).pvalue > 0.001


def test_many_tokens_are_drawn_as_torch_draws_without_replacement(pieces: Pieces) -> None:
    ids = make_rows(pieces, 4, 16)
    recipe = recipe_of("rare", objective={"masking_probability": 0.3})
    choose = RareTokens(pieces, recipe, COUNTS)
    draws = np.random.default_rng(3).random((3000, 4, 1, 16))
    ours = sum(choose(ids, draw)[0].astype(int) for draw in draws) / 3000
    weights = np.where(pieces.special, 0, np.maximum(COUNTS, 1.0) ** -recipe.objective.smoothing)[ids]
    torch.manual_seed(0)
    number = int(np.ceil(0.3 * 64))
    theirs = torch.multinomial(torch.from_numpy(weights.ravel()).expand(3000, -1), number, replacement=False)
    expected = np.bincount(theirs.numpy().ravel(), minlength=64).reshape(4, 16) / 3000
    assert np.abs(ours - expected).max() < 5 * np.sqrt(2 * 0.25 / 3000)


def test_64_rows_at_a_time_give_the_rate_of_their_tokens_to_the_last_one(pieces: Pieces) -> None:
    ids = make_rows(pieces, 150, 32)
    ids[:30, -11:] = PAD
    masking = masking_of(recipe_of("rare"), pieces, lambda: COUNTS)
    _, chosen = masking(ids, draws_of(masking, 150, 32))
    for first in range(0, 150, 64):
        rows = slice(first, first + 64)
        assert chosen[rows].sum() == np.ceil(0.15 * (ids[rows] != PAD).sum())
    assert chosen[:64].sum(1).std() > 1  # drawn over the rows together, not row by row


def test_special_tokens_are_never_drawn_even_where_more_are_wanted_than_there_are_others(pieces: Pieces) -> None:
    ids = np.array([[CLS, SEP, SEP, SEP, 5, 6, SEP, PAD]])
    masking = masking_of(recipe_of("rare", objective={"masking_probability": 0.9}), pieces, lambda: COUNTS)
    _, chosen = masking(ids, draws_of(masking, 1, 8))
    assert np.flatnonzero(chosen).tolist() == [4, 5]


def test_a_limit_leaves_each_row_the_first_that_were_drawn(pieces: Pieces) -> None:
    ids = make_rows(pieces, 64, 32)
    free, limited = (
        masking_of(
            recipe_of("rare", objective={"masking_probability": 0.3, "max_predictions": most}), pieces, lambda: COUNTS
        )
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
