"""Readers of the line-based formats in which labelled data is published, one function a format."""

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from smelt.errors import SmeltError, shortened, shown
from smelt.files import refuse_carriage_return
from smelt.tasks.examples import Example, Sentence, Text
from smelt.tasks.format_entries import Column, Conll, Conllu, Delimited, LabelText, SlotGated
from smelt.tasks.lines import blank_separated, is_blank, numbered_lines, refuse_equal

LONGEST_CELL = 2**24  # characters; what Python refuses by default, 131,072, is no longer than some articles
COMMENT = re.compile(r"#\s+[^\W\d_][\w. -]*[:=]\s")  # no word, such as "#MeToo:"
LEFT_OUT = "lines that begin so are left out with `skip`"
TAGS_OF_SIGNS = ("PUNCT", "SYM", "X")  # universal part-of-speech tags that a word of underscores may have


def read_conll(path: Path, columns: Conll, language: str) -> Iterator[Sentence]:
    """Yield the sentences of a file with a word a line and blank lines between sentences.

    Where a comment gives the label of a sentence, each of its words has it.
    """
    prefix = columns.prefix.replace("{language}", language)
    comment = re.compile(rf"#\s*{re.escape(columns.label)}\s*[:=](.*)") if isinstance(columns.label, str) else None
    needed = [columns.word] if isinstance(columns.label, str) else [columns.word, columns.label, 1]
    by_blanks = columns.separator == "whitespace"
    width = Width(path, " " if by_blanks else columns.separator, max(map(_columns_needed, needed)), "#")
    sentence, label = Sentence([], [], []), ""
    for number, line in numbered_lines(path, columns.encoding):
        found = comment.match(line) if comment else None
        if found or is_blank(line) or (columns.skip and line.startswith(columns.skip)):
            if sentence.words:
                yield sentence
                sentence, label = Sentence([], [], []), ""
                width.columns = 0 if columns.columns_vary else width.columns
            label = found[1].strip() if found else label
            continue
        cells = blank_separated(line) if by_blanks else line.split(columns.separator)
        if len(cells) != width.columns:
            width.check(cells, number)
        if comment and COMMENT.match(line):
            raise SmeltError(f"{path}:{number}", f"expected words, found the comment {shown(line)}; {LEFT_OUT}")
        if comment and not label:
            raise SmeltError(f"{path}:{number}", f"expected the sentence's label before it: # {columns.label}: label")
        sentence.words.append(cells[columns.word].removeprefix(prefix))
        sentence.labels.append(cells[columns.label] if isinstance(columns.label, int) else label)
        sentence.lines.append(number)
    if sentence.words:
        yield sentence


def texts_of(sentences: Iterable[Sentence], path: Path) -> Iterator[Text]:
    """Yield sentences as texts with one label, that of every word; blanks part the words.

    Raises:
        SmeltError: the words of a sentence differ in their label.
    """
    for sentence in sentences:
        label = sentence.labels[0]
        for other, line in zip(sentence.labels, sentence.lines, strict=True):
            if other != label:
                raise SmeltError(
                    f"{path}:{line}",
                    f"expected one label for the sentence, {shown(label)} as its first word has, found {shown(other)}:"
                    " a task of texts needs a column that repeats the sentence's label, or the name of a comment",
                )
        yield Text(" ".join(sentence.words), label, sentence.lines[0])


class Width:
    """How many columns rows have: as many as their header, or else the first of them; others would be mislabelled."""

    def __init__(self, path: Path, separator: str, needed: int, comment: str = "") -> None:
        """Keep the file, what separates its columns, how many of them are read, and what comments begin with."""
        self.path, self.separator, self.needed, self.comment = path, separator, needed, comment
        self.columns = 0
        """The number of columns; 0 where the next row sets it."""
        self.line = 0
        """The line that set it."""

    def check(self, cells: list[str], number: int) -> None:
        """Check a row.

        Raises:
            SmeltError: it has fewer columns than are read, or not as many as the first row.
        """
        if not self.columns:
            self.line, self.columns = number, len(cells)
        if len(cells) == self.columns >= self.needed:
            return
        expected, mend = f"at least {self.needed} columns", ""
        if len(cells) >= self.needed:
            expected = f"{self.columns} columns, as line {self.line} has"
            mend = ". Mend the line, or the separator and quotes that the task file names"
        found = self.separator.join(cells)
        mend = f"; {LEFT_OUT}" if self.comment and found.startswith(self.comment) else mend
        raise SmeltError(f"{self.path}:{number}", f"expected {expected}, found {len(cells)}: {shown(found)}{mend}")


