"""SlotGated: utterances with their slots and intents in three parallel files, as ATIS and Snips are published."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from smelt.errors import SmeltError
from smelt.tasks.examples import Example, Sentence, Text
from smelt.tasks.formats.base import LabelFormat, Scheme, SourceFile
from smelt.tasks.lines import numbered_lines, split_at_blanks


class SlotGated(LabelFormat):
    """The three files of Goo et al. (2018) in a folder a split: seq.in, seq.out (IOB2) and label."""

    key: ClassVar[str] = "slotgated"
    files: ClassVar[tuple[str, ...]] = ("seq.in", "seq.out", "label")

    label: Literal["slots", "intent"]
    """Labels to read: the `slots` of words, or the `intent` of the sentence."""

    @property
    def example_types(self) -> tuple[type[Any], ...]:
        """Sentences with their slots, or texts with their intent."""
        return (Sentence,) if self.label == "slots" else (Text,)

    @property
    def span_scheme(self) -> Scheme:
        """How the slots mark spans."""
        return "iob2" if self.label == "slots" else "none"

    def read(self, file: SourceFile) -> Iterator[Example]:
        """Yield the examples of a folder."""
        return read_slotgated(file.local, self)

    def list_files(self, path: Path) -> list[Path]:
        """Return the two files that are read of a folder."""
        return [path / "seq.in", path / ("seq.out" if self.label == "slots" else "label")]


def read_slotgated(path: Path, files: SlotGated) -> Iterator[Example]:
    """Yield the examples of SlotGated's three parallel files: seq.in and seq.out, or seq.in and label.

    Lines that are empty in both files, mostly at their ends, are skipped.
    """
    _, other = files.list_files(path)
    utterances, labels = (list(numbered_lines(file, files.encoding)) for file in files.list_files(path))
    if len(utterances) != len(labels):
        raise SmeltError(other, f"expected the {len(utterances)} lines of seq.in, found {len(labels)}")
    for (number, utterance), (_, label) in zip(utterances, labels, strict=True):
        words, tags = split_at_blanks(utterance), split_at_blanks(label)
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
