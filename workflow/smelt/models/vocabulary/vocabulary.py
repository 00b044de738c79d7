"""A model's vocabulary in every form that its folder holds it in, read once and written reduced.

The tokenizer that AutoTokenizer makes of the folder is decisive; its files (tokenizer.json, vocab.txt, vocab.json and
merges.txt, SentencePiece's protobuf) must agree with it, and all are rewritten. A kept piece's new id is its rank among
the kept ones, so the old order stays. The written files are loaded again and must be, part by part, the tokenizer that
was read, with fewer pieces.
"""

import contextlib
import gc
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from smelt.errors import SmeltError
from smelt.model_folder import sentencepiece_files
from smelt.models.vocabulary.kinds import BytePairKind, Form, Kept, Kind, UnigramKind, WordPieceKind
from smelt.models.vocabulary.sentencepiece import Protobuf
from smelt.models.vocabulary.tensors import Ids
from smelt.models.vocabulary.tokenizer_files import (
    TOKENIZER,
    Tree,
    configuration_of,
    ids_outside_the_model,
    load_fast,
    read_file,
    replace_ids,
    tree_of,
    write_file,
    write_settings,
)

_KINDS: dict[str, type[WordPieceKind] | type[UnigramKind] | type[BytePairKind]] = {
    "WordPiece": WordPieceKind,
    "Unigram": UnigramKind,
    "BPE": BytePairKind,
}


@dataclass(frozen=True)
class Closure:
    """A choice of pieces, with all others that it needs."""

    ids: Ids
    """The kept ids, ascending."""
    added: dict[str, Ids]
    """Ids that were not in the choice, by the reason to keep them; each has one."""
    loosened: Ids
    """Kept ids that may make a word known that was unknown (see `wordpiece`); empty for other kinds."""


