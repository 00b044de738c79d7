"""How articles are read, and what goes to a process that reads them and comes back."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, Self

Lists = Literal["keep", "drop"]
Headings = Literal["mark", "drop"]

HOLE = "\x04"  # where a template or formula left nothing: the words around it are mended
SIZE = "_characters"  # ending of the names of sizes in `ReadingCounts.dropped`


@dataclass(frozen=True)
class ReadingSettings:
    """How articles are read.

    Attributes:
        lists: whether list items are lines of the text.
        headings: whether headings are lines, marked by their level ("## History"), or left out.
        variant: the language variant that is taken where a page gives several, such as "zh-hant"; "" for the first.
        namespaces: the wiki's own names of its namespaces, by number.
        languages: the prefixes of links to other languages' editions, which pages do not show.
    """

    lists: Lists = "keep"
    headings: Headings = "mark"
    variant: str = ""
    namespaces: Mapping[int, str] = field(default_factory=dict)
    languages: frozenset[str] = frozenset()

    def of_wiki(self, namespaces: Mapping[int, str]) -> Self:
        """Return the settings for a wiki with these names of namespaces."""
        return replace(self, namespaces=namespaces)


@dataclass
class ReadingCounts:
    """What reading an article kept, dropped and could not expand.

    `dropped` has, by kind, the numbers of what was left out and, under "<kind>_characters", the characters in it.
    `lua` and `missing` have the uses of templates that are written in Lua, and of those that the dump lacks;
    `functions` those of parser functions that wikiextractor does not know.
    """

    headings: int = 0
    list_items: int = 0
    list_items_characters: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    lua: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    functions: Counter[str] = field(default_factory=Counter)

    def drop(self, kind: str, text: str) -> None:
        """Count what is left out, if it holds a letter or digit."""
        if any(map(str.isalnum, text)):
            self.dropped[kind] += 1
            self.dropped[kind + SIZE] += len(text.strip())


@dataclass(frozen=True)
class RawPage:
    """An article before it is read; `date` is YYYYMMDD or ""."""

    id: int
    title: str
    wikitext: str
    date: str


@dataclass(frozen=True)
class ReadPage:
    """What became of an article; `error` says why it could not be read."""

    id: int
    text: str
    counts: ReadingCounts
    error: str = ""
