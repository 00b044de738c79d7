"""Counting the pieces of a language: smelt's counter against a loop over lines, as public scripts have it.

Both read the same documents and count the lines and documents that hold each piece, and its occurrences. The loop is
that of the scripts that go with papers: `tokenizer.tokenize(line)` of the fast tokenizer, counters, and a set of each
line's pieces; as its speed does not depend on how much it has read, it reads a part only. Ours is all that `smelt job
count` does once the tokenizer is loaded, from checksum to merged shards, in one process, and knows no word when it
begins. The more text, the fewer words are new: so it is measured on a small text as well, and on words that it
knows, which is where large texts tend to. Speeds are of processor time, so that what else the machine does takes
nothing from either.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from bench.measure import Benchmark, Figures, ratio
from bench.prose import write_prose
from bench.workers import WayProcess, close
from smelt.models.reduce.count import CountingJob, count_documents
from smelt.models.reduce.counting import PieceCounter
from smelt.models.vocabulary.tokenizer_files import load_fast
from smelt.models.vocabulary.vocabulary import read_vocabulary
from smelt.tokenizers import byte_level_bpe, unigram, wordpiece
from smelt.tokenizers.folder import TrainedTokenizer, write_folder

PIECES = 30_000
WORDS, SMALL = 30_000_000, 1_000_000
TRAINING, LOOP = 100_000, 200  # lines to train on, documents to loop over

LEARN: dict[str, Callable[[list[str]], TrainedTokenizer]] = {
    "wordpiece": lambda lines: wordpiece.learn(lines, PIECES, 1.0, wordpiece.LetterRules(lowercase=False), "bench"),
    "unigram": lambda lines: unigram.learn(lines, PIECES, 1.0, False, "bench"),
    "bpe": lambda lines: byte_level_bpe.learn(lines, PIECES, "bench"),
}


@dataclass(frozen=True)
class Given:
    """Where documents and tokenizer lie; picklable, for other processes."""

    folder: Path
    kind: str

    @property
    def documents(self) -> Path:
        """The text."""
        return self.folder / "documents.parquet"

    @property
    def small(self) -> Path:
        """The small text."""
        return self.folder / "small.parquet"

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's folder."""
        return self.folder / self.kind


def counting(name: str) -> Benchmark:
    """Lines a second and core; the tokenizer's kind stands in the name."""
    given = Given(Path(texts().name), name.removeprefix("count-"))
    given.tokenizer.mkdir()
    write_folder(given.tokenizer, LEARN[given.kind](list(islice(lines_of(given.documents), TRAINING))))
    ways = {make.__name__: WayProcess(make, given) for make in (ours, loop, ours_small, ours_known, agreement)}
    return Benchmark(
        name,
        "lines/s/core",
        "a loop over lines",
        ours=ways["ours"],
        peer=ways["loop"],
        runs=3,
        others={name: ways[name] for name in ("ours_small", "ours_known", "agreement")},
        further=_further,
        rehearse=False,
        close=lambda: close(ways),
    )


@cache
def texts() -> tempfile.TemporaryDirectory[str]:
    """Write both texts, once for all kinds of tokenizers; they go away with this process."""
    folder = tempfile.TemporaryDirectory(prefix="smelt-bench-")
    write_prose(Path(folder.name, "documents.parquet"), WORDS)
    write_prose(Path(folder.name, "small.parquet"), SMALL)
    return folder


def ours(given: Given) -> Callable[[], float]:
    """Smelt's counter."""
    return _speed(given.documents, given.tokenizer)


def ours_small(given: Given) -> Callable[[], float]:
    """The same on a small text."""
    return _speed(given.small, given.tokenizer)


def ours_known(given: Given) -> Callable[[], float]:
    """The same where every word was met before."""
    job = _job(given.documents, given.tokenizer)
    counter = PieceCounter(job.tree, job.pieces, job.encode_special_tokens)

    def run() -> float:
        texts = list(job.texts(range(2)))
        counter.count(texts)
        began = time.process_time()
        return counter.count(texts).lines / (time.process_time() - began)

    return run


def loop(given: Given) -> Callable[[], float]:
    """The loop over lines."""
    texts = list(islice(texts_of(given.documents), LOOP))
    tokenizer = load_fast(given.tokenizer, "bench")

    def run() -> float:
        began = time.process_time()
        _, _, _, lines = looped(tokenizer, texts)
        return lines / (time.process_time() - began)

    return run


def agreement(given: Given) -> Callable[[], float]:
    """Whether both give the same numbers: 1 where all are equal.

    Raises:
        ValueError: they differ, and so there is nothing to compare.
    """
    few = given.folder / "few.parquet"
    pq.write_table(pq.read_table(given.small).slice(0, LOOP), few)
    vocabulary, tokenizer = read_vocabulary(given.tokenizer, "bench"), load_fast(given.tokenizer, "bench")
    with tempfile.TemporaryDirectory() as shards:
        tally = count_documents(_job(few, given.tokenizer), Path(shards), 1)
    *expected, _ = looped(tokenizer, list(texts_of(few)))
    for found, pieces in zip((tally.in_lines, tally.in_documents, tally.occurrences), expected, strict=True):
        if {vocabulary.pieces[number]: found[number] for number in np.flatnonzero(found)} != pieces:
            raise ValueError("the two ways count differently")
    return lambda: 1.0


def looped(tokenizer: Any, texts: list[str]) -> tuple[Counter[str], Counter[str], Counter[str], int]:
    """Return in how many lines and documents each piece stands, how often it occurs, and the number of lines."""
    in_lines: Counter[str] = Counter()
    in_documents: Counter[str] = Counter()
    occurrences: Counter[str] = Counter()
    lines = 0
    for text in texts:
        of_document: set[str] = set()
        for line in text.split("\n"):
            if len(line.strip()) > 5:
                pieces = tokenizer.tokenize(line)
                occurrences.update(pieces)
                in_lines.update(set(pieces))
                of_document.update(pieces)
                lines += 1
        in_documents.update(of_document)
    return in_lines, in_documents, occurrences, lines


def texts_of(documents: Path) -> Iterator[str]:
    """Yield the documents."""
    for batch in pq.ParquetFile(documents).iter_batches(batch_size=256, columns=["text"]):
        yield from batch.column("text").to_pylist()


def lines_of(documents: Path) -> Iterator[str]:
    """Yield their lines."""
    for text in texts_of(documents):
        yield from text.split("\n")


def _speed(documents: Path, tokenizer: Path) -> Callable[[], float]:
    job = _job(documents, tokenizer)

    def run() -> float:
        with tempfile.TemporaryDirectory() as shards:
            began = time.process_time()
            tally = count_documents(job, Path(shards), 1)
            return tally.lines / (time.process_time() - began)

    return run


def _job(documents: Path, tokenizer: Path) -> CountingJob:
    vocabulary = read_vocabulary(tokenizer, "bench")
    return CountingJob(documents, vocabulary.tree, vocabulary.size, encode_special_tokens=True)


def _further(measured: Mapping[str, list[float]]) -> Figures:
    return {
        f"ratio on {SMALL:,} words, not {WORDS:,}": ratio(measured["ours_small"], measured["peer"]),
        "ratio where all words are known": ratio(measured["ours_known"], measured["peer"]),
    }
