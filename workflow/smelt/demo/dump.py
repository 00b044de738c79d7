"""One wiki's dump, laid out as on the dumps server: XML in one part or several, the status file and the sums."""

import bz2
import hashlib
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from smelt.demo.chance import stream
from smelt.demo.languages import Language
from smelt.demo.pages import Page, pages_of
from smelt.files import write_json

# How many files a wiki's dump comes in; small wikis have one, larger ones several.
PARTS = {"qaa": 1, "qab": 2, "qac": 1}

EXPORT = "http://www.mediawiki.org/xml/export-0.11/"
# Namespaces that every wiki has under one name.
FIXED = {-2: "Media", -1: "Special", 0: ""}


def write_dump(folder: Path, language: Language, date: str, seed: int) -> None:
    """Write a wiki's dump into an existing folder."""
    parts = _split(pages_of(language, seed), PARTS[language.code])
    files: dict[str, bytes] = {}
    for number, pages in enumerate(parts, 1):
        suffix = f"{number}.xml-p{pages[0].number}p{pages[-1].number}.bz2" if len(parts) > 1 else ".xml.bz2"
        name = f"{language.wiki}-{date}-pages-articles{suffix}"
        files[name] = bz2.compress("".join(_xml(language, pages, date, seed)).encode())
    for name, content in files.items():
        (folder / name).write_bytes(content)
    sums = "".join(f"{_sha1(content)}  {name}\n" for name, content in files.items())
    (folder / f"{language.wiki}-{date}-sha1sums.txt").write_text(sums, encoding="utf-8")
    write_json(folder / "dumpstatus.json", _status(language, date, files))


def _split(pages: list[Page], parts: int) -> list[list[Page]]:
    size = -(-len(pages) // parts)
    return [pages[start : start + size] for start in range(0, len(pages), size)]


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _status(language: Language, date: str, files: dict[str, bytes]) -> dict[str, object]:
    updated = f"{date[:4]}-{date[4:6]}-{date[6:]} 12:00:00"
    entries = {
        name: {
            "size": len(content),
            "url": f"/{language.wiki}/{date}/{name}",
            "md5": hashlib.md5(content).hexdigest(),
            "sha1": _sha1(content),
        }
        for name, content in files.items()
    }
    jobs = {
        "articlesdump": {"status": "done", "updated": updated, "files": entries},
        "metahistorybz2dump": {"status": "waiting", "updated": updated},
    }
    return {"version": "0.8", "jobs": jobs}


def _xml(language: Language, pages: list[Page], date: str, seed: int) -> Iterator[str]:
    """Yield a part's XML, each element on lines of its own, as MediaWiki exports it and wikiextractor expects it."""
    yield f'<mediawiki xmlns="{EXPORT}" version="0.11" xml:lang="{language.code}">\n'
    yield _siteinfo(language)
    chance = stream(seed, language.code, "revisions")
    for page in pages:
        yield _page(page, date, revision=page.number * 7 + chance.randrange(7))
    yield "</mediawiki>\n"


def _siteinfo(language: Language) -> str:
    names = sorted((FIXED | language.namespaces).items())
    lines = [
        f'      <namespace key="{number}" case="first-letter">{escape(name)}</namespace>'
        if name
        else f'      <namespace key="{number}" case="first-letter" />'
        for number, name in names
    ]
    return "\n".join(
        [
            "  <siteinfo>",
            "    <sitename>Wikipedia</sitename>",
            f"    <dbname>{language.wiki}</dbname>",
            f"    <base>https://{language.code}.wikipedia.org/wiki/{language.label}</base>",
            "    <generator>MediaWiki 1.46.0-wmf.1</generator>",
            "    <case>first-letter</case>",
            "    <namespaces>",
            *lines,
            "    </namespaces>",
            "  </siteinfo>\n",
        ]
    )


def _page(page: Page, date: str, revision: int) -> str:
    redirect = [f"    <redirect title={quoteattr(page.redirect)} />"] if page.redirect else []
    return "\n".join(
        [
            "  <page>",
            f"    <title>{escape(page.title)}</title>",
            f"    <ns>{page.namespace}</ns>",
            f"    <id>{page.number}</id>",
            *redirect,
            "    <revision>",
            f"      <id>{revision}</id>",
            f"      <timestamp>{date[:4]}-{date[4:6]}-{date[6:]}T00:00:00Z</timestamp>",
            "      <contributor>",
            "        <username>Generator</username>",
            "        <id>1</id>",
            "      </contributor>",
            "      <model>wikitext</model>",
            "      <format>text/x-wiki</format>",
            f"      {_text(page.text)}",
            "    </revision>",
            "  </page>\n",
        ]
    )


def _text(text: str) -> str:
    """Return a revision's text element, self-closing where a page has lost its content."""
    size = len(text.encode())
    if not text:
        return '<text bytes="0" xml:space="preserve" />'
    content = escape(text, {'"': "&quot;"})
    return f'<text bytes="{size}" xml:space="preserve">{content}</text>'
