"""From examples to windows of token ids, with word-level alignment: no word is lost without being counted.

The first piece of a word carries its label (Devlin et al. 2019, section 5.3). A sentence longer than the model reads at
once is cut into windows that overlap by half; each word is learnt and predicted once, in the window where the nearer
cut is farthest away. A word without any piece (control characters, say) stands as the unknown piece. Words are cut as
they are in running text (see running_text).

Two texts of a pair are one window, joined and told apart as the model's tokenizer has it. Where they are too long
together, the longer one loses pieces at its end until they fit (`longest_first` of the tokenizers library, and what
BERT's own code did with pairs).
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from smelt.tasks.prepared import Examples, Task
from smelt.tasks.tokenizer import TaskTokenizer

IGNORED = -100  # PyTorch's label for what has no part in a loss
AT_ONCE = 2_000  # pairs that are cut into pieces together: training sets of millions would not fit into memory


@dataclass(slots=True)
class Window:
    """Token ids of one example or part of it, special ones included, and the places that are labelled."""

    example: int
    ids: Sequence[int]
    positions: list[int]
    """Position in `ids` of each labelled token: the first pieces of words, or 0 for a whole text."""
    words: list[int]
    """Word of the example at each of these positions; 0 for a whole text."""
    types: Sequence[int] = ()
    """Token type (0 or 1) of each token of a pair; none for what is no pair."""


@dataclass
class Encoded:
    """A split as windows, with what was met on the way."""

    windows: list[Window] = field(default_factory=list)
    targets: list[list[int]] = field(default_factory=list)
    """Label of each position of each window, as its number; IGNORED where training lacks the label."""
    pieces: list[list[list[str]]] = field(default_factory=list)
    """Pieces of each word of each sentence; none for texts."""
    words: int = 0
    words_without_pieces: int = 0
    truncated_words: int = 0
    """Words longer than a window, or words of a text that lie beyond it."""

    def counts(self, examples: int) -> dict[str, int]:
        """Return the counts that metrics.json holds."""
        return {
            "examples": examples,
            "words": self.words,
            "windows": len(self.windows),
            "truncated_words": self.truncated_words,
            "words_without_pieces": self.words_without_pieces,
        }


def encode(examples: Examples, task: Task, pieces: TaskTokenizer, length: int) -> Encoded:
    """Return a split as windows of at most `length` tokens."""
    encoded = encode_unlabelled(examples, task, pieces, length)
    numbers = {label: number for number, label in enumerate(task.labels)}
    for window in encoded.windows:
        gold = examples.gold[window.example]
        encoded.targets.append([numbers.get(gold[word], IGNORED) for word in window.words])
    return encoded


def encode_unlabelled(examples: Examples, task: Task, pieces: TaskTokenizer, length: int) -> Encoded:
    """Return examples as windows without targets; what labels they have is not looked at."""
    encoded = Encoded()
    if task.by_word:
        _encode_sentences(encoded, examples, pieces, length)
    elif task.pairs:
        _encode_pairs(encoded, examples, pieces, length)
    else:
        _encode_texts(encoded, examples, pieces, length)
    return encoded


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


def _encode_sentences(encoded: Encoded, examples: Examples, pieces: TaskTokenizer, length: int) -> None:
    capacity = length - pieces.special
    batch = pieces.for_words(examples.words, is_split_into_words=True, add_special_tokens=False, verbose=False)
    for number, words in enumerate(examples.words):
        ids = _word_ids(batch, number, len(words), pieces)
        encoded.words += len(words)
        encoded.words_without_pieces += sum(not word for word in ids)
        encoded.truncated_words += sum(len(word) > capacity for word in ids)
        ids = [word or [pieces.unknown] for word in ids]
        encoded.pieces.append([pieces.texts(word) for word in ids])
        encoded.windows += windows_of_words(number, [word[:capacity] for word in ids], pieces, capacity)


def _word_ids(batch: Any, number: int, words: int, pieces: TaskTokenizer) -> list[list[int]]:
    """Return the token ids of each word of a sentence."""
    ids: list[list[int]] = [[] for _ in range(words)]
    for token, word in zip(pieces.as_text(batch["input_ids"][number]), batch.word_ids(number), strict=True):
        ids[word].append(token)
    return ids


def windows_of_words(example: int, ids: list[list[int]], pieces: TaskTokenizer, capacity: int) -> list[Window]:
    """Return an example of words of these ids, none of them longer than the capacity, as windows."""
    lengths = [len(word) for word in ids]
    ranges = spans(lengths, capacity)
    owner = owners(lengths, ranges)
    windows = []
    for number, (start, end) in enumerate(ranges):
        tokens = list(pieces.prefix)
        window = Window(example, tokens, [], [])
        for word in range(start, end):
            if owner[word] == number:
                window.positions.append(len(tokens))
                window.words.append(word)
            tokens += ids[word]
        tokens += pieces.suffix
        if window.words:
            windows.append(window)
    return windows


def _encode_texts(encoded: Encoded, examples: Examples, pieces: TaskTokenizer, length: int) -> None:
    capacity = length - pieces.special
    batch = pieces.tokenizer(examples.texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    for number, text in enumerate(examples.texts):
        ids = pieces.as_text(batch["input_ids"][number])
        encoded.words += len(text.split())
        encoded.words_without_pieces += 0 if ids else len(text.split())
        if len(ids) > capacity:
            end = batch["offset_mapping"][number][capacity - 1][1]
            encoded.truncated_words += len(text[end:].split())
        kept = [*pieces.prefix, *(ids[:capacity] or [pieces.unknown]), *pieces.suffix]
        encoded.windows.append(Window(number, kept, [0], [0]))


def _encode_pairs(encoded: Encoded, examples: Examples, pieces: TaskTokenizer, length: int) -> None:
    places, words = [0], [0]
    for start in range(0, len(examples), AT_ONCE):
        texts, others = (side[start : start + AT_ONCE] for side in (examples.texts, examples.pairs))
        batch = pieces.tokenizer(
            texts,
            others,
            truncation="longest_first",
            max_length=length,
            return_offsets_mapping=True,
            return_token_type_ids=True,
            verbose=False,
        )
        for row, sides in enumerate(zip(texts, others, strict=True)):
            encoding = batch.encodings[row]
            _count_words(encoded, sides, encoding.sequence_ids, encoding.offsets, bool(encoding.overflowing))
            ids = array("i", pieces.as_text(encoding.ids, encoding.special_tokens_mask))
            window = Window(start + row, ids, places, words, bytes(encoding.type_ids))
            encoded.windows.append(window)


def _count_words(
    encoded: Encoded, sides: tuple[str, str], owners: Sequence[int | None], offsets: Sequence[Any], cut: bool
) -> None:
    """Count the words of a pair: all, those of a side without any piece, and those beyond its last piece."""
    for side, text in enumerate(sides):
        encoded.words += len(text.split())
        if side not in owners:
            encoded.words_without_pieces += len(text.split())
        elif cut:
            last = max(place for place, owner in enumerate(owners) if owner == side)
            encoded.truncated_words += len(text[offsets[last][1] :].split())
