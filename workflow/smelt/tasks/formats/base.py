"""The base class of the formats of a task's files (smelt/tasks/library/<task>.yaml, `format`)."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from smelt.entry import Entry
from smelt.errors import quote
from smelt.hub import HubSplit
from smelt.numbers import ColumnNumber
from smelt.tasks.examples import Example, Sentence

Scheme = Literal["iob1", "iob2", "bilou", "iobes", "bioes", "none"]
FileOrSplit = Path | HubSplit
"""A file (a folder for formats that have several files a split), or a split of a data set on the hub."""
Column = Annotated[str, Field(min_length=1)] | ColumnNumber


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

    path: FileOrSplit
    language: str
    code: str
    """The source's own code of the language."""

    @property
    def local(self) -> Path:
        """The file, for formats that are no rows."""
        assert isinstance(self.path, Path), "task files name splits of the hub for formats of rows only"
        return self.path


class FileFormat(Entry, ABC):
    """A format: its keys in the task file, and its reader."""

    key: ClassVar[str]
    """The format's name in a task file."""
    files: ClassVar[tuple[str, ...]] = ()
    """Names of the files where a split is a folder."""
    reads_rows: ClassVar[bool] = False
    """Whether it reads rows with columns, as data sets on the hub have them."""

    encoding: Annotated[str, AfterValidator(_known_encoding)] = "utf-8"
    """Encoding of the files, by [Python's name](https://docs.python.org/3/library/codecs.html#standard-encodings):
    `latin-1`, `cp1252`, `gb18030`."""

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

    def names_beside(self, code: str) -> list[str]:  # noqa: ARG002 - for formats that have some
        """Return the names of further files that are read for one in a language, from its folder."""
        return []

    def sources(self, file: SourceFile) -> list[Path]:
        """Return all files that are read for one, or for a split of a data set on the hub."""
        if isinstance(file.path, HubSplit):
            return file.path.files
        beside = [file.path.parent / name for name in self.names_beside(file.code)]
        return [*self.list_files(file.path), *beside]

    def names_of(self, labels: set[str]) -> dict[str, str]:  # noqa: ARG002 - for formats with labels
        """Return the name of each label where the task file changes labels; nothing where it does not."""
        return {}

    def idle_changes(self, labels: set[str]) -> list[str]:  # noqa: ARG002 - for formats with labels
        """Return a sentence for each change of labels that none of these labels meets."""
        return []


class LabelFormat(FileFormat, ABC):
    """A format of files with labels, whose names a task file may change."""

    label_until: Annotated[str, Field(min_length=1)] | None = None
    """Text at which a label is cut off: `":"` turns TREC's fine label `DESC:manner` into its coarse `DESC`; by default
    labels stay whole."""
    rename: dict[str, str] = Field(default_factory=dict)
    """New names of labels, where files of a task have two names for one label: `{contradictory: contradiction}`."""

    def cut_label(self, label: str) -> str:
        """Return the part of a label that counts."""
        return label if self.label_until is None else label.partition(self.label_until)[0].rstrip()

    def names_of(self, labels: set[str]) -> dict[str, str]:
        """Return the name of each label where the task file changes labels; nothing where it does not."""
        if not self.rename and self.label_until is None:
            return {}
        return {label: self.rename.get(cut, cut) for label in labels for cut in [self.cut_label(label)]}

    def idle_changes(self, labels: set[str]) -> list[str]:
        """Return a sentence for each change of labels that none of these labels meets."""
        idle = [
            f"rename: no label is {quote(label)}" for label in self.rename.keys() - set(map(self.cut_label, labels))
        ]
        if self.label_until is not None and not any(self.label_until in label for label in labels):
            idle.append(f"label_until: no label has {self.label_until!r}")
        return sorted(idle)


class SlotFormat(LabelFormat, ABC):
    """A format of sentences in which each slot is marked from its beginning to its end."""

    @property
    def example_types(self) -> tuple[type[Any], ...]:
        """Sentences."""
        return (Sentence,)

    @property
    def span_scheme(self) -> Scheme:
        """How the slots mark spans, once read."""
        return "iob2"
