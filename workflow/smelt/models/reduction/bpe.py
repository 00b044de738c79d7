"""Byte-pair encoding (Sennrich et al. 2016; RoBERTa's over bytes, Llama's over characters with bytes to fall back on).

Why a reduced vocabulary is exact. A word's characters are merged pair by pair, the lowest rank first, leftmost of
equals. Every piece that occurs on the way lies inside one final piece, for merges never cut again. Inside a final
piece's span the merges are those of that piece taken alone: a pair of lowest rank in the whole word is of lowest rank
in its span. So a final piece is always built the same way, and the closure keeps all pieces on it.

Now say that all final pieces of a word are kept. Each merge of the full vocabulary on the way then joins kept pieces to
a kept one, so the reduced vocabulary has it, in the same order among fewer others: it comes first there too. A merge
whose result is not kept never fires in such a word, since what it builds would lie inside a kept final piece and
would have been kept by the closure. And where no merge of the full vocabulary is left to do, none of the fewer is.
So every step is the same. Words with a piece that is not kept may be cut otherwise anywhere within them.
"""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import pre_tokenizers

from smelt.errors import SmeltError
from smelt.files import json_text, read_json
from smelt.models.reduction.kinds import Kept, renumbered
from smelt.models.reduction.loading import Tree
from smelt.models.reduction.merging import pieces_on_the_way
from smelt.models.reduction.tensors import Ids
from smelt.models.reduction.tokenizer_json import has_part
from smelt.models.reduction.unigram import byte_pieces

VOCABULARY, MERGES = "vocab.json", "merges.txt"

Pair = tuple[str, str]


class BytePairs:
    """The model's section of a BPE tokenizer."""

    def __init__(self, tree: Tree, where: str) -> None:
        """Read the section.

        Raises:
            SmeltError: it drops merges at random, so that no two cuts need be the same.
        """
        self.where = where
        self.model: dict[str, Any] = tree["model"]
        if self.model.get("dropout"):
            raise SmeltError(where, "its BPE drops merges at random (dropout), so no reduction of it can be exact")
        self.ids: dict[str, int] = self.model["vocab"]
        self.base = list(self.ids.items())
        self.merges: list[Pair] = [_pair(merge) for merge in self.model["merges"]]
        self.prefix: str = self.model.get("continuing_subword_prefix") or ""
        self.suffix: str = self.model.get("end_of_word_suffix") or ""
        self.always = [self.ids[piece] for piece in {self.model.get("unk_token")} & self.ids.keys()]
        self.always += byte_pieces(self.ids) if self.model.get("byte_fallback") else []
        if has_part(tree, "ByteLevel"):
            self.always += [self.ids[byte] for byte in pre_tokenizers.ByteLevel.alphabet() if byte in self.ids]
        self._ways: dict[str, list[str]] = {}

    def needed(self, kept: Kept, characters: bool | None) -> dict[str, list[int]]:
        """Return the pieces and characters on the way to kept pieces; a BPE without them could not build these."""
        del characters
        merges: list[int] = []
        alone: list[int] = []
        for piece in [piece for piece, identity in self.base if kept[identity]]:
            for part in self._way(piece):
                if part in self.ids:
                    (alone if len(self._symbols(part)) == 1 else merges).append(self.ids[part])
        return {"merges": merges, "characters": alone}

    def loosened(self, kept: Kept) -> list[int]:
        """Return nothing: what was unknown to the full vocabulary stays so."""
        del kept
        return []

    def reduced(self, new: Ids) -> dict[str, Any]:
        """Return the section with the kept pieces, and the merges whose parts and result are kept."""
        vocabulary = renumbered(self.base, new)
        written = zip(self.model["merges"], self.merges, strict=True)
        merges = [merge for merge, pair in written if self._is_within(pair, vocabulary)]
        return self.model | {"vocab": vocabulary, "merges": merges}

    def check_files(self, folder: Path) -> None:
        """Refuse a vocab.json or a merges.txt that holds something else than the tokenizer that loads."""
        path = folder / VOCABULARY
        if path.is_file() and read_json(path) != self.ids:
            raise SmeltError(self.where, f"{path} holds other pieces than the tokenizer that loads; delete one")
        path = folder / MERGES
        if path.is_file() and _read_merges(path) != self.merges:
            raise SmeltError(self.where, f"{path} holds other merges than the tokenizer that loads; delete one")

    def write_files(self, folder: Path, output: Path, new: Ids) -> None:
        """Write vocab.json and merges.txt, where the source has them."""
        vocabulary = renumbered(self.base, new)
        if (folder / VOCABULARY).is_file():
            ordered = dict(sorted(vocabulary.items(), key=lambda item: item[1]))
            (output / VOCABULARY).write_text(json_text(ordered) + "\n", encoding="utf-8")
        if (folder / MERGES).is_file():
            pairs = [pair for pair in self.merges if self._is_within(pair, vocabulary)]
            lines = ["#version: 0.2", *(f"{left} {right}" for left, right in pairs)]
            (output / MERGES).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")

    @cached_property
    def _ranks(self) -> dict[Pair, int]:
        return {pair: rank for rank, pair in enumerate(self.merges)}

    @cached_property
    def _parts(self) -> dict[str, Pair]:
        """The pair that builds a piece, for pieces that only one pair builds."""
        builders = Counter(self._joined(*pair) for pair in self.merges)
        return {piece: pair for pair in self.merges if builders[piece := self._joined(*pair)] == 1}

    @cached_property
    def _built(self) -> set[str]:
        return {self._joined(*pair) for pair in self.merges}

    def _way(self, piece: str) -> list[str]:
        """Return what a piece is built from.

        Where one merge alone builds it, its last step is plain and its parts tell the rest in the next round.
        SentencePiece's models have a merge for every way to halve a piece; there merging itself must tell.
        """
        if piece not in self._built:
            return []
        if piece in self._parts:
            return list(self._parts[piece])
        if piece not in self._ways:
            ranks = self._ranks
            way = pieces_on_the_way(self._symbols(piece), lambda left, right: ranks.get((left, right)), self._joined)
            self._ways[piece] = way or []
        return self._ways[piece]

    def _symbols(self, piece: str) -> list[str]:
        """Return the characters of a piece, as they are marked before merging begins."""
        first = self.prefix if self.prefix and piece.startswith(self.prefix) else ""
        last = self.suffix if self.suffix and piece.endswith(self.suffix) else ""
        bare = piece[len(first) : len(piece) - len(last)]
        symbols = [(first if place == 0 else self.prefix) + character for place, character in enumerate(bare)]
        return [*symbols[:-1], symbols[-1] + last] if symbols else [piece]

    def _joined(self, left: str, right: str) -> str:
        return left + right[len(self.prefix) :]

    def _is_within(self, pair: Pair, vocabulary: dict[str, int]) -> bool:
        return pair[0] in vocabulary and pair[1] in vocabulary and self._joined(*pair) in vocabulary


def _pair(merge: str | list[str]) -> Pair:
    """Return a merge's two pieces; older files have them as one text."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _read_merges(path: Path) -> list[Pair]:
    lines = path.read_text(encoding="utf-8").split("\n")
    return [_pair(line) for line in lines if line and not line.startswith("#version")]
