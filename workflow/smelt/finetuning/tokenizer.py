"""The model's own tokenizer, as far as fine-tuning needs it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from smelt.errors import SmeltError, first_line
from smelt.training.byte_level import is_byte_level, shown

# Without any of these, transformers makes up a tokenizer of a handful of special pieces.
VOCABULARIES = ("tokenizer.json", "spiece.model", "sentencepiece.bpe.model", "vocab.txt", "vocab.json")


@dataclass(frozen=True)
class Pieces:
    """A fast tokenizer, and the special ids that stand around a text or fill up a batch."""

    tokenizer: Any
    prefix: list[int]
    suffix: list[int]
    padding: int
    unknown: int

    @property
    def special(self) -> int:
        """How many tokens the special ids take of a window."""
        return len(self.prefix) + len(self.suffix)

    def texts(self, ids: list[int]) -> list[str]:
        """Return pieces as people read them; those of byte-level BPE are decoded as far as they are whole."""
        found: list[str] = self.tokenizer.convert_ids_to_tokens(ids)
        return [shown(piece) for piece in found] if is_byte_level(self.tokenizer) else found


def load_pieces(folder: Path) -> Pieces:
    """Return the tokenizer of a model's folder.

    Raises:
        SmeltError: there is none, it is not a fast one (whose pieces tell their words), or it has no unknown piece.
    """
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise SmeltError(folder, f"no tokenizer is in this folder: expected one of {', '.join(VOCABULARIES)}")
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SmeltError(folder, f"no tokenizer loads from this folder: {first_line(error)}") from None
    if not tokenizer.is_fast:
        raise SmeltError(folder, "its tokenizer is slow and does not tell words apart: expected a tokenizer.json")
    if tokenizer.unk_token_id is None or tokenizer.pad_token_id is None:
        raise SmeltError(folder, "its tokenizer lacks an unknown or a padding piece, which fine-tuning needs")
    prefix, suffix = _around(tokenizer, folder)
    return Pieces(tokenizer, prefix, suffix, tokenizer.pad_token_id, tokenizer.unk_token_id)


def refuse_unmarked_pairs(pieces: Pieces, folder: Path) -> None:
    """Refuse a tokenizer that puts nothing between the two texts of a pair, which a model could not tell apart.

    Raises:
        SmeltError: it does so.
    """
    owners = pieces.tokenizer("a", "a").sequence_ids(0)
    if 1 not in owners or owners[owners.index(1) - 1] is not None:
        raise SmeltError(folder, "its tokenizer puts no special piece between the two texts of a pair")


def _around(tokenizer: Any, folder: Path) -> tuple[list[int], list[int]]:
    """Return the special ids before and after a text, found by encoding one word with and without them."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    for start in range(len(whole) - len(bare) + 1):
        if bare and whole[start : start + len(bare)] == bare:
            return whole[:start], whole[start + len(bare) :]
    raise SmeltError(folder, "its tokenizer gives no piece for the word 'a': it is broken, or its vocabulary is")