@dataclass(frozen=True)
class Vocabulary:
    """The vocabulary of a model's folder."""

    folder: Path
    where: str
    tokenizer: Any
    """The tokenizer that AutoTokenizer makes of the folder."""
    pieces: list[str]
    """Spellings in the order of their ids; empty for an id that no text can have."""
    always: Ids
    """Ids that are always kept, ascending: special and added tokens, BERT's [unused1] to [unused9], single bytes."""
    tree: Tree
    """The same as the content of a tokenizer.json."""
    file: Tree | None
    """The content of its tokenizer.json, which may differ: transformers builds some classes from a few parts of it."""
    kind: WordPieceKind | UnigramKind | BytePairKind
    protobufs: list[Protobuf]

    @property
    def size(self) -> int:
        """Number of ids; the model's embeddings may have more rows."""
        return len(self.pieces)

    @property
    def digest(self) -> str:
        """A checksum of the pieces, in the order of their ids."""
        return digest(self.pieces)

    @cached_property
    def _empty(self) -> Ids:
        return np.array([identity for identity, piece in enumerate(self.pieces) if not piece], dtype=np.int64)

    def closure(self, ids: Ids, characters: bool | None = None) -> Closure:
        """Return the ids with all that must be kept for lines of kept pieces to be cut as before.

        Args:
            ids: chosen ids, in any order.
            characters: whether each character of a kept piece is kept too, so that whatever kept pieces spell stays
                known. Without saying so, Unigram does and WordPiece does not (nor did the reduction paper); BPE
                cannot do without.

        Raises:
            SmeltError: an id that the vocabulary does not have.
        """
        kept, added = self._close(ids, characters)
        loosened = np.array(self.kind.find_loosened(kept), dtype=np.int64)
        return Closure(np.flatnonzero(kept), {reason: ids for reason, ids in added.items() if len(ids)}, loosened)

    def cut(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the ids of the pieces of each text."""
        ids: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        return ids

    def ids_of_texts(self, texts: Sequence[str]) -> Ids:
        """Return the ids of the pieces of some texts, ascending."""
        return np.unique(np.array([identity for ids in self.cut(texts) for identity in ids], dtype=np.int64))

    def _close(self, ids: Ids, characters: bool | None) -> tuple[Kept, dict[str, Ids]]:
        if len(ids) and not 0 <= min(ids) <= max(ids) < self.size:
            raise SmeltError(self.where, f"expected ids of its {self.size} pieces, found {min(ids)} to {max(ids)}")
        kept = np.zeros(self.size, dtype=bool)
        kept[ids] = True
        kept[self._empty] = False
        added = {"always kept": _fresh(kept, self.always)}
        forms: list[Form] = [self.kind, *self.protobufs]
        found = True
        while found:
            found = False
            for reason, needed in [pair for form in forms for pair in form.needed_ids(kept, characters).items()]:
                fresh = _fresh(kept, needed)
                found = found or len(fresh) > 0
                added[reason] = np.union1d(added.get(reason, fresh), fresh)
        return kept, added

    def write(self, ids: Ids, output: Path) -> None:
        """Write every tokenizer file of the folder with these pieces alone.

        Args:
            ids: what to keep, ascending and closed (see `closure`).
            output: an existing folder.

        Raises:
            SmeltError: the ids are not closed, or the written files do not load as they should.
        """
        if not np.array_equal(np.flatnonzero(self._close(ids, characters=False)[0]), ids):
            raise SmeltError(self.where, "these pieces need others: expected ids as `closure` gives them")
        new = self._new_ids(ids)
        if self.file is not None:
            kind = type(self.kind)(self.file, self.where)
            write_file(output / TOKENIZER, self._reduce(self.file, kind, new))
        self.kind.write_files(self.folder, output, new)
        for protobuf in self.protobufs:
            protobuf.write(output, new)
        old = {piece: identity for identity, piece in enumerate(self.pieces)}
        write_settings(self.folder, output, old, lambda identity: int(new[identity]))
        self.check(ids, output)

    def check(self, ids: Ids, folder: Path) -> None:
        """Check that a folder's tokenizer is, part by part, this one with the kept pieces alone.

        Args:
            ids: the kept ids, ascending.
            folder: what `write` wrote.

        Raises:
            SmeltError: it is not.
        """
        self.check_written(folder, self.reduced(ids), len(ids))

    def reduced(self, ids: Ids) -> Tree:
        """Return the tokenizer of the kept pieces alone, as its tokenizer.json would hold it; `ids` are closed."""
        return self._reduce(self.tree, self.kind, self._new_ids(ids))

    def _new_ids(self, ids: Ids) -> Ids:
        new = np.full(self.size, -1, dtype=np.int64)
        new[ids] = np.arange(len(ids))
        return new

    def _reduce(self, tree: Tree, kind: Kind, new: Ids) -> Tree:
        return replace_ids(tree | {"model": kind.reduce_section(new)}, lambda identity: int(new[identity]))

    def check_written(self, output: Path, wanted: Tree, size: int) -> None:
        """Load the written files and compare the tokenizer, part by part, with the intended one.

        Raises:
            SmeltError: they differ.
        """
        tokenizer = load_fast(output, self.where, configuration_of(self.folder))
        found = tree_of(tokenizer.backend_tokenizer, self.where)
        for part in wanted.keys() | found.keys():
            if wanted.get(part) != found.get(part):
                raise SmeltError(
                    self.where,
                    f"{type(tokenizer).__name__} does not load its rewritten files as written: its {part} differs. "
                    "The vocabulary of this kind of tokenizer cannot be changed",
                )
        if len(tokenizer) != size:
            raise SmeltError(self.where, f"its rewritten tokenizer has {len(tokenizer)} pieces instead of {size}")


def read_vocabulary(folder: Path, where: str) -> Vocabulary:
    """Return the vocabulary of a model's folder.

    Args:
        folder: tokenizer files, in any form that AutoTokenizer loads a fast tokenizer from.
        where: the model's name, for messages.

    Raises:
        SmeltError: no tokenizer loads, it is slow or of a kind that is not supported, or its files disagree.
    """
    with _no_collection():
        return _read(folder, where)


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python from looking for cycles: it would look at each of a million pieces again and again."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _read(folder: Path, where: str) -> Vocabulary:
    tokenizer = load_fast(folder, where)
    tree = tree_of(tokenizer.backend_tokenizer, where)
    file = read_file(folder / TOKENIZER, where) if (folder / TOKENIZER).is_file() else None
    same = file is None or _share_parts(tree, file)
    kind = _kind(tree, where)
    if file is not None and not same:
        _check_file(file, kind, folder / TOKENIZER, where)
    pieces = _pieces(tree, kind, where)
    kind.check_files(folder)
    ids = {piece: identity for identity, piece in enumerate(pieces) if piece}
    protobufs = [Protobuf(path, ids, where) for path in sentencepiece_files(folder)]
    always = {*kind.always, *ids_outside_the_model(tree), *tokenizer.all_special_ids}
    for protobuf in protobufs:
        always.update(protobuf.always)
    ordered = np.array(sorted(always), dtype=np.int64)
    return Vocabulary(folder, where, tokenizer, pieces, ordered, tree, file, kind, protobufs)


def digest(pieces: Sequence[str]) -> str:
    """Return a checksum of pieces in the order of their ids, as hexadecimal digits."""
    return hashlib.sha256("\0".join(pieces).encode("utf-8", "surrogatepass")).hexdigest()


def _kind(tree: Tree, where: str) -> WordPieceKind | UnigramKind | BytePairKind:
    name = tree["model"]["type"]
    if name not in _KINDS:
        raise SmeltError(where, f"its tokenizer is of the kind {name}; expected one of {', '.join(_KINDS)}")
    return _KINDS[name](tree, where)


def _pieces(tree: Tree, kind: Kind, where: str) -> list[str]:
    """Return spellings in the order of ids; the first id of a line that is twice in a vocab.txt is empty."""
    added = [(token["content"], token["id"]) for token in tree["added_tokens"]]
    pieces = [""] * (1 + max(map(itemgetter(1), chain(kind.base, added))))
    for piece, identity in [*kind.base, *added]:
        if pieces[identity] not in ("", piece):
            raise SmeltError(where, f"its tokenizer gives {pieces[identity]!r} and {piece!r} the same id, {identity}")
        pieces[identity] = piece
    return pieces


def _share_parts(tree: Tree, file: Tree) -> bool:
    """Let a tokenizer hold the pieces of its tokenizer.json, where they are equal, and return whether they are."""
    ours, theirs = tree["model"], file["model"]
    for part in ("vocab", "merges"):
        if part in ours and ours[part] == theirs.get(part):
            ours[part] = theirs[part]
    return theirs.get("type", ours["type"]) == ours["type"] and ours["vocab"] is theirs["vocab"]


def _check_file(file: Tree, kind: WordPieceKind | UnigramKind | BytePairKind, path: Path, where: str) -> None:
    """Refuse a tokenizer.json whose pieces are not those that load; their scores may differ in the last place."""
    of_a_kind = file["model"].get("type", kind.model["type"]) == kind.model["type"]
    if not of_a_kind or dict(type(kind)(file, where).base) != dict(kind.base):
        raise SmeltError(where, f"{path} holds other pieces than the tokenizer that loads; delete one of its files")


def _fresh(kept: np.ndarray[tuple[int], np.dtype[np.bool_]], ids: Sequence[int] | Ids) -> Ids:
    """Mark ids as kept and return those that were not."""
    asked = np.unique(np.asarray(ids, dtype=np.int64))
    fresh = asked[~kept[asked]]
    kept[fresh] = True
    return np.asarray(fresh)
