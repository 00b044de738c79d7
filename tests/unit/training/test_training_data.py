from collections.abc import Iterator
from itertools import chain, pairwise, product

import numpy as np
import pytest
import torch
from training_toy import LENGTH, RECIPE, Toy, toy_batches

from smelt.entry import merge
from smelt.training.blocks import TokenBlocks
from smelt.training.data import Batch, Batches, list_blocks, prefetch
from smelt.training.distributed import Processes
from smelt.training.examples import IGNORED, SHORTEST, shorten
from smelt.training.pieces import Pieces

CLS, SEP, PAD = 2, 3, 0
CONTENT = LENGTH - 3
KINDS = ["words", "ngrams", "spans", "rare"]
VARIANTS = [
    {"objective": {"masking": masking, "sentences": sentences}}
    for masking, sentences in product(KINDS, ["order", "next"])
]
VARIANTS += [
    {"objective": {"masking": "tokens", "sentences": "none"}},
    {"objective": {"masking": "rare", "sentences": "none"}},
]


@pytest.fixture(scope="module")
def pieces(toy: Toy) -> Pieces:
    return toy.pieces


def make(toy: Toy, processes: Processes | None = None, **settings: object) -> Batches:
    recipe = RECIPE.override(merge({"data": {"batch": 16}}, settings))
    return toy_batches(toy, recipe, *([processes] if processes else []))


def unmasked(batch: Batch) -> np.ndarray:
    ids = batch.input_ids.numpy().copy()
    ids.ravel()[batch.masked.numpy()] = batch.labels.numpy()
    return ids


def segments(row: np.ndarray, types: np.ndarray, length: int) -> tuple[list[int], list[int]]:
    assert (row[length:] == PAD).all()
    first, second = row[:length][types[:length] == 0], row[:length][types[:length] == 1]
    assert (first[0], first[-1], second[-1]) == (CLS, SEP, SEP)
    return first[1:-1].tolist(), second[:-1].tolist()


Example = tuple[list[int], list[int], int]


def examples(batches: Batches, steps: range) -> Iterator[Example]:
    """Yield the two segments and the label of each row."""
    for batch in map(batches.train, steps):
        rows = zip(
            unmasked(batch), batch.token_type_ids.numpy(), batch.lengths, batch.sentence_labels.tolist(), strict=True
        )
        for row, types, length, label in rows:
            yield *segments(row, types, length), label


def contents(toy: Toy, pieces: Pieces) -> list[list[tuple[int, ...]]]:
    """Return the tokens of every block, by language."""
    found = []
    for folder in toy.blocks:
        blocks = TokenBlocks(folder, "train", pieces, LENGTH)
        numbers = np.arange(len(blocks))
        parts = zip(blocks.content(numbers).tolist(), blocks.lengths(numbers).tolist(), strict=True)
        found.append([tuple(ids[:length]) for ids, length in parts])
    return found


def same(one: Batch, other: Batch) -> bool:
    values = zip(vars(one).values(), vars(other).values(), strict=True)
    return all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in values)


def joined(parts: list[Batch], like: Batch) -> Batch:
    """Return the batches of several processes as one."""
    width = like.input_ids.shape[1]
    offsets = np.cumsum([0, *(len(part) for part in parts[:-1])]) * width
    masks = [
        part.attention_mask if part.attention_mask is not None else torch.ones_like(part.input_ids) for part in parts
    ]
    return Batch(
        input_ids=torch.cat([part.input_ids for part in parts]),
        token_type_ids=torch.cat([part.token_type_ids for part in parts]),
        attention_mask=torch.cat(masks) if like.attention_mask is not None else None,
        masked=torch.cat([part.masked + offset for part, offset in zip(parts, offsets.tolist(), strict=True)]),
        labels=torch.cat([part.labels for part in parts]),
        sentence_labels=torch.cat([part.sentence_labels for part in parts]),
        lengths=np.concatenate([part.lengths for part in parts]),
        cut=np.concatenate([part.cut for part in parts]),
    )


