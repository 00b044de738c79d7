"""Text like a natural language's to those who count: frequent words come again and again, and new ones never cease.

Words follow the law that Gerlach and Altmann (2013) fitted to English books: shares fall as 1/r up to rank 7,873, and
as r^-1.77 from there. Cut at blanks, with their punctuation, 19% of 200,000 words are different ones, 13% of 600,000
and 4% of 10 million. Of real texts of 200,000 words, those in Hindi have 15%, in Spanish 19% and in German 24%. Fewer
new words would flatter what remembers them.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LEXICON = 20_000_000
FREQUENT, EXPONENT = 7873, 1.77
LINE, DOCUMENT = 60, 12  # mean words of a line, mean lines of a document
ONSETS = ["", *"bcdfglmnprstv", "br", "ch", "cl", "gr", "pr", "qu", "sp", "st", "tr"]
NUCLEI = ["a", "e", "i", "o", "u", "ai", "eau", "é", "ia", "ie", "io", "ou"]
CODAS = ["", "", "", "n", "r", "s", "t", "l", "m", "nd", "nt", "rs"]
MARKS = ["{}", "{},", "{}.", "({})", "«{}»", "{}:", "d'{}", "{}s"]
SHARES = [0.82, 0.07, 0.05, 0.01, 0.01, 0.01, 0.02, 0.01]
NUMBERS = 0.01
AT_ONCE = 1_750_000  # words of a row group: 8 MB, as corpora have them
SCHEMA = pa.schema([("text", pa.string()), ("held_out", pa.bool_())])


def write_prose(path: Path, words: int, seed: int = 1) -> None:
    """Write documents with this number of words in all, as documents.parquet; the same ones for the same seed."""
    generator = np.random.default_rng(seed)
    lexicon = ProseLexicon()
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for start in range(0, words, AT_ONCE):
            texts = list(_documents(lexicon.drawn(min(AT_ONCE, words - start), generator), generator))
            writer.write_table(pa.table({"text": texts, "held_out": [False] * len(texts)}, schema=SCHEMA))


class ProseLexicon:
    """Words by rank, spelt when they are first drawn."""

    def __init__(self) -> None:
        """Compute the shares of all ranks."""
        ranks = np.arange(1, LEXICON + 1)
        shares = np.where(ranks <= FREQUENT, 1 / ranks, (ranks / FREQUENT) ** -EXPONENT / FREQUENT)
        self._up_to = np.cumsum(shares) / shares.sum()
        self._spelt: dict[int, str] = {}

    def drawn(self, number: int, generator: np.random.Generator) -> list[str]:
        """Return words in random order, some with punctuation, and numbers."""
        ranks = np.searchsorted(self._up_to, generator.random(number)).tolist()
        marks = generator.choice(len(MARKS), number, p=SHARES).tolist()
        words = [self._with_mark(rank, mark) for rank, mark in zip(ranks, marks, strict=True)]
        for place in np.flatnonzero(generator.random(number) < NUMBERS):
            words[place] = str(generator.integers(2100))
        return words

    def _with_mark(self, rank: int, mark: int) -> str:
        key = rank * len(MARKS) + mark
        if key not in self._spelt:
            self._spelt[key] = MARKS[mark].format(_spelt(rank))
        return self._spelt[key]


def _spelt(rank: int) -> str:
    """Return the word of a rank: frequent ones are short, and no two ranks share one but by chance."""
    syllables = []
    rank += 1
    while rank:
        rank, onset = divmod(rank, len(ONSETS))
        rank, nucleus = divmod(rank, len(NUCLEI))
        rank, coda = divmod(rank, len(CODAS))
        syllables.append(ONSETS[onset] + NUCLEI[nucleus] + CODAS[coda])
    return "".join(syllables)


def _documents(words: list[str], generator: np.random.Generator) -> Iterator[str]:
    start = 0
    while start < len(words):
        lines = []
        for _ in range(1 + generator.poisson(DOCUMENT - 1)):
            end = start + 3 + int(generator.exponential(LINE - 3))
            lines.append(" ".join(words[start:end]).capitalize())
            start = end
        yield "\n".join(line for line in lines if line)
