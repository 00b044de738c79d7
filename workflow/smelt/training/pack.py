"""Encodes one language's documents into packed token blocks: the command `blocks`.

IN   documents.parquet, a tokenizer's folder
OUT  a folder of blocks (see smelt.training.blocks) with its counts in blocks.json
"""

import argparse
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from smelt.training.blocks import SPECIAL_TOKENS, SPLITS, TOO_SHORT, BlockWriter, Ids, content_of, keep_lines
from smelt.training.pieces import Pieces, load_tokenizer, pieces_of
from smelt.training.recipes import BLOCKS_VERSION, Packing

COUNTED = {"documents": 0, "empty_documents": 0, "paragraphs": 0, "unknown": 0, "dropped": 0}
CHARACTERS_AT_ONCE = 2_000_000  # bounds the memory for a corpus of any size
Part = TypeVar("Part")

# After full stops of scripts that put no blank after them, and after the others if a blank follows.
SENTENCE_END = re.compile(
    r"(?<=[。！？।॥։።])(?![。！？।॥։።」』”’])\s*|(?<=[。！？।॥։።][」』”’])\s*"
    r"|(?<=[.!?…؟])\s+|(?<=[.!?…؟][\"'”’»)\]])\s+"
)


@dataclass(frozen=True)
class Stretch:
    """Consecutive documents as one stream of ids, shape (tokens,), and the positions where nonempty parts begin."""

    ids: Ids
    documents: Ids
    parts: Ids
    """Sentences, or paragraphs if these were not split."""
    paragraphs: int


def pack(
    documents: Path, tokenizer_folder: Path, length: int, output: Path, packing: Packing = "stream"
) -> dict[str, Any]:
    """Write the blocks of one language's documents; return the contents of blocks.json.

    Args:
        documents: Parquet with columns text (paragraphs separated by newlines) and held_out.
        tokenizer_folder: a folder that AutoTokenizer loads.
        length: tokens in a block, special ones included.
        output: the folder to make.
        packing: the way to fill blocks (see Recipe).

    Raises:
        SmeltError: an input is missing or broken, or the documents contain no text to train on.
    """
    tokenizer = load_tokenizer(tokenizer_folder)
    pieces = pieces_of(tokenizer)
    encoder = tokenizer.backend_tokenizer
    encoder.no_truncation()
    encoder.no_padding()
    with whole_folder(output) as folder:
        content = content_of(length, packing)
        writers = {split: BlockWriter(folder, split, content, pieces.dtype, packing) for split in SPLITS}
        counts = {split: Counter(COUNTED) for split in SPLITS}
        for split, texts in read_documents(documents):
            stretch = encode(texts, encoder, pieces, packing)
            counts[split].update(count(stretch, len(texts)))
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
        } | {split: dict(counts[split]) | writers[split].close() for split in SPLITS}
        if not about["train"]["blocks"]:
            short = ", or its lines are too short or too unknown" if packing == "lines" else ""
            raise SmeltError(documents, f"no text to train on: every document is empty or held out{short}")
        write_json(folder / "blocks.json", about)
    return about


def read_documents(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield (split, texts) of consecutive documents, a bounded number of characters at a time."""
    try:
        file = pq.ParquetFile(path)
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


def encode(texts: list[str], encoder: Any, pieces: Pieces, packing: Packing = "stream") -> Stretch:
    """Return documents as ids; special tokens spelt out in the text become the unknown piece."""
    lines = [lines_without_marks(text) if packing == "stream" else paragraphs(text) for text in texts]
    parts = [list(chain.from_iterable(map(sentences_of, part))) for part in lines] if packing == "sentences" else lines
    ids, lengths = _encode_parts(list(chain.from_iterable(parts)), encoder)
    ids[pieces.special[ids]] = pieces.unknown
    starts = np.concatenate([[0], np.cumsum(lengths)])
    first_parts = np.cumsum([0, *map(len, parts)])[:-1]
    begun, parts_begun = (np.unique(places) for places in (starts[first_parts], starts))
    return Stretch(
        ids, begun[begun < len(ids)], parts_begun[parts_begun < len(ids)], sum(len(paragraphs(text)) for text in texts)
    )


def sentences_of(paragraph: str) -> list[str]:
    """Return a paragraph cut after the ends of sentences, recognised by punctuation.

    Abbreviations count as ends, too; this affects only where a block may be split.
    """
    return [part for part in SENTENCE_END.split(paragraph) if part.strip()]


def _encode_parts(parts: list[str], encoder: Any) -> tuple[Ids, Ids]:
    """Return the ids of paragraphs or sentences, one after the other, and the length of each."""
    ids, lengths = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for batch in batch_by_size(parts, len, CHARACTERS_AT_ONCE):  # one document may be a whole book
        lists = [encoding.ids for encoding in encoder.encode_batch_fast(batch, add_special_tokens=False)]
        lengths.append(np.array([len(part) for part in lists], dtype=np.int64))
        ids.append(np.fromiter(chain.from_iterable(lists), np.int64, int(lengths[-1].sum())))
    return np.concatenate(ids), np.concatenate(lengths)


def count(stretch: Stretch, documents: int) -> dict[str, int]:
    """Count documents, documents without text and paragraphs of a stretch."""
    return {
        "documents": documents,
        "empty_documents": documents - len(stretch.documents),
        "paragraphs": stretch.paragraphs,
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `blocks`."""
    parser.add_argument("--documents", type=Path, required=True, help="documents.parquet of one language")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the tokenizer")
    parser.add_argument("--length", type=int, required=True, help="tokens in a block, special ones included")
    parser.add_argument("--packing", choices=get_args(Packing), default="stream", help="what fills a block")
    parser.add_argument("--threads", type=int, help="threads that encode; all cores by default")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")


def run(arguments: argparse.Namespace) -> None:
    """Pack one language's documents and print the counts."""
    if not SPECIAL_TOKENS < arguments.length <= 4096:
        raise SmeltError("--length", f"expected 4 to 4096 tokens, found {arguments.length}")
    if arguments.threads:
        os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)  # read when tokenizers first encodes
    about = pack(arguments.documents, arguments.tokenizer, arguments.length, arguments.output, arguments.packing)
    for split in SPLITS:
        part = about[split]
        print(f"{split}: {part['documents']:,} documents, {part['tokens']:,} tokens, {part['blocks']:,} blocks")
        if arguments.packing != "lines":
            able, share = part["splittable_blocks"], part["splittable_blocks"] / max(part["blocks"], 1)
            print(f"{split}: {able:,} blocks ({share:.1%}) can be split into two segments of one document")
        if "short_lines" in part:
            print(f"{split}: left out {left_out(part)}")


def left_out(part: Mapping[str, Any]) -> str:
    """Return the number of lines of a split left out for each reason, in words."""
    reasons = {"short": f"of at most {TOO_SHORT} tokens", "unknown": "half unknown or more"}
    return ", ".join(
        f"lines {reason}: {part[f'{name}_lines']:,} ({part[f'{name}_line_tokens']:,} tokens)"
        for name, reason in reasons.items()
    )


def batch_by_size(parts: Iterable[Part], size: Callable[[Part], int], limit: int) -> Iterator[list[Part]]:
    """Yield batches of consecutive parts, each of at most `limit` in total unless a single part is larger.

    size: returns the size of a part, in the limit's unit.
    """
    batch: list[Part] = []
    held = 0
    for part in parts:
        if batch and held + size(part) > limit:
            yield batch
            batch, held = [], 0
        batch.append(part)
        held += size(part)
    if batch:
        yield batch
