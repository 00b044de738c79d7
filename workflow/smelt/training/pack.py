"""Encodes one language's documents into packed token blocks: the command `blocks`.

IN   documents.parquet, a tokenizer's folder
OUT  a folder of blocks (see smelt.training.blocks) with its counts in blocks.json
"""

import argparse
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar, get_args

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from smelt.errors import SmeltError, first_line, not_found
from smelt.files import whole_folder, write_json
from smelt.paragraphs import lines_without_marks, paragraphs
from smelt.sentences import SENTENCES_VERSION, sentence_ends
from smelt.training.blocks import SPECIAL_TOKENS, SPLITS, TOO_SHORT, BlockWriter, Ids, content_of, keep_lines
from smelt.training.known_words import LineEncoder, batch_by_size
from smelt.training.pieces import Pieces, load_tokenizer, pieces_of
from smelt.training.recipes import BLOCKS_VERSION, Packing

COUNTED = ("documents", "empty_documents", "paragraphs", "sentences", "words", "characters", "unknown", "dropped")
CHARACTERS_AT_ONCE = 2_000_000  # bounds the memory for a corpus of any size
ENCODED_AT_ONCE = 400_000  # characters: what the encoder returns of each takes about 100 bytes
LONGEST = 100_000  # characters that are encoded as one text; a longer paragraph is cut before a blank
Part = TypeVar("Part")


@dataclass(frozen=True)
class Stretch:
    """Consecutive documents as one stream of ids, shape (tokens,), and the positions where nonempty parts begin."""

    ids: Ids
    documents: Ids
    parts: Ids
    """Sentences, or paragraphs if these were not split."""
    counts: Mapping[str, int]
    """Of documents, and of what they consist of."""


def pack(
    documents: Path,
    tokenizer_folder: Path,
    length: int,
    output: Path,
    packing: Packing = "stream",
    language: str = "",
) -> dict[str, Any]:
    """Write the blocks of one language's documents; return the contents of blocks.json.

    Args:
        documents: Parquet with columns text (paragraphs separated by newlines) and held_out.
        tokenizer_folder: a folder that AutoTokenizer loads.
        length: tokens in a block, special ones included.
        output: the folder to make.
        packing: the way to fill blocks (see Recipe).
        language: its code, which says where sentences end (see smelt.sentences).

    Raises:
        SmeltError: an input is missing or broken, or the documents contain no text to train on.
    """
    tokenizer = load_tokenizer(tokenizer_folder)
    pieces = pieces_of(tokenizer)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    encoder = LineEncoder(tokenizer.backend_tokenizer)
    with whole_folder(output) as folder:
        content = content_of(length, packing)
        writers = {split: BlockWriter(folder, split, content, pieces.dtype, packing) for split in SPLITS}
        counts = {split: Counter(dict.fromkeys(COUNTED, 0)) for split in SPLITS}
        for split, texts in read_documents(documents):
            stretch = encode(texts, encoder, pieces, packing, language)
            counts[split].update(stretch.counts)
            if packing == "lines":
                lines = keep_lines(stretch.ids, stretch.documents, stretch.parts, content, pieces.unknown)
                counts[split].update(lines.left_out)
                stretch = replace(stretch, ids=lines.ids, documents=lines.documents, parts=lines.starts)
            counts[split]["unknown"] += int((stretch.ids == pieces.unknown).sum())
            writers[split].add(stretch.ids, stretch.documents, stretch.parts)
        about: dict[str, Any] = {
            "format": BLOCKS_VERSION,
            "length": length,
            "packing": packing,
            "dtype": np.dtype(pieces.dtype).name,
            "vocabulary": pieces.size,
            "tokenizer": pieces.digest,
        }
        if packing == "sentences":
            about["sentences"] = SENTENCES_VERSION
        for split in SPLITS:
            about[split] = dict(counts[split]) | writers[split].close()
            about[split] |= rates(about[split])
        if not about["train"]["blocks"]:
            short = ", or its lines are too short or too unknown" if packing == "lines" else ""
            raise SmeltError(documents, f"no text to train on: every document is empty or held out{short}")
        write_json(folder / "blocks.json", about)
    return about


def read_documents(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (split, texts) of consecutive documents, a bounded number of characters at a time."""
    try:
        file = pq.ParquetFile(path, pre_buffer=False)  # which would keep all that was read
        for rows in file.iter_batches(batch_size=64, columns=["text", "held_out"]):
            held_out = np.array(rows.column("held_out").to_pylist(), dtype=bool)
            texts = rows.column("text").to_pylist()
            for split, chosen in zip(SPLITS, (~held_out, held_out), strict=True):
                for batch in batch_by_size([texts[row] for row in np.flatnonzero(chosen)], len, CHARACTERS_AT_ONCE):
                    yield split, batch
    except FileNotFoundError:
        raise not_found(path, expected="documents as Parquet") from None
    except (pa.ArrowInvalid, KeyError) as error:
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


def rates(part: Mapping[str, int]) -> dict[str, float | None]:
    """Return pieces a white-space word (fertility), characters a piece and the share of unknown pieces.

    The first two are about the text, lines that were left out included, the third about the blocks; None without text.
    """
    encoded = part["tokens"] + part["dropped"]
    return {
        "fertility": encoded / part["words"] if part["words"] else None,
        "characters_per_piece": part["characters"] / encoded if encoded else None,
        "unknown_share": part["unknown"] / part["tokens"] if part["tokens"] else None,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `blocks`."""
    parser.add_argument("--documents", type=Path, required=True, help="documents.parquet of one language")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the tokenizer")
    parser.add_argument("--length", type=int, required=True, help="tokens in a block, special ones included")
    parser.add_argument("--packing", choices=get_args(Packing), default="stream", help="what fills a block")
    parser.add_argument("--output", type=Path, required=True, help="folder to make, called like the language")


def run(arguments: argparse.Namespace) -> None:
    """Pack one language's documents and print the counts."""
    if not SPECIAL_TOKENS < arguments.length <= 4096:
        raise SmeltError("--length", f"expected 4 to 4096 tokens, found {arguments.length}")
    language = arguments.output.name  # as TokenBlocks has it
    about = pack(
        arguments.documents, arguments.tokenizer, arguments.length, arguments.output, arguments.packing, language
    )
    for split in SPLITS:
        part = about[split]
        print(f"{split}: {part['documents']:,} documents, {part['tokens']:,} tokens, {part['blocks']:,} blocks")
        if arguments.packing != "lines":
            able, share = part["splittable_blocks"], part["splittable_blocks"] / max(part["blocks"], 1)
            print(f"{split}: {able:,} blocks ({share:.1%}) can be split into two segments of one document")
        if part["words"]:
            print(
                f"{split}: {part['sentences']:,} sentences, {part['fertility']:.2f} pieces a word,"
                f" {part['characters_per_piece']:.2f} characters a piece, {part['unknown_share'] or 0:.3%} unknown"
            )
        if "short_lines" in part:
            print(f"{split}: left out {left_out(part)}")


def left_out(part: Mapping[str, Any]) -> str:
    """Return the number of lines of a split left out for each reason, in words."""
    reasons = {"short": f"of at most {TOO_SHORT} tokens", "unknown": "half unknown or more"}
    return ", ".join(
        f"lines {reason}: {part[f'{name}_lines']:,} ({part[f'{name}_line_tokens']:,} tokens)"
        for name, reason in reasons.items()
    )
