"""Add pieces to a vocabulary of each kind, so that its tokenizer uses them and otherwise cuts as before.

WordPiece takes the longest piece that fits, so a new one is used wherever it fits. In a word without new pieces, each
piece is still the longest that fits. One thing may change: a known word becomes unknown if no piece fits after a new
one. That needs a rest with a character that is not a continuation piece itself; `tightened` says whether there is one.

Unigram takes the cut of the highest sum of scores. A new piece's score is the logarithm of its share in the texts, and
in any case above the sum of those of its parts, which it would otherwise never replace. It lies within the old scores:
SentencePiece counts the penalty of unknown characters from the lowest one and a user-defined piece's from the highest.
If the best of all cuts has no new pieces, it was also the best before.

Tokens that were added to a tokenizer after training have ids behind its pieces. New pieces come behind these, so that
they keep their ids too; and as ids of a vocabulary have no gaps, the tokens become pieces of it. That matters only if a
text spells one and it should be read as text.

BPE does its merges in order. New ones come last: the old cut is reached first, and is final unless a new merge joins
two of its pieces. A merge that builds an old piece is not taken, nor are those after it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from smelt.errors import SmeltError
from smelt.files import write_json
from smelt.models.amplify.learning import Learnt, Merge, ids_of, symbol
from smelt.models.vocabulary.kinds import (
    FILE,
    MERGES,
    VOCABULARY,
    BytePairKind,
    UnigramKind,
    WordPieceKind,
    byte_pieces,
    characters_of,
)
from smelt.models.vocabulary.tokenizer_files import Tree
from smelt.models.vocabulary.vocabulary import Vocabulary

SPARE = 1.25  # merges to learn for each piece wanted: of those, some are only on the way to longer ones
_STEP = 64  # scores are multiples of 1/64, which every format holds exactly


@dataclass(frozen=True)
class NewPiece:
    """A piece to add."""

    spelling: str
    parts: tuple[int, ...]
    """The old pieces that it was cut into."""
    share: float
    """Of the texts' pieces, once all new ones are used."""


@dataclass(frozen=True)
class Addition:
    """The pieces and merges that a vocabulary gains."""

    pieces: list[NewPiece]
    """In the order of their ids."""
    merges: list[tuple[str, str]]
    """In order; of BPE alone."""


class Growth(Protocol):
    """How a kind of vocabulary grows."""

    excluded: list[int]
    """Ids that no new piece may contain, in addition to added and special ones."""
    tightened: bool
    """Whether a known word without new pieces may become unknown."""

    def addition(self, learnt: Learnt, pieces: int) -> Addition:
        """Return at most `pieces` of the learnt pieces."""

    def section(self, model: Mapping[str, Any], addition: Addition) -> dict[str, Any]:
        """Return the model's section of a tokenizer.json with the addition; `model` is the one without."""

    def write_files(self, folder: Path, output: Path, addition: Addition) -> None:
        """Write the older files of the vocabulary that the source has."""


def growth_of(vocabulary: Vocabulary) -> Growth:
    """Return the growth of a vocabulary's kind.

    Raises:
        SmeltError: no pieces can be added to it.
    """
    for protobuf in vocabulary.protobufs:
        protobuf.refuse_merging()
    return _GROWTHS[type(vocabulary.kind)](vocabulary, vocabulary.kind)


class WordPieceGrowth:
    """Pieces that the longest match takes."""

    def __init__(self, vocabulary: Vocabulary, kind: WordPieceKind) -> None:
        """Take the vocabulary."""
        self._vocabulary, self._kind = vocabulary, kind
        self.excluded = [*kind.always, *(kind.ids[piece] for piece in kind.reserved)]
        inner = (
            piece.removeprefix(kind.prefix) if piece.startswith(kind.prefix) else piece[1:]
            for piece in kind.ids.keys() - kind.reserved
        )
        self.tightened = any(kind.prefix + character not in kind.ids for character in characters_of(inner))

    def addition(self, learnt: Learnt, pieces: int) -> Addition:
        """Return the commonest of the learnt pieces."""
        return Addition(_commonest(self._vocabulary, learnt, pieces, self._spell), [])

    def section(self, model: Mapping[str, Any], addition: Addition) -> dict[str, Any]:
        """Return the section with the new pieces, and with tokens that were added behind the old ones."""
        return {**model, "vocab": _number_pieces(model["vocab"], self._vocabulary, addition)}

    def write_files(self, folder: Path, output: Path, addition: Addition) -> None:
        """Write vocab.txt, where a line's number is its id."""
        if (folder / FILE).is_file():
            lines = (folder / FILE).read_text(encoding="utf-8").removesuffix("\n").split("\n")
            lines += self._vocabulary.pieces[len(lines) :]
            lines += [piece.spelling for piece in addition.pieces]
            (output / FILE).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")

    def _spell(self, parts: Iterable[str]) -> str:
        first, *others = parts
        return first + "".join(part.removeprefix(self._kind.prefix) for part in others)


