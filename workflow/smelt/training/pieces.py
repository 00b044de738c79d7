"""What packing and masking need to know of every piece of a vocabulary, as tables looked up by token id."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smelt.errors import SmeltError
from smelt.model_folder import read_tokenizer
from smelt.training.word_starts import word_starts

Table = NDArray[np.bool_]


@dataclass(frozen=True)
class Pieces:
    """A vocabulary's special ids and its tables, each of shape (vocabulary,)."""

    size: int
    padding: int
    unknown: int
    classification: int
    separator: int
    mask: int
    digest: str
    """Digest of all that decides how text becomes ids."""
    special: Table
    word_start: Table
    """Pieces that begin a word; punctuation does (ALBERT's rule), and so do pieces of scripts without spaces."""

    @property
    def dtype(self) -> type[np.uint16] | type[np.uint32]:
        """The narrowest type that token ids are kept in: 16 bits up to 65,535 pieces."""
        return np.uint16 if self.size <= 65_535 else np.uint32

    @property
    def ordinary(self) -> NDArray[np.int64]:
        """Ids of the pieces that are not special, ascending."""
        return np.flatnonzero(~self.special)


def load_tokenizer(folder: Path) -> Any:
    """Return the fast tokenizer of a folder, which reads a special piece that a text spells out as text.

    Raises:
        SmeltError: the folder holds no tokenizer, or one without the five special tokens of pretraining.
    """
    tokenizer = read_tokenizer(folder)
    roles = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    missing = [role for role in roles if getattr(tokenizer, f"{role}_id") is None]
    if missing or not tokenizer.is_fast:
        raise SmeltError(folder, f"expected a fast tokenizer with {', '.join(roles)}; lacks {', '.join(missing)}")
    return tokenizer


def pieces_of(tokenizer: Any) -> Pieces:
    """Return the tables of a fast tokenizer.

    Raises:
        SmeltError: pieces that do not tell where words begin; see smelt.training.word_starts.
    """
    texts = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    special = np.zeros(len(texts), dtype=bool)
    special[list(tokenizer.all_special_ids)] = True
    return Pieces(
        size=len(texts),
        padding=tokenizer.pad_token_id,
        unknown=tokenizer.unk_token_id,
        classification=tokenizer.cls_token_id,
        separator=tokenizer.sep_token_id,
        mask=tokenizer.mask_token_id,
        digest=hashlib.sha256(tokenizer.backend_tokenizer.to_str().encode()).hexdigest(),
        special=special,
        word_start=special | np.array(word_starts(tokenizer, texts), dtype=bool),
    )
