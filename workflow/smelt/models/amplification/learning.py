"""New pieces, learnt by going on with byte-pair merging (Sennrich et al. 2016) from where the old tokenizer stops.

Words of the texts are cut as the model's tokenizer cuts them, and the commonest pair of neighbours becomes a new piece,
again and again. So every new piece is a run of old ones, and none is spent on what an old piece says already.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from smelt.models.amplification.words import ids_of

_LEAST = 2  # times that a pair must occur
_REPEATED = 10_000  # times that a word is written at once


@dataclass(frozen=True)
class Merge:
    """Two runs of old pieces that grow together, each written a character a piece."""

    left: str
    right: str

    @property
    def built(self) -> str:
        """What they become."""
        return self.left + self.right

    @property
    def parts(self) -> tuple[int, ...]:
        """The old pieces in it."""
        return ids_of(self.built)


@dataclass(frozen=True)
class Learnt:
    """Merges, the commonest first, and how often each of what they build is left when all are done."""

    merges: list[Merge]
    counts: Mapping[str, int]
    total: int
    """Pieces of the words, when all merges are done."""


def learn(words: Mapping[str, int], merges: int) -> Learnt:
    """Return up to so many merges of words.

    Args:
        words: how often each occurs, written a character a piece.
        merges: how many to learn; fewer come where the words yield no more.
    """
    alphabet = sorted(set().union(*words))
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + merges, initial_alphabet=alphabet, min_frequency=_LEAST, show_progress=False
    )
    tokenizer.train_from_iterator(_repeated(words), trainer)
    pairs = _merges(tokenizer)
    counts = _counts(tokenizer, words)
    return Learnt([Merge(left, right) for left, right in pairs], counts, sum(counts.values()))


def _repeated(words: Mapping[str, int]) -> Iterator[str]:
    for word, times in sorted(words.items()):
        for done in range(0, times, _REPEATED):
            yield f"{word} " * min(_REPEATED, times - done)


def _merges(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def _counts(tokenizer: Tokenizer, words: Mapping[str, int]) -> Counter[str]:
    counts = Counter[int]()
    for encoding, times in zip(tokenizer.encode_batch_fast(list(words)), words.values(), strict=True):
        for identity in encoding.ids:
            counts[identity] += times
    return Counter({str(tokenizer.id_to_token(identity)): times for identity, times in counts.items()})