def test_examples_are_blocks_split_in_two_and_swapped_as_labelled(toy: Toy, pieces: Pieces) -> None:
    stored = {block for language in contents(toy, pieces) for block in language}
    for first, second, label in examples(make(toy), range(1, 30)):
        assert tuple(second + first if label == 1 else first + second) in stored


@pytest.mark.parametrize("sentences", ["order", "next"])
@pytest.mark.parametrize("rate", [0.5, 0.2])
def test_the_share_of_changed_examples_is_the_swap_rate(toy: Toy, sentences: str, rate: float) -> None:
    batches = make(toy, data={"batch": 500}, objective={"sentences": sentences, "swap_probability": rate})
    labels = torch.cat([batches.train(step).sentence_labels for step in range(1, 5)])
    known = labels[labels != IGNORED]
    assert known.sum() == pytest.approx(rate * len(known), abs=5 * np.sqrt(len(known) * rate * (1 - rate)))


def test_a_random_next_segment_is_as_long_and_from_another_block_of_the_language(toy: Toy, pieces: Pieces) -> None:
    languages = contents(toy, pieces)
    stored = {block for language in languages for block in language}
    beginnings: dict[tuple[int, ...], set[int]] = {}
    endings: dict[tuple[int, ...], set[int]] = {}
    for number, language in enumerate(languages):
        for block in language:
            for place in range(1, len(block)):
                beginnings.setdefault(block[:place], set()).add(number)
                endings.setdefault(block[place:], set()).add(number)
    found = {0: 0, 1: 0, IGNORED: 0}
    for first, second, label in examples(make(toy, objective={"sentences": "next"}), range(1, 40)):
        found[label] += 1
        if label == 1:
            assert len(first) + len(second) in {len(block) for language in languages for block in language}
            full = len(first) + len(second) == CONTENT
            assert not full or beginnings[tuple(first)] & endings[tuple(second)]
        else:
            assert tuple(first + second) in stored
    assert min(found.values()) > 5


def test_the_lengths_of_segments_do_not_show_which_follows(toy: Toy) -> None:
    rows = [
        row
        for row in examples(make(toy, data={"batch": 500}, objective={"sentences": "next"}), range(1, 7))
        if row[2] != IGNORED
    ]
    lengths = {label: np.array([len(second) for _, second, its in rows if its == label]) for label in (0, 1)}
    deviation = np.sqrt(lengths[0].var() / len(lengths[0]) + lengths[1].var() / len(lengths[1]))
    assert abs(lengths[0].mean() - lengths[1].mean()) < 4 * deviation


def test_no_second_segment_that_counts_begins_a_document_so_that_only_the_text_shows_the_order(
    toy: Toy, pieces: Pieces
) -> None:
    blocks = TokenBlocks(toy.blocks[0], "train", pieces, LENGTH)
    beginnings = {
        tuple(ids[place:])
        for number, ids in enumerate(blocks.content(np.arange(len(blocks))).tolist())
        for place in range(1, CONTENT - 3)
        if blocks.begins_document(np.array([number]), np.array([place]))[0]
    }
    assert beginnings
    known = [
        second
        for _, second, label in examples(make(toy, objective={"sentences": "next"}), range(1, 40))
        if label != IGNORED
    ]
    assert not beginnings & {tuple(second) for second in known}


def test_another_block_is_any_but_the_own_one_and_never_the_padded_last(toy: Toy, pieces: Pieces) -> None:
    blocks = TokenBlocks(toy.blocks[1], "train", pieces, LENGTH)
    assert blocks.tokens % CONTENT
    last = len(blocks) - 1
    draws = np.linspace(0, 1, 50 * len(blocks), endpoint=False)
    for own in (0, 7, last):
        others = blocks.others(np.full(len(draws), own), draws)
        assert set(others.tolist()) == set(range(last)) - {own}


def test_a_language_of_one_block_has_no_other_and_nothing_to_predict(toy: Toy, pieces: Pieces, tmp_path) -> None:
    from training_toy import write_documents

    from smelt.training.pack import pack

    documents = write_documents(tmp_path / "documents.parquet", ["", "kal dap mirt urm."])
    pack(documents, toy.tokenizer, LENGTH, tmp_path / "cc")
    small = Toy(toy.tokenizer, toy.documents, [tmp_path / "cc"])
    assert TokenBlocks(tmp_path / "cc", "train", pieces, LENGTH).others(np.array([0]), np.array([0.5])).tolist() == [-1]
    assert set(make(small, objective={"sentences": "next"}).train(1).sentence_labels.tolist()) == {IGNORED}


