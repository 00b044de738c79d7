"""`smelt job count`: how often one language uses each piece of a tokenizer, from which vocabularies are reduced.

IN   documents.parquet, a folder with a tokenizer
OUT  one Parquet file (see smelt.models.reduce.selection)

Documents are counted shard by shard, in parallel processes, and counting goes on where it was stopped. A shard is a
stretch of the file's row groups, the same whatever the number of processes. Its counts are written whole into a folder
that survives a kill, named by a digest of all that decides them: another tokenizer or other documents never find it.
Sums of whole numbers do not depend on their order, so every number of processes ends in the same file.
"""

import argparse
import hashlib
import json
import math
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pyarrow as arrow
import pyarrow.compute as pc

from smelt.allocator import keep_freed_memory
from smelt.cli import add_examples, positive, seed
from smelt.errors import Killed, SmeltError
from smelt.files import checksum, whole_file
from smelt.models.reduce.counting import PieceCounter, PieceTally, draw_lines
from smelt.models.reduce.selection import PieceCounts, write_counts
from smelt.models.vocabulary.tokenizer_files import Tree
from smelt.models.vocabulary.vocabulary import Vocabulary, read_vocabulary
from smelt.models.vocabulary.weights import check_checkpoint, is_model
from smelt.parquet import open_parquet, refuse_damaged
from smelt.processes import WorkerKilled, share_out
from smelt.training.lock import Lock

COLUMNS = ["text", "held_out"]
MOST_SHARDS = 256
DOCUMENTS_AT_ONCE = 64
FEW = 1 << 26  # bytes of documents; more processes than one take longer to start than to count them
VERSION = 1  # raise it when the same lines are counted differently


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `count`."""
    parser.add_argument("--documents", type=Path, required=True, help="documents.parquet of one language")
    parser.add_argument("--tokenizer", type=Path, required=True, help="folder of a tokenizer, or a model with one")
    parser.add_argument("--language", required=True, help="the language's code")
    parser.add_argument("--threads", type=positive, default=1, help="processes that count side by side")
    parser.add_argument("--shards", type=Path, help="folder for finished shards, to resume from")
    parser.add_argument("--sample", type=positive, help="lines to draw and count, in place of all; without --shards")
    parser.add_argument("--seed", type=seed, default=1, help="of the sample (1)")
    parser.add_argument("--output", type=Path, required=True, help="Parquet to write")
    add_examples(
        parser,
        "--documents sw/documents.parquet --tokenizer mbert --language sw --output counts",
    )


def run(arguments: argparse.Namespace) -> None:
    """Count one language's documents and print the totals."""
    began = time.monotonic()
    if is_model(arguments.tokenizer):  # which could not be reduced, whatever is counted
        check_checkpoint(arguments.tokenizer, str(arguments.tokenizer))
    if bool(arguments.sample) == bool(arguments.shards):
        raise SmeltError("count", "expected either --shards, to count all lines, or --sample")
    vocabulary = read_vocabulary(arguments.tokenizer, str(arguments.tokenizer))
    of_language = arguments.documents, vocabulary, arguments.language
    if arguments.sample:
        counts = count_sample(*of_language, arguments.sample, arguments.seed, arguments.output)
    else:
        counts = count(*of_language, arguments.shards, arguments.output, arguments.threads)
    seconds = time.monotonic() - began
    print(
        f"{counts.language}: {counts.lines:,} lines of {counts.documents:,} documents hold {counts.tokens:,} pieces, "
        f"{(counts.occurrences > 0).sum():,} of {len(counts.occurrences):,} different ones; {seconds:.1f} s"
    )


