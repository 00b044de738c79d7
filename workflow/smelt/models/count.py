"""`python -m smelt count`: how often one language uses each piece of a tokenizer, from which vocabularies are reduced.

IN   documents.parquet, a folder with a tokenizer
OUT  one Parquet file (see smelt.models.reduction.counts)
"""

import argparse
import shutil
import time
from pathlib import Path

from smelt.errors import SmeltError
from smelt.flags import positive
from smelt.models.reduction.counts import Counts, write_counts
from smelt.models.reduction.shards import Job, count_documents
from smelt.models.reduction.vocabulary import read_vocabulary
from smelt.models.reduction.weights import check_checkpoint, is_model
from smelt.training.lock import Lock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `count`."""
    parser.add_argument("--documents", type=Path, required=True, help="documents.parquet of one language")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of a tokenizer, or a model with one")
    parser.add_argument("--language", required=True, help="the language's code")
    parser.add_argument("--threads", type=positive, default=1, help="processes that count side by side")
    parser.add_argument("--shards", type=Path, required=True, help="folder of what is counted so far, to go on from")
    parser.add_argument("--output", type=Path, required=True, help="Parquet to write")


def run(arguments: argparse.Namespace) -> None:
    """Count one language's documents and say what came of it."""
    began = time.monotonic()
    if is_model(arguments.tokenizer):  # which could not be reduced, whatever is counted
        check_checkpoint(arguments.tokenizer, str(arguments.tokenizer))
    counts = count(
        arguments.documents,
        arguments.tokenizer,
        arguments.language,
        arguments.shards,
        arguments.output,
        arguments.threads,
    )
    seconds = time.monotonic() - began
    print(
        f"{counts.language}: {counts.lines:,} lines of {counts.documents:,} documents hold {counts.tokens:,} pieces, "
        f"{(counts.occurrences > 0).sum():,} of {len(counts.occurrences):,} different ones; {seconds:.1f} s"
    )


def count(
    documents: Path,
    tokenizer: Path,
    language: str,
    shards: Path,
    output: Path,
    processes: int = 1,
    where: str | None = None,
) -> Counts:
    """Write the counts of one language's documents that are not held out, and return them.

    Args:
        documents: Parquet with the columns text and held_out.
        tokenizer: a folder that AutoTokenizer loads a fast tokenizer from.
        language: its code.
        shards: a folder for what is counted so far; it goes away when all is counted.
        output: the file to write.
        processes: how many count side by side; the file is the same for any number.
        where: the tokenizer's name, for messages; its folder by default.

    Raises:
        SmeltError: an input is missing, broken or of a kind that is not supported, or the documents hold no text.
    """
    where = where or str(tokenizer)
    vocabulary = read_vocabulary(tokenizer, where)
    job = Job(documents, vocabulary.tree, vocabulary.size, encode_special_tokens=True)
    shards.mkdir(parents=True, exist_ok=True)
    lock = Lock(shards / "lock")
    lock.acquire()
    try:
        tally = count_documents(job, shards, processes)
    finally:
        lock.release()
    tokens = int(tally.occurrences.sum())
    if not tokens:
        raise SmeltError(documents, f"{language} has no text: no line of more than five characters is not held out")
    counts = Counts(
        language=language,
        lines=tally.lines,
        documents=tally.documents,
        tokens=tokens,
        vocabulary=vocabulary.digest,
        in_lines=tally.in_lines,
        in_documents=tally.in_documents,
        occurrences=tally.occurrences,
    )
    write_counts(output, counts, vocabulary.pieces)
    shutil.rmtree(shards, ignore_errors=True)
    return counts
