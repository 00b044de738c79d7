"""What the kinds of tokenizer have in common for reduction."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smelt.models.reduction.tensors import Ids

Kept = NDArray[np.bool_]
"""Whether each piece is kept, shape (pieces,)."""


class Form(Protocol):
    """A vocabulary in one of the forms that a folder may hold it in."""

    always: list[int]
    """Ids that this form cannot be without."""

    def needed(self, kept: Kept, characters: bool | None) -> dict[str, list[int]]:
        """Return, by reason, the ids that the kept ones need, kept themselves or not."""


class Kind(Form, Protocol):
    """The model's section of a tokenizer.json: WordPiece, Unigram or BPE."""

    base: list[tuple[str, int]]
    """Pieces and ids of the base vocabulary, without tokens that were added to it."""

    def loosened(self, kept: Kept) -> list[int]:
        """Return kept ids whose pieces may make an unknown word known."""

    def reduced(self, new: Ids) -> dict[str, Any]:
        """Return the section with the kept pieces alone; `new[id]` is -1 for the others."""

    def check_files(self, folder: Path) -> None:
        """Refuse older files of the same vocabulary that hold something else."""

    def write_files(self, folder: Path, output: Path, new: Ids) -> None:
        """Write the older files of the vocabulary that the source has."""


def renumbered(base: Iterable[tuple[str, int]], new: Ids) -> dict[str, int]:
    """Return the kept pieces and their new ids."""
    numbers = new.tolist()
    return {piece: numbers[identity] for piece, identity in base if numbers[identity] >= 0}


def characters_of(pieces: Iterable[str]) -> set[str]:
    """Return every character that occurs in some piece."""
    return set().union(*pieces)
