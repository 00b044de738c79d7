"""Records of corpora: what became of pages, markup and documents, from the statistics.json of each language."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.mixture import Mixture


@dataclass(frozen=True)
class CleanedStep:
    """What a step of cleaning found and removed in a language."""

    step: str
    """Its key in a study."""
    documents: int
    """Those that reached it."""
    documents_removed: int
    documents_changed: int
    paragraphs: int
    """Those that reached it."""
    paragraphs_removed: int
    characters: int
    """Those that reached it."""
    characters_removed: int
    settings: Any
    """As the study has them, with defaults."""
    details: Mapping[str, Any]
    """What the step says further, such as the languages that it found."""


@dataclass(frozen=True)
class CorpusRecord:
    """Size of one language of a corpus, what became of its pages, and what extraction and cleaning dropped."""

    corpus: str
    language: str
    documents: int
    held_out: int
    paragraphs: int
    words: int
    characters: int
    bytes: int
    pages: dict[str, int]
    markup: dict[str, Any]
    cleaning: list[CleanedStep] = field(default_factory=list)
    """In the order of the steps."""
    sentences: int | None = None
    """None where an older version counted."""
    sources: list[Mapping[str, Any]] = field(default_factory=list)
    """What its documents were read from, as statistics.json has it."""

    @property
    def articles(self) -> int:
        """Articles of its dumps that were read, those without text among them."""
        return self.pages.get("extracted", 0) + self.pages.get("empty", 0)


def read_corpora(paths: Iterable[Path]) -> list[CorpusRecord]:
    """Return the records of `<corpus>/<language>/statistics.json`, in the order given.

    Raises:
        SmeltError: a file is missing, or lacks a figure.
    """
    return [_corpus(path, read_json(path)) for path in paths]


def by_corpus(records: Iterable[CorpusRecord]) -> dict[str, list[CorpusRecord]]:
    """Return the records of each corpus, the language with most words first."""
    found: dict[str, list[CorpusRecord]] = {}
    for record in sorted(records, key=lambda record: (-record.words, record.language)):
        found.setdefault(record.corpus, []).append(record)
    return found


def shares_of(records: Sequence[CorpusRecord], mixture: Mixture) -> dict[str, tuple[float, float]]:
    """Return the share of each language in a corpus's characters, and that which samples of tokenizers draw."""
    sizes = [record.characters for record in records]
    pairs = zip(Mixture().shares(sizes), mixture.shares(sizes), strict=True)
    return {record.language: pair for record, pair in zip(records, pairs, strict=True)}


def _corpus(path: Path, statistics: dict[str, Any]) -> CorpusRecord:
    try:
        return CorpusRecord(
            corpus=path.parents[1].name,
            language=statistics["language"],
            documents=statistics["documents"],
            held_out=statistics["held_out_documents"],
            paragraphs=statistics["paragraphs"],
            words=statistics["words"],
            characters=statistics["characters"],
            bytes=statistics["bytes"],
            pages=statistics["pages"],
            markup=statistics.get("markup", {}),  # absent where an older version wrote the file
            cleaning=_steps(statistics, statistics.get("cleaning", [])),
            sentences=statistics.get("sentences"),
            sources=statistics.get("sources", []),
        )
    except KeyError as missing:
        raise SmeltError(path, f"has no {missing}: expected the statistics of a corpus") from None


_UNITS = ("documents", "paragraphs", "characters")
_COUNTS = {"documents_changed", *(f"{unit}_removed" for unit in _UNITS)}


def _steps(left: Mapping[str, int], steps: Sequence[Mapping[str, Any]]) -> list[CleanedStep]:
    """Return the steps in their order; what reached one is what is left, and what it and all later ones removed."""
    reached = {unit: left[unit] for unit in _UNITS}
    found = []
    for step in reversed(steps):
        reached = {unit: number + step[f"{unit}_removed"] for unit, number in reached.items()}
        details = {key: value for key, value in step.items() if key not in _COUNTS | {"step", "settings"}}
        counts = {key: step[key] for key in _COUNTS}
        found.append(CleanedStep(step=step["step"], settings=step["settings"], details=details, **reached, **counts))
    return found[::-1]
