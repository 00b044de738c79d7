import numpy as np
import pytest

from smelt.mixture import Mixture
from smelt.training.sampler import ROUND, Sampler, fair_shares, shares


def test_languages_are_drawn_in_proportion_to_tokens_to_the_power_of_alpha() -> None:
    probabilities = shares([1_000_000, 10_000, 100], Mixture(alpha=0.5))
    assert probabilities == pytest.approx(np.array([1000, 100, 10]) / 1110)


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0])
def test_a_language_without_tokens_is_never_drawn(alpha: float) -> None:
    assert shares([10, 0], Mixture(alpha=alpha)).tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("tokens", "largest", "expected"),
    [
        ([70, 20, 10], None, [0.7, 0.2, 0.1]),
        ([70, 20, 10], 0.8, [0.7, 0.2, 0.1]),
        ([70, 20, 10], 0.5, [0.5, 1 / 3, 1 / 6]),  # what one gives up goes to the others in their proportions
        ([60, 36, 4], 0.4, [0.4, 0.4, 0.2]),  # which may bring another to the limit
        ([90, 10], 0.1, [0.5, 0.5]),  # of few languages an equal share is allowed
        ([90, 10, 0], 0.4, [0.5, 0.5, 0.0]),
    ],
)
def test_no_language_has_more_than_the_largest_share(
    tokens: list[int], largest: float | None, expected: list[float]
) -> None:
    assert shares(tokens, Mixture(max_share=largest)) == pytest.approx(expected)


def test_draws_keep_the_proportions_to_the_nearest_examples() -> None:
    probabilities = np.array([0.7, 0.2999, 0.0001])
    languages, _ = Sampler([50, 20, 3], probabilities, seed=1).examples(0, 20 * ROUND)
    drawn = np.bincount(languages, minlength=3)
    assert np.abs(drawn - probabilities * 20 * ROUND).max() <= len(probabilities)


def test_within_an_epoch_of_a_language_no_block_is_drawn_twice() -> None:
    languages, blocks = Sampler([700, 90], np.array([0.75, 0.25]), seed=3).examples(0, 3000)
    for language, count in enumerate((700, 90)):
        drawn = blocks[languages == language]
        for first in range(0, len(drawn) - count, count):
            assert sorted(drawn[first : first + count]) == list(range(count))


def test_epochs_of_a_language_differ_in_order() -> None:
    languages, blocks = Sampler([100], np.array([1.0]), seed=3).examples(0, 200)
    assert languages.sum() == 0
    assert blocks[:100].tolist() != blocks[100:].tolist()


def test_any_stretch_is_the_same_however_it_is_asked_for() -> None:
    def sampler() -> Sampler:
        return Sampler([40, 7, 1], np.array([0.6, 0.3, 0.1]), seed=9)

    whole = np.stack(sampler().examples(0, 5000))
    for first, count in ((0, 1), (1020, 10), (4000, 999), (1, 4999)):
        assert np.array_equal(np.stack(sampler().examples(first, count)), whole[:, first : first + count])


def test_another_seed_is_another_order() -> None:
    one, two = (Sampler([500], np.array([1.0]), seed).examples(0, 500)[1] for seed in (1, 2))
    assert one.tolist() != two.tolist()


@pytest.mark.parametrize(
    ("available", "total", "expected"),
    [([10, 10], 8, [4, 4]), ([1, 10], 8, [1, 7]), ([0, 3, 9], 30, [0, 3, 9]), ([5, 5, 5], 2, [0, 1, 1])],
)
def test_validation_blocks_are_shared_fairly(available: list[int], total: int, expected: list[int]) -> None:
    assert fair_shares(available, total) == expected
