"""The step of cleaning that leaves out sections of references, links and the like, by their headings."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from smelt.corpora.cleaning_step import CleaningStep
from smelt.paragraphs import level_of, without_bare_headings
from smelt.strict_yaml import read_yaml
from smelt.study.cleaning import SectionKind

EDITIONS = {"simple": "en", "nb": "no"}
"""Languages whose headings stand under another code."""


@cache
def names_of_sections() -> Mapping[str, Mapping[str, list[str]]]:
    """Return the names of sections by language and kind."""
    names: dict[str, dict[str, list[str]]] = read_yaml(Path(__file__).with_name("boilerplate.yaml"))
    return names


class BoilerplateStep(CleaningStep):
    """Leaves out the sections of some kinds, with the sections inside them.

    In a document without marked headings, as `wikimedia/wikipedia` has them, nothing says where a section ends: there
    the text ends at the first line that is such a heading.
    """

    name: ClassVar = "boilerplate"

    def __init__(self, kinds: Iterable[SectionKind], language: str) -> None:
        """Take which sections to leave out."""
        super().__init__()
        known = names_of_sections().get(EDITIONS.get(language, language), {})
        self._kinds = {_plain(name): kind for kind in kinds for name in known.get(kind, ())}

    def apply(self, text: str, source: str) -> str:  # noqa: ARG002 - as other steps
        """Return the text without these sections."""
        lines = text.split("\n")
        levels = [level_of(line) for line in lines]
        kept = self._outside(lines, levels) if any(levels) else self._before(lines)
        return text if len(kept) == len(lines) else without_bare_headings(kept)

    def _outside(self, lines: Sequence[str], levels: Sequence[int]) -> list[str]:
        """Return the lines outside the sections."""
        kept, inside = [], 0  # level of the section that is left out; 0 outside
        for line, level in zip(lines, levels, strict=True):
            if level and (not inside or level <= inside):
                kind = self._kinds.get(_plain(line[level:]))
                inside = level if kind else 0
                self.counted.update([kind] if kind else [])
            if not inside:
                kept.append(line)
        return kept

    def _before(self, lines: list[str]) -> list[str]:
        """Return the lines before the first one that is a heading of such a section."""
        for place, line in enumerate(lines):
            if kind := self._kinds.get(_plain(line)):
                self.counted[kind] += 1
                return lines[:place]
        return lines

    def details(self) -> dict[str, Any]:
        """Return how many names of sections are known in the language, and how many sections of each kind went."""
        return {"names": len(self._kinds), "sections": dict(sorted(self.counted.items()))}


def _plain(title: str) -> str:
    return title.strip().rstrip(":：").rstrip().casefold()
