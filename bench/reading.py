"""How much of a dump's text its documents have, by kind, against another reading of the same pages.

`python -m bench.reading DUMP ...` prints a table: a row for each dump and kind of text, with the share of its letters
and digits that smelt's documents have, and wikiextractor's. The other reading is mwparserfromhell's tree of each page,
which expands no template: words of templates are no loss here, nor are those that expansion adds.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smelt.corpora.dump import files_of
from smelt.corpora.pages import ARTICLE, SiteInfo, read_pages
from smelt.corpora.wikipedia import Wikipedia

# In this order words of a document count for a kind, so that what is dropped borrows none of what is kept.
KINDS = "paragraphs", "list items", "headings", "elements", "captions", "references", "tables", "galleries", "formulas"
ELEMENTS = set("small chem ce ruby rb rt ins q samp pre code div center big abbr blockquote poem kbd".split())  # noqa: SIM905
TAGS = {"ref": "references", "table": "tables", "gallery": "galleries", "math": "formulas"}
NO_TEXT = set("references timeline imagemap graph syntaxhighlight source hiero score templatestyles".split())  # noqa: SIM905
LIST_TAGS = {"li", "dt"}
_WORD = re.compile(r"\w+")
_WITHOUT_SPACES = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")


def words_of(text: str) -> list[str]:
    """Return words, without "_"; of scripts that are written without spaces, single characters."""
    found: list[str] = []
    for word in _WORD.findall(text.replace("_", " ")):
        if _WITHOUT_SPACES.search(word):
            found += word
        else:
            found.append(word)
    return found


def pieces_of(code: Any, kind: str, unseen: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Yield the pieces of text in a tree of wikitext, each with its kind."""
    from mwparserfromhell import nodes

    begun = kind
    for node in code.nodes:
        if isinstance(node, nodes.Text):
            lines = str(node).splitlines(keepends=True) or [""]
            yield begun, lines[0]
            if len(lines) > 1:
                yield from ((kind, line) for line in lines[1:])
            if "\n" in str(node):
                begun = kind  # a list item ends with its line
        elif isinstance(node, nodes.HTMLEntity):
            yield begun, node.normalize()
        elif isinstance(node, nodes.Heading):
            yield from pieces_of(node.title, "headings", unseen)
            yield "headings", "\n"
        elif isinstance(node, nodes.ExternalLink) and node.title is not None:
            yield from pieces_of(node.title, begun, unseen)
        elif isinstance(node, nodes.Wikilink):
            yield from _pieces_of_link(node, begun, unseen)
        elif isinstance(node, nodes.Tag):
            name = str(node.tag).strip().lower()
            if name in LIST_TAGS and node.wiki_markup:
                begun = "list items" if kind == "paragraphs" else kind
            elif name not in NO_TEXT and node.contents is not None:
                inner = TAGS.get(name) or ("elements" if name in ELEMENTS and begun == "paragraphs" else begun)
                inner = kind if kind in TAGS.values() else inner
                yield from pieces_of(node.contents, inner, unseen)
                yield inner, "" if inner == begun else "\n"


def _pieces_of_link(link: Any, kind: str, unseen: frozenset[str]) -> Iterator[tuple[str, str]]:
    title = str(link.title)
    prefix, colon, _ = title.partition(":")
    if colon and prefix.strip().lower() in unseen:
        if link.text is not None and not prefix.strip().lower().startswith("cat"):
            caption = link.text.strip_code().rpartition("|")[2]  # after the options, such as "thumb"
            yield "captions", f"{caption}\n" if " " in caption else ""
        return
    if link.text is not None:
        yield from pieces_of(link.text, kind, unseen)
    elif not title.startswith(":"):
        yield kind, title


def kept(article: str, document: str, unseen: frozenset[str]) -> tuple[Counter[str], Counter[str]]:
    """Return the letters and digits of an article by kind, and those of them that a document has."""
    import mwparserfromhell

    texts: defaultdict[str, list[str]] = defaultdict(list)
    for kind, text in pieces_of(mwparserfromhell.parse(article), "paragraphs", unseen):
        texts[kind].append(text)
    there = Counter(words_of(document))
    whole, found = Counter[str](), Counter[str]()
    for kind in KINDS:
        for word in words_of("".join(texts[kind])):
            whole[kind] += len(word)
            if there[word] > 0:
                there[word] -= 1
                found[kind] += len(word)
    return whole, found


def articles_of(dump: Path) -> tuple[dict[str, str], frozenset[str]]:
    """Return the wikitext of a dump's articles by title, and the prefixes of links that show no text, in lower case."""
    site, articles = SiteInfo(), {}
    for file in files_of(dump):
        articles |= {page.title: page.text for page in read_pages(file, [ARTICLE], site) if page.is_article}
    names = {"file", "image", "category", site.namespaces.get(6, "file"), site.namespaces.get(14, "category")}
    return articles, frozenset(name.lower() for name in names)


def read_by_wikiextractor(dump: Path) -> dict[str, str]:
    """Return what wikiextractor alone makes of a dump, by title."""
    found: dict[str, str] = {}
    command = ["-m", "wikiextractor.WikiExtractor", "--json", "--html-safe", "", "--processes", "2", "--output"]
    for file in files_of(dump):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, *command, folder, str(file.path)], check=True, stderr=subprocess.DEVNULL)
            for path in Path(folder).rglob("wiki_*"):
                for line in path.read_text(encoding="utf-8").splitlines():
                    article = json.loads(line)
                    found[article["title"]] = article["text"]
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.reading", description=__doc__.split("\n")[0])
    parser.add_argument("dumps", type=Path, nargs="+", help="folders of dumps, or bz2 files")
    print("| dump | kind | letters and digits | in documents of smelt | of wikiextractor |\n|---|---|--:|--:|--:|")
    for dump in parser.parse_args().dumps:
        articles, unseen = articles_of(dump)
        readings = [{d.title: d.text for d in Wikipedia(2).documents([dump])}, read_by_wikiextractor(dump)]
        sums = [(Counter[str](), Counter[str]()) for _ in readings]
        for title, article in articles.items():
            for (whole, found), reading in zip(sums, readings, strict=True):
                for total, one in zip((whole, found), kept(article, reading.get(title, ""), unseen), strict=True):
                    total.update(one)
        for kind in KINDS:
            if size := sums[0][0][kind]:
                shares = " | ".join(f"{found[kind] / size:.1%}" for _, found in sums)
                print(f"| {dump} | {kind} | {size:,} | {shares} |", flush=True)


if __name__ == "__main__":
    main()
