"""Unigram (Kudo 2018; ALBERT, XLM-R, T5): the cut whose pieces' scores, natural logarithms, sum to most.

Why a reduced vocabulary is exact. The search (Viterbi) keeps, for each end in the text, the best sum over cuts up to
there, and of equal ones that whose last piece is longest, as it is met first. Say that all pieces of a line's cut are
kept. Leaving others out takes candidates away and adds none but these: where a character's own piece is gone, the
unknown piece offers itself for it, at the lowest score of the vocabulary less ten. With the lowest score unchanged that
is below what the character's piece offered at the same place. So at each end no candidate is better than it was, the
best cut's own are as good as they were, and candidates come in the same order: the same cut wins, ties included, and
rounding too, as sums of floats never fall when a term grows. Hence the closure keeps a piece of the lowest score.

The characters of kept pieces are kept for another reason: a text that kept pieces can spell stays known throughout.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from smelt.models.reduction.kinds import Kept, characters_of
from smelt.models.reduction.loading import Tree
from smelt.models.reduction.tensors import Ids


class Unigram:
    """The model's section of a Unigram tokenizer."""

    def __init__(self, tree: Tree, where: str) -> None:
        """Read the section."""
        self.where = where
        self.model: dict[str, Any] = tree["model"]
        self.scores = np.array([score for _, score in self.model["vocab"]])
        self.base = [(piece, identity) for identity, (piece, _) in enumerate(self.model["vocab"])]
        self.ids = dict(self.base)
        unknown = self.model["unk_id"]
        self.always = [] if unknown is None else [unknown]
        self.always += byte_pieces(self.ids) if self.model.get("byte_fallback") else []
        self.added = {token["content"] for token in tree["added_tokens"]}
        self.twins = _twins(self.base) if len(self.ids) < len(self.base) else []

    def needed(self, kept: Kept, characters: bool | None) -> dict[str, list[int]]:
        """Return what kept pieces need: one of the lowest score, their characters, and others spelt the same.

        A piece that stands twice in the list is looked up as the last of its kind. Were that one alone left out,
        the first would be found in its stead.
        """
        found = {
            "lowest score": lowest(self.scores, kept),
            "same spelling": [identity for group in self.twins if kept[group].any() for identity in group],
        }
        if characters is not False:
            alone = characters_of(piece for piece, identity in self.base if kept[identity] and piece not in self.added)
            found["characters"] = [self.ids[character] for character in alone if character in self.ids]
        return found

    def loosened(self, kept: Kept) -> list[int]:
        """Return nothing: what was unknown to the full vocabulary stays so."""
        del kept
        return []

    def reduced(self, new: Ids) -> dict[str, Any]:
        """Return the section with the kept pieces alone, in the old order."""
        vocabulary = self.model["vocab"]
        unknown = self.model["unk_id"]
        return self.model | {
            "vocab": [vocabulary[identity] for identity in np.flatnonzero(new[: len(vocabulary)] >= 0)],
            "unk_id": None if unknown is None else int(new[unknown]),
        }

    def check_files(self, folder: Path) -> None:
        """Do nothing: SentencePiece's protobuf is a form of its own."""

    def write_files(self, folder: Path, output: Path, new: Ids) -> None:
        """Write nothing, for the same reason."""


def lowest(scores: np.ndarray[Any, np.dtype[np.float64]], kept: Kept) -> list[int]:
    """Return the first piece of the lowest score, unless one of that score is kept."""
    ties = np.flatnonzero(scores == scores.min())
    return [] if kept[ties].any() else [int(ties[0])]


def byte_pieces(ids: dict[str, int]) -> list[int]:
    """Return the pieces of single bytes, `<0x00>` to `<0xFF>`, that a vocabulary has."""
    names = (f"<0x{byte:02X}>" for byte in range(256))
    return [ids[name] for name in names if name in ids]


def _twins(base: list[tuple[str, int]]) -> list[list[int]]:
    places: defaultdict[str, list[int]] = defaultdict(list)
    for piece, identity in base:
        places[piece].append(identity)
    return [group for group in places.values() if len(group) > 1]
