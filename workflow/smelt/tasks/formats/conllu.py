"""CoNLL-U: the files of Universal Dependencies, and of treebanks that follow it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from smelt.errors import SmeltError, quote
from smelt.numbers import Count
from smelt.tasks.examples import Sentence
from smelt.tasks.formats.base import LabelFormat, SourceFile
from smelt.tasks.lines import is_blank, numbered_lines

TAGS_OF_SIGNS = ("PUNCT", "SYM", "X")  # universal part-of-speech tags that a word of underscores may have


class Conllu(LabelFormat):
    """Universal Dependencies' CoNLL-U; the syntactic words, without the ranges of multi-word tokens."""

    key: ClassVar[str] = "conllu"

    label: Literal["upos", "xpos"] = "upos"
    """The tags that are labels."""
    leading: Count | None = None
    """Characters of a tag that count, where they are its category: `1` of MULTEXT-East's tags is the part of speech; by
    default all."""

    @property
    def example_types(self) -> tuple[type[Any], ...]:
        """Sentences."""
        return (Sentence,)

    def read(self, file: SourceFile) -> Iterator[Sentence]:
        """Yield the sentences of a file."""
        return read_conllu(file.local, self)


def read_conllu(path: Path, columns: Conllu) -> Iterator[Sentence]:
    """Yield the sentences of a CoNLL-U file: syntactic words, without multi-word ranges (1-2) and empty nodes (1.1).

    Raises:
        SmeltError: a line has not ten columns or does not begin with a number; a word or its tag is unspecified (`_`).
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
                    f"{path}:{number}", f"expected CoNLL-U's 10 columns, found {len(cells)}: {quote(line)}"
                )
            if not re.fullmatch(r"[0-9]+([-.][0-9]+)?", cells[0]):
                raise SmeltError(f"{path}:{number}", f"expected a word's number in column 1, found {quote(cells[0])}")
            if cells[0].isdigit():
                sentence.words.append(_word(cells, text, f"{path}:{number}"))
                sentence.labels.append(_tag(cells, columns, f"{path}:{number}"))
                sentence.lines.append(number)
    if sentence.words:
        yield sentence


def _word(cells: list[str], text: str, place: str) -> str:
    """Return the form of a word.

    CoNLL-U writes `_` for an unspecified field, but also for an underscore, and treebanks whose text may not be
    published have `_` for every word. A form of underscores is taken for a word if its lemma agrees, and if it has the
    tag of a sign or stands among other characters in the text of its sentence
    (https://universaldependencies.org/format.html).
    """
    form, lemma, tag = cells[1:4]
    in_text = form in text and text.strip("_ \t") != ""
    if form and not form.strip("_") and (lemma.strip("_") or not (tag in TAGS_OF_SIGNS or in_text)):
        raise SmeltError(
            place,
            f"has no word but {quote(form)}, which stands for text that is left out: get the treebank with its text"
            " (its README says how)",
        )
    return form


def _tag(cells: list[str], columns: Conllu, place: str) -> str:
    """Return the tag of a word, or its leading characters if only these count.

    Tagsets of languages may have `_` in place of a tag for punctuation (MULTEXT-East's); the universal one has a tag.
    """
    tag = cells[{"upos": 3, "xpos": 4}[columns.label]]
    if tag == "_" and (columns.label == "upos" or any(map(str.isalnum, cells[1]))):
        raise SmeltError(place, f"has no {columns.label} tag (_) for {quote(cells[1])}: expected one for every word")
    return tag[: columns.leading]
