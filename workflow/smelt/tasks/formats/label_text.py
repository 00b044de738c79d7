"""Label and text on each line, as TREC and the Stanford Sentiment Treebank are published."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from smelt.errors import SmeltError, quote
from smelt.tasks.examples import Text
from smelt.tasks.formats.base import LabelFormat, SourceFile
from smelt.tasks.lines import is_blank, numbered_lines


class LabelText(LabelFormat):
    """A label, a separator and the text on each line."""

    key: ClassVar[str] = "label-text"

    separator: Literal[" ", "\t", ","] = " "
    """Separator of label and text."""

    @property
    def example_types(self) -> tuple[type[Any], ...]:
        """Texts."""
        return (Text,)

    def read(self, file: SourceFile) -> Iterator[Text]:
        """Yield the texts of a file."""
        return read_label_text(file.local, self)


def read_label_text(path: Path, lines: LabelText) -> Iterator[Text]:
    """Yield the text and label of each line, which begins with the label; empty lines are skipped."""
    for number, line in numbered_lines(path, lines.encoding):
        if is_blank(line):
            continue
        label, separator, text = line.partition(lines.separator)
        if not separator:
            raise SmeltError(
                f"{path}:{number}", f"expected a label, {lines.separator!r} and a text, found {quote(line)}"
            )
        if separator == "\t" and "\t" in text:
            found = line.count("\t") + 1
            raise SmeltError(
                f"{path}:{number}", f"expected 2 columns, a label and a text, found {found}: {quote(line)}"
            )
        yield Text(text.strip(), label.strip(), number)