def count_languages(
    vocabulary: Vocabulary, documents: Mapping[str, Path], scratch: Path, processes: int
) -> list[PieceCounts]:
    """Return the counts of several languages' documents that are not held out.

    Few documents are counted in this process, with one memory of words for all languages.

    Args:
        vocabulary: whose pieces are counted.
        documents: Parquet with the columns text and held_out, by language.
        scratch: a folder for what is counted on the way.
        processes: how many count side by side where there are many documents.

    Raises:
        SmeltError: documents cannot be read, or a language has no text.
    """
    if sum(path.stat().st_size for path in documents.values()) > FEW:
        return [
            count(path, vocabulary, language, scratch / "shards" / language, scratch / f"{language}.parquet", processes)
            for language, path in documents.items()
        ]
    backend = vocabulary.tokenizer.backend_tokenizer
    counter = PieceCounter(vocabulary.tree, vocabulary.size, True, backend)
    found = []
    for language, path in documents.items():
        job = CountingJob(path, vocabulary.tree, vocabulary.size, encode_special_tokens=True)
        with open_parquet(path, COLUMNS) as file:
            groups = range(file.num_row_groups)
        with refuse_damaged(path):
            found.append(_counts(counter.count(job.texts(groups)), vocabulary, language, path))
    return found


def count(
    documents: Path, vocabulary: Vocabulary, language: str, shards: Path, output: Path, processes: int = 1
) -> PieceCounts:
    """Write the counts of one language's documents that are not held out, and return them.

    Args:
        documents: Parquet with the columns text and held_out.
        vocabulary: whose pieces are counted.
        language: its code.
        shards: a folder for the counts of finished shards; it is removed at the end.
        output: the file to write.
        processes: how many count side by side; the file is the same for any number.

    Raises:
        SmeltError: an input is missing, broken or of a kind that is not supported, or the documents hold no text.
    """
    job = CountingJob(documents, vocabulary.tree, vocabulary.size, encode_special_tokens=True)
    shards.mkdir(parents=True, exist_ok=True)
    lock = Lock(shards / "lock")
    lock.acquire(patience=math.inf)  # until a job whose Snakemake was killed is done
    try:
        tally = count_documents(job, shards, processes)
    finally:
        lock.release()
    counts = _counts(tally, vocabulary, language, documents)
    write_counts(output, counts, vocabulary.pieces)
    shutil.rmtree(shards, ignore_errors=True)
    return counts


def count_sample(
    documents: Path, vocabulary: Vocabulary, language: str, size: int, seed: int, output: Path
) -> PieceCounts:
    """Write the counts of some lines of one language's documents that are not held out, and return them.

    Args:
        documents: Parquet with the columns text and held_out.
        vocabulary: whose pieces are counted.
        language: its code.
        size: lines to draw; all where there are fewer.
        seed: of the draw.
        output: the file to write.

    Raises:
        SmeltError: as `count`.
    """
    job = CountingJob(documents, vocabulary.tree, vocabulary.size, encode_special_tokens=True)
    with open_parquet(documents, COLUMNS) as file:
        groups = range(file.num_row_groups)
    with refuse_damaged(documents):
        drawn = draw_lines(job.texts(groups), size, seed, language)
    counts = _counts(job.counter().count(drawn), vocabulary, language, documents)
    if counts.lines < size:
        print(f"{documents}: {language} has {counts.lines:,} lines that count: fewer than the {size:,} to be drawn")
    write_counts(output, counts, vocabulary.pieces)
    return counts


def _counts(tally: PieceTally, vocabulary: Vocabulary, language: str, documents: Path) -> PieceCounts:
    tokens = int(tally.occurrences.sum())
    if not tokens:
        raise SmeltError(documents, f"{language} has no text: no line of more than five characters is not held out")
    return PieceCounts(
        language=language,
        lines=tally.lines,
        documents=tally.documents,
        tokens=tokens,
        vocabulary=vocabulary.digest,
        in_lines=tally.in_lines,
        in_documents=tally.in_documents,
        occurrences=tally.occurrences,
    )


