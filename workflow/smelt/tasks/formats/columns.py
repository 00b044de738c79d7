"""Columns: rows of Parquet or JSON, as the Hugging Face hub keeps them."""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

from pydantic import model_validator

from smelt.errors import SmeltError
from smelt.tasks.examples import Example, Sentence, Text
from smelt.tasks.formats.base import Column, FileOrSplit, LabelFormat, Scheme, SourceFile
from smelt.tasks.formats.rows import as_integer, read_list_cell, read_rows, read_text_cell


class Columns(LabelFormat):
    """Rows of Parquet or JSON: words and labels for token tasks; a text or pair of texts, and a label, for others."""

    key: ClassVar[str] = "columns"
    reads_rows: ClassVar[bool] = True

    words: Column | None = None
    """Column of the words of a sentence."""
    labels: Column | None = None
    """Column of their labels."""
    scheme: Scheme | None = None
    """How labels mark spans."""
    text: Column | None = None
    """Column of the text."""
    pair: Column | None = None
    """Column of the second text, where a label is that of two texts, such as premise and hypothesis."""
    label: Column | None = None
    """Column of the text's label."""
    language: Column | None = None
    """Column of the language's code, where one file holds several languages; rows of other languages are left out."""

    @model_validator(mode="after")
    def _names_what_belongs_together(self) -> Self:
        words = [part is not None for part in (self.words, self.labels, self.scheme)]
        text = [part is not None for part in (self.text, self.label)]
        if not (all(words) and not any(text)) and not (all(text) and not any(words)):
            raise ValueError("expected words, labels and scheme, or text and label")
        if self.pair is not None and self.words is not None:
            raise ValueError("pair: expected with text and label only")
        return self

    @property
    def chosen_columns(self) -> list[Column]:
        """Every column that is read."""
        columns = (self.words, self.labels, self.text, self.pair, self.label, self.language)
        return [column for column in columns if column is not None]

    @property
    def example_types(self) -> tuple[type[Any], ...]:
        """Sentences where there are words, and otherwise texts."""
        return (Sentence,) if self.words is not None else (Text,)

    @property
    def span_scheme(self) -> Scheme:
        """How the labels mark spans."""
        return self.scheme or "none"

    @property
    def pairs(self) -> bool:
        """Whether each label is that of two texts."""
        return self.pair is not None

    @property
    def has_languages(self) -> bool:
        """Whether a column names the language."""
        return self.language is not None

    def read(self, file: SourceFile) -> Iterator[Example]:
        """Yield the examples of a file that are in the language, where a column names it."""
        return read_columns(file.path, self, file.code)


def read_columns(path: FileOrSplit, columns: Columns, language: str = "") -> Iterator[Example]:
    """Yield the words and labels of rows, or their text (or pair of texts) and label.

    Numbers of Hugging Face class labels become their names. Where a column names the language, other rows are skipped.
    """
    for position, (number, row) in enumerate(read_rows(path, columns)):
        place = f"{path}, row {number}"
        columns = columns if position else _name_columns(columns, list(row))
        if columns.language is not None and read_text_cell(row, columns.language, place, as_integer) != language:
            continue
        if columns.words is None:
            yield _read_text(row, columns, place, number)
            continue
        words, labels = (
            read_list_cell(row, columns.words, place),
            read_list_cell(row, columns.labels, place, as_integer),
        )
        if len(words) != len(labels):
            raise SmeltError(place, f"expected {len(words)} labels, one a word, found {len(labels)}")
        yield Sentence(words, labels, [number] * len(words))


def _name_columns(columns: Columns, names: list[str]) -> Columns:
    """Return the columns with names instead of numbers, by the first row: the keys of JSON rows may differ in order."""
    numbers = {key: value for key, value in dict(columns).items() if isinstance(value, int) and value < len(names)}
    return columns.model_copy(update={key: names[number] for key, number in numbers.items()})


def _read_text(row: dict[str, Any], columns: Columns, place: str, number: int) -> Text:
    text, label = read_text_cell(row, columns.text, place), read_text_cell(row, columns.label, place, as_integer)
    pair = None if columns.pair is None else read_text_cell(row, columns.pair, place)
    return Text(text, label, number, pair=pair)
