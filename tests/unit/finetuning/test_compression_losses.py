"""The losses of a compression against their formulas, and what enters them."""

import numpy as np
import pytest
import torch
from invented_tasks import tokenizer

from smelt.finetuning.compression.phases import label_loss, logit_loss, representation_loss
from smelt.finetuning.compression.windows import Windows, WindowsWriter, as_arrays, join_windows, read_windows
from smelt.tasks.kinds.base import Examples, Task
from smelt.tasks.prepared_task import encode
from smelt.tasks.tokenizer import TaskTokenizer
from smelt.tasks.windows import IGNORED

CPU = torch.device("cpu")
TASK = Task("entities", "token-classification", "seqeval-f1", "iob2", ["B-PER", "O"])


@pytest.fixture(scope="module")
def states() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(1)
    return draw.normal(size=(5, 7)), draw.normal(size=(5, 7))


def close(found: torch.Tensor, wanted: float) -> bool:
    return abs(float(found) - wanted) <= 1e-5 * max(1.0, abs(wanted))


def test_the_code_s_divergence_clips_both_sides_and_normalises_neither(states):
    student, teacher = (np.clip(part, 1e-7, 1) for part in states)
    wanted = sum(t * np.log(t / s) for t, s in zip(teacher.flat, student.flat, strict=True))
    assert close(representation_loss(*map(torch.tensor, states), "keras-kl"), wanted)


def test_the_normalised_divergence_is_that_of_two_softmaxes(states):
    student, teacher = (np.exp(part) / np.exp(part).sum(1, keepdims=True) for part in states)
    wanted = (teacher * np.log(teacher / student)).sum()
    assert close(representation_loss(*map(torch.tensor, states), "kl"), wanted)
    assert close(representation_loss(torch.tensor(states[0]), torch.tensor(states[0]), "kl"), 0)


def test_the_squared_error_of_states_is_a_mean_over_the_width(states):
    wanted = ((states[0] - states[1]) ** 2).mean(1).sum()
    assert close(representation_loss(*map(torch.tensor, states), "mse"), wanted)


def test_the_logit_loss_is_half_the_squared_distance(states):
    wanted = sum(np.linalg.norm(s - t) ** 2 / 2 for s, t in zip(*states, strict=True))
    assert close(logit_loss(*map(torch.tensor, states)), wanted)


def test_labels_that_training_lacks_count_nothing(states):
    logits, targets = torch.tensor(states[0]), torch.tensor([3, IGNORED, 0, IGNORED, 6])
    total, count = label_loss(logits, targets)
    shares = np.log(np.exp(states[0]) / np.exp(states[0]).sum(1, keepdims=True))
    assert close(total, -(shares[0, 3] + shares[2, 0] + shares[4, 6]))
    assert int(count) == 3


def encoded_windows(sentences: list[list[str]], length: int = 32) -> tuple[Windows, TaskTokenizer]:
    pieces = TaskTokenizer(tokenizer(), [2], [3], 0, 1)
    gold = [["B-PER" if word == "anna" else "O" for word in words] for words in sentences]
    examples = Examples(list(range(len(sentences))), ["en"] * len(sentences), {"words": sentences}, gold)
    encoded = encode(examples, TASK, pieces, length)
    return as_arrays(encoded.windows, 40, encoded.targets), pieces


def test_only_first_pieces_of_words_are_labelled_whatever_stands_around_them():
    windows, pieces = encoded_windows([["anna", "sees", "the", "oslo"], ["anna", "leaves"]])
    batch = windows.batch(np.array([0, 1]), pieces.padding, CPU)
    firsts = batch.ids[batch.rows, batch.positions].tolist()
    texts = pieces.texts(firsts)
    assert texts == ["▁", "▁sees", "▁the", "▁", "▁", "▁leaves"]
    assert batch.targets.tolist() == [0, 1, 1, 1, 0, 1]
    later = torch.ones_like(batch.ids, dtype=torch.bool)
    later[batch.rows, batch.positions] = False
    assert {"[CLS]", "[SEP]", "<pad>", "a", "n"} <= set(pieces.texts(batch.ids[later].tolist()))


def test_windows_as_arrays_give_the_batches_that_windows_as_objects_do():
    from smelt.finetuning.batches import collate

    sentences = [["anna", "sees"] * (1 + number % 5) for number in range(9)]
    windows, pieces = encoded_windows(sentences, length=24)
    examples = Examples(list(range(9)), ["en"] * 9, {"words": sentences}, [["O"] * len(words) for words in sentences])
    encoded = encode(examples, TASK, pieces, 24)
    assert len(encoded.windows) == len(windows) > 9  # some sentences were cut
    numbers = [4, 0, len(windows) - 1]
    (wanted,) = collate(encoded, [numbers], pieces.padding, CPU)
    found = windows.batch(np.array(numbers), pieces.padding, CPU)
    for name in ("ids", "mask", "rows", "positions"):
        assert torch.equal(getattr(found, name), getattr(wanted, name))
    assert windows.find_labelled(np.array(numbers)).tolist() == [
        place for number in numbers for place in range(windows.firsts[number], windows.firsts[number + 1])
    ]


def test_windows_come_back_from_the_disk_as_they_were(tmp_path):
    sentences = [["anna", "sees"] * (1 + number % 5) for number in range(9)]
    pieces = TaskTokenizer(tokenizer(), [2], [3], 0, 1)
    examples = Examples(list(range(9)), ["en"] * 9, {"words": sentences}, [["O"] * len(words) for words in sentences])
    found = encode(examples, TASK, pieces, 24).windows
    for size, kind in ((40, np.uint16), (70_000, np.uint32)):
        with WindowsWriter(tmp_path, size) as writer:
            writer.add(found[:4])
            writer.add(found[4:])
        written, whole = read_windows(tmp_path, size), as_arrays(found, size)
        parts = join_windows([as_arrays(found[:2], size), as_arrays(found[2:], size)])
        for name in ("ids", "starts", "positions", "firsts"):
            assert np.array_equal(getattr(written, name), getattr(whole, name))
            assert np.array_equal(getattr(parts, name), getattr(whole, name))
        assert written.ids.dtype == kind
