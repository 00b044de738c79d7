"""The commands that make documents, a tokenizer and token blocks of a dump, as a study's jobs run them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.commands import smelt

CLEANING: Mapping[str, object] = {
    "nfc": True,
    "control_characters": True,
    "boilerplate": ["references"],
    "duplicate_paragraphs": {},
    "min_characters": 100,
    "language": {"certainty": 1},  # generated words are no language's
    "near_duplicates": {},
}
LANGUAGE = "en"
LENGTH = 512


@dataclass(frozen=True)
class CorpusCommands:
    """The commands for one dump, with all that they write in one folder."""

    dump: Path
    folder: Path
    processes: int
    vocabulary: int = 8000
    """Pieces of the tokenizer."""
    sample: int = 20_000
    """Lines that it is trained on."""

    @property
    def tokenizer(self) -> Path:
        """The tokenizer's folder."""
        return self.folder / "tokenizer"

    def extraction(self) -> list[str]:
        """Return the words that extract documents."""
        return self._documents("extracted")

    def cleaning(self) -> list[str]:
        """Return the words that extract documents and clean them."""
        return [*self._documents("cleaned"), "--cleaning", json.dumps(CLEANING)]

    def training(self) -> list[str]:
        """Return the words that train a tokenizer."""
        settings = {
            "algorithm": "unigram",
            "vocabulary": self.vocabulary,
            "sample": self.sample,
            "character_coverage": 0.9995,
            "lowercase": False,
            "seed": 1,
            "alpha": 1.0,
        }
        words = ["tokenizer", "--documents", self._of("cleaned") / "documents.parquet"]
        return smelt(*words, "--settings", json.dumps(settings), "--output", self.tokenizer)

    def blocks(self) -> list[str]:
        """Return the words that pack the cleaned documents."""
        words = ["blocks", "--documents", self._of("cleaned") / "documents.parquet", "--tokenizer", self.tokenizer]
        words += ["--length", LENGTH, "--threads", self.processes]
        return smelt(*words, "--output", self.folder / "blocks" / LANGUAGE)

    def _documents(self, name: str) -> list[str]:
        folder = self._of(name)
        words = ["documents", "--language", LANGUAGE, "--dump", self.dump, "--held-out", 0.01]
        words += ["--workers", self.processes, "--output-documents", folder / "documents.parquet"]
        return smelt(*words, "--statistics", folder / "statistics.json")

    def _of(self, name: str) -> Path:
        return self.folder / name / LANGUAGE
