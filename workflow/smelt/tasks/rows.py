"""Readers of row formats, Parquet and JSON lines: words and labels, text and label, or slots in brackets."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, absent
from smelt.study.formats import Bracketed, Columns
from smelt.tasks.examples import Example, Sentence, Text
from smelt.tasks.lines import blank_separated, numbered_lines

SLOT = re.compile(r"\[\s*([^\[\]:]+?)\s*:\s*([^\[\]]+?)\s*\]")


def read_columns(path: Path, columns: Columns, language: str = "") -> Iterator[Example]:
    """Yield the rows' words and labels, or text (a pair of them, perhaps) and label.

    Numbers of Hugging Face class labels become their names. Where a column names the language, only its rows count.
    """
    for number, row in _rows(path):
        place = f"{path}, row {number}"
        if columns.language is not None and str(_cell(row, columns.language, place)).strip() != language:
            continue
        if columns.words is None:
            yield _text(row, columns, place, number)
            continue
        words, labels = (_listed(row, column, place) for column in (columns.words, columns.labels))
        if len(words) != len(labels):
            raise SmeltError(place, f"expected {len(words)} labels, one a word, found {len(labels)}")
        if words:
            yield Sentence(words, [columns.rename.get(label, label) for label in labels], [number] * len(words))


def _text(row: dict[str, Any], columns: Columns, place: str, number: int) -> Text:
    text, label = (str(_cell(row, column, place)).strip() for column in (columns.text, columns.label))
    pair = None if columns.pair is None else str(_cell(row, columns.pair, place)).strip()
    return Text(text, columns.rename.get(label, label), number, pair=pair)


def read_bracketed(path: Path, bracketed: Bracketed, language: str) -> Iterator[Sentence]:
    """Yield utterances whose slots stand in brackets with their names: "wake me at [time : five am]"."""
    separate = list if language in bracketed.characters else blank_separated
    for number, row in _rows(path):
        utterance = str(_cell(row, bracketed.utterance, f"{path}, row {number}"))
        sentence = Sentence([], [], [])
        place = 0
        for match in SLOT.finditer(utterance):
            _extend(sentence, separate(utterance[place : match.start()]), None)
            _extend(sentence, separate(match[2]), match[1])
            place = match.end()
        _extend(sentence, separate(utterance[place:]), None)
        if any(mark in word for word in sentence.words for mark in "[]"):
            raise SmeltError(f"{path}, row {number}", f"expected slots as [name : words], found {utterance!r}")
        sentence.lines = [number] * len(sentence.words)
        if sentence.words:
            yield sentence


def _extend(sentence: Sentence, words: list[str], slot: str | None) -> None:
    words = [word for word in words if word.strip()]
    sentence.words += words
    sentence.labels += ["O" if slot is None else f"{'I' if place else 'B'}-{slot}" for place in range(len(words))]


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (number from 1, row) of a Parquet or JSON lines file."""
    if path.suffix == ".parquet":
        yield from enumerate(_parquet_rows(path), start=1)
        return
    for number, line in numbered_lines(path):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise SmeltError(f"{path}:{number}", f"is not JSON ({error})") from None
        if not isinstance(row, dict):
            raise SmeltError(f"{path}:{number}", f"expected a JSON object, found {type(row).__name__}")
        yield number, row


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    try:
        table = parquet.read_table(path)
    except FileNotFoundError:
        raise absent(path) from None
    except arrow.ArrowInvalid as error:
        raise SmeltError(path, f"is not Parquet ({error})") from None
    names = _class_names(table.schema.metadata or {})
    for row in table.to_pylist():
        yield {column: _named(value, names.get(column)) for column, value in row.items()}


def _class_names(metadata: dict[bytes, bytes]) -> dict[str, list[str]]:
    """Return the names behind the numbers of class-label columns, which the hub keeps in the file's schema."""
    features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
    return {column: names for column, feature in features.items() if (names := _names_of(feature))}


def _names_of(feature: Any) -> list[str] | None:
    if isinstance(feature, list):  # a list of class labels, in the hub's older notation
        return _names_of(feature[0]) if feature else None
    if not isinstance(feature, dict):
        return None
    if isinstance(feature.get("names"), list):
        return [str(name) for name in feature["names"]]
    return _names_of(feature.get("feature"))


def _named(value: Any, names: list[str] | None) -> Any:
    if names is None:
        return value
    if isinstance(value, list):
        return [_named(part, names) for part in value]
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _listed(row: dict[str, Any], column: str | int | None, place: str) -> list[str]:
    """Return the texts of a cell that holds a list; letters of a text would pass for words otherwise."""
    cell = _cell(row, column, place)
    if not isinstance(cell, list) or None in cell:
        raise SmeltError(place, f"expected a list of texts in column {column!r}, found {cell!r}")
    return [str(part) for part in cell]


def _cell(row: dict[str, Any], column: str | int | None, place: str) -> Any:
    names = list(row)
    if isinstance(column, int) and column < len(names):
        column = names[column]
    if not isinstance(column, str) or row.get(column) is None:
        filled = ", ".join(name for name in names if row[name] is not None)
        raise SmeltError(place, f"lacks column {column!r}: it has {filled or 'none'}")
    return row[column]