def test_one_segment_is_a_stretch_of_the_stream_as_long_as_any_row(toy: Toy, pieces: Pieces) -> None:
    streams = [tuple(chain(*language)) for language in contents(toy, pieces)]
    windows = {stream[at : at + LENGTH - 2] for stream in streams for at in range(0, len(stream), CONTENT)}
    batches = make(toy, data={"batch": 64}, objective={"sentences": "none"})
    for batch in map(batches.train, range(1, 6)):
        for row, length in zip(unmasked(batch), batch.lengths, strict=True):
            assert (row[0], row[length - 1]) == (CLS, SEP)
            assert tuple(row[1 : length - 1].tolist()) in windows
            assert (row[length:] == PAD).all()
        assert (batch.lengths == LENGTH).mean() > 0.9
        assert batch.token_type_ids.sum() == 0
        assert set(batch.sentence_labels.tolist()) == {IGNORED}


@pytest.mark.parametrize("sentences", ["order", "next", "none"])
def test_a_share_of_the_blocks_is_cut_and_what_is_dropped_is_counted(toy: Toy, sentences: str) -> None:
    long, short = (
        make(toy, data={"short_sequence_probability": rate, "batch": 2000}, objective={"sentences": sentences})
        for rate in (0.0, 0.25)
    )
    whole, batch = long.train(1), short.train(1)
    cut = batch.lengths < whole.lengths
    assert cut.mean() == pytest.approx(0.25, abs=0.05)
    assert batch.tokens == batch.lengths.sum() == (batch.attention_mask == 1).sum()
    special = 2 if sentences == "none" else 3
    assert batch.lengths[cut].min() == SHORTEST + special
    if sentences != "next":  # where replaced segments are dropped, too
        assert batch.dropped + batch.tokens == whole.tokens
        assert np.array_equal(batch.cut, whole.lengths - batch.lengths)
    assert np.array_equal(batch.attention_mask.numpy() == 0, batch.input_ids.numpy() == PAD)
    assert (batch.lengths[~cut] == whole.lengths[~cut]).all()


def test_a_cut_block_has_any_shorter_length_as_likely_as_any_other() -> None:
    draws = np.random.default_rng(0).random(200_000)
    lengths = shorten(np.full(len(draws), 20), draws, 0.3)
    counts = np.bincount(lengths, minlength=21)
    assert counts[:SHORTEST].sum() == 0
    assert counts[SHORTEST:20] == pytest.approx(np.full(12, 0.3 * len(draws) / 12), rel=0.05)
    assert counts[20] == pytest.approx(0.7 * len(draws), rel=0.01)
    assert shorten(np.array([SHORTEST, 3]), np.array([0.0, 0.0]), 0.3).tolist() == [SHORTEST, 3]


def test_a_replaced_segment_is_counted_as_dropped(toy: Toy) -> None:
    batch = make(toy, objective={"sentences": "next"}).train(1)
    replaced = batch.sentence_labels.numpy() == 1
    seconds = batch.token_type_ids.numpy().sum(1) - 1
    assert replaced.any()
    assert np.array_equal(batch.cut, np.where(replaced, seconds, 0))


def test_a_padded_block_comes_with_its_attention_mask(toy: Toy) -> None:
    batches = make(toy, data={"batch": 64})
    masked = [batch for batch in map(batches.train, range(1, 40)) if batch.attention_mask is not None]
    assert masked
    for batch in masked:
        assert np.array_equal(batch.attention_mask.numpy() == 0, batch.input_ids.numpy() == PAD)
        assert batch.tokens == batch.attention_mask.sum()


def test_a_batch_depends_on_its_step_alone(toy: Toy) -> None:
    one, other = make(toy), make(toy)
    for step in (1, 2, 3, 40):
        one.train(step)
    assert same(one.train(17), other.train(17))
    assert one.train(17).input_ids.tolist() != other.train(18).input_ids.tolist()


