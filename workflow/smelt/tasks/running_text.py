"""Cut words that are given one by one like the same words in running text, which the model was pretrained on.

Byte-level BPE (RoBERTa, ModernBERT, Llama 3) and Gemma's BPE write the blank before a word into its first piece. A word
given alone has none, and would become pieces that the model has seen only inside words. transformers offers
`add_prefix_space=True`, which it ignores for folders without a tokenizer class of their own, and which puts blanks
before every digit and comma where text is split by an expression first. Here the change is chosen by trial on a
few words, and its effect is measured on the words of the task.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from tokenizers import normalizers, pre_tokenizers

from smelt.errors import SmeltError
from smelt.training.pieces import is_byte_level, readable

Words = Sequence[str]

PROBE: list[Words] = [["One", "two", "don't", "12345", ",", "é", "x."], ["x", "(", "y", ")", "A-b", "7%"]]
"""Words, digits and punctuation: with each of them some change goes wrong."""
COMPARED = 1_000  # sentences of a task that are compared: thousands of words, in less than a second
LIMIT = 0.05
"""Share of words that may be cut differently. Control characters and rare blanks in words stay far below it."""

Change = Callable[[Any], bool]
"""Changes a tokenizer of the tokenizers library in place; returns whether there was anything to change."""


@dataclass(frozen=True)
class WordComparison:
    """How many words are cut differently one by one than in running text."""

    words: int
    different: int
    example: tuple[str, str, str] | None = None
    """One of these words, its pieces one by one, and its pieces in running text."""

    @property
    def share(self) -> float:
        """Return the share of such words."""
        return self.different / self.words if self.words else 0.0

    def __add__(self, other: "WordComparison") -> "WordComparison":
        """Return the counts of both."""
        return WordComparison(self.words + other.words, self.different + other.different, self.example or other.example)

    def record(self, blank: bool) -> dict[str, int | float | bool]:
        """Return the record for metrics.json; `blank` is whether words are given with a blank before each."""
        counts = {"words": self.words, "cut_otherwise": self.different, "share": self.share}
        return counts | {"blank_before_each_word": blank}

    def sentence(self) -> str:
        """Return the counts in a sentence."""
        text = f"{self.different:,} of {self.words:,} words ({self.share:.2%}) are cut differently one by one"
        text += " than in running text"
        if self.example is not None:
            word, alone, running = self.example
            text += f", such as {word!r}: {alone} one by one, {running} in running text"
        return text


def with_blank_before_words(tokenizer: Any, load: Callable[[], Any]) -> Any | None:
    """Return the tokenizer with a blank before each word given alone, or None where it is not needed or not enough.

    Args:
        tokenizer: a fast tokenizer.
        load: loads the same one again, to be changed.
    """
    if _cuts_probe_alike(tokenizer, tokenizer):
        return None
    for change in (_in_pre_tokenizer, _in_normalizer):
        changed = load()
        if change(changed.backend_tokenizer) and _cuts_probe_alike(changed, tokenizer):
            # RoBERTa's and GPT-2's classes build their pre-tokenizer from this one when they are saved and loaded.
            changed.add_prefix_space = change is _in_pre_tokenizer
            return changed
    return None


def compare(for_words: Any, tokenizer: Any, sentences: Sequence[Words]) -> WordComparison:
    """Compare words cut one by one with the same words in running text, joined by blanks.

    The first word of a text may be cut as it is with a blank before it, or without.

    Args:
        for_words: the tokenizer that cuts words.
        tokenizer: the one that cuts running text, as the model was pretrained with.
        sentences: words of sentences. Words of blanks alone are left out.
    """
    kept = [words for sentence in sentences if (words := [word for word in sentence if word.strip()])]
    if not kept:
        return WordComparison(0, 0)
    cut = for_words(kept, is_split_into_words=True, add_special_tokens=False, verbose=False)
    texts = [" ".join(words) for words in kept]
    readings = [tokenizer(part, add_special_tokens=False, verbose=False) for part in (texts, [f" {t}" for t in texts])]
    different, example = 0, None
    for row, words in enumerate(kept):
        if any(cut["input_ids"][row] == reading["input_ids"][row] for reading in readings):
            continue
        alone = _pieces_of_words(cut["input_ids"][row], cut.word_ids(row), len(words))
        running = [_of_text(reading, row, words, blanks) for blanks, reading in enumerate(readings)]
        for place, ids in enumerate(alone):
            if any(ids == reading[place] for reading in running):
                continue
            different += 1
            example = example or (words[place], _show(tokenizer, ids), _show(tokenizer, running[0][place]))
    return WordComparison(sum(map(len, kept)), different, example)


def same_cut(one: Any, other: Any) -> bool:
    """Return whether two tokenizers cut the words of PROBE, given one by one, into the same ids."""
    ids = [each(PROBE, is_split_into_words=True, add_special_tokens=False)["input_ids"] for each in (one, other)]
    return bool(ids[0] == ids[1])


def check_words(for_words: Any, tokenizer: Any, sentences: Sequence[Words], folder: Path) -> WordComparison:
    """Compare sentences from all parts of a task, and refuse a tokenizer that cuts its words differently.

    Raises:
        SmeltError: it cuts more than LIMIT of the words differently one by one than in running text.
    """
    step = -(-len(sentences) // COMPARED) or 1
    found = compare(for_words, tokenizer, sentences[::step])
    if found.share > LIMIT:
        raise SmeltError(
            folder,
            f"{found.sentence()}; no blank before a word corrects this tokenizer: expected one whose pieces do not"
            " cross words. Take another model for tasks that label words",
        )
    return found


def _in_pre_tokenizer(backend: Any) -> bool:
    """Have the part of the pre-tokenizer that handles blanks put one before each word."""
    whole = backend.pre_tokenizer
    parts: list[Any] = list(iter(whole)) if isinstance(whole, pre_tokenizers.Sequence) else [whole]
    changed = False
    for part in parts:
        if isinstance(part, pre_tokenizers.Metaspace):
            part.prepend_scheme, changed = "always", True
        elif isinstance(part, pre_tokenizers.ByteLevel):
            part.add_prefix_space, changed = True, True
    return changed


def _in_normalizer(backend: Any) -> bool:
    """Put a blank before each word ahead of anything else."""
    before = [] if backend.normalizer is None else [backend.normalizer]
    backend.normalizer = normalizers.Sequence([normalizers.Prepend(" "), *before])
    return True


def _cuts_probe_alike(for_words: Any, tokenizer: Any) -> bool:
    return compare(for_words, tokenizer, PROBE).different == 0


def _pieces_of_words(ids: Sequence[int], owners: Sequence[int | None], words: int) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in range(words)]
    for piece, owner in zip(ids, owners, strict=True):
        if owner is not None:
            found[owner].append(piece)
    return found


def _of_text(reading: Any, row: int, words: Words, blanks: int) -> list[list[int]]:
    """Return the ids of each word of a text: words joined by blanks, with a number of `blanks` before the first.

    A piece belongs to the word of its last character. Where it reaches into the word before, that word has it too, so
    neither is equal to a word cut alone.
    """
    starts = [blanks, *(blanks + end for end in accumulate(len(word) + 1 for word in words))][:-1]
    found: list[list[int]] = [[] for _ in words]
    for piece, (start, end) in zip(reading["input_ids"][row], reading.encodings[row].offsets, strict=True):
        last = max(bisect_right(starts, max(start, end - 1)) - 1, 0)
        if end > start and end - 1 == starts[last] + len(words[last]) and last + 1 < len(words):
            last += 1  # a piece that ends in the blank after a word belongs to the next one
        found[last].append(piece)
        before = last - 1
        if before >= 0 and start < starts[before] + len(words[before]):
            found[before].append(piece)
    return found


def _show(tokenizer: Any, ids: Sequence[int]) -> str:
    pieces = tokenizer.convert_ids_to_tokens(list(ids))
    return " ".join(map(readable, pieces) if is_byte_level(tokenizer) else pieces) or "nothing"
