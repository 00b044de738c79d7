"""Encodes documents into ids, a row group of their Parquet file at a time, in this process or in one of several.

What the ids of a document are depends on nothing but the document: neither on its neighbours nor on what was encoded
before. So row groups can be encoded anywhere.
"""

import os
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from smelt.allocator import give_back_freed_memory
from smelt.errors import SmeltError, first_line, not_found
from smelt.paragraphs import lines_without_marks, paragraphs
from smelt.sentences import sentence_ends
from smelt.training.blocks import SPLITS, Ids, content_of, keep_lines
from smelt.training.known_words import LineEncoder, batch_by_size, read_written
from smelt.training.pieces import Pieces, load_tokenizer
from smelt.training.recipes import Packing

CHARACTERS_AT_ONCE = 2_000_000  # bounds the memory for a corpus of any size
ENCODED_AT_ONCE = 400_000  # characters: what the encoder returns of each takes about 100 bytes
LONGEST = 100_000  # characters that are encoded as one text; a longer paragraph is cut before a blank


@dataclass(frozen=True)
class Stretch:
    """Consecutive documents as one stream of ids, shape (tokens,), and the positions where nonempty parts begin."""

    ids: NDArray[Any]
    documents: Ids
    parts: Ids
    """Sentences, or paragraphs if these were not split."""
    counts: Mapping[str, int]
    """Of documents, and of what they consist of."""


@dataclass(frozen=True)
class Encoding:
    """What decides the ids of a language's documents; can be pickled for other processes."""

    documents: Path
    """Parquet with columns text (paragraphs separated by newlines) and held_out."""
    tokenizer: Path
    """A folder that AutoTokenizer loads."""
    length: int
    """Tokens in a block, special ones included."""
    packing: Packing
    """The way to fill blocks (see Recipe)."""
    language: str
    """Its code, which says where sentences end (see smelt.sentences)."""

    @property
    def content(self) -> int:
        """How many tokens of text fit into a block."""
        return content_of(self.length, self.packing)

    def row_groups(self) -> range:
        """Return the numbers of the documents' row groups."""
        with _open(self.documents) as file:
            return range(file.num_row_groups)


class RowGroupEncoder:
    """Encodes row groups; the words that it meets are kept from one to the next."""

    def __init__(self, encoding: Encoding, pieces: Pieces, encoder: LineEncoder) -> None:
        """Take what to encode, and with what."""
        self._encoding, self._pieces, self._encoder = encoding, pieces, encoder

    def __call__(self, group: int) -> list[tuple[str, Stretch]]:
        """Return the stretches of a row group, each with its split."""
        return [(split, self._stretch(texts)) for split, texts in read_documents(self._encoding.documents, [group])]

    def _stretch(self, texts: list[str]) -> Stretch:
        packing, unknown = self._encoding.packing, self._pieces.unknown
        stretch = encode(texts, self._encoder, self._pieces, packing, self._encoding.language)
        counts = dict(stretch.counts)
        if packing == "lines":
            lines = keep_lines(stretch.ids, stretch.documents, stretch.parts, self._encoding.content, unknown)
            counts |= lines.left_out
            stretch = replace(stretch, ids=lines.ids, documents=lines.documents, parts=lines.starts)
        counts["unknown"] = int((stretch.ids == unknown).sum())
        return replace(stretch, ids=stretch.ids.astype(self._pieces.dtype), counts=counts)


def line_encoder(tokenizer: Any) -> LineEncoder:
    """Return the encoder of a fast tokenizer of transformers, which cuts no line short from now on."""
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    return LineEncoder(tokenizer.backend_tokenizer)


def encoder_of_process(
    encoding: Encoding, pieces: Pieces, written: str | None, encode_special_tokens: bool
) -> RowGroupEncoder:
    """Return an encoder for a process of its own, which works on one core.

    written: the tokenizer as JSON; without it the folder is loaded, which takes transformers and 200 MB.
    """
    save_memory()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    encoder = (
        LineEncoder(read_written(written, encode_special_tokens))
        if written
        else line_encoder(load_tokenizer(encoding.tokenizer))
    )
    return RowGroupEncoder(encoding, pieces, encoder)


def save_memory() -> None:
    """Make this process hold little more than it uses: a third less, as words are learnt, and no slower."""
    pa.set_memory_pool(pa.system_memory_pool())
    give_back_freed_memory()


