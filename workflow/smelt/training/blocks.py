"""Packed token blocks on disk: written once, then read through a memory map by every training run.

A folder holds for each split (train, validation) one stream of tokens and places in it (int64, ascending):
    <split>.tokens     ids of all documents, one after the other, uint16 or uint32
    <split>.documents  where each document begins

and, where blocks are packed of whole sentences or of lines,
    <split>.blocks     where each block begins, and at last the end of the stream

and, for whole sentences only,
    <split>.sentences  where each sentence begins

and blocks.json, which records what the files should contain.

With lines as blocks, as in DistilBERT's code, a line is a paragraph, and a line longer than a block continues in
further blocks. The shortest lines, and those with many unknown pieces, are left out and counted.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smelt.errors import SmeltError
from smelt.files import checksum, read_json
from smelt.sentences import SENTENCES_VERSION
from smelt.training.pieces import Pieces
from smelt.training.recipes import BLOCKS_VERSION, Packing

Ids = NDArray[np.int64]

SPECIAL_OF_A_LINE = 2  # [CLS] line [SEP]
TOO_SHORT = 11  # a line of at most this many tokens is left out; special ones count
TOO_UNKNOWN = 0.5  # a line with at least this share of unknown pieces is left out


@dataclass(frozen=True)
class Lines:
    """The lines that are kept, one after the other, and the positions at which lines and documents begin."""

    ids: Ids
    documents: Ids
    starts: Ids
    left_out: dict[str, int]
    """Lines that were left out, and their tokens: all of them (dropped), and by reason."""


def keep_lines(ids: Ids, documents: Ids, starts: Ids, content: int, unknown: int) -> Lines:
    """Return the lines of some documents that are kept; those longer than `content` tokens become several.

    Args:
        ids: of all documents, shape (tokens,).
        documents: where documents begin, ascending.
        starts: where lines begin, ascending, those at the beginning of a document included.
        content: most tokens of a line, special ones not counted.
        unknown: id of the unknown piece.
    """
    starts = cut_lines(starts, len(ids), content)
    lengths = np.diff(starts, append=len(ids))
    unknowns = np.add.reduceat(ids == unknown, starts, dtype=np.int64) if len(starts) else lengths
    whole = lengths + SPECIAL_OF_A_LINE
    short = whole <= TOO_SHORT
    strange = ~short & (unknowns >= TOO_UNKNOWN * whole)
    kept = ~(short | strange)
    begins = np.cumsum(np.append(0, lengths[kept]))[:-1]
    document = np.searchsorted(documents, starts[kept], side="right")
    _, firsts = np.unique(document, return_index=True)
    left_out = {"dropped": int(lengths[~kept].sum())}
    for reason, lines in (("short", short), ("unknown", strange)):
        left_out |= {f"{reason}_lines": int(lines.sum()), f"{reason}_line_tokens": int(lengths[lines].sum())}
    return Lines(ids[np.repeat(kept, lengths)], begins[firsts], begins, left_out)


def cut_lines(starts: Ids, end: int, content: int) -> Ids:
    """Return where lines begin once those longer than `content` tokens are cut; `end` is where the last one ends."""
    lengths = np.diff(starts, append=end)
    pieces = -(-lengths // content)
    within = np.arange(pieces.sum()) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    return np.asarray(np.repeat(starts, pieces) + content * within, np.int64)


SPLITS = ("train", "validation")
SPECIAL_TOKENS = 3  # [CLS] A [SEP] B [SEP]
PARTS: dict[Packing, tuple[str, ...]] = {
    "stream": ("tokens", "documents"),
    "sentences": ("tokens", "documents", "sentences", "blocks"),
    "lines": ("tokens", "documents", "blocks"),
}

FEW_SEGMENTED = 0.5  # below this share of blocks, sentence prediction is learnt from few examples
COUNTED_AT_ONCE = 1 << 22  # tokens, which bounds the memory of a count

Draws = NDArray[np.float64]


class BlockWriter:
    """Writes a stream of tokens, and where its blocks of at most `content` tokens begin."""

    def __init__(
        self, folder: Path, split: str, content: int, dtype: type[np.unsignedinteger[Any]], packing: Packing
    ) -> None:
        """Open the files of a split; ids are stored as `dtype`."""
        self._content, self._dtype = content, dtype
        self._files = {part: _path(folder, split, part).open("wb") for part in PARTS[packing]}
        self._digests = {part: hashlib.sha256() for part in self._files}
        self._tokens = self._documents = self._blocks = self._splittable = 0

    def add(self, ids: Ids, documents: Ids, parts: Ids) -> None:
        """Add whole documents: their ids, and the positions in them at which documents and sentences or lines begin."""
        self._put("tokens", ids.astype(self._dtype))
        self._put("documents", self._tokens + documents)
        if "sentences" in self._files:
            self._put("sentences", self._tokens + parts)
            sentences, parts = parts, np.fromiter(block_starts(documents, parts, len(ids), self._content), np.int64)
            blocks = np.append(parts, len(ids))
            self._splittable += int(splittable(len(ids), self._content, documents, sentences, blocks).sum())
        if "blocks" in self._files:
            self._put("blocks", self._tokens + parts)
            self._blocks += len(parts)
        self._tokens += len(ids)
        self._documents += len(documents)

    def close(self) -> dict[str, Any]:
        """Return the counts and checksums that blocks.json keeps."""
        if "blocks" in self._files:
            self._put("blocks", np.array([self._tokens]))
        else:
            self._blocks = -(-self._tokens // self._content)
            documents = np.fromfile(self._flushed("documents"), np.int64)
            self._splittable = int(splittable(self._tokens, self._content, documents).sum())
        sizes = {part: file.tell() for part, file in self._files.items()}
        for file in self._files.values():
            file.close()
        return {
            "tokens": self._tokens,
            "blocks": self._blocks,
            "splittable_blocks": self._splittable,
            "padding": self._blocks * self._content - self._tokens,
            "documents_with_text": self._documents,
            "bytes": sizes,
            "sha256": {part: digest.hexdigest() for part, digest in self._digests.items()},
        }

    def _flushed(self, part: str) -> str:
        self._files[part].flush()
        return self._files[part].name

    def _put(self, part: str, values: NDArray[Any]) -> None:
        data = values.tobytes()
        self._digests[part].update(data)
        self._files[part].write(data)


def content_of(length: int, packing: Packing) -> int:
    """Return how many tokens of text fit into a block of a length."""
    return length - (SPECIAL_OF_A_LINE if packing == "lines" else SPECIAL_TOKENS)


def block_starts(documents: Ids, sentences: Ids, end: int, content: int) -> Iterator[int]:
    """Yield where blocks of whole sentences begin: as many of one document as fit into `content` tokens.

    A sentence longer than a block continues in the next one, which takes whole sentences after it.

    Args:
        documents: where documents begin, ascending.
        sentences: where sentences begin, those at the beginning of a document included.
        end: of the last document.
        content: most tokens of a block.
    """
    places: Sequence[int] = sentences.tolist()
    begins: list[int] = documents.tolist()
    for begin, until in pairwise([*begins, end]):
        yield begin
        while until - begin > content:
            cut = places[bisect_right(places, begin + content) - 1]
            begin = cut if cut > begin else begin + content
            yield begin


def splittable(
    tokens: int, content: int, documents: Ids, sentences: Ids | None = None, blocks: Ids | None = None
) -> NDArray[np.bool_]:
    """Return which blocks can be two segments, shape (blocks,): see TokenBlocks.split_positions.

    Args:
        tokens: of the stream.
        content: most tokens of a block.
        documents: where documents begin, ascending.
        sentences: where sentences begin, where blocks are packed of whole ones.
        blocks: where blocks begin, and the end of the stream, where they are packed of parts of a document.
    """
    if blocks is not None and sentences is None:  # a line is one segment
        return np.zeros(len(blocks) - 1, bool)
    if blocks is not None and sentences is not None:
        inside = np.searchsorted(sentences, blocks[1:]) - np.searchsorted(sentences, blocks[:-1], side="right")
        return np.asarray(inside > 0)
    number = -(-tokens // content)
    within = documents[documents % content != 0]
    places = np.minimum(tokens - np.arange(number) * content, content) - 1  # between two tokens of a block
    return np.asarray(places > np.bincount(within // content, minlength=number))


class TokenBlocks:
    """The blocks of one language and split, read through a memory map."""

    def __init__(self, folder: Path, split: str, pieces: Pieces, length: int, packing: Packing = "stream") -> None:
        """Open a folder for a tokenizer, a length in tokens, special ones included, and a way of packing.

        Raises:
            SmeltError: the folder has another tokenizer, length, packing or format, or one of its files was cut short.
        """
        about = read_json(folder / "blocks.json")
        _expect(folder, "format", about.get("format"), BLOCKS_VERSION)
        _expect(folder, "tokenizer", about["tokenizer"], pieces.digest)
        _expect(folder, "vocabulary", about["vocabulary"], pieces.size)
        _expect(folder, "length", about["length"], length)
        _expect(folder, "packing", about["packing"], packing)
        if packing == "sentences":
            _expect(folder, "version of sentences", about.get("sentences"), SENTENCES_VERSION)
        self.folder, self.split = folder, split
        self.language = folder.name
        self._about = about[split]
        self.sha256: dict[str, str] = self._about["sha256"]
        self.tokens: int = self._about["tokens"]
        self._content = content_of(length, packing)
        self._ids = self._open("tokens", np.dtype(about["dtype"]))
        self._documents = self._open("documents", np.dtype(np.int64))
        parts = PARTS[packing]
        self._sentences = self._open("sentences", np.dtype(np.int64)) if "sentences" in parts else None
        self._begins = self._open("blocks", np.dtype(np.int64)) if "blocks" in parts else None

    def __len__(self) -> int:
        """Return the number of blocks."""
        return int(self._about["blocks"])

    def count_segmentable(self, sentences: str) -> int:
        """Return how many blocks can be examples of sentence prediction (`order` or `next`)."""
        parts = (self.tokens, self._content, self._documents, self._sentences, self._begins)
        able = np.flatnonzero(splittable(*parts))
        return int((self.others(able, np.zeros(len(able))) >= 0).sum()) if sentences == "next" else len(able)

    def content(self, blocks: Ids, width: int | None = None) -> Ids:
        """Return the ids of some blocks, shape (len(blocks), width); those after a block's length are arbitrary.

        width: tokens of each, by default the most that a block may have; up to one more.
        """
        places = self._begin(blocks)[:, None] + np.arange(width or self._content)
        return np.asarray(self._ids[np.minimum(places, self.tokens - 1)], np.int64)

    def lengths(self, blocks: Ids, width: int | None = None) -> Ids:
        """Return how many tokens each block has, at most `width`.

        A block of a stream continues into the next one where `width` exceeds its own.
        """
        own = (self.tokens if self._begins is None else self._begin(blocks + 1)) - self._begin(blocks)
        return np.minimum(own, width or self._content)

    def split_positions(self, blocks: Ids, draws: Draws, lengths: Ids | None = None) -> Ids:
        """Return where each block's second segment begins, by a draw in [0, 1); -1 where there can be none.

        Where blocks hold whole sentences, each sentence of a block but the first is equally likely (Lan et al. 2019,
        section 3.1). A block of a stream begins and ends anywhere in a sentence. There, all places between two tokens
        are equally likely, except where a document begins. If it were split where a sentence ends, the punctuation
        beside [SEP] would give away the order of the segments; if late places were likelier than early ones, their
        lengths would.

        lengths: how many tokens of each block are used, by default all, shape (len(blocks),).
        """
        lengths = self.lengths(blocks) if lengths is None else lengths
        if self._sentences is not None:
            begins = self._begin(blocks)
            first, last = (
                np.searchsorted(self._sentences, begins, side="right"),
                np.searchsorted(self._sentences, begins + lengths),
            )
            chosen = np.minimum(first + (draws * (last - first)).astype(np.int64), len(self._sentences) - 1)
            return np.where(last > first, self._sentences[chosen] - begins, -1)
        positions = 1 + (draws * (lengths - 1)).astype(np.int64)
        return np.where((lengths > 1) & ~self.begins_document(blocks, positions), positions, -1)

    def begins_document(self, blocks: Ids, positions: Ids) -> NDArray[np.bool_]:
        """Return whether a document begins at a position of each block."""
        in_stream = self._begin(blocks) + positions
        begun = np.searchsorted(self._documents, in_stream, side="right") - 1  # a first document begins every stream
        return np.asarray(self._documents[begun] == in_stream)

    def others(self, blocks: Ids, draws: Draws) -> Ids:
        """Return for each block another full block of the stream, by a draw in [0, 1); -1 where there is none."""
        whole = self.tokens // self._content
        candidates = whole - (blocks < whole)  # without itself
        chosen = (draws * candidates).astype(np.int64)
        return np.where(candidates > 0, chosen + (chosen >= blocks), -1)

    def counts(self, vocabulary: int) -> Ids:
        """Return how often each piece occurs, padding left out, shape (vocabulary,); reads all blocks once."""
        counts = np.zeros(vocabulary, np.int64)
        for first in range(0, self.tokens, COUNTED_AT_ONCE):
            counts += np.bincount(self._ids[first : first + COUNTED_AT_ONCE], minlength=vocabulary)
        return counts

    def verify(self) -> None:
        """Read the whole files and compare them with their checksums (about a second for a gigabyte).

        Raises:
            SmeltError: a file has changed since it was written.
        """
        for part, expected in self.sha256.items():
            path = _path(self.folder, self.split, part)
            if (found := checksum(path)) != expected:
                sums = f"sha256 {found[:12]}…, expected {expected[:12]}…"
                raise SmeltError(path, f"damaged: {sums}. Make its blocks again")

    def _begin(self, blocks: Ids) -> Ids:
        """Return where blocks begin in the stream."""
        return blocks * self._content if self._begins is None else self._begins[blocks]

    def _open(self, part: str, dtype: np.dtype[Any]) -> NDArray[Any]:
        path = _path(self.folder, self.split, part)
        expected = self._about["bytes"][part]
        found = path.stat().st_size if path.exists() else -1
        if found != expected:
            size = "is missing" if found < 0 else f"holds {found:,} bytes"
            raise SmeltError(path, f"{size}, expected {expected:,}: cut short or replaced. Make its blocks again")
        return np.asarray(np.memmap(path, dtype, "r")) if expected else np.zeros(0, dtype)  # plain arrays are faster


def count_segmentable(sentences: str, blocks: Sequence[TokenBlocks]) -> int:
    """Return how many blocks can be examples of a recipe's sentence prediction; 0 where it is `none`."""
    return 0 if sentences == "none" else sum(part.count_segmentable(sentences) for part in blocks)


def _path(folder: Path, split: str, part: str) -> Path:
    return folder / f"{split}.{part}"


def _expect(folder: Path, what: str, found: object, expected: object) -> None:
    if found != expected:
        raise SmeltError(folder, f"blocks of another {what}: {found!s:.16}, expected {expected!s:.16}. Make them again")
