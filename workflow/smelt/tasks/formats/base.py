"""The base class of the formats of a task's files (smelt/tasks/library/<task>.yaml, `format`)."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from smelt.entry import Entry
from smelt.tasks.examples import Example

Scheme = Literal["iob1", "iob2", "bilou", "iobes", "bioes", "none"]
Column = Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=0)]


def _known_encoding(name: str) -> str:
    """Return the name of a text encoding.

    Raises:
        ValueError: Python has none of this name (https://docs.python.org/3/library/codecs.html#standard-encodings).
    """
    try:
        known = "a\n".encode(name).decode(name) == "a\n"
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ValueError(f"expected a text encoding such as utf-8, latin-1, cp1252 or gb18030; found {name!r}")
    return name


@dataclass(frozen=True)
class SourceFile:
    """A file of a task's source in one language."""

    path: Path
    """The file; a folder for formats that have several files a split."""
    language: str
    code: str
    """The source's own code of the language."""


class FileFormat(Entry, ABC):
    """A format: its keys in the task file, and its reader."""

    key: ClassVar[str]
    """The format's name in a task file."""
    files: ClassVar[tuple[str, ...]] = ()
    """Names of the files where a split is a folder."""

    encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8"
    """Encoding of the files, by [Python's name](https://docs.python.org/3/library/codecs.html#standard-encodings):
    `latin-1`, `cp1252`, `gb18030`."""
    label_until: Annotated[str, Field(min_length=1)] | None = None
    """Text at which a label is cut off: `":"` turns TREC's fine label `DESC:manner` into its coarse `DESC`; by default
    labels stay whole."""
    rename: dict[str, str] = Field(default_factory=dict)
    """New names of labels, where files of a task have two names for one label: `{contradictory: contradiction}`."""

    @property
    @abstractmethod
    def example_types(self) -> tuple[type[Any], ...]:
        """The types of examples that the files can hold."""

    @property
    def span_scheme(self) -> Scheme:
        """How the labels mark spans; `none` where each word or text has a label of its own."""
        return "none"

    @property
    def pairs(self) -> bool:
        """Whether each label is that of two texts."""
        return False

    @property
    def has_languages(self) -> bool:
        """Whether a column of the files names the language."""
        return False

    @abstractmethod
    def read(self, file: SourceFile) -> Iterator[Example]:
        """Yield the examples of a file, or of a folder where a split is one."""

    def list_files(self, path: Path) -> list[Path]:
        """Return the files that are read for a path."""
        return [path]

    def cut_label(self, label: str) -> str:
        """Return the part of a label that counts."""
        return label if self.label_until is None else label.partition(self.label_until)[0].rstrip()
