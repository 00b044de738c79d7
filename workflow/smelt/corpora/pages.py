"""The pages of a MediaWiki export, read from a stream of XML in bounded memory and checked one by one.

The reader is strict, because the extractor after it is not: an article whose `</text>`, `</page>` or `<ns>` is
missing would vanish there silently (schema: https://www.mediawiki.org/xml/export-0.10.xsd).
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from xml.parsers import expat

from smelt.corpora.dump import DumpFile, decompress, remedy
from smelt.corpora.listing import opening
from smelt.errors import SmeltError, quote, shorten_text

ARTICLE, FILE, TEMPLATE = 0, 6, 10
SCHEMA_WITH_NAMESPACES = (0, 6)  # of an export: https://www.mediawiki.org/xml/export-0.6.xsd

LONGEST_TEXT = 1 << 24
"""Characters of a page's text; MediaWiki itself takes 2 MiB of wikitext. Longer ones are left out."""
LONGEST_PART = 1 << 20
"""Characters of any other element, and bytes of a tag."""
_DEEPEST = 20

# The elements that are read, with their depth: a revision has an <id>, and an old format a <title>, of its own.
_READ = {("title", 3), ("ns", 3), ("id", 3), ("text", 4), ("base", 3), ("namespace", 4)}


@dataclass
class Page:
    """A page: its id, title, namespace, the title that it redirects to, and its wikitext where that is wanted.

    `too_long` is whether that was longer than LONGEST_TEXT, and so is not here.
    `redirect` is None for a page that redirects nowhere, and "" where the dump does not say to which page.
    """

    id: int
    title: str
    namespace: int
    redirect: str | None
    text: str
    too_long: bool = False

    @property
    def is_article(self) -> bool:
        """Whether this is an article with a text of its own."""
        return self.namespace == ARTICLE and self.redirect is None


@dataclass
class SiteInfo:
    """The head of an export: the wiki's address, and the names of its namespaces by number."""

    base: str = ""
    namespaces: dict[int, str] = field(default_factory=dict)


def read_pages(file: DumpFile, texts_of: Iterable[int], site: SiteInfo, threads: int = 1) -> Iterator[Page]:
    """Yield the pages of one file of a dump; fill in `site` from its head.

    Args:
        file: a bz2 file of a MediaWiki export.
        texts_of: the namespaces whose texts are wanted; the others come with an empty text, which is quicker.
        site: filled before the first page.
        threads: how many decompress.

    Raises:
        SmeltError: the file is damaged, is no well-formed MediaWiki export in UTF-8, or a page lacks a part.
    """
    reader = _Reader(file, frozenset(texts_of), site)
    for piece in decompress(file, threads):
        yield from reader.feed(piece)
    yield from reader.finish()