@dataclass(frozen=True)
class CountingJob:
    """The documents and the tokenizer to count with; can be pickled for other processes."""

    documents: Path
    """Parquet with the columns text and held_out."""
    tree: Tree
    """The tokenizer, as its tokenizer.json would say."""
    pieces: int
    """Number of ids."""
    encode_special_tokens: bool
    """Whether a special token in a text is read as text."""

    def digest(self) -> str:
        """Return a checksum of all that decides the counts; it reads the documents once."""
        parts = [VERSION, checksum(self.documents), self.pieces, self.encode_special_tokens, self.tree]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def shards(self) -> list[range]:
        """Return the row groups of each shard."""
        with open_parquet(self.documents, COLUMNS) as file:
            groups = file.num_row_groups
        step = max(1, -(-groups // MOST_SHARDS))
        return [range(start, min(start + step, groups)) for start in range(0, groups, step)]

    def counter(self) -> PieceCounter:
        """Return a counter, and make this process keep the memory that is freed after each batch.

        The next batch takes as much; to get it from the kernel again takes a sixth of the counting time.
        """
        arrow.set_memory_pool(arrow.system_memory_pool())
        keep_freed_memory()
        return PieceCounter(self.tree, self.pieces, self.encode_special_tokens)

    def texts(self, groups: range) -> Iterator[str]:
        """Yield the documents of row groups that are not held out."""
        with open_parquet(self.documents, COLUMNS) as file:
            for batch in file.iter_batches(batch_size=DOCUMENTS_AT_ONCE, row_groups=list(groups), columns=COLUMNS):
                yield from batch.column("text").filter(pc.invert(batch.column("held_out"))).to_pylist()


def count_documents(job: CountingJob, folder: Path, processes: int) -> PieceTally:
    """Return the counts of a job; finished shards stay in `folder`, which the caller removes at the end.

    Raises:
        SmeltError: the documents are missing, damaged or lack a column, or a process was killed.
    """
    shards = job.shards()
    own = folder / job.digest()[:32]
    _clear(folder, own)
    paths = {own / f"{groups.start}-{groups.stop}.npz": groups for groups in shards}
    missing = {path: groups for path, groups in paths.items() if _read(path, job.pieces) is None}
    if len(missing) < len(paths):
        print(f"{len(paths) - len(missing)} of {len(paths)} shards were counted before")
    if processes == 1 or len(missing) < 2:
        for _ in map(ShardCounter(job), missing.items()):
            pass
    else:
        _count_in_processes(job, missing, min(processes, len(missing)))
    total = PieceTally.of(job.pieces)
    for path in paths:
        tally = _read(path, job.pieces)
        if tally is None:
            raise SmeltError(path, "was counted, and is no longer there or not whole; run again")
        total.add(tally)
    return total


def _clear(folder: Path, own: Path) -> None:
    """Remove shards of other tokenizers and other documents."""
    own.mkdir(parents=True, exist_ok=True)
    for other in folder.iterdir():
        if other.is_dir() and other != own:
            shutil.rmtree(other, ignore_errors=True)


def _count_in_processes(job: CountingJob, shards: dict[Path, range], processes: int) -> None:
    try:
        for _ in share_out(partial(ShardCounter, job), shards.items(), processes):
            pass
    except WorkerKilled:
        raise Killed(
            job.documents,
            "a process that counted it was killed, most likely for want of memory; run again with fewer --threads: "
            "what is counted is kept",
        ) from None


class ShardCounter:
    """Counts shards one after the other; its tokenizer and its known words are kept from shard to shard."""

    def __init__(self, job: CountingJob) -> None:
        """Take what to count."""
        self._job, self._counter = job, job.counter()

    def __call__(self, shard: tuple[Path, range]) -> None:
        """Write the counts of a shard to its path."""
        path, groups = shard
        with refuse_damaged(self._job.documents):
            _write(path, self._counter.count(self._job.texts(groups)))


def _write(path: Path, tally: PieceTally) -> None:
    ids = np.flatnonzero(tally.occurrences)
    with whole_file(path) as draft, draft.open("wb") as stream:
        np.savez(
            stream,
            totals=np.array([tally.lines, tally.documents]),
            ids=ids,
            counts=np.stack([tally.in_lines[ids], tally.in_documents[ids], tally.occurrences[ids]]),
        )


def _read(path: Path, pieces: int) -> PieceTally | None:
    """Return the counts of a shard, or None if its file is missing or damaged."""
    tally = PieceTally.of(pieces)
    with suppress(OSError, ValueError, KeyError, EOFError, BadZipFile), np.load(path) as shard:
        tally.lines, tally.documents = (int(total) for total in shard["totals"])
        columns = (tally.in_lines, tally.in_documents, tally.occurrences)
        for column, counted in zip(columns, shard["counts"], strict=True):
            column[shard["ids"]] = counted
        return tally
    return None
