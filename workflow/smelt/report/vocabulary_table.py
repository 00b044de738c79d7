"""Tables of selected vocabularies: pieces of each language and of their union (Smaller multilingual BERT, Table 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.grid import NOT_RUN, Cell, Grid, Group, PaperTable, Row


@dataclass(frozen=True)
class Kept:
    """What a reduced model kept of its source's vocabulary, in pieces."""

    model: str
    by_language: dict[str, int]
    """Pieces selected for each language, those that are always kept left aside."""
    always: int
    added: int
    """Pieces that closure added to what was selected, so that the tokenizer can still build it."""
    total: int
    source: int
    """Pieces of the source's vocabulary."""


def read_kept(folder: Path) -> Kept:
    """Return what the reduction.json of a model's folder says of its vocabulary.

    Raises:
        SmeltError: the file is missing, or holds something else.
    """
    path = folder / "reduction.json"
    found = read_json(path)
    try:
        pieces = found["pieces"]
        added = sum(int(count) for count in pieces["added"].values())
        numbers = (int(pieces[key]) for key in ("always", "kept", "source"))
        by_language = {str(language): int(count) for language, count in pieces["by_language"].items()}
        always, total, source = numbers
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SmeltError(
            path, "does not say which pieces were kept: expected what `python -m smelt reduce` writes"
        ) from None
    return Kept(folder.name, by_language, always, added, total, source)


def vocabulary_frame(kept: Sequence[Kept]) -> pd.DataFrame:
    """Return the numbers behind the table: a row for each model and language, and one for the union."""
    rows = [
        (each.model, language, count, count / each.source, each.source)
        for each in kept
        for language, count in [*each.by_language.items(), ("union", each.total)]
    ]
    return pd.DataFrame(rows, columns=["model", "language", "pieces", "share", "source_pieces"])


def vocabulary_table(name: str, settings: Mapping[str, Any], kept: Sequence[Kept]) -> PaperTable:
    """Return the table: a row a language and one for the union, two columns a model."""
    languages = list(dict.fromkeys(language for each in kept for language in each.by_language))
    several = len(kept) > 1
    heads = [f"{head} ({each.model})" if several else head for each in kept for head in ("Selected pieces", "Share")]
    rows = [
        Row(language, [cell for each in kept for cell in _cells(each.by_language.get(language), each)])
        for language in languages
    ]
    count = f" ({len(languages)} languages)" if len(languages) > 1 else ""
    rows.append(Row(f"Union{count}", [cell for each in kept for cell in _cells(each.total, each)]))
    caption = settings.get("caption") or "Selected pieces by language"
    notes = [
        "Share: of the pieces of the source's vocabulary. A piece that several languages select is one in the union."
    ]
    for each in kept:
        extra = f", {each.added:,} that the tokenizer needs to build them" if each.added else ""
        notes.append(
            f"{each.model}: {each.total:,} of {each.source:,} pieces kept; the union holds {each.always:,} that are"
            f" always kept{extra}."
        )
    return PaperTable(name, caption, [Grid("Language", heads, [Group(rows)])], notes)


def _cells(count: int | None, kept: Kept) -> list[Cell]:
    return [Cell(NOT_RUN)] * 2 if count is None else [Cell(f"{count:,}"), Cell(f"{count / kept.source:.1%}")]
