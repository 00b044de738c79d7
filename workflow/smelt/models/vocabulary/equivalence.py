"""Check that the tokenizer of a model with another vocabulary cuts lines of shared pieces as its source's does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from smelt.errors import SmeltError
from smelt.model_folder import read_tokenizer
from smelt.models.vocabulary.tensors import Ids
from smelt.models.vocabulary.vocabulary import Vocabulary

_BATCH = 256


@dataclass(frozen=True)
class Extent:
    """How much of each language a proof reads at most."""

    lines: int = 1000
    """Lines to tokenise."""
    state_lines: int = 2
    """Of those whose pieces are all kept, lines to run both models on."""
    length: int = 64
    """Tokens of a line that the models read."""
    threads: int = 1


@dataclass(frozen=True)
class FolderPair:
    """A model and its reduction, whose equivalence is to be proven."""

    source: Path
    """Folder of the whole model."""
    reduced: Path
    """Folder of the reduced one."""
    ids: Ids
    """The kept pieces, ascending."""
    where: str
    """The reduced model's name in errors."""
    loosened: bool = False
    """Whether words that were unknown may have become known (smelt.models.vocabulary.kinds)."""
    vocabulary: Vocabulary | None = None
    """The whole model's, where it was read: the reduced tokenizer is then compared with it part by part."""


@dataclass
class SegmentationTotals:
    """Sums over lines, as one tokenizer cuts them."""

    words: int = 0
    pieces: int = 0
    unknown: int = 0

    def add(self, line: str, ids: Ids, unknown: int | None) -> None:
        """Count a line."""
        self.words += len(line.split())
        self.pieces += len(ids)
        self.unknown += int((ids == unknown).sum()) if unknown is not None else 0

    def ratios(self) -> dict[str, float | None]:
        """Return fertility (pieces a whitespace word) and the share of unknown pieces; None where there is no line."""
        return {
            "fertility": self.pieces / self.words if self.words else None,
            "unknown_share": self.unknown / self.pieces if self.pieces else None,
        }


@dataclass
class ComparedTokens:
    """How the two tokenizers cut a language's lines."""

    lines: int = 0
    changed: int = 0
    """Lines that they cut differently: those that hold a piece that was not kept."""
    now_known: int = 0
    """Of these, lines whose pieces are all kept and in which a word was unknown that no longer is."""
    before: SegmentationTotals = field(default_factory=SegmentationTotals)
    after: SegmentationTotals = field(default_factory=SegmentationTotals)
    whole: list[str] = field(default_factory=list)
    """Lines whose pieces are all kept, which are cut alike."""

    def record(self) -> dict[str, Any]:
        """Return the figures."""
        return {
            "lines": self.lines,
            "lines_whose_pieces_are_all_kept": len(self.whole),
            "share_of_lines_that_tokenise_differently": self.changed / self.lines if self.lines else None,
            "lines_with_unknown_words_now_known": self.now_known,
            "before": self.before.ratios(),
            "after": self.after.ratios(),
        }


class TokenizerPair:
    """The tokenizer of the whole vocabulary and that of the kept pieces."""

    def __init__(self, before: Any, after: Any, ids: Ids, where: str, loosened: bool = False) -> None:
        """Take both, and the kept ids, ascending.

        loosened: whether unknown words may have become known (smelt.models.vocabulary.kinds); such lines are then
        counted, and not an error.

        Raises:
            SmeltError: the id of a kept piece is not its rank, or a special piece has changed.
        """
        self.before, self.after, self.ids, self.where = before, after, ids, where
        self._loosened = loosened
        self._kept = np.zeros(max(len(before), int(ids[-1]) + 1), bool)
        self._kept[ids] = True
        self._check_pieces()

    def compare(self, language: str, lines: Sequence[str]) -> ComparedTokens:
        """Return how both cut a language's lines.

        Raises:
            SmeltError: a line whose pieces are all kept is cut differently.
        """
        found = ComparedTokens()
        for begin in range(0, len(lines), _BATCH):
            batch = list(lines[begin : begin + _BATCH])
            for line, old, new in zip(batch, _cut(self.before, batch), _cut(self.after, batch), strict=True):
                self._add(found, language, line, old, new)
        return found

    def whole_of_kept(self, lines: Sequence[str]) -> list[bool]:
        """Return for each line whether all its pieces are kept."""
        return [bool(self._kept[ids].all()) for ids in _cut(self.before, list(lines))] if lines else []

    def others_of(self, line: str) -> list[int]:
        """Return the pieces of a line that are not kept."""
        return [identity for ids in _cut(self.before, [line]) for identity in ids[~self._kept[ids]].tolist()]

    def _add(self, found: ComparedTokens, language: str, line: str, old: Ids, new: Ids) -> None:
        found.lines += 1
        found.before.add(line, old, self.before.unk_token_id)
        found.after.add(line, new, self.after.unk_token_id)
        same = np.array_equal(self.ids[new], old)
        found.changed += not same
        if self._kept[old].all():
            if same:
                found.whole.append(line)
            elif self._loosened and (old == self.before.unk_token_id).any():
                found.now_known += 1
            else:
                raise SmeltError(self.where, self._difference(language, line, old, new))

    def _check_pieces(self) -> None:
        if len(self.after) != len(self.ids):
            raise SmeltError(self.where, f"the reduced tokenizer has {len(self.after)} pieces, not {len(self.ids)}")
        old = self.before.convert_ids_to_tokens(self.ids.tolist())
        new = self.after.convert_ids_to_tokens(range(len(self.ids)))
        for rank, (one, other) in enumerate(zip(old, new, strict=True)):
            if one != other:
                raise SmeltError(self.where, f"piece {one!r} was to have the id {rank}, which {other!r} has")
        for name, piece in self.before.special_tokens_map.items():
            if self.after.special_tokens_map.get(name) != piece:
                raise SmeltError(self.where, f"{name} {piece!r} has become {self.after.special_tokens_map.get(name)!r}")

    def _difference(self, language: str, line: str, old: Ids, new: Ids) -> str:
        pairs = zip(old, self.ids[new], strict=False)
        place = next((at for at, (one, other) in enumerate(pairs) if one != other), min(len(old), len(new)))
        near = slice(max(0, place - 2), place + 4)
        one = " ".join(self.before.convert_ids_to_tokens(old[near].tolist()))
        other = " ".join(self.after.convert_ids_to_tokens(new[near].tolist()))
        return (
            f"is not exact: of a held-out line of {language} all pieces are kept, but where it was cut as {one} it is"
            f" now cut as {other}. The line: {line[:200]!r}"
        )


def _cut(tokenizer: Any, lines: list[str]) -> Iterator[Ids]:
    for ids in tokenizer(lines, add_special_tokens=False, verbose=False)["input_ids"]:
        yield np.array(ids, np.int64)


def tokenizers_of(made: FolderPair) -> TokenizerPair:
    """Return both tokenizers, which read what counts were made from as counting does.

    Raises:
        SmeltError: as `TokenizerPair` does.
    """
    if made.vocabulary is not None:
        made.vocabulary.check(made.ids, made.reduced)
    before = made.vocabulary.tokenizer if made.vocabulary else read_tokenizer(made.source)
    after = read_tokenizer(made.reduced)
    before.split_special_tokens = True  # as corpora are read, where a special piece that a text spells out is text
    return TokenizerPair(before, after, made.ids, made.where, made.loosened)
