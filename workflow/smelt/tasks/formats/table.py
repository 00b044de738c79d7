"""Tables: a row a line, in TSV or CSV."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from smelt.errors import SmeltError, shorten_text
from smelt.files import refuse_carriage_return
from smelt.tasks.examples import Example, Sentence, Text
from smelt.tasks.formats.base import Column, SourceFile
from smelt.tasks.formats.columns import Columns
from smelt.tasks.lines import Width, is_blank, numbered_lines, refuse_equal, split_at_blanks

LONGEST_CELL = 2**24  # characters; what Python refuses by default, 131,072, is no longer than some articles


class Delimited(Columns):
    """A row a line, TSV or CSV; words and labels stand in their cells with blanks between them."""

    key: ClassVar[str] = "table"
    reads_rows: ClassVar[bool] = False

    separator: Literal["\t", ",", ";"] = "\t"
    """Separator of cells."""
    header: bool = True
    """Whether the first row names the columns."""
    quoted: bool = False
    """Whether quotation marks enclose fields, as CSV has it; otherwise they are part of the text."""

    @model_validator(mode="after")
    def _names_columns_by_header(self) -> Self:
        if not self.header and any(isinstance(column, str) for column in self.chosen_columns):
            raise ValueError("expected the numbers of columns, from 0, as there is no header to name them")
        return self

    def read(self, file: SourceFile) -> Iterator[Example]:
        """Yield the examples of a file that are in the language, where a column names it."""
        return read_table(file.local, self, file.code)


def read_table(path: Path, table: Delimited, language: str = "") -> Iterator[Example]:
    """Yield the rows of a TSV or CSV file, those of a language where a column names it; empty lines are no rows."""
    rows = _read_rows(path, table)
    number, header = next(rows, (0, [])) if table.header else (0, [])
    refuse_equal(header, f"{path}:{number}")
    place = {column: _position(column, header, path) for column in table.chosen_columns}
    width = Width(path, table.separator, max(place.values()) + 1)
    width.line, width.columns = number, len(header)
    for number, cells in rows:
        width.check(cells, number)
        if table.language is not None and cells[place[table.language]].strip() != language:
            continue
        yield _read_example({column: cells[position] for column, position in place.items()}, table, path, number)


def _read_example(cells: dict[Column, str], table: Delimited, path: Path, number: int) -> Example:
    """Return the example of a row, from the cells of its columns."""
    if table.text is not None and table.label is not None:
        pair = None if table.pair is None else cells[table.pair].strip()
        return Text(cells[table.text].strip(), cells[table.label].strip(), number, pair=pair)
    assert table.words is not None
    assert table.labels is not None
    words, tags = split_at_blanks(cells[table.words]), split_at_blanks(cells[table.labels])
    if len(words) != len(tags):
        raise SmeltError(f"{path}:{number}", f"expected a label for each of {len(words)} words, found {len(tags)}")
    return Sentence(words, tags, [number] * len(words))


def _read_rows(path: Path, table: Delimited) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells); of a quoted field that spans several lines, it is the number of the last.

    Blanks after a comma are not part of a cell: many files have them, and they would hide a quotation mark after them.
    """
    if not table.quoted:
        lines = numbered_lines(path, table.encoding)
        yield from ((number, line.split(table.separator)) for number, line in lines if not is_blank(line))
        return
    csv.field_size_limit(LONGEST_CELL)
    row = [""]  # its lines, while it is read

    def texts() -> Iterator[str]:
        for _, line in numbered_lines(path, table.encoding, quoted=True):
            row.append(line)
            yield line + "\n"

    reader = csv.reader(texts(), delimiter=table.separator, strict=True, skipinitialspace=table.separator == ",")
    try:
        for cells in reader:
            row.clear()
            if cells:
                yield reader.line_num, cells
    except csv.Error as error:
        text = "\n".join(row)
        unquoted = re.sub(r'"[^"]*"?', lambda quoted: " " * len(quoted[0]), text)
        refuse_carriage_return(unquoted[len(text) - len(row[-1]) :], f"{path}:{reader.line_num}")
        raise SmeltError(f"{path}:{reader.line_num}", f"is not quoted as CSV is: {error}") from None


def _position(column: Column, header: list[str], path: Path) -> int:
    if isinstance(column, int):
        return column
    if column not in header:
        raise SmeltError(path, f"no column is called {column!r}: its header names {shorten_text(', '.join(header))}")
    return header.index(column)
