"""Packs one language's documents into token blocks: the command `blocks`.

IN   documents.parquet, a tokenizer's folder
OUT  a folder of blocks (see smelt.training.blocks) with its counts in blocks.json

Row groups of the documents are encoded side by side (`encoding`), and packed in their order by this process. So every
number of processes writes the same bytes.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import numpy as np

from smelt.cli import add_examples, positive
from smelt.errors import Killed, SmeltError
from smelt.files import whole_folder, write_json
from smelt.processes import WorkerKilled, share_out
from smelt.sentences import SENTENCES_VERSION
from smelt.training.blocks import SPECIAL_TOKENS, SPLITS, TOO_SHORT, BlockWriter
from smelt.training.encoding import Encoding, RowGroupEncoder, Stretch, encoder_of_process, line_encoder, save_memory
from smelt.training.known_words import LineEncoder
from smelt.training.pieces import Pieces, load_tokenizer, pieces_of
from smelt.training.recipes import BLOCKS_VERSION, Packing

COUNTED = ("documents", "empty_documents", "paragraphs", "sentences", "words", "characters", "unknown", "dropped")


def pack(
    documents: Path,
    tokenizer_folder: Path,
    length: int,
    output: Path,
    packing: Packing = "stream",
    language: str = "",
    processes: int = 1,
) -> dict[str, Any]:
    """Write the blocks of one language's documents; return the contents of blocks.json.

    Args:
        documents: Parquet with columns text (paragraphs separated by newlines) and held_out.
        tokenizer_folder: a folder that AutoTokenizer loads.
        length: tokens in a block, special ones included.
        output: the folder to make.
        packing: the way to fill blocks (see Recipe).
        language: its code, which says where sentences end (see smelt.sentences).
        processes: how many encode side by side; the blocks are the same for any number.

    Raises:
        SmeltError: an input is missing or broken, a process was killed, or the documents contain no text to train on.
    """
    encoding = Encoding(documents, tokenizer_folder, length, packing, language)
    tokenizer = load_tokenizer(tokenizer_folder)
    pieces, encoder = pieces_of(tokenizer), line_encoder(tokenizer)
    with whole_folder(output) as folder:
        writers = {split: BlockWriter(folder, split, encoding.content, pieces.dtype, packing) for split in SPLITS}
        counts = {split: Counter(dict.fromkeys(COUNTED, 0)) for split in SPLITS}
        for split, stretch in _encoded(encoding, pieces, encoder, processes):
            counts[split].update(stretch.counts)
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


def _encoded(encoding: Encoding, pieces: Pieces, encoder: LineEncoder, processes: int) -> Iterator[tuple[str, Stretch]]:
    """Yield the stretches of all documents in their order, each with its split, from one process or several."""
    groups = encoding.row_groups()
    processes = min(processes, len(groups))
    if processes < 2:
        yield from chain.from_iterable(map(RowGroupEncoder(encoding, pieces, encoder), groups))
        return
    special_as_text = encoder.tokenizer.encode_special_tokens
    make = partial(encoder_of_process, encoding, pieces, encoder.written, special_as_text)
    try:
        yield from chain.from_iterable(share_out(make, groups, processes))
    except WorkerKilled:
        raise Killed(
            encoding.documents,
            "a process that encoded it was killed, most likely for want of memory: run again with fewer --threads, or"
            " more memory",
        ) from None


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
    parser.add_argument("--threads", type=positive, default=1, help="processes that encode side by side")
    parser.add_argument("--output", type=Path, required=True, help="folder to make, called like the language")
    add_examples(
        parser,
        "--documents sw/documents.parquet --tokenizer tokenizer --length 128 --output blocks/sw",
    )


def run(arguments: argparse.Namespace) -> None:
    """Pack one language's documents and print the counts."""
    if not SPECIAL_TOKENS < arguments.length <= 4096:
        raise SmeltError("--length", f"expected 4 to 4096 tokens, found {arguments.length}")
    save_memory()
    language = arguments.output.name  # as TokenBlocks has it
    about = pack(
        arguments.documents,
        arguments.tokenizer,
        arguments.length,
        arguments.output,
        arguments.packing,
        language,
        arguments.threads,
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
