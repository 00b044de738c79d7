"""Real dumps lose nothing: their counts are those of other counts of their XML."""

import bz2
import os
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from made_documents import assert_refused, real_data

from smelt.corpora.wikipedia import Wikipedia


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "expected"),
    [
        ("lists-only", {"list_items": 4, "list_items_characters": 229, "empty_with_list_items": 0, "headings": 1}),
        ("markup-cases", {"list_items": 9, "headings": 5, "empty_with_list_items": 0}),
        ("zh-variants", {"list_items": 0, "left": {}}),
    ],
)
def test_the_counts_of_the_cases_are_those_counted_by_hand(case, expected, output):
    assert output.make("--dump", real_data() / f"cases/{case}.xml.bz2") == 0
    markup = output.statistics()["markup"]
    assert {name: markup[name] for name in expected} == expected


@pytest.mark.slow
def test_the_cases_of_redirects_and_copies_keep_their_words(output):
    assert output.make("--dump", real_data() / "cases/template-redirect.xml.bz2") == 0
    words = "good morning", "good evening", "good night"
    assert all(word in output.texts()["Fields"] for word in words)
    assert output.make("--dump", real_data() / "cases/duplicate-page.xml.bz2") == 0
    assert output.texts() == {"Elm": "An elm is a tree.", "Oak": "An oak is a tree."}
    assert output.statistics()["pages"]["duplicate"] == 1


@pytest.mark.slow
def test_the_counts_of_a_real_wiki_are_those_of_its_wikitext(output):
    """Compare with another count: of lines of the wikitext outside templates, tables, comments and references."""
    folder = real_data() / "dumps/enwiki/20230501"
    output.make("--dump", folder)
    texts = [text for path in sorted(folder.glob("*.bz2")) for text in _articles(path)]
    plain = [_without_nested(_without_nested(_REMOVED.sub("", text), "{{", "}}"), "{|", "|}") for text in texts]
    lines = [line for text in plain for line in text.split("\n")]
    items = sum(line[:1] in {"*", "#", ";"} and any(map(str.isalnum, line)) for line in lines)
    headings = sum(re.fullmatch(r"==+[^=]+==+\s*", line) is not None for line in lines)
    markup = output.statistics()["markup"]
    assert items > 3500
    assert markup["list_items"] == pytest.approx(items, rel=0.02)
    assert headings > 1500
    assert markup["headings"] == pytest.approx(headings, rel=0.1)  # those of sections without text are left out
    assert markup["headings"] == sum(
        line.startswith("##") for text in output.texts().values() for line in text.split("\n")
    )


_REMOVED = re.compile(
    r"<!--.*?-->|<ref\b[^>]*/>|<ref\b.*?</ref>|<(gallery|timeline|math|div)\b.*?</\1>", re.DOTALL | re.IGNORECASE
)


def _articles(path: Path) -> Iterator[str]:
    with bz2.open(path) as stream:
        for _, element in ElementTree.iterparse(stream):
            if element.tag.endswith("}page"):
                if element.findtext("{*}ns") == "0" and element.find("{*}redirect") is None:
                    yield element.findtext("{*}revision/{*}text") or ""
                element.clear()


def _without_nested(text: str, opening: str, closing: str) -> str:
    kept, depth, last = "", 0, 0
    for match in re.finditer(f"{re.escape(opening)}|{re.escape(closing)}", text):
        if match[0] == opening:
            kept += text[last : match.start()] if depth == 0 else ""
            depth += 1
        elif depth:
            depth -= 1
            last = match.end()
    return kept + (text[last:] if depth == 0 else "")


@pytest.mark.parametrize("name", ["flipped-byte", "truncated-xml", "utf16", "html-instead-of-dump"])
def test_each_real_broken_dump_gives_one_line_and_no_output(name, output, capsys):
    data = os.environ.get("SMELT_DATA")
    if not data:
        pytest.skip("SMELT_DATA names no folder of real data")
    assert_refused(output, capsys, f"{name}.xml.bz2: ", "--dump", f"{data}/broken/{name}.xml.bz2")


@pytest.mark.slow
def test_no_article_of_a_real_dump_is_lost(output):
    assert output.make("--dump", real_data() / "dumps/viwiki/20230501", workers=2) == 0
    counted = output.statistics()["pages"]
    assert counted.pop("pages") == sum(counted.values()) == 970
    assert (counted["lost"], counted["empty"]) == (0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("wikis", ["dumps/*/*", "minidumps/[a-f]*", "minidumps/[g-m]*", "minidumps/[n-z]*"])
def test_the_pages_of_every_real_dump_are_those_of_another_count_of_its_xml(wikis):
    dumps = sorted(real_data().glob(wikis))
    assert len(dumps) > 5
    for dump in dumps:
        wikipedia = Wikipedia(1)
        documents = list(wikipedia.documents([dump]))
        expected = _pages_counted(sorted(dump.glob("*.bz2")) if dump.is_dir() else [dump])
        counts = wikipedia.counts
        assert (counts.pages, counts.redirect, counts.other_namespace) == expected, dump
        assert counts.extracted == len(documents), dump
        assert counts.pages == sum(counts.as_dict().values()) - counts.pages, dump
        assert not any(document.text.startswith("\n") or "\n\n" in document.text for document in documents), dump
        limit = max(1, 0.002 * len(documents))
        assert wikipedia.markup.documents_with_markup_left <= limit, (dump, wikipedia.markup.left_in)


def _pages_counted(paths: list[Path]) -> tuple[int, int, int]:
    """Return the numbers of pages, of articles that redirect, and of pages that are no articles."""
    pages = redirects = others = 0
    for path in paths:
        with bz2.open(path) as stream:
            for _, element in ElementTree.iterparse(stream):
                if element.tag.endswith("}page"):
                    article = element.findtext("{*}ns") == "0"
                    pages += 1
                    others += not article
                    redirects += article and element.find("{*}redirect") is not None
                    element.clear()
    return pages, redirects, others
