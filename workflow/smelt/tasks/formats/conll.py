"""CoNLL: a word a line in columns, as the shared tasks and most corpora of named entities are published."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import StringConstraints, model_validator

from smelt.complaints import explain
from smelt.errors import SmeltError, quote
from smelt.numbers import ColumnFromEitherEnd
from smelt.tasks.examples import Sentence, Text
from smelt.tasks.formats.base import LabelFormat, Scheme, SourceFile
from smelt.tasks.lines import LEFT_OUT, Width, is_blank, numbered_lines, split_at_blanks

COMMENT = re.compile(r"#\s+[^\W\d_][\w. -]*[:=]\s")  # no word, such as "#MeToo:"
NAME_OF_COMMENT = explain(r"^[^\W\d_][\w. -]*$", "the name of a comment, with a letter first")
CommentName = Annotated[str, StringConstraints(pattern=NAME_OF_COMMENT)]


class Conll(LabelFormat):
    """A word a line in columns, a blank line between sentences."""

    key: ClassVar[str] = "conll"

    separator: Literal[" ", "\t", "whitespace"] = " "
    """Separator of columns; `whitespace` is one or more blanks or tabs."""
    word: ColumnFromEitherEnd = 0
    """Column of the word, counted from 0; -1 is the last."""
    label: ColumnFromEitherEnd | CommentName = -1
    """Column of the label, or the name of the comment before a sentence that gives it: `intent` of `# intent: alarm`. A
    column gives the label of a whole sentence where it is the same for all its words."""
    scheme: Scheme
    """How labels mark spans; `bilou` with other letters is `iobes` or `bioes`."""
    columns_vary: bool = False
    """Whether sentences may differ in their number of columns, as in CoNLL-2009 and CoNLL-2012, which have one for each
    predicate; the rows of one sentence may not."""
    skip: str = "-DOCSTART-"
    """Lines that begin with this text separate documents and are not words."""
    prefix: str = ""
    """Text before each word that is not part of it: `{language}:` in WikiANN's files."""

    @model_validator(mode="after")
    def _has_spans_of_words(self) -> Self:
        if isinstance(self.label, str) and self.scheme != "none":
            raise ValueError(f"scheme: expected none, as the comment {self.label!r} labels whole sentences")
        return self

    @property
    def example_types(self) -> tuple[type[Any], ...]:
        """Sentences; and texts where the labels may be those of whole sentences."""
        if self.scheme != "none":
            return (Sentence,)
        return (Text,) if isinstance(self.label, str) else (Sentence, Text)

    @property
    def span_scheme(self) -> Scheme:
        """How the labels mark spans."""
        return self.scheme

    def read(self, file: SourceFile) -> Iterator[Sentence]:
        """Yield the sentences of a file; where a label is a whole sentence's, each of its words has it."""
        return read_conll(file.local, self, file.language)


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
        cells = split_at_blanks(line) if by_blanks else line.split(columns.separator)
        if len(cells) != width.columns:
            width.check(cells, number)
        if comment and COMMENT.match(line):
            raise SmeltError(f"{path}:{number}", f"expected words, found the comment {quote(line)}; {LEFT_OUT}")
        if comment and not label:
            raise SmeltError(f"{path}:{number}", f"expected the sentence's label before it: # {columns.label}: label")
        sentence.words.append(cells[columns.word].removeprefix(prefix))
        sentence.labels.append(cells[columns.label] if isinstance(columns.label, int) else label)
        sentence.lines.append(number)
    if sentence.words:
        yield sentence


def _columns_needed(column: int) -> int:
    return column + 1 if column >= 0 else -column
