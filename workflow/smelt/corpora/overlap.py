"""Test examples that stand in a corpus: runs of words that both have (Brown et al. 2020, appendix C: 13 of them).

Words are compared without case and punctuation. Where a script has no blanks between words, a character stands for a
part of a word, and the runs are longer. An example that is shorter than a run cannot be found, and is counted so.

Only words of test examples have a number; runs are compared by a hash, and those that agree in it word by word. So what
is found is there, and memory grows with the test sets alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from smelt.corpora.cleaning_step import CleaningStep
from smelt.corpora.word_runs import length_of_runs, units
from smelt.paragraphs import without_bare_headings
from smelt.study.cleaning import HeldTestExamples

_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no word of a run is lost
TEXTS = ("words", "text", "pair", "question", "context")
"""Columns of prepared tasks that hold what a model reads."""


@dataclass
class TaskOverlap:
    """Which test examples of a task stand in texts."""

    examples: int = 0
    """Test examples in the language."""
    too_short: int = 0
    """Those that are shorter than a run."""
    found: set[int] = field(default_factory=set)
    """Numbers of those that stand in the texts."""
    paragraphs: int = 0
    """Paragraphs that hold some."""

    def as_dict(self) -> dict[str, int]:
        """Return the numbers as statistics.json holds them."""
        counts = {"examples": self.examples, "too_short": self.too_short, "found": len(self.found)}
        return counts | {"paragraphs": self.paragraphs}


class RunsOfTests:
    """The runs of words in the test examples of tasks in a language."""

    def __init__(self, language: str, words: int) -> None:
        """Take how many words a run has."""
        self.length = length_of_runs(words, language)
        self.language = language
        self.tasks: dict[str, TaskOverlap] = {}
        self._ids: dict[str, int] = {}
        self._examples: dict[tuple[int, ...], list[tuple[str, int]]] = {}
        self._hashes: NDArray[np.uint64] | None = None

    def add(self, name: str, folder: Path) -> None:
        """Take the test examples of a prepared task in the language."""
        # Loaded here: few studies look for test examples, and the command starts a tenth sooner without these.
        from smelt.tasks.kinds import kind_of
        from smelt.tasks.prepared_task import read_batches, read_task

        task = read_task(folder)
        columns = [column for column in TEXTS if column in kind_of(task).columns(task)]
        self.tasks.setdefault(name, TaskOverlap())
        for batch in read_batches(folder, "test", task):
            for row, language in enumerate(batch.languages):
                if language == self.language:
                    texts = (batch.inputs[column][row] for column in columns if column in batch.inputs)
                    self.add_example(name, [text if isinstance(text, str) else " ".join(text) for text in texts])

    def add_example(self, name: str, texts: Iterable[str]) -> None:
        """Take an example of a task: the texts that a model reads."""
        overlap = self.tasks.setdefault(name, TaskOverlap())
        runs = [run for text in texts for run in self._runs(text)]
        for run in dict.fromkeys(runs):
            self._examples.setdefault(run, []).append((name, overlap.examples))
        overlap.examples += 1
        overlap.too_short += not runs
        self._hashes = None

    def _runs(self, text: str) -> Iterator[tuple[int, ...]]:
        ids = [self._ids.setdefault(unit, len(self._ids)) for unit in units(text)]
        yield from (tuple(ids[start : start + self.length]) for start in range(len(ids) - self.length + 1))

    def find(self, paragraph: str) -> list[tuple[str, int]]:
        """Return the task and number of examples that have a run in common with a paragraph."""
        ids = np.fromiter((self._ids.get(unit, -1) for unit in units(paragraph)), np.int64)
        starts = self._starts_of_known(ids)
        if not len(starts):
            return []
        if self._hashes is None:
            self._hashes = np.unique(_hashes(np.array(list(self._examples), np.int64)))
        runs = ids[starts[:, None] + np.arange(self.length)]
        hashes = _hashes(runs)
        places = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        alike = runs[self._hashes[places] == hashes]
        return list(
            dict.fromkeys(example for run in map(tuple, alike.tolist()) for example in self._examples.get(run, ()))
        )

    def _starts_of_known(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where runs begin all of whose words stand in test examples."""
        if not self._examples or len(ids) < self.length:
            return np.empty(0, np.int64)
        known = np.concatenate([[0], np.cumsum(ids >= 0)])
        return np.flatnonzero(known[self.length :] - known[: -self.length] == self.length)

    def count(self, text: str) -> list[bool]:
        """Count the examples that a document's paragraphs hold; return for each whether it holds one."""
        held = []
        for paragraph in text.split("\n"):
            found = self.find(paragraph)
            for name, number in found:
                self.tasks[name].found.add(number)
            for name in {name for name, _ in found}:
                self.tasks[name].paragraphs += 1
            held.append(bool(found))
        return held


class OverlapStep(CleaningStep):
    """Leaves out what test examples of tasks have in common with documents."""

    name: ClassVar = "test_examples"

    def __init__(self, settings: HeldTestExamples, language: str, tests: Mapping[str, Path]) -> None:
        """Read the test examples in the language of prepared tasks, by name."""
        super().__init__()
        self._remove = settings.remove
        self._runs = RunsOfTests(language, settings.words)
        for name, folder in tests.items():
            self._runs.add(name, folder)

    def apply(self, text: str, source: str) -> str:  # noqa: ARG002 - as other steps
        """Return the text without paragraphs that hold a run, or nothing, or the text as it is."""
        held = self._runs.count(text)
        if self._remove == "nothing" or not any(held):
            return text
        if self._remove == "documents":
            return ""
        return without_bare_headings(line for line, holds in zip(text.split("\n"), held, strict=True) if not holds)

    def details(self) -> dict[str, dict[str, dict[str, int]]]:
        """Return how many examples of each task were found, were too short for it, and in how many paragraphs."""
        return {"tasks": {name: overlap.as_dict() for name, overlap in self._runs.tasks.items()}}

    def state(self) -> dict[str, tuple[list[int], int]]:
        """Return the examples of each task that were found, and in how many paragraphs."""
        return {name: (sorted(task.found), task.paragraphs) for name, task in self._runs.tasks.items()}

    def add(self, state: Mapping[str, tuple[list[int], int]]) -> None:
        """Add what was found in other documents."""
        for name, (found, paragraphs) in state.items():
            self._runs.tasks[name].found.update(found)
            self._runs.tasks[name].paragraphs += paragraphs


def _hashes(runs: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a hash of each run of word numbers, shape (runs, length)."""
    hashes = np.zeros(len(runs), np.uint64)
    for column in runs.T.astype(np.uint64):
        hashes = hashes * _FACTOR + column + np.uint64(1)
    return hashes
