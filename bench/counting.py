"""Counting the pieces of a language: smelt's counter against a loop over lines, as public scripts have it.

Both read the same documents. The loop is that of the scripts that go with papers: `tokenizer.tokenize(line)` of the
fast tokenizer, a counter for occurrences and one for the set of a line's pieces; as its speed does not depend on how
much it has read, it reads a part only. Ours is all that `python -m smelt count` does once the tokenizer is loaded, from
checksum to merged shards, in one process, and knows no word when it begins. Speeds are of processor time, so that what
else the machine does takes nothing from either.
"""

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bench.head import close
from bench.measure import Benchmark, Figures, ratio
from bench.prose import write_prose
from bench.workers import Worker
from smelt.models.reduction.loading import load_fast
from smelt.models.reduction.shards import Job, count_documents
from smelt.models.reduction.vocabulary import read_vocabulary
from smelt.tokenizers import byte_level_bpe, unigram, wordpiece
from smelt.tokenizers.folder import Trained, write_folder

PIECES = 30_000
WORDS = 10_000_000
SMALL = 1_000_000  # words of the text that ours is measured on as well, where more of them are new
TRAINING, LOOP = 100_000, 2000  # lines

LEARN: dict[str, Callable[[list[str]], Trained]] = {
    "wordpiece": lambda lines: wordpiece.learn(lines, PIECES, 1.0, False, "bench"),
    "unigram": lambda lines: unigram.learn(lines, PIECES, 1.0, "bench"),
    "bpe": lambda lines: byte_level_bpe.learn(lines, PIECES, "bench"),
}


@dataclass(frozen=True)
class Given:
    """Where documents and tokenizer lie; picklable, for other processes."""

    documents: Path
    small: Path
    tokenizer: Path


def counting(name: str) -> Benchmark:
    """Lines a second and core; the tokenizer's kind stands in the name."""
    folder = Path(tempfile.mkdtemp(prefix="smelt-bench-"))
    given = Given(folder / "documents.parquet", folder / "small.parquet", folder / "tokenizer")
    write_prose(given.documents, WORDS)
    write_prose(given.small, SMALL)
    given.tokenizer.mkdir()
    write_folder(given.tokenizer, LEARN[name.removeprefix("count-")](list(islice(lines_of(given.documents), TRAINING))))
    ways = {make.__name__: Worker(make, given) for make in (ours, loop, ours_small, agreement)}

    def end() -> None:
        close(ways)
        shutil.rmtree(folder)

    return Benchmark(
        name,
        "lines/s/core",
        "a loop over lines",
        ours=ways["ours"],
        peer=ways["loop"],
        runs=3,
        others={name: ways[name] for name in ("ours_small", "agreement")},
        further=_further,
        rehearse=False,
        close=end,
    )


def ours(given: Given) -> Callable[[], float]:
    """Smelt's counter."""
    return _speed(given.documents, given.tokenizer)


def ours_small(given: Given) -> Callable[[], float]:
    """The same on a small text."""
    return _speed(given.small, given.tokenizer)


def loop(given: Given) -> Callable[[], float]:
    """The loop over lines."""
    lines = list(islice(lines_of(given.documents), LOOP))
    tokenizer = load_fast(given.tokenizer, "bench")

    def run() -> float:
        began = time.process_time()
        looped(tokenizer, lines)
        return len(lines) / (time.process_time() - began)

    return run


def agreement(given: Given) -> Callable[[], float]:
    """Whether both come to the same numbers: 1 where all are equal.

    Raises:
        ValueError: they differ, and so there is nothing to compare.
    """
    few = given.small.with_name("few.parquet")
    pq.write_table(pq.read_table(given.small).slice(0, 200), few)
    vocabulary, tokenizer = read_vocabulary(given.tokenizer, "bench"), load_fast(given.tokenizer, "bench")
    in_lines, occurrences = looped(tokenizer, list(lines_of(few)))
    with tempfile.TemporaryDirectory() as shards:
        tally = count_documents(_job(few, given.tokenizer), Path(shards), 1)
    for found, expected in ((tally.in_lines, in_lines), (tally.occurrences, occurrences)):
        if {vocabulary.pieces[number]: found[number] for number in np.flatnonzero(found)} != expected:
            raise ValueError("the two ways count differently")
    return lambda: 1.0


def looped(tokenizer: Any, lines: list[str]) -> tuple[Counter[str], Counter[str]]:
    """Return in how many lines each piece stands, and how often it occurs."""
    in_lines: Counter[str] = Counter()
    occurrences: Counter[str] = Counter()
    for line in lines:
        pieces = tokenizer.tokenize(line)
        occurrences.update(pieces)
        in_lines.update(set(pieces))
    return in_lines, occurrences


def lines_of(documents: Path) -> Iterator[str]:
    """Yield the lines that are counted."""
    for batch in pq.ParquetFile(documents).iter_batches(batch_size=256, columns=["text"]):
        for text in batch.column("text").to_pylist():
            yield from (line for line in text.split("\n") if len(line.strip()) > 5)


def _speed(documents: Path, tokenizer: Path) -> Callable[[], float]:
    job = _job(documents, tokenizer)

    def run() -> float:
        with tempfile.TemporaryDirectory() as shards:
            began = time.process_time()
            tally = count_documents(job, Path(shards), 1)
            return tally.lines / (time.process_time() - began)

    return run


def _job(documents: Path, tokenizer: Path) -> Job:
    vocabulary = read_vocabulary(tokenizer, "bench")
    return Job(documents, vocabulary.tree, vocabulary.size, load_fast(tokenizer, "bench").split_special_tokens)


def _further(measured: Mapping[str, list[float]]) -> Figures:
    small = measured["ours_small"]
    return {
        f"ours on {SMALL:,} words of {WORDS:,}, lines/s/core": float(np.median(small)),
        f"ratio on {SMALL:,} words": ratio(small, measured["peer"]),
    }
