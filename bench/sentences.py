"""Ends of sentences: how fast they are found, and how many are those of treebanks, against sentencex.

sentencex (Wikimedia's, in Rust) is the segmenter that knows most languages. It is no dependency of smelt: install it
beside smelt to run these, and pysbd for a further column.

Treebanks are the files `*-ud-test.conllu` below `SMELT_DATA` and below `SMELT_TREEBANKS`, which may name an unpacked
release of Universal Dependencies. Sentences of a paragraph (`# newpar`, `# newdoc`) make one text; ten consecutive ones
do where a treebank marks next to no paragraphs (fewer than one for a hundred sentences), or each sentence as one. They
are joined by nothing in Chinese and Japanese, by a blank elsewhere. Only ends within a text count, and blanks make no
difference.
"""

import importlib
import os
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from bench.measure import RESULTS, Benchmark, SkippedBenchmark
from smelt.paragraphs import paragraphs
from smelt.sentences import sentences_of

PEER = "sentencex"
TOGETHER = 10  # sentences of a text, where a treebank marks no paragraphs
MARKED = 100  # sentences for which a treebank that marks paragraphs has one at least
CHARACTERS = 2_000_000  # of each language's text whose sentences are found
UNSPACED = ("ja", "zh")
CODES = {"no": "nb"}

Segmenter = Callable[[str, str], Sequence[str]]
"""Returns the sentences of a text in a language."""


def speed(name: str) -> Benchmark | SkippedBenchmark:
    """Sentences a second and core, on the texts of SMELT_DATA; for both, the sentences are those that ours finds."""
    peer, folder = _sentencex(), _folder("SMELT_DATA")
    files = sorted((folder / "text").glob("*.txt")) if folder else []
    if peer is None or not files:
        return SkippedBenchmark(name, f"needs {PEER}, and texts of SMELT_DATA")
    texts = [(file.stem, line) for file in files for line in paragraphs(file.read_text("utf-8")[:CHARACTERS])]
    found = sum(len(sentences_of(text, language)) for language, text in texts)

    def run(segment: Segmenter) -> float:
        began = time.process_time()
        for language, text in texts:
            segment(text, language)
        return found / (time.process_time() - began)

    return Benchmark(name, "sentences/s/core", PEER, lambda: run(sentences_of), lambda: run(peer))


def agreement(name: str) -> Benchmark | SkippedBenchmark:
    """F1 of ends, the mean of treebanks; writes all of them to results/bench/sentences-agreement.md."""
    peer = _sentencex()
    found = (bank for folder in ("SMELT_DATA", "SMELT_TREEBANKS") for bank in treebanks(_folder(folder)))
    banks = list({bank.name: bank for bank in found}.values())
    if peer is None or not banks:
        return SkippedBenchmark(name, f"needs {PEER}, and treebanks below SMELT_DATA or SMELT_TREEBANKS")
    others = {"pysbd": _pysbd()} if _module("pysbd") else {}
    ways: dict[str, Segmenter] = {"smelt": sentences_of, PEER: peer} | others
    scores = {way: [bank.score(segment) for bank in banks] for way, segment in ways.items()}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / f"{name}.md").write_text("\n".join(table(banks, scores)) + "\n", encoding="utf-8")
    ours, theirs = (statistics.mean(score.f1 for score in scores[way] if score) for way in ("smelt", PEER))
    return Benchmark(name, f"F1, {len(banks)} treebanks", PEER, lambda: ours, lambda: theirs, runs=1, rehearse=False)


@dataclass(frozen=True)
class Agreement:
    """Ends found, those of them that are a treebank's, and the treebank's."""

    found: int
    right: int
    all: int

    @property
    def f1(self) -> float:
        """In percent."""
        return 200 * self.right / max(self.found + self.all, 1)

    def cells(self) -> str:
        """Precision, recall and F1 in percent."""
        return (
            f"{100 * self.right / max(self.found, 1):.1f} | {100 * self.right / max(self.all, 1):.1f} | {self.f1:.1f}"
        )


@dataclass(frozen=True)
class Treebank:
    """The sentences of a treebank, text by text."""

    name: str
    language: str
    texts: list[list[str]]

    def score(self, segment: Segmenter) -> Agreement | None:
        """Return how the ends that are found agree; None where the segmenter does not know the language."""
        found = right = known = 0
        for sentences in self.texts:
            text = ("" if self.language in UNSPACED else " ").join(sentences)
            try:
                ends, expected = ends_of(segment(text, self.language)), ends_of(sentences)
            except LookupError:
                return None
            found, right, known = found + len(ends), right + len(ends & expected), known + len(expected)
        return Agreement(found, right, known)


def treebanks(folder: Path | None) -> Iterator[Treebank]:
    """Yield the test sets below a folder that give the text of their sentences, by name."""
    for file in sorted(folder.rglob("*-ud-test.conllu")) if folder else []:
        texts = read_texts(file)
        if sum(map(len, texts)) > len(texts):
            code = re.split("[_-]", file.name)[0]
            yield Treebank(file.name.removesuffix("-ud-test.conllu"), CODES.get(code, code), texts)


def read_texts(file: Path) -> list[list[str]]:
    """Return the sentences of a CoNLL-U file, text by text."""
    texts: list[list[str]] = [[]]
    for line in file.read_text(encoding="utf-8").splitlines():
        if re.match(r"#\s*new(doc|par)\b", line):
            texts.append([])
        elif found := re.match(r"#\s*text\s*=\s*(.*\S)", line):
            texts[-1].append(found[1])
    texts = [text for text in texts if text]
    sentences = [sentence for text in texts for sentence in text]
    if len(sentences) / MARKED <= len(texts) < len(sentences):
        return texts
    return [sentences[start : start + TOGETHER] for start in range(0, len(sentences), TOGETHER)]


def ends_of(sentences: Sequence[str]) -> set[int]:
    """Return where sentences end within their text, counted in characters that are no blanks."""
    lengths = list(accumulate(len("".join(sentence.split())) for sentence in sentences))
    return set(lengths) - {0, lengths[-1]}


def table(banks: Sequence[Treebank], scores: dict[str, list[Agreement | None]]) -> Iterator[str]:
    """Yield the lines of a Markdown table: a treebank a row, precision, recall and F1 of each way."""
    heads = [f"{way} P | R | F1" for way in scores]
    yield f"| language | treebank | ends | {' | '.join(heads)} |"
    yield "|---|---|--:|" + "--:|" * 3 * len(scores)
    for number, bank in sorted(enumerate(banks), key=lambda pair: (pair[1].language, pair[1].name)):
        cells = [score.cells() if (score := of_way[number]) else " | | " for of_way in scores.values()]
        ends = sum(map(len, bank.texts)) - len(bank.texts)
        yield f"| {bank.language} | {bank.name} | {ends:,} | {' | '.join(cells)} |"


def _sentencex() -> Segmenter | None:
    module = _module(PEER)
    return (lambda text, language: list(module.segment(language, text))) if module else None


def _pysbd() -> Segmenter:
    module = importlib.import_module("pysbd")
    codes = importlib.import_module("pysbd.languages").LANGUAGE_CODES
    made = cache(lambda language: module.Segmenter(language=language, clean=False))

    def segment(text: str, language: str) -> list[str]:
        if language not in codes:
            raise LookupError(language)
        return list(made(language).segment(text))

    return segment


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def _folder(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value) if value else None