def read_documents(path: Path, groups: Sequence[int] | None = None) -> Iterator[tuple[str, list[str]]]:
    """Yield (split, texts) of consecutive documents, a bounded number of characters at a time.

    groups: numbers of the row groups, by default all.
    """
    with _open(path) as file:
        for rows in file.iter_batches(batch_size=64, row_groups=groups, columns=["text", "held_out"]):
            held_out = np.array(rows.column("held_out").to_pylist(), dtype=bool)
            texts = rows.column("text").to_pylist()
            for split, chosen in zip(SPLITS, (~held_out, held_out), strict=True):
                for batch in batch_by_size([texts[row] for row in np.flatnonzero(chosen)], len, CHARACTERS_AT_ONCE):
                    yield split, batch


@contextmanager
def _open(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:  # which would keep all that was read
            yield file
    except FileNotFoundError:
        raise not_found(path, expected="documents as Parquet") from None
    except (pa.ArrowInvalid, KeyError, OSError) as error:  # pyarrow reports damaged pages as OSError
        raise SmeltError(path, f"is no Parquet file of documents ({first_line(error)})") from None


def encode(
    texts: list[str], encoder: LineEncoder, pieces: Pieces, packing: Packing = "stream", language: str = ""
) -> Stretch:
    """Return documents as ids; special tokens spelt out in the text become the unknown piece.

    Paragraphs are encoded as wholes, so that the ids are the same however blocks are packed. A piece across the end of
    a sentence belongs to the next one.
    """
    read = [paragraphs(text) for text in texts]
    ends = [[_before_blanks(line, end) for end in sentence_ends(line, language)] for line in chain.from_iterable(read)]
    lines = [lines_without_marks(text) for text in texts] if packing == "stream" else read
    encoded = list(chain.from_iterable(lines))
    ids, starts, sentences = _encode_lines(encoded, ends if packing == "sentences" else None, encoder)
    ids[pieces.special[ids]] = pieces.unknown
    documents = starts[np.cumsum([0, *map(len, lines)])[:-1]]
    parts = np.concatenate([starts, sentences])
    begun, parts_begun = (np.unique(places[places < len(ids)]) for places in (documents, parts))
    counts = {
        "documents": len(texts),
        "empty_documents": len(texts) - len(begun),
        "paragraphs": len(ends),
        "sentences": len(ends) + sum(map(len, ends)),
        "words": sum(len(line.split()) for line in encoded),
        "characters": sum(map(len, encoded)),
    }
    return Stretch(ids, begun, parts_begun, counts)


def _before_blanks(line: str, end: int) -> int:
    """Return where a sentence ends without the blanks after it: these go with the next word, as SentencePiece's do."""
    while line[end - 1].isspace():
        end -= 1
    return end


@dataclass(frozen=True)
class EncodedPart:
    """What is encoded as one text: a line, or a part of a very long one."""

    text: str
    ends: list[int]
    """Where sentences end in it, ascending."""
    first: bool
    """Whether it begins its line."""


def encoded_parts_of(line: str, ends: Sequence[int] = ()) -> Iterator[EncodedPart]:
    """Yield a line, in parts if it is longer than LONGEST: cut before a blank, or anywhere if there is none.

    A tokenizer gives the same pieces whether a blank comes before a word or nothing does.
    """
    begin = 0
    while begin < len(line):
        cut = len(line)
        if cut - begin > LONGEST:
            cut = max(line.rfind(" ", begin + 1, begin + LONGEST), 0) or begin + LONGEST
        inside = slice(bisect_right(ends, begin), bisect_right(ends, cut))
        yield EncodedPart(line[begin:cut], [end - begin for end in ends[inside]], begin == 0)
        begin = cut


def _encode_lines(lines: list[str], ends: list[list[int]] | None, encoder: LineEncoder) -> tuple[Ids, Ids, Ids]:
    """Return the ids of lines in a row, where lines begin and the last ends, and where sentences begin inside them.

    The encoder may return much more than ids, so it is given little at once: a document may be a whole book.

    ends: where sentences end in each line, or None if nobody asks.
    """
    ids, starts, within = [np.zeros(0, np.int64)], [0], [np.zeros(0, np.int64)]
    length = 0
    parts = chain.from_iterable(map(encoded_parts_of, lines, [()] * len(lines) if ends is None else ends))
    for batch in batch_by_size(parts, lambda part: len(part.text), ENCODED_AT_ONCE):
        texts = [part.text for part in batch]
        if ends is None:
            sizes, found = encoder.encode(texts)
        else:
            sizes, found, inside = encoder.encode_with_ends(texts, [part.ends for part in batch])
            within.append(length + inside)
        ids.append(found.astype(np.int64))
        for part, size in zip(batch, sizes.tolist(), strict=True):
            if not part.first:
                starts.pop()
            length += size
            starts.append(length)
    return np.concatenate(ids), np.array(starts, np.int64), np.concatenate(within)
