"""Long sentences in overlapping windows: every word once, where it has most context."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from smelt.finetuning.batches import batch_by_length, draw_batches
from smelt.tasks.kinds.base import Examples, Task
from smelt.tasks.prepared_task import encode
from smelt.tasks.tokenizer import load_pieces
from smelt.tasks.windows import IGNORED, owners, spans

CAPACITY = 10


def sentence(words, labels=None):
    return Examples([0], ["en"], {"words": [words]}, [labels or ["O"] * len(words)])


def task(*labels):
    return Task("sample", "token-classification", "seqeval-f1", "iob2", list(labels))


@given(st.lists(st.integers(1, CAPACITY), min_size=1, max_size=60))
def test_windows_fit_cover_every_word_and_always_go_on(lengths):
    windows = spans(lengths, CAPACITY)
    assert all(sum(lengths[start:end]) <= CAPACITY for start, end in windows)
    assert {word for start, end in windows for word in range(start, end)} == set(range(len(lengths)))
    assert all(before[1] < after[1] for before, after in pairwise(windows))


@given(st.lists(st.integers(1, CAPACITY), min_size=1, max_size=60))
def test_no_window_would_give_a_word_more_context_than_its_own(lengths):
    windows = spans(lengths, CAPACITY)

    def context(word, window):
        start, end = window
        left = float("inf") if start == 0 else sum(lengths[start:word])
        right = float("inf") if end == len(lengths) else sum(lengths[word + 1 : end])
        return min(left, right)

    for word, owner in enumerate(owners(lengths, windows)):
        holding = [window for window in windows if window[0] <= word < window[1]]
        assert context(word, windows[owner]) == max(context(word, window) for window in holding)


def test_a_long_sentence_is_predicted_word_by_word_exactly_once(model_folder):
    words = ["anna", "sees", "the", "oslo"] * 30
    encoded = encode(sentence(words), task("O"), load_pieces(model_folder), length=16)
    assert len(encoded.windows) > 1
    assert all(len(window.ids) <= 16 for window in encoded.windows)
    assert sorted(word for window in encoded.windows for word in window.words) == list(range(len(words)))


def test_the_labelled_position_is_the_first_piece_of_its_word(model_folder):
    pieces = load_pieces(model_folder)
    encoded = encode(sentence(["sees", "anna", "likes"]), task("O"), pieces, length=32)
    (window,) = encoded.windows
    labelled = pieces.tokenizer.convert_ids_to_tokens([window.ids[position] for position in window.positions])
    assert labelled == ["▁sees", "▁", "▁likes"]
    assert encoded.pieces == [[["▁sees"], ["▁", "a", "n", "n", "a"], ["▁likes"]]]
    assert pieces.tokenizer.convert_ids_to_tokens([window.ids[0], window.ids[-1]]) == ["[CLS]", "[SEP]"]


def test_a_word_longer_than_a_window_is_cut_and_counted(model_folder):
    encoded = encode(sentence(["sees", "a" * 50, "the"]), task("O"), load_pieces(model_folder), length=16)
    assert encoded.truncated_words == 1
    assert sorted(word for window in encoded.windows for word in window.words) == [0, 1, 2]


def test_a_word_without_pieces_stands_as_the_unknown_piece_and_is_counted(model_folder):
    encoded = encode(sentence(["sees", "", "the"]), task("O"), load_pieces(model_folder), length=16)
    assert encoded.words_without_pieces == 1
    assert encoded.pieces == [[["▁sees"], ["<unk>"], ["▁the"]]]


def test_labels_that_training_lacks_have_no_part_in_a_loss(model_folder):
    encoded = encode(sentence(["sees", "oslo"], ["O", "B-X"]), task("O"), load_pieces(model_folder), length=16)
    assert encoded.targets == [[0, IGNORED]]


def test_words_of_a_text_beyond_the_window_are_counted(model_folder):
    text = Task("sample", "sequence-classification", "accuracy", None, ["a"])
    examples = Examples([0], ["en"], {"text": ["sees the sees the sees the"]}, [["a"]])
    encoded = encode(examples, text, load_pieces(model_folder), length=6)
    assert len(encoded.windows[0].ids) == 6
    assert encoded.truncated_words == 2


@given(st.lists(st.integers(1, 40), min_size=1, max_size=200), st.integers(1, 16), st.integers(0, 5))
def test_batches_hold_every_window_once(lengths, batch, seed):
    for batches in (draw_batches(lengths, batch, seed, epoch=1), batch_by_length(lengths, batch)):
        assert sorted(window for chosen in batches for window in chosen) == list(range(len(lengths)))
        assert max(map(len, batches)) <= batch


def test_the_order_changes_with_seed_and_epoch_and_repeats_with_them():
    lengths = [3, 9, 4, 7] * 20
    assert draw_batches(lengths, 8, seed=1, epoch=1) == draw_batches(lengths, 8, seed=1, epoch=1)
    assert draw_batches(lengths, 8, seed=1, epoch=1) != draw_batches(lengths, 8, seed=2, epoch=1)
    assert draw_batches(lengths, 8, seed=1, epoch=1) != draw_batches(lengths, 8, seed=1, epoch=2)


def test_batches_of_like_length_pad_little():
    lengths = [5, 50] * 400
    padded = sum(len(batch) * max(lengths[window] for window in batch) for batch in draw_batches(lengths, 16, 1, 1))
    assert padded < 1.1 * sum(lengths)
