"""A model's own tokenizer, as tasks need it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json, write_json
from smelt.model_folder import publish_tokenizer, read_tokenizer, refuse_without_tokenizer
from smelt.tasks.running_text import WordComparison, check_words, same_cut, with_blank_before_words
from smelt.training.pieces import is_byte_level, readable

GENERIC = "PreTrainedTokenizerFast"  # transformers' class that reads tokenizer.json and builds nothing itself


@dataclass(frozen=True)
class TaskTokenizer:
    """A fast tokenizer, and the special ids that stand around a text or fill up a batch."""

    tokenizer: Any
    prefix: list[int]
    suffix: list[int]
    padding: int
    unknown: int
    with_blanks: Any = None
    """The tokenizer with a blank before each word given alone; None where words are cut as in a text without it."""

    @property
    def for_words(self) -> Any:
        """The tokenizer that cuts words given one by one as they are cut in running text."""
        return self.tokenizer if self.with_blanks is None else self.with_blanks

    @property
    def splits_at_blanks(self) -> bool:
        """Whether the tokenizer separates the words of running text; Gemma's and Llama 2's do not."""
        return len(set(self.for_words("a a", add_special_tokens=False).word_ids())) > 1

    @property
    def special(self) -> int:
        """The number of special tokens of a window."""
        return len(self.prefix) + len(self.suffix)

    def texts(self, ids: list[int]) -> list[str]:
        """Return pieces as people read them; those of byte-level BPE are decoded as far as they are whole."""
        found: list[str] = self.tokenizer.convert_ids_to_tokens(ids)
        return [readable(piece) for piece in found] if is_byte_level(self.tokenizer) else found

    @cached_property
    def _special(self) -> frozenset[int]:
        return frozenset(self.tokenizer.all_special_ids)

    def as_text(self, ids: list[int], around: Sequence[int] | None = None) -> list[int]:
        """Return the ids of a text, without those of special pieces: what spells one is unknown, as in token blocks.

        A unigram model has special pieces in its vocabulary, and may find them in a text by itself.

        around: 1 for each id that the tokenizer has put around the text, which stays; by default there is none.
        """
        if self._special.isdisjoint(ids):
            return ids
        added = around or [0] * len(ids)
        return [self.unknown if id in self._special and not put else id for id, put in zip(ids, added, strict=True)]

    def check_pairs(self, folder: Path) -> None:
        """Refuse a tokenizer that puts nothing between the two texts of a pair, which a model could not distinguish.

        Raises:
            SmeltError: it does so.
        """
        owners = self.tokenizer("a", "a").sequence_ids(0)
        if 1 not in owners or owners[owners.index(1) - 1] is not None:
            raise SmeltError(folder, "its tokenizer puts no special piece between the two texts of a pair")

    def pair_frame(self) -> "PairFrame":
        """Return the special tokens around and between the two texts of a pair."""
        encoding = self.tokenizer("a", "a", return_token_type_ids=True).encodings[0]
        owners, ids, types = encoding.sequence_ids, encoding.ids, encoding.type_ids
        ends = [owners.index(side) for side in (0, 1)], [len(owners) - owners[::-1].index(side) for side in (0, 1)]
        (first, second), (first_end, second_end) = ends
        around = [(0, first), (first_end, second), (second_end, len(ids))]
        return PairFrame(
            [ids[low:high] for low, high in around],
            [types[low:high] for low, high in around],
            (types[first], types[second]),
        )

    def check_words(self, sentences: Sequence[Sequence[str]], folder: Path) -> WordComparison:
        """Return how a task's words, given one by one, compare with running text.

        Raises:
            SmeltError: too many of them are cut otherwise (see smelt.tasks.running_text).
        """
        return check_words(self.for_words, self.tokenizer, sentences, folder)

    def save(self, folder: Path, for_words: bool, max_length: int | None = None) -> None:
        """Write the tokenizer; where words bear labels, the one that puts a blank before the first word of a text too.

        Args:
            folder: the model's.
            for_words: whether words are given one by one, because each has a label.
            max_length: tokens that the model reads at once; None where there is no limit.

        Raises:
            SmeltError: it does not load as it was written.
        """
        tokenizer = self.for_words if for_words else self.tokenizer
        tokenizer.backend_tokenizer.no_truncation()  # that of pairs, at the length of the training
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.save_pretrained(folder)
        publish_tokenizer(folder, max_length)
        if tokenizer is self.tokenizer or same_cut(read_tokenizer(folder), tokenizer):
            return
        # Its class would build its parts without the blank: without a class, tokenizer.json is read as it is.
        path = folder / "tokenizer_config.json"
        generic = {"tokenizer_class": GENERIC, "model_input_names": tokenizer.model_input_names}
        write_json(path, read_json(path) | generic)
        if not same_cut(read_tokenizer(folder), tokenizer):
            raise SmeltError(folder, "its tokenizer does not load as it was written: it loses the blank before words")


@dataclass(frozen=True)
class PairFrame:
    """What a tokenizer puts before, between and behind the two texts of a pair."""

    ids: list[list[int]]
    """Special tokens at these three places."""
    types: list[list[int]]
    """Their token types."""
    texts: tuple[int, int]
    """Token type of each text."""

    @property
    def special(self) -> int:
        """The number of special tokens."""
        return sum(map(len, self.ids))

    def join(self, first: list[int], second: list[int]) -> tuple[list[int], bytes, int]:
        """Return the tokens of a pair, their types, and the position of the second text's first token."""
        before, between, behind = self.ids
        head = [*before, *first, *between]
        kinds = [
            *self.types[0],
            *[self.texts[0]] * len(first),
            *self.types[1],
            *[self.texts[1]] * len(second),
            *self.types[2],
        ]
        return [*head, *second, *behind], bytes(kinds), len(head)


def load_pieces(folder: Path) -> TaskTokenizer:
    """Return the tokenizer of a model's folder.

    Raises:
        SmeltError: there is none, it is not fast (does not find the word of each piece), or it has no unknown piece.
    """
    refuse_without_tokenizer(folder, folder)
    tokenizer = read_tokenizer(folder)
    if not tokenizer.is_fast:
        raise SmeltError(
            folder, "its tokenizer is slow and does not find the word of each piece: expected a tokenizer.json"
        )
    if tokenizer.unk_token_id is None or tokenizer.pad_token_id is None:
        raise SmeltError(folder, "its tokenizer lacks an unknown or a padding piece, which fine-tuning needs")
    prefix, suffix = _around(tokenizer, folder)
    with_blanks = with_blank_before_words(tokenizer, lambda: read_tokenizer(folder))
    return TaskTokenizer(tokenizer, prefix, suffix, tokenizer.pad_token_id, tokenizer.unk_token_id, with_blanks)


def _around(tokenizer: Any, folder: Path) -> tuple[list[int], list[int]]:
    """Return the special ids before and after a text, found by encoding one word with and without them."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if bare and whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise SmeltError(folder, "its tokenizer gives no piece for the word 'a': it is broken, or its vocabulary is")