class UnigramGrowth:
    """Pieces with scores above those of their parts."""

    tightened = False

    def __init__(self, vocabulary: Vocabulary, kind: UnigramKind) -> None:
        """Take the vocabulary."""
        self._vocabulary, self._kind = vocabulary, kind
        self.excluded = [*kind.always, *byte_pieces(kind.ids)]

    def addition(self, learnt: Learnt, pieces: int) -> Addition:
        """Return the commonest of the learnt pieces."""
        return Addition(_commonest(self._vocabulary, learnt, pieces, "".join), [])

    def section(self, model: Mapping[str, Any], addition: Addition) -> dict[str, Any]:
        """Return the section with tokens that were added behind the old pieces, and the new ones with their scores."""
        old = model["vocab"]
        behind = [[piece, self._least] for piece in self._vocabulary.pieces[len(old) :]]
        return {**model, "vocab": [*old, *behind, *map(list, self._score_pieces(addition))]}

    def write_files(self, folder: Path, output: Path, addition: Addition) -> None:  # noqa: ARG002 - as of every kind
        """Write SentencePiece's protobufs."""
        for protobuf in self._vocabulary.protobufs:
            protobuf.write_with(output, self._score_pieces(addition))

    def _score_pieces(self, addition: Addition) -> list[tuple[str, float]]:
        return [(piece.spelling, self.score(piece)) for piece in addition.pieces]

    def score(self, piece: NewPiece) -> float:
        """Return a new piece's score: ln of its share, above the sum of its parts' and within the old ones."""
        own = self._kind.scores[[*piece.parts]].sum()
        score = max(np.log(piece.share) if piece.share else -np.inf, own)
        raised = (np.floor(score * _STEP) + 1) / _STEP
        return float(np.clip(raised, np.ceil(self._least * _STEP) / _STEP, np.floor(self._most * _STEP) / _STEP))

    @property
    def _least(self) -> float:
        return float(self._kind.scores.min())

    @property
    def _most(self) -> float:
        return float(self._kind.scores.max())


class BytePairGrowth:
    """Pieces that merges build, after all the old ones."""

    tightened = False

    def __init__(self, vocabulary: Vocabulary, kind: BytePairKind) -> None:
        """Take the vocabulary.

        Raises:
            SmeltError: it is SentencePiece's, which merges whatever spells a piece.
        """
        if vocabulary.protobufs:
            path = vocabulary.protobufs[0].path
            raise SmeltError(
                vocabulary.where, f"{path} is a SentencePiece model of byte pairs, to which no pieces can be added"
            )
        self._vocabulary, self._kind = vocabulary, kind
        self.excluded = byte_pieces(kind.ids) if kind.model.get("byte_fallback") else []
        unknown: str | None = kind.model.get("unk_token")
        self.excluded += [kind.ids[unknown]] if unknown in kind.ids else []

    def addition(self, learnt: Learnt, pieces: int) -> Addition:
        """Return the first of the learnt pieces with the merges that build them."""
        old, known = set(self._vocabulary.pieces), {symbol(part) for merge in learnt.merges for part in merge.parts}
        new: dict[str, NewPiece] = {}
        merges: list[tuple[str, str]] = []
        for merge in learnt.merges:
            if len(new) == pieces:
                break
            spelling = self._spell(merge.built)
            if merge.left in known and merge.right in known and spelling not in old:
                known.add(merge.built)
                merges.append((self._spell(merge.left), self._spell(merge.right)))
                new.setdefault(spelling, _piece(spelling, merge, learnt))
        return Addition(list(new.values()), list(dict.fromkeys(merges)))

    def section(self, model: Mapping[str, Any], addition: Addition) -> dict[str, Any]:
        """Return the section with the new pieces and merges, written as the old ones are."""
        as_text = bool(model["merges"]) and isinstance(model["merges"][0], str)
        merges = [" ".join(pair) if as_text else list(pair) for pair in addition.merges]
        vocabulary = _number_pieces(model["vocab"], self._vocabulary, addition)
        return {**model, "vocab": vocabulary, "merges": [*model["merges"], *merges]}

    def write_files(self, folder: Path, output: Path, addition: Addition) -> None:
        """Write vocab.json and merges.txt, where the source has them."""
        if (folder / VOCABULARY).is_file():
            write_json(output / VOCABULARY, _number_pieces(self._kind.ids, self._vocabulary, addition))
        if (folder / MERGES).is_file():
            text = (folder / MERGES).read_text(encoding="utf-8").removesuffix("\n")
            lines = [text, *(" ".join(pair) for pair in addition.merges)]
            (output / MERGES).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")

    def _spell(self, run: str) -> str:
        first, *others = (self._vocabulary.pieces[identity] for identity in ids_of(run))
        return first + "".join(other[len(self._kind.prefix) :] for other in others)


_GROWTHS: dict[type, Callable[[Vocabulary, Any], Growth]] = {
    WordPieceKind: WordPieceGrowth,
    UnigramKind: UnigramGrowth,
    BytePairKind: BytePairGrowth,
}


def grow(tree: Tree, growth: Growth, addition: Addition) -> Tree:
    """Return a tokenizer with the addition."""
    return tree | {"model": growth.section(tree["model"], addition)}


def _commonest(vocabulary: Vocabulary, learnt: Learnt, pieces: int, spelt: Any) -> list[NewPiece]:
    """Return the new pieces that are used most once all merges are done; among equals, those learnt first."""
    old = set(vocabulary.pieces)
    new: dict[str, NewPiece] = {}
    for merge in sorted(learnt.merges, key=lambda merge: -learnt.counts.get(merge.built, 0)):
        spelling = spelt(vocabulary.pieces[part] for part in merge.parts)
        if spelling not in old and spelling not in new and len(new) < pieces:
            new[spelling] = _piece(spelling, merge, learnt)
    return list(new.values())


def _piece(spelling: str, merge: Merge, learnt: Learnt) -> NewPiece:
    return NewPiece(spelling, merge.parts, learnt.counts.get(merge.built, 0) / max(learnt.total, 1))


def _number_pieces(old: Mapping[str, int], vocabulary: Vocabulary, addition: Addition) -> dict[str, int]:
    """Return pieces with their ids: the old ones, tokens added behind them, and the new ones behind all."""
    behind = {piece: identity for identity, piece in enumerate(vocabulary.pieces) if piece and piece not in old}
    new = {piece.spelling: vocabulary.size + number for number, piece in enumerate(addition.pieces)}
    return {**old, **behind, **new}
