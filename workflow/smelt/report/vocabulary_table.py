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
    union: int
    """Pieces selected for any language or always kept."""
    always: int
    total: int
    """All pieces of the reduced vocabulary: the union, and what closure added so that the tokenizer can build it."""
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
        kept = found["kept"]
        by_language = {str(language): int(count) for language, count in kept["selected_by_language"].items()}
        numbers = (kept["selected_and_always_kept"], kept["always_kept"], found["pieces"], found["pieces_before"])
        return Kept(folder.name, by_language, *map(int, numbers))
    except (KeyError, TypeError, ValueError, AttributeError):
        expected = "expected what `python -m smelt reduce` writes"
        raise SmeltError(path, f"does not say which pieces were kept: {expected}") from None


def vocabulary_frame(kept: Sequence[Kept]) -> pd.DataFrame:
    """Return the numbers behind the table: a row for each model and language, one for the union and one for all."""
    rows = [
        (each.model, language, count, count / each.source, each.source)
        for each in kept
        for language, count in [*each.by_language.items(), ("union", each.union), ("all", each.total)]
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
    rows.append(Row(f"Union{count}", [cell for each in kept for cell in _cells(each.union, each)]))
    caption = settings.get("caption") or "Selected pieces by language"
    notes = [
        "Share: of the pieces of the source's vocabulary. A piece that several languages select is one in the union."
    ]
    notes += [_note(each) for each in kept]
    return PaperTable(name, caption, [Grid("Language", heads, [Group(rows)])], notes)


def _note(kept: Kept) -> str:
    added = kept.total - kept.union
    more = f" {added:,} more are kept because the tokenizer needs them to cut as before." if added else ""
    return (
        f"{kept.model}: {kept.total:,} of {kept.source:,} pieces; {kept.always:,} of the union are always kept, such as"
        f" special ones.{more}"
    )


def _cells(count: int | None, kept: Kept) -> list[Cell]:
    return [Cell(NOT_RUN)] * 2 if count is None else [Cell(f"{count:,}"), Cell(f"{count / kept.source:.1%}")]