def read_conllu(path: Path, columns: Conllu) -> Iterator[Sentence]:
    """Yield the sentences of a CoNLL-U file: syntactic words, without multi-word ranges (1-2) and empty nodes (1.1).

    Raises:
        SmeltError: a line has other than ten columns, or begins with no number; a word or its tag is unspecified (`_`).
    """
    sentence, text = Sentence([], [], []), ""
    for number, line in numbered_lines(path, columns.encoding):
        if line.startswith("#"):
            text = line.partition("=")[2] if re.match(r"#\s*text\s*=", line) else text
        elif is_blank(line):
            if sentence.words:
                yield sentence
            sentence, text = Sentence([], [], []), ""
        else:
            cells = line.split("\t")
            if len(cells) != 10:
                raise SmeltError(
                    f"{path}:{number}", f"expected CoNLL-U's 10 columns, found {len(cells)}: {shown(line)}"
                )
            if not re.fullmatch(r"[0-9]+([-.][0-9]+)?", cells[0]):
                raise SmeltError(f"{path}:{number}", f"expected a word's number in column 1, found {shown(cells[0])}")
            if cells[0].isdigit():
                sentence.words.append(_word(cells, text, f"{path}:{number}"))
                sentence.labels.append(_tag(cells, columns, f"{path}:{number}"))
                sentence.lines.append(number)
    if sentence.words:
        yield sentence


def _word(cells: list[str], text: str, place: str) -> str:
    """Return the form of a word.

    CoNLL-U writes `_` both for what is unspecified and for an underscore, and treebanks whose text may not be published
    have nothing else. A word of underscores is one where its lemma agrees, and it is tagged as such a sign or stands
    amid other characters in the text of its sentence (https://universaldependencies.org/format.html).
    """
    form, lemma, tag = cells[1:4]
    in_text = form in text and text.strip("_ \t") != ""
    if form and not form.strip("_") and (lemma.strip("_") or not (tag in TAGS_OF_SIGNS or in_text)):
        raise SmeltError(
            place,
            f"has no word but {shown(form)}, which stands for text that is left out: get the treebank with its text"
            " (its README says how)",
        )
    return form


def _tag(cells: list[str], columns: Conllu, place: str) -> str:
    """Return the tag of a word, as much of it as counts.

    Tagsets of languages may have none for punctuation (MULTEXT-East's), which `_` then says; the universal one has.
    """
    tag = cells[{"upos": 3, "xpos": 4}[columns.label]]
    if tag == "_" and (columns.label == "upos" or any(map(str.isalnum, cells[1]))):
        raise SmeltError(place, f"has no {columns.label} tag (_) for {shown(cells[1])}: expected one for every word")
    return tag[: columns.leading]


def read_slotgated(path: Path, files: SlotGated) -> Iterator[Example]:
    """Yield the examples of SlotGated's three parallel files: seq.in and seq.out, or seq.in and label.

    Lines that are empty in both files, at their ends mostly, are none.
    """
    other = path / ("seq.out" if files.label == "slots" else "label")
    utterances, labels = (list(numbered_lines(file, files.encoding)) for file in (path / "seq.in", other))
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
    number, header = next(rows, (0, [])) if table.header else (0, [])
    refuse_equal(header, f"{path}:{number}")
    place = {column: _position(column, header, path) for column in table.chosen_columns}
    width = Width(path, table.separator, max(place.values()) + 1)
    width.line, width.columns = number, len(header)
    for number, cells in rows:
        width.check(cells, number)
        if table.language is not None and cells[place[table.language]].strip() != language:
            continue
        yield _example({column: cells[position] for column, position in place.items()}, table, path, number)


def _example(cells: dict[Column, str], table: Delimited, path: Path, number: int) -> Example:
    """Return the example of a row, from the cells of its columns."""
    if table.text is not None and table.label is not None:
        pair = None if table.pair is None else cells[table.pair].strip()
        return Text(cells[table.text].strip(), cells[table.label].strip(), number, pair=pair)
    assert table.words is not None
    assert table.labels is not None
    words, tags = blank_separated(cells[table.words]), blank_separated(cells[table.labels])
    if len(words) != len(tags):
        raise SmeltError(f"{path}:{number}", f"expected a label for each of {len(words)} words, found {len(tags)}")
    return Sentence(words, tags, [number] * len(words))


def read_label_text(path: Path, lines: LabelText) -> Iterator[Text]:
    """Yield the lines of a file that begin with the label; empty lines are none."""
    for number, line in numbered_lines(path, lines.encoding):
        if is_blank(line):
            continue
        label, separator, text = line.partition(lines.separator)
        if not separator:
            raise SmeltError(
                f"{path}:{number}", f"expected a label, {lines.separator!r} and a text, found {shown(line)}"
            )
        if separator == "\t" and "\t" in text:
            found = line.count("\t") + 1
            raise SmeltError(
                f"{path}:{number}", f"expected 2 columns, a label and a text, found {found}: {shown(line)}"
            )
        yield Text(text.strip(), label.strip(), number)


def _columns_needed(column: int) -> int:
    return column + 1 if column >= 0 else -column


def _rows(path: Path, table: Delimited) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, cells); quoted fields may run over several lines, of which the last is named.

    After a comma, blanks are no part of a cell: many write them there, and would hide quotation marks behind them.
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
        raise SmeltError(path, f"no column is called {column!r}: its header names {shortened(', '.join(header))}")
    return header.index(column)
