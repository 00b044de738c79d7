"""The block of each example, and all draws: functions of a number, so that any step can be made independently.

Languages are drawn in proportion to tokens ** alpha, and each language's blocks without replacement within an epoch
of that language.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smelt.mixture import Mixture

Draws = NDArray[np.float64]

TRAINING, VALIDATION = 0, 1  # purposes; their draws differ even for the same step and position

AT_ONCE = 4  # numbers that Philox makes from one value of its counter


def seeded_draws(seed: int, purpose: int, step: int, positions: range, count: int) -> Draws:
    """Return numbers in [0, 1), shape (len(positions), count): a function of seed, purpose, step and position alone.

    Philox is a function of a key and a counter (Salmon et al. 2011), so a batch's stream can be entered at any row.
    """
    width = -(-count // AT_ONCE) * AT_ONCE
    bits = np.random.Philox(key=[seed, purpose], counter=[positions.start * (width // AT_ONCE), 0, step, 0])
    return np.random.Generator(bits).random((len(positions), width))[:, :count]


Ids = NDArray[np.int64]

ROUND = 1024  # examples over which the languages' shares are kept to the nearest example


def shares(tokens: Sequence[int], mixture: Mixture) -> NDArray[np.float64]:
    """Return each language's probability, in proportion to tokens ** alpha (Conneau and Lample 2019, section 3.1)."""
    weights = np.array(tokens, dtype=np.float64)
    weights = np.where(weights > 0, np.maximum(weights, 1) ** mixture.alpha, 0.0)
    return np.array(mixture.cap((weights / weights.sum()).tolist()))


class Sampler:
    """An endless, seeded sequence of (language, block); it keeps no state, only caches.

    The sequence is made of rounds. After r rounds a language has been drawn floor(r * ROUND * share) times, and a
    seeded permutation orders the draws of a round; so the n-th draw of a language is known without the other draws.
    """

    def __init__(self, blocks: Sequence[int], probabilities: NDArray[np.float64], seed: int) -> None:
        """Take for each language its number of blocks and its probability (0 where it has no blocks)."""
        self._blocks = np.array(blocks, dtype=np.int64)
        self._probabilities = probabilities
        self._seed = seed
        self._round: tuple[int, Ids, Ids] | None = None
        self._epochs: dict[int, tuple[int, Ids]] = {}

    def examples(self, first: int, count: int) -> tuple[Ids, Ids]:
        """Return the languages and blocks of `count` examples from number `first` on, each of shape (count,)."""
        numbers = np.arange(first, first + count)
        languages, draws = np.zeros(count, np.int64), np.zeros(count, np.int64)
        done = 0
        while done < count:
            index = self._round_of(int(numbers[done]))
            start = int(self._times_drawn(index).sum())
            in_round, nth = self._order(index)
            taken = slice(int(numbers[done]) - start, int(numbers[done]) - start + count - done)
            part = len(in_round[taken])
            languages[done : done + part], draws[done : done + part] = in_round[taken], nth[taken]
            done += part
        return languages, self._blocks_of(languages, draws)

    def _times_drawn(self, rounds: int) -> Ids:
        """Return how often each language has been drawn in the first `rounds` rounds."""
        return np.floor(rounds * ROUND * self._probabilities).astype(np.int64)

    def _round_of(self, number: int) -> int:
        index = number // ROUND
        while int(self._times_drawn(index + 1).sum()) <= number:  # rounding down makes rounds a few examples shorter
            index += 1
        return index

    def _order(self, index: int) -> tuple[Ids, Ids]:
        """Return for each example of a round its language and how often that language was drawn before."""
        if self._round is None or self._round[0] != index:
            before, after = self._times_drawn(index), self._times_drawn(index + 1)
            languages = np.repeat(np.arange(len(before)), after - before)
            languages = self._generator("round", index).permutation(languages)
            nth = np.zeros_like(languages)
            in_turn = np.argsort(languages, kind="stable")  # language by language, each in the order of the round
            nth[in_turn] = np.concatenate([np.arange(a, b) for a, b in zip(before, after, strict=True)])
            self._round = index, languages, nth
        return self._round[1], self._round[2]

    def _blocks_of(self, languages: Ids, draws: Ids) -> Ids:
        epochs, within = np.divmod(draws, self._blocks[languages])
        blocks = np.zeros_like(draws)
        for language, epoch in sorted({*zip(languages.tolist(), epochs.tolist(), strict=True)}):
            rows = (languages == language) & (epochs == epoch)
            blocks[rows] = self._epoch(language, epoch)[within[rows]]
        return blocks

    def _epoch(self, language: int, epoch: int) -> Ids:
        kept = self._epochs.get(language)
        if kept is None or kept[0] != epoch:
            order = self._generator("epoch", language, epoch).permutation(self._blocks[language])
            kept = self._epochs[language] = epoch, order
        return kept[1]

    def _generator(self, purpose: str, *key: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, *purpose.encode(), *key])


def fair_shares(available: Sequence[int], total: int) -> list[int]:
    """Return how many of `total` each gives, as equally as the available numbers allow."""
    given, left = [0] * len(available), total
    for rank, index in enumerate(sorted(range(len(available)), key=lambda index: available[index])):
        given[index] = min(available[index], left // (len(available) - rank))
        left -= given[index]
    return given
