"""Packed token blocks on disk: written once, then read through a memory map by every training run.

A folder holds for each split (train, validation):
    <split>.tokens     ids, shape (blocks, content), uint16 or uint32; the last block is padded
    <split>.documents  where each document begins in the stream of tokens, int64, ascending
and blocks.json, which says what the files should be.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smelt.errors import SmeltError
from smelt.files import checksum, read_json
from smelt.training.pieces import Pieces
from smelt.training.recipes import BLOCKS_VERSION

SPLITS = ("train", "validation")
SPECIAL_TOKENS = 3  # [CLS] A [SEP] B [SEP]

COUNTED_AT_ONCE = 1 << 22  # tokens, which bounds the memory of a count

Ids = NDArray[np.int64]
Draws = NDArray[np.float64]


class BlockWriter:
    """Fills blocks of `content` tokens from a stream, without a gap, and writes them as they become full."""

    def __init__(self, folder: Path, split: str, content: int, dtype: type[np.unsignedinteger[Any]], pad: int) -> None:
        """Open the files of a split; ids are kept as `dtype`, and `pad` fills what is left of the last block."""
        self._content, self._dtype, self._pad = content, dtype, pad
        self._files = {part: _path(folder, split, part).open("wb") for part in ("tokens", "documents")}
        self._digests = {part: hashlib.sha256() for part in self._files}
        self._tokens = self._documents = 0

    def add(self, ids: Ids, documents: Ids) -> None:
        """Add a stretch of the stream: ids, and where in it documents begin."""
        self._put("tokens", ids.astype(self._dtype))
        self._put("documents", self._tokens + documents.astype(np.int64))
        self._tokens += len(ids)
        self._documents += len(documents)

    def close(self) -> dict[str, Any]:
        """Pad the last block, and return the counts and checksums that blocks.json keeps."""
        padding = -self._tokens % self._content
        self._put("tokens", np.full(padding, self._pad, self._dtype))
        for file in self._files.values():
            file.close()
        return {
            "tokens": self._tokens,
            "blocks": (self._tokens + padding) // self._content,
            "padding": padding,
            "dropped": 0,
            "documents_with_text": self._documents,
            "sha256": {part: digest.hexdigest() for part, digest in self._digests.items()},
        }

    def _put(self, part: str, values: NDArray[Any]) -> None:
        data = values.tobytes()
        self._digests[part].update(data)
        self._files[part].write(data)


class TokenBlocks:
    """The blocks of one language and split, read through a memory map."""

    def __init__(self, folder: Path, split: str, pieces: Pieces, length: int) -> None:
        """Open a folder for a tokenizer and a length in tokens, special ones included.

        Raises:
            SmeltError: the folder is of another tokenizer, length or format, or a file of it was cut short.
        """
        about = read_json(folder / "blocks.json")
        _expect(folder, "format", about.get("format"), BLOCKS_VERSION)
        _expect(folder, "tokenizer", about["tokenizer"], pieces.digest)
        _expect(folder, "vocabulary", about["vocabulary"], pieces.size)
        _expect(folder, "length", about["length"], length)
        self.folder, self.split = folder, split
        self.language = folder.name
        self.sha256: dict[str, str] = about[split]["sha256"]
        self.tokens: int = about[split]["tokens"]
        self._blocks, self._content = about[split]["blocks"], length - SPECIAL_TOKENS
        ids = self._open("tokens", np.dtype(about["dtype"]), self._blocks * self._content)
        self._ids = ids.reshape(-1, self._content)
        self._documents = self._open("documents", np.dtype(np.int64), about[split]["documents_with_text"])

    def __len__(self) -> int:
        """Return the number of blocks."""
        return int(self._blocks)

    def content(self, blocks: Ids, width: int | None = None) -> Ids:
        """Return the ids of some blocks, shape (len(blocks), width).

        width: tokens of each, by default the block's own; up to one more, the first of the block that follows.
        """
        own = self._ids[blocks].astype(np.int64)
        if width is None or width <= self._content:
            return own[:, :width]
        following = self._ids[np.minimum(blocks + 1, len(self) - 1), : width - self._content]
        return np.concatenate([own, following], axis=1, dtype=np.int64)

    def lengths(self, blocks: Ids, width: int | None = None) -> Ids:
        """Return how many tokens of each block's `width` are no padding; only the last blocks have any."""
        return np.minimum(self.tokens - blocks * self._content, width or self._content)

    def split_positions(self, blocks: Ids, draws: Draws, lengths: Ids | None = None) -> Ids:
        """Return where each block's second segment begins, by a draw in [0, 1); -1 where a document begins just there.

        Any place between two tokens is as likely as any other. A block begins and ends anywhere in a sentence: were it
        split where a sentence ends, the punctuation beside [SEP] would tell the order of the segments; were late places
        likelier than early ones, their lengths would.

        lengths: how many tokens of each block are used, by default all, shape (len(blocks),).
        """
        lengths = self.lengths(blocks) if lengths is None else lengths
        positions = 1 + (draws * (lengths - 1)).astype(np.int64)
        return np.where((lengths > 1) & ~self.begins_document(blocks, positions), positions, -1)

    def begins_document(self, blocks: Ids, positions: Ids) -> NDArray[np.bool_]:
        """Return whether a document begins at a position of each block."""
        in_stream = blocks * self._content + positions
        begun = np.searchsorted(self._documents, in_stream, side="right") - 1  # a first document begins every stream
        return np.asarray(self._documents[begun] == in_stream)

    def others(self, blocks: Ids, draws: Draws) -> Ids:
        """Return another block without padding for each, by a draw in [0, 1); -1 where there is none."""
        whole = self.tokens // self._content
        candidates = whole - (blocks < whole)  # its own is none of them
        chosen = (draws * candidates).astype(np.int64)
        return np.where(candidates > 0, chosen + (chosen >= blocks), -1)

    def counts(self, vocabulary: int) -> Ids:
        """Return how often each piece occurs, padding left out, shape (vocabulary,); reads the blocks once, whole."""
        counts = np.zeros(vocabulary, np.int64)
        stream = self._ids.reshape(-1)[: self.tokens]
        for first in range(0, self.tokens, COUNTED_AT_ONCE):
            counts += np.bincount(stream[first : first + COUNTED_AT_ONCE], minlength=vocabulary)
        return counts

    def verify(self) -> None:
        """Read the files whole and compare them with their checksums (about a second for a gigabyte).

        Raises:
            SmeltError: a file is not what was written.
        """
        for part, expected in self.sha256.items():
            path = _path(self.folder, self.split, part)
            if (found := checksum(path)) != expected:
                sums = f"sha256 {found[:12]}…, expected {expected[:12]}…"
                raise SmeltError(path, f"damaged: {sums}. Make its blocks again")

    def _open(self, part: str, dtype: np.dtype[Any], count: int) -> NDArray[Any]:
        path = _path(self.folder, self.split, part)
        expected = count * dtype.itemsize
        found = path.stat().st_size if path.exists() else -1
        if found != expected:
            size = "is missing" if found < 0 else f"holds {found:,} bytes"
            raise SmeltError(path, f"{size}, expected {expected:,}: cut short or replaced. Make its blocks again")
        return np.asarray(np.memmap(path, dtype, "r")) if count else np.zeros(0, dtype)  # plain arrays are faster


def _path(folder: Path, split: str, part: str) -> Path:
    return folder / f"{split}.{part}"


def _expect(folder: Path, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise SmeltError(folder, f"blocks of another {what}: {found!s:.16}, expected {expected!s:.16}. Make them again")
