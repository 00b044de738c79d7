"""Windows of token ids, with the places in them that are labelled: no word is lost without being counted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smelt.tasks.tokenizer import TaskTokenizer

IGNORED = -100  # PyTorch's label for what has no part in a loss


@dataclass(slots=True)
class Window:
    """Token ids of one example or part of it, special ones included, and the places that are labelled."""

    example: int
    ids: Sequence[int]
    positions: Sequence[int]
    """Position in `ids` of each labelled token: the first pieces of words, or 0 for a whole text; of question answering
    the pieces of the context."""
    words: Sequence[int]
    """Word of the example at each of these positions; 0 for a whole text; of question answering the context's piece."""
    types: Sequence[int] = ()
    """Token type (0 or 1) of each token of a pair; none for what is no pair."""


class NearTexts(NamedTuple):
    """Two texts that a model learns to embed near each other, or as near as their score says."""

    first: int
    """Place among the texts to embed."""
    second: int
    """Place of the other."""
    score: float = 1.0
    """How near, from 0 to 1."""
    near: frozenset[int] = frozenset()
    """All texts that belong near the first: none of them is its negative."""


class Pool(NamedTuple):
    """The passages of a language."""

    ids: list[str]
    places: list[int]
    """Their places among the texts to embed."""


@dataclass
class TextsToEmbed:
    """The texts of a split that a model embeds, each once for each role."""

    texts: list[str] = field(default_factory=list)
    roles: list[str] = field(default_factory=list)
    """The role of each text, by which a model may put another prompt before it."""
    examples: list[tuple[int, ...]] = field(default_factory=list)
    """Places of the texts of each example: both of a pair, or the query."""
    pools: dict[str, Pool] = field(default_factory=dict)
    """The passages of each language, for queries."""
    learnt: list[NearTexts] = field(default_factory=list)
    """What training learns from."""
    _places: dict[tuple[str, str], int] = field(default_factory=dict, repr=False)

    def add(self, role: str, text: str) -> int:
        """Return the place of a text in a role; it is new where there is none yet."""
        place = self._places.setdefault((role, text), len(self.texts))
        if place == len(self.texts):
            self.texts.append(text)
            self.roles.append(role)
        return place


@dataclass
class Encoded:
    """A split as windows, with counts of its words."""

    windows: list[Window] = field(default_factory=list)
    targets: list[list[int]] = field(default_factory=list)
    """Label of each position of each window, as its number; IGNORED where training lacks the label."""
    pieces: list[list[list[str]]] = field(default_factory=list)
    """Pieces of each word of each sentence; none for texts."""
    offsets: list["NDArray[Any]"] = field(default_factory=list)
    """Characters (first, behind the last) of each piece of each context, shape (pieces, 2); none but for questions."""
    embedded: TextsToEmbed = field(default_factory=TextsToEmbed)
    """The texts that are embedded in place of windows; none where labels are learnt."""
    words: int = 0
    words_without_pieces: int = 0
    truncated_words: int = 0
    """Words longer than a window, or words of a text that lie beyond it."""

    answers_in_no_window: int | None = None
    """Questions whose answer no window holds whole, or that have none at its place; None but for questions."""

    def counts(self, examples: int) -> dict[str, int]:
        """Return the counts that metrics.json holds."""
        answers = {} if self.answers_in_no_window is None else {"answers_in_no_window": self.answers_in_no_window}
        return answers | {
            "examples": examples,
            "words": self.words,
            "windows": len(self.windows) or len(self.embedded.texts),
            "truncated_words": self.truncated_words,
            "words_without_pieces": self.words_without_pieces,
        }


def spans(lengths: Sequence[int], capacity: int) -> list[tuple[int, int]]:
    """Return the word ranges (start, end) of windows over words of these lengths in pieces; each fits the capacity.

    A window is filled as far as it goes, and the next one begins where the last half of it did.
    """
    found = []
    start = 0
    while True:
        end, filled = start, 0
        while end < len(lengths) and filled + lengths[end] <= capacity:
            filled += lengths[end]
            end += 1
        found.append((start, end))
        if end >= len(lengths):
            return found
        # The overlap leaves room for the next word, so that every window goes on further than the one before.
        start, overlap, room = end, 0, min(capacity // 2, capacity - lengths[end])
        while start - 1 > found[-1][0] and overlap + lengths[start - 1] <= room:
            start -= 1
            overlap += lengths[start]


def owners(lengths: Sequence[int], windows: Sequence[tuple[int, int]]) -> list[int]:
    """Return for each word the window that predicts it: the one whose nearer cut is farthest, in pieces.

    The ends of the sentence are no cuts; of equals, the earlier window.
    """
    offsets = [0]
    for length in lengths:
        offsets.append(offsets[-1] + length)
    best = [-1.0] * len(lengths)
    owner = [0] * len(lengths)
    for number, (start, end) in enumerate(windows):
        for word in range(start, end):
            left = float("inf") if start == 0 else offsets[word] - offsets[start]
            right = float("inf") if end == len(lengths) else offsets[end] - offsets[word + 1]
            if min(left, right) > best[word]:
                best[word], owner[word] = min(left, right), number
    return owner


def windows_of_words(
    example: int, ids: list[list[int]], pieces: "TaskTokenizer", capacity: int, all_pieces: bool = False
) -> list[Window]:
    """Return an example of words of these ids, none of them longer than the capacity, as windows.

    all_pieces: whether all pieces of a word are labelled places, instead of its first.
    """
    lengths = [len(word) for word in ids]
    ranges = spans(lengths, capacity)
    owner = owners(lengths, ranges)
    windows = []
    for number, (start, end) in enumerate(ranges):
        tokens = list(pieces.prefix)
        positions: list[int] = []
        words: list[int] = []
        for word in range(start, end):
            if owner[word] == number:
                labelled = len(ids[word]) if all_pieces else 1
                positions += range(len(tokens), len(tokens) + labelled)
                words += [word] * labelled
            tokens += ids[word]
        tokens += pieces.suffix
        if words:
            windows.append(Window(example, tokens, positions, words))
    return windows
