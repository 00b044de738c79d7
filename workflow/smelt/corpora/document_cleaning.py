"""Cleaning of documents from any source, step by step, each counted by what it removed."""

import re
import time
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from smelt.corpora.boilerplate import BoilerplateStep
from smelt.corpora.cleaning_step import CleaningStep
from smelt.corpora.documents import Document, add_counts
from smelt.corpora.duplicates import NearDuplicateStep, ParagraphStep
from smelt.corpora.identification import LanguageStep
from smelt.corpora.overlap import OverlapStep
from smelt.errors import SmeltError
from smelt.paragraphs import paragraphs
from smelt.study.cleaning import Cleaning

# Vertical tab, form feed, the separators of ASCII, next line, line and paragraph separator.
_SEPARATORS = re.compile("[\x0b\x0c\x1c-\x1f\x85\u2028\u2029]")
# Other control characters, soft hyphen, word joiner, byte order mark, marks of annotations, no characters.
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u2060\ufeff\ufff9-\ufffb\ufffe\uffff]")
_ZERO_WIDTH_SPACE = "\u200b"
BREAKS_WORDS = {"km", "lo", "my", "th"}
"""Languages where a zero-width space says where a word ends."""
_SPACES = re.compile("  +")


@dataclass
class StepCounts:
    """What a step removed. Characters are code points without the ends of lines; of NFC, how many fewer there are."""

    documents_removed: int = 0
    documents_changed: int = 0
    paragraphs_removed: int = 0
    characters_removed: int = 0

    def add(self, before: str, after: str) -> None:
        """Count a document's text before and after the step."""
        if after == before:
            return
        self.documents_removed += not after
        self.documents_changed += bool(after)
        self.paragraphs_removed += len(paragraphs(before)) - len(paragraphs(after))
        self.characters_removed += _size(before) - _size(after)


@dataclass
class StepState:
    """What a step counted, as values that JSON can hold."""

    step: str
    counts: StepCounts
    seconds: float
    """Of the processor."""
    counted: Any
    """What only this step counts."""


class NfcStep(CleaningStep):
    """Brings text to NFC."""

    name: ClassVar = "nfc"

    def apply(self, text: str, source: str) -> str:  # noqa: ARG002 - as other steps
        """Return the text in NFC."""
        return unicodedata.normalize("NFC", text)

    def details(self) -> dict[str, str]:
        """Return the version of Unicode that the form is of."""
        return {"unicode": unicodedata.unidata_version}


class ControlStep(CleaningStep):
    """Leaves out control characters and other invisible ones."""

    name: ClassVar = "control_characters"

    def __init__(self, language: str) -> None:
        """Take the language, which decides about zero-width spaces."""
        super().__init__()
        self._keeps_zero_width = language.split("-")[0] in BREAKS_WORDS

    def apply(self, text: str, source: str) -> str:  # noqa: ARG002 - as other steps
        """Return the text without them; lines where nothing else stood go, too."""
        cleaned = _CONTROLS.sub("", _SEPARATORS.sub(" ", text))
        if not self._keeps_zero_width:
            cleaned = cleaned.replace(_ZERO_WIDTH_SPACE, "")
        if cleaned == text:
            return text
        return "\n".join(filter(None, (_SPACES.sub(" ", line).strip() for line in cleaned.split("\n"))))


class LengthStep(CleaningStep):
    """Leaves out short documents."""

    name: ClassVar = "min_characters"

    def __init__(self, smallest: int) -> None:
        """Take the smallest number of characters."""
        super().__init__()
        self._smallest = smallest

    def apply(self, text: str, source: str) -> str:  # noqa: ARG002 - as other steps
        """Return the text, or nothing where it is too short."""
        return text if _size(text) >= self._smallest else ""


def _size(text: str) -> int:
    return len(text) - text.count("\n")


class Cleaner:
    """The steps that a study names, in their order; counts are complete when the documents have been read."""

    def __init__(self, settings: Cleaning, language: str, tests: Mapping[str, Path] | None = None) -> None:
        """Take what to do in a language, and the folders of the prepared tasks whose test examples are looked for."""
        self.settings = settings
        steps: list[CleaningStep | None] = [
            NfcStep() if settings.nfc else None,
            ControlStep(language) if settings.control_characters else None,
            BoilerplateStep(settings.boilerplate, language) if settings.boilerplate else None,
            ParagraphStep(settings.duplicate_paragraphs) if settings.duplicate_paragraphs else None,
            LengthStep(settings.min_characters) if settings.min_characters else None,
            LanguageStep(settings.language, language) if settings.language else None,
            NearDuplicateStep(settings.near_duplicates, language) if settings.near_duplicates else None,
            OverlapStep(settings.test_examples, language, tests or {}) if settings.test_examples else None,
        ]
        self.steps = [step for step in steps if step]
        self.counts = [StepCounts() for _ in self.steps]
        self._seconds = [0.0 for _ in self.steps]  # of the processor

    def clean(self, documents: Iterable[Document]) -> Iterator[Document]:
        """Yield the documents that are left.

        Raises:
            SmeltError: none is left.
        """
        read = left = 0
        for document in documents:
            read += 1
            text = self.clean_text(document.text, document.id.partition(":")[0])
            if text:
                left += 1
                yield Document(document.id, document.title, text)
        self.check(read, left)

    def check(self, read: int, left: int) -> None:
        """Refuse steps that leave nothing.

        Raises:
            SmeltError: documents were read, and none is left.
        """
        if read and not left:
            removed = ", ".join(f"{step.name} {count.documents_removed:,}" for step, count in self._counted())
            raise SmeltError("cleaning", f"leaves none of {read:,} documents ({removed}): expected some")

    def clean_text(self, text: str, source: str) -> str:
        """Return a document's text after all steps; "" leaves the document out."""
        began = time.thread_time()
        for number, (step, counts) in enumerate(self._counted()):
            before, text = text, step.apply(text, source)
            counts.add(before, text)
            ended = time.thread_time()
            self._seconds[number] += ended - began
            began = ended
            if not text:
                break
        return text

    def _counted(self) -> Iterator[tuple[CleaningStep, StepCounts]]:
        return zip(self.steps, self.counts, strict=True)

    def states(self) -> list[StepState]:
        """Return what each step counted."""
        return [
            StepState(step.name, counts, seconds, step.state())
            for (step, counts), seconds in zip(self._counted(), self._seconds, strict=True)
        ]

    def add(self, states: Iterable[StepState]) -> None:
        """Add what steps counted in other documents."""
        numbers = {step.name: number for number, step in enumerate(self.steps)}
        for state in states:
            number = numbers[state.step]
            add_counts(self.counts[number], state.counts)
            self._seconds[number] += state.seconds
            self.steps[number].add(state.counted)

    def record(self) -> list[dict[str, Any]]:
        """Return what each step removed, in their order, with its settings and the seconds of the processor."""
        settings = self.settings.model_dump(mode="json")
        return [
            {"step": step.name, "settings": settings[step.name], **asdict(counts), **step.details()}
            | {"processor_seconds": round(seconds, 2)}
            for (step, counts), seconds in zip(self._counted(), self._seconds, strict=True)
        ]

    def lines(self) -> list[str]:
        """Return the lines for the log."""
        return [
            f"cleaning, {step.name}: {counts.documents_removed:,} documents removed, {counts.documents_changed:,}"
            f" changed; {counts.paragraphs_removed:,} paragraphs and {counts.characters_removed:,} characters fewer"
            for step, counts in self._counted()
        ]
