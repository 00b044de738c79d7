"""One wiki's dump, laid out as on the dumps server: XML in one part or several, the status file and the sums."""

import bz2
import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from smelt.demo.articles import DemoArticle, articles_of, heading_of, plain_text
from smelt.demo.chance import stream
from smelt.demo.languages import InventedLanguage
from smelt.demo.lexicon import BODIES, SETTLEMENTS, lexicon_of
from smelt.demo.wikitext import INFOBOX, Markup, templates
from smelt.files import write_json

# How many files a wiki's dump comes in; small wikis have one, larger ones several.
PARTS = {"qaa": 1, "qab": 2, "qac": 1}

EXPORT = "http://www.mediawiki.org/xml/export-0.11/"
# Namespaces that every wiki has under one name.
FIXED = {-2: "Media", -1: "Special", 0: ""}


# Numbers of pages that are not articles.
REDIRECTS, TALKS, USERS = 40, 12, 4
# Pages of the main namespace that give no text: the last has no content at all, the others markup only.
EMPTY = ("<!-- {title} -->", "{{" + INFOBOX + "|name={title}|key1=?|key2=?}}", "")

TALK, USER, TEMPLATE, CATEGORY = 1, 2, 10, 14


@dataclass(frozen=True)
class DemoPage:
    """One page of a wiki; `number` is its id, given in the order of the dump."""

    title: str
    namespace: int
    text: str
    redirect: str | None = None
    number: int = 0


def write_dump(folder: Path, language: InventedLanguage, date: str, seed: int) -> None:
    """Write a wiki's dump into an existing folder."""
    parts = _split(pages_of(language, seed), PARTS[language.code])
    files: dict[str, bytes] = {}
    for number, pages in enumerate(parts, 1):
        suffix = f"{number}.xml-p{pages[0].number}p{pages[-1].number}.bz2" if len(parts) > 1 else ".xml.bz2"
        name = f"{language.wiki}-{date}-pages-articles{suffix}"
        files[name] = bz2.compress("".join(xml_of(language, pages, date, seed)).encode())
    for name, content in files.items():
        (folder / name).write_bytes(content)
    sums = "".join(f"{_sha1(content)}  {name}\n" for name, content in files.items())
    (folder / f"{language.wiki}-{date}-sha1sums.txt").write_text(sums, encoding="utf-8")
    write_json(folder / "dumpstatus.json", _status(language, date, files))


def _split(pages: list[DemoPage], parts: int) -> list[list[DemoPage]]:
    size = -(-len(pages) // parts)
    return [pages[start : start + size] for start in range(0, len(pages), size)]


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _status(language: InventedLanguage, date: str, files: dict[str, bytes]) -> dict[str, object]:
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


def xml_of(language: InventedLanguage, pages: Iterable[DemoPage], date: str, seed: int) -> Iterator[str]:
    """Yield a part's XML, each element on lines of its own, as MediaWiki exports it and wikiextractor expects it."""
    yield f'<mediawiki xmlns="{EXPORT}" version="0.11" xml:lang="{language.code}">\n'
    yield _siteinfo(language)
    chance = stream(seed, language.code, "revisions")
    for page in pages:
        yield _page(page, date, revision=page.number * 7 + chance.randrange(7))
    yield "</mediawiki>\n"


def _siteinfo(language: InventedLanguage) -> str:
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


def _page(page: DemoPage, date: str, revision: int) -> str:
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
    """Return a revision's text element, self-closing where a page has no content."""
    size = len(text.encode())
    if not text:
        return '<text bytes="0" xml:space="preserve" />'
    content = escape(text, {'"': "&quot;"})
    return f'<text bytes="{size}" xml:space="preserve">{content}</text>'


def pages_of(language: InventedLanguage, seed: int) -> list[DemoPage]:
    """Return all pages of a language's wiki, in the order of their ids.

    Templates come among the articles that use them, as in real dumps, not before them.
    """
    chance = stream(seed, language.code, "pages")
    articles = articles_of(language, seed)
    markup = Markup(language, lexicon_of(language, seed), chance)
    pages = [DemoPage(article.title, 0, markup.article(article)) for article in articles]
    pages += _around(language, seed, articles, chance)
    chance.shuffle(pages)
    return [replace(page, number=number) for number, page in enumerate(pages, 1)]


def _around(
    language: InventedLanguage, seed: int, articles: tuple[DemoArticle, ...], chance: random.Random
) -> list[DemoPage]:
    """Return the pages that are not articles."""
    nouns, names = lexicon_of(language, seed).nouns, language.namespaces
    some = chance.sample(articles, REDIRECTS + TALKS + USERS + len(EMPTY))
    titles = [article.title for article in some]
    categories = [heading_of(language, nouns[meaning]) for meaning in ("person", "work", "land", *SETTLEMENTS, *BODIES)]
    pages = [DemoPage(f"{names[TEMPLATE]}:{title}", TEMPLATE, text) for title, text in templates().items()]
    pages += [DemoPage(f"{names[CATEGORY]}:{title}", CATEGORY, f"'''{title}'''") for title in categories]
    pages += [_redirect(title) for title in titles[:REDIRECTS]]
    pages += [_talk(names[TALK], article) for article in some[REDIRECTS:][:TALKS]]
    pages += [
        DemoPage(f"{names[USER]}:{title}", USER, f"[[{title}]]") for title in titles[-USERS - len(EMPTY) :][:USERS]
    ]
    return pages + [
        DemoPage(f"{title} ({number})", 0, text.replace("{title}", title))
        for number, (title, text) in enumerate(zip(titles[-len(EMPTY) :], EMPTY, strict=True), 1)
    ]


def _redirect(title: str) -> DemoPage:
    """Return a redirect from another spelling, in which the title's words are joined by hyphens or doubled."""
    other = title.replace(" ", "-") if " " in title else f"{title}-{title}"
    return DemoPage(other, 0, f"#REDIRECT [[{title}]]", redirect=title)


def _talk(namespace: str, article: DemoArticle) -> DemoPage:
    """Return the page on which an article is discussed."""
    remark = plain_text(article.sections[0].paragraphs[0][0])
    return DemoPage(
        f"{namespace}:{article.title}", TALK, f"== {article.title} ==\n{remark} --[[{article.title}]]\n:{remark}"
    )