@pytest.mark.parametrize("settings", VARIANTS, ids=lambda settings: "-".join(settings["objective"].values()))
@pytest.mark.parametrize("batch", [10, 150])
def test_rows_do_not_depend_on_the_number_of_processes(toy: Toy, settings: dict[str, str], batch: int) -> None:
    settings = merge(settings, {"data": {"short_sequence_probability": 0.2, "batch": batch}})
    alone = make(toy, **settings)
    for size in (2, 3):
        shares = [make(toy, Processes(rank, size), **settings) for rank in range(size)]
        for step in (1, 30):
            whole = alone.train(step)
            assert same(joined([share.train(step) for share in shares], whole), whole)


@pytest.mark.parametrize("masking", ["words", "rare"])
def test_validation_shares_the_same_rows_among_processes(toy: Toy, masking: str) -> None:
    settings = {"data": {"batch": 6}, "objective": {"masking": masking}, "validation": {"blocks": 43}}
    whole = list(make(toy, **settings).validation())
    shares = [list(make(toy, Processes(rank, 3), **settings).validation()) for rank in range(3)]
    for language in ("aa", "bb"):
        together, expected = (
            sorted(row for name, batch in found if name == language for row in batch.input_ids.tolist())
            for found in (chain(*shares), whole)
        )
        assert together == expected
    assert max(len(batch) for share in shares for _, batch in share) == 2
    assert all([name for name, _ in share] == sorted(name for name, _ in share) for share in shares)


def test_validation_batches_are_the_same_at_every_call_whole_and_within_their_number(toy: Toy) -> None:
    batches = make(toy, data={"short_sequence_probability": 0.9})
    first, second = ([(name, batch) for name, batch in batches.validation()] for _ in range(2))
    assert [name for name, _ in first] == [name for name, _ in second]
    assert all(same(one, other) for (_, one), (_, other) in zip(first, second, strict=True))
    assert sum(len(batch) for _, batch in first) == 12
    assert sum(batch.dropped for _, batch in first) == 0
    assert {name for name, _ in first} == set(batches.languages) == {"aa", "bb"}


@pytest.mark.parametrize("cuts", [[0, 16], [0, 5, 16], [0, 1, 1, 15, 16]])
def test_parts_of_a_batch_are_the_batch(toy: Toy, cuts: list[int]) -> None:
    batch = make(toy, data={"short_sequence_probability": 0.2}).train(3)
    parts = [batch.only(slice(first, last)) for first, last in pairwise(cuts)]
    assert [len(part) for part in parts] == np.diff(cuts).tolist()
    assert same(joined(parts, batch), batch)
    assert sum(part.tokens for part in parts) == batch.tokens
    assert sum(part.dropped for part in parts) == batch.dropped


def test_a_part_without_padding_needs_no_attention_mask(toy: Toy) -> None:
    batch = make(toy, data={"short_sequence_probability": 0.2}).train(3)
    full = int(np.flatnonzero(batch.lengths == LENGTH)[0])
    assert batch.attention_mask is not None
    assert batch.part(slice(full, full + 1)).attention_mask is None


def test_a_step_is_described_by_the_languages_and_blocks_of_its_whole_batch(toy: Toy) -> None:
    alone, second = make(toy), make(toy, Processes(1, 2))
    assert alone.describe(3) == second.describe(3)
    assert alone.describe(3) != alone.describe(4)
    assert list_blocks("aa", [4, 9]) == "aa: blocks 4, 9"
    assert list_blocks("aa", list(range(1008))) == "aa: blocks 0, 1, 2, 3, 4 and 1,003 more"


def test_batches_made_ahead_come_in_order_and_errors_come_through() -> None:
    assert list(prefetch(lambda number: number * 2, 3, 7)) == [6, 8, 10, 12, 14]
    assert list(prefetch(lambda number: number, 4, 3)) == []
    with pytest.raises(ZeroDivisionError):
        list(prefetch(lambda number: 1 // (number - 2), 1, 5))
