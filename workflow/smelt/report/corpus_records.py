"""What the corpora stage wrote about each corpus and language."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json


@dataclass(frozen=True)
class CorpusRecord:
    """Size of one language of a corpus, what became of the pages of its dumps, and what extraction dropped of them."""

    corpus: str
    language: str
    documents: int
    held_out: int
    words: int
    bytes: int
    pages: dict[str, int]
    markup: dict[str, Any]


def read_corpora(paths: Iterable[Path]) -> list[CorpusRecord]:
    """Return the records of `<corpus>/<language>/statistics.json`, in the order given.

    Raises:
        SmeltError: a file is missing, or lacks a figure.
    """
    return [_record(path, read_json(path)) for path in paths]


def _record(path: Path, statistics: dict[str, Any]) -> CorpusRecord:
    try:
        return CorpusRecord(
            corpus=path.parents[1].name,
            language=statistics["language"],
            documents=statistics["documents"],
            held_out=statistics["held_out_documents"],
            words=statistics["words"],
            bytes=statistics["bytes"],
            pages=statistics["pages"],
            markup=statistics.get("markup", {}),  # statistics of before this was counted have none
        )
    except KeyError as missing:
        raise SmeltError(path, f"has no {missing}: expected the statistics of a corpus") from None