class _Reader:
    """A parser of one export, fed in pieces."""

    def __init__(self, file: DumpFile, texts_of: frozenset[int], site: SiteInfo) -> None:
        self.file, self.texts_of, self.site = file, texts_of, site
        self.open: list[str] = []
        self.found: dict[str, str] | None = None
        self.last = "the head"
        self.schema = ""
        self.key = 0
        self.read = 0
        self.pages: list[Page] = []
        self.count = 0
        self.parser = expat.ParserCreate("UTF-8")
        self.parser.buffer_text = True
        self.parser.buffer_size = 1 << 16
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.XmlDeclHandler = self._declaration

    def feed(self, piece: bytes) -> list[Page]:
        """Parse a piece; return the pages that ended in it."""
        if self.read == 0 and b"\0" in piece:
            raise self._error("is not UTF-8: it holds NUL bytes, as UTF-16 does; expected UTF-8 XML")
        try:
            self.parser.Parse(piece, False)
        except expat.ExpatError as error:
            raise self._broken(error, piece) from None
        self.read += len(piece)
        if self.read - self.parser.CurrentByteIndex > LONGEST_PART + len(piece):
            raise self._error(f"line {self._line:,}: a tag of more than {LONGEST_PART:,} bytes; {self._place}")
        return self._drain()

    def finish(self) -> list[Page]:
        """Check that the export is complete."""
        if self.open:
            raise self._error(f"ends before </{self.open[-1]}> and </mediawiki>, at line {self._line:,}; {self._place}")
        try:
            self.parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise self._broken(error, b"") from None
        if self.count == 0:
            raise self._error("holds no page: expected a MediaWiki export with <page> elements")
        return self._drain()

    def _drain(self) -> list[Page]:
        pages, self.pages = self.pages, []
        return pages

    # -- what expat calls ---------------------------------------------------------------------------------------

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.open.append(name)
        depth = len(self.open)
        if depth > _DEEPEST:
            raise self._error(f"line {self._line:,}: elements within each other, {depth} deep; {self._place}")
        if depth == 1:
            if name != "mediawiki":
                raise self._error(f"is no MediaWiki export: its root is <{shorten_text(name)}>, expected <mediawiki>")
            self.schema = attributes.get("version", "")
        if name == "page":
            if depth != 2:
                raise self._error(f"line {self._line:,}: a <page> starts before </{self.open[-2]}>; {self._place}")
            self.found = {}
        elif name == "redirect" and self.found is not None:
            self.found["redirect"] = attributes.get("title", "")
        elif (name, depth) in _READ and self._wanted(name):
            self.key = self._number(attributes.get("key", "0"), "key of a <namespace>")
            self.characters: list[str] = []
            self.left = LONGEST_TEXT if name == "text" else LONGEST_PART
            self.parser.CharacterDataHandler = self._add

    def _add(self, characters: str) -> None:
        self.left -= len(characters)
        if self.left >= 0:
            self.characters.append(characters)
            return
        self.characters.clear()
        name = self.open[-1]
        if name != "text" or self.found is None:
            raise self._error(
                f"line {self._line:,}: a <{name}> of more than {LONGEST_PART:,} characters; {self._place}"
            )
        self.found["too long"] = name

    def _end(self, name: str) -> None:
        depth = len(self.open)
        self.open.pop()
        if name == "page" and depth == 2:
            self.pages.append(self._page())
            self.found = None
        elif (name, depth) in _READ and self._wanted(name):
            self.parser.CharacterDataHandler = None
            self._keep(name, "".join(self.characters))

    def _doctype(self, name: str, *_: object) -> None:
        raise self._error(f"is no MediaWiki export: it declares a document type {quote(name)}, as HTML pages do")

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding and encoding.lower() != "utf-8":
            raise self._error(f"is not UTF-8: it declares the encoding {quote(encoding)}; expected UTF-8 XML")

    # -- pages --------------------------------------------------------------------------------------------------

    def _wanted(self, name: str) -> bool:
        if name != "text" or self.found is None:
            return True
        if "ns" not in self.found:
            raise self._without_namespace(f"line {self._line:,}: a page without <ns> before its <text>; {self._place}")
        return "redirect" not in self.found and self._number(self.found["ns"], "<ns>") in self.texts_of

    def _keep(self, name: str, value: str) -> None:
        if self.found is not None:
            self.found[name] = value
            if name == "title":
                self.last = value
        elif name == "base":
            self.site.base = value
        elif name == "namespace":
            self.site.namespaces[self.key] = value

    def _page(self) -> Page:
        found = self.found or {}
        for name in ("title", "ns", "id"):
            if name == "ns" and not found.get(name):
                raise self._without_namespace(f"line {self._line:,}: a page without <ns>; {self._place}")
            if not found.get(name):
                raise self._error(f"line {self._line:,}: a page without <{name}>; {self._place}")
        identity, space = self._number(found["id"], "<id>"), self._number(found["ns"], "<ns>")
        self.count += 1
        return Page(identity, found["title"], space, found.get("redirect"), found.get("text", ""), "too long" in found)

    def _number(self, value: str, what: str) -> int:
        if not re.fullmatch("-?[0-9]{1,18}", value):
            raise self._error(
                f"line {self._line:,}: the {what} should be a number, found {quote(value)}; {self._place}"
            )
        return int(value)

    # -- complaints ---------------------------------------------------------------------------------------------

    @property
    def _line(self) -> int:
        return self.parser.CurrentLineNumber

    @property
    def _place(self) -> str:
        place = f"{'after' if self.found is None else 'in page'} {quote(self.last)}"
        identity = (self.found or {}).get("id")
        return f"{place} (id {shorten_text(identity)})" if identity else place

    def _error(self, message: str) -> SmeltError:
        return SmeltError(self.file.path, f"{message}. {remedy(self.file)}")

    def _without_namespace(self, message: str) -> SmeltError:
        numbers = re.match(r"(\d+)\.(\d+)", self.schema)
        if not numbers or tuple(map(int, numbers.groups())) >= SCHEMA_WITH_NAMESPACES:
            return self._error(message)
        return SmeltError(
            self.file.path,
            f"is a MediaWiki export of schema {self.schema}, whose pages do not say their namespace (<ns>): those of"
            " schema 0.6 (2012) and later do. Name a dump of a later date, or export the pages from a later MediaWiki.",
        )

    def _broken(self, error: expat.ExpatError, piece: bytes) -> SmeltError:
        at = self.parser.ErrorByteIndex - self.read
        here = piece[max(at, 0) : at + 4]
        try:
            here.decode("utf-8")
        except UnicodeDecodeError as wrong:
            if wrong.start == 0 and wrong.reason != "unexpected end of data":
                return self._error(f"is not UTF-8 at line {error.lineno:,} (bytes {here.hex(' ')}); {self._place}")
        reason = expat.ErrorString(error.code)
        if reason == "junk after document element":
            return SmeltError(
                self.file.path,
                f"goes on after </mediawiki>, at line {error.lineno:,}, with {opening(piece[max(at, 0) :])}: expected"
                f" one whole export. {remedy(self.file, 'Cut off what follows, or read the exports one by one.')}",
            )
        unclosed = f", expected </{self.open[-1]}>" if reason == "mismatched tag" and self.open else ""
        return self._error(f"is not well-formed XML at line {error.lineno:,}: {reason}{unclosed}; {self._place}")
