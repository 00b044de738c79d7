"""Readers of the line-based formats in which labelled data is published, one function a format."""

import csv
from collections.abc import Iterator
from pathlib import Path

from smelt.errors import SmeltError
from smelt.study.formats import Column, Conll, Conllu, Delimited, LabelText, SlotGated
from smelt.tasks.examples import Example, Sentence, Text
from smelt.tasks.lines import blank_separated, numbered_lines

LONGEST_CELL = 2**24  # characters; what Python refuses by default, 131,072, is no longer than some articles


def read_conll(path: Path, columns: Conll, language: str) -> Iterator[Sentence]:
    """Yield the sentences of a file with a word a line and blank lines between sentences."""
    prefix = columns.prefix.replace("{language}", language)
    needed = max(_columns_needed(columns.word), _columns_needed(columns.label), 2)
    words: list[str] = []
    labels: list[str] = []
    lines: list[int] = []
    for number, line in numbered_lines(path):
        if not line.strip() or (columns.skip and line.startswith(columns.skip)):
            if words:
                yield Sentence(words, labels, lines)
                words, labels, lines = [], [], []
            continue
        cells = line.split() if columns.separator == "whitespace" else line.split(columns.separator)
        if len(cells) < needed:
            raise SmeltError(f"{path}:{number}", f"expected at least {needed} columns, found {len(cells)}: {line!r}")
        words.append(cells[columns.word].removeprefix(prefix))
        labels.append(cells[columns.label])
        lines.append(number)
    if words:
        yield Sentence(words, labels, lines)


def read_conllu(path: Path, columns: Conllu) -> Iterator[Sentence]:
    """Yield the sentences of a CoNLL-U file: syntactic words, without multi-word ranges (1-2) and empty nodes (1.1)."""
    column = {"upos": 3, "xpos": 4}[columns.label]
    sentence = Sentence([], [], [])
    for number, line in numbered_lines(path):
        cells = line.split("\t")
        if line.startswith("#") or (cells[0] and not cells[0].isdigit() and set(cells[0]) <= set("0123456789-.")):
            continue
        if line.strip():
            if len(cells) != 10:
                raise SmeltError(f"{path}:{number}", f"expected CoNLL-U's 10 columns, found {len(cells)}: {line!r}")
            sentence.words.append(cells[1])
            sentence.labels.append(cells[column][: columns.leading])
            sentence.lines.append(number)
        elif sentence.words:
            yield sentence
            sentence = Sentence([], [], [])
    if sentence.words:
        yield sentence


def read_slotgated(path: Path, files: SlotGated) -> Iterator[Example]:
    """Yield the examples of SlotGated's three parallel files: seq.in and seq.out, or seq.in and label.

    Lines that are empty in both files, at their ends mostly, are none.
    """
    other = path / ("seq.out" if files.label == "slots" else "label")
    utterances, labels = list(numbered_lines(path / "seq.in")), list(numbered_lines(other))
    if len(utterances) != len(labels):
        raise SmeltError(other, f"expected the {len(utterances)} lines of seq.in, found {len(labels)}")
    for (number, utterance), (_, label) in zip(utterances, labels, strict=True):
        words, tags = blank_separated(utterance), blank_separated(label)
        if not words and not tags:
            continue
        if files.label == "intent":
            yield Text(" ".join(words), label.strip(), number)
        elif len(words) == len(tags):
            yield Sentence(words, tags, [number] * len(words))
        else:
            raise SmeltError(
                f"{other}:{number}", f"expected {len(words)} labels, one a word of seq.in, found {len(tags)}"
            )


def read_table(path: Path, table: Delimited, language: str = "") -> Iterator[Example]:
    """Yield the rows of a TSV or CSV file, those of a language where a column names it; empty lines are no rows."""
    rows = _rows(path, table)
    header = next(rows, (0, []))[1] if table.header else []
    place = {column: _position(column, header, path) for column in table.chosen_columns}
    needed = max(place.values()) + 1
    for number, cells in rows:
        if len(cells) < needed:
            found = f"found {len(cells)}: {table.separator.join(cells)!r}"
            raise SmeltError(f"{path}:{number}", f"expected at least {needed} columns, {found}")
        if table.language is not None and cells[place[table.language]].strip() != language:
            continue
        yield _example({column: cells[position] for column, position in place.items()}, table, path, number)


def _example(cells: dict[Column, str], table: Delimited, path: Path, number: int) -> Example:
    """Return the example of a row, from the cells of its columns."""
    if table.text is not None and table.label is not None:
        pair = None if table.pair is None else cells[table.pair].strip()
        label = cells[table.label].strip()
        return Text(cells[table.text].strip(), table.rename.get(label, label), number, pair=pair)
    assert table.words is not None
    assert table.labels is not None
    words, tags = blank_separated(cells[table.words]), blank_separated(cells[table.labels])
    if len(words) != len(tags):
        raise SmeltError(f"{path}:{number}", f"expected a label for each of {len(words)} words, found {len(tags)}")
    return Sentence(words, [table.rename.get(tag, tag) for tag in tags], [number] * len(words))


def read_label_text(path: Path, lines: LabelText) -> Iterator[Text]:
    """Yield the lines of a file that begin with the label; empty lines are none."""
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        label, separator, text = line.partition(lines.separator)
        if not separator:
            raise SmeltError(f"{path}:{number}", f"expected a label, {lines.separator!r} and a text, found {line!r}")
        yield Text(text.strip(), label.strip(), number)


def _columns_needed(column: int) -> int:
    return column + 1 if column >= 0 else -column


def _rows(path: Path, table: Delimited) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells); quoted fields may run over several lines, of which the last is named.

    After a comma, blanks are no part of a cell: many write them there, and would hide quotation marks behind them.
    """
    if not table.quoted:
        yield from ((number, line.split(table.separator)) for number, line in numbered_lines(path) if line.strip())
        return
    csv.field_size_limit(LONGEST_CELL)
    lines = (line + "\n" for _, line in numbered_lines(path))
    reader = csv.reader(lines, delimiter=table.separator, strict=True, skipinitialspace=table.separator == ",")
    try:
        yield from ((reader.line_num, cells) for cells in reader if cells)
    except csv.Error as error:
        raise SmeltError(f"{path}:{reader.line_num}", f"is not quoted as CSV is: {error}") from None


def _position(column: Column, header: list[str], path: Path) -> int:
    if isinstance(column, int):
        return column
    if column not in header:
        raise SmeltError(path, f"no column is called {column!r}: its header names {', '.join(header)}")
    return header.index(column)
