"""The order in which a compression's batches come."""

import numpy as np
import torch

from smelt.finetuning.batches import POOL, Order, draw_batches
from smelt.finetuning.compression.windows import WindowStream, as_arrays, longest_first
from smelt.tasks.windows import Window

LENGTHS = np.random.default_rng(3).integers(3, 30, 700).tolist()


def stream(batch: int = 32, chosen: np.ndarray | None = None) -> WindowStream:
    windows = as_arrays([Window(n, [2] * length, [1], [0]) for n, length in enumerate(LENGTHS)], 40)
    return WindowStream(windows, np.arange(700) if chosen is None else chosen, batch, [1, 0], 0, torch.device("cpu"))


def test_a_pass_takes_every_chosen_window_once_and_each_pass_is_another():
    chosen = np.arange(0, 700, 3)
    found = stream(chosen=chosen)
    passes = [
        np.concatenate([found.at(phase, step)[0] for step in range(first, first + found.batches)])
        for phase, first in ((0, 0), (0, found.batches), (1, 0))
    ]
    assert all(sorted(each) == chosen.tolist() for each in passes)
    assert len({each.tobytes() for each in passes}) == 3


def test_a_batch_is_the_same_whenever_it_is_asked_for():
    one, other = stream(), stream()
    late = one.at(2, 40)[0]
    for step in range(40):
        other.at(2, step)
    assert np.array_equal(other.at(2, 40)[0], late)


def test_batches_hold_windows_of_like_length():
    found = stream(batch=7)
    padding = sum(int((batch.mask == 0).sum()) for _, batch in (found.at(0, step) for step in range(found.batches)))
    assert padding < 0.05 * sum(LENGTHS)
    sizes = [found.windows.lengths[numbers].max() for numbers in longest_first(found.windows, np.arange(700), 7)]
    assert sizes == sorted(sizes, reverse=True)


def test_an_order_is_that_of_windows_sorted_within_drawn_pools():
    generator = np.random.default_rng([5, 2])
    order = generator.permutation(700)
    wanted = []
    for start in range(0, 700, 7 * POOL):
        pool = sorted(order[start : start + 7 * POOL].tolist(), key=lambda window: LENGTHS[window])
        wanted += [pool[first : first + 7] for first in range(0, len(pool), 7)]
    wanted = [wanted[number] for number in generator.permutation(len(wanted))]
    assert draw_batches(LENGTHS, 7, 5, 2) == wanted
    assert len(Order(LENGTHS, 7, [5, 2])) == len(wanted) == 100
