"""The demo's dumps are what the dumps server would give, and wikiextractor reads them whole."""

import bz2
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from smelt.__main__ import main
from smelt.demo.articles import articles_of
from smelt.demo.dump import EMPTY, EXPORT, PARTS, REDIRECTS, TALKS, USERS
from smelt.demo.languages import LANGUAGES
from smelt.demo.wikitext import templates

DATE = "20260101"
MARKUP = re.compile(r"\{\{|\}\}|\[\[|\]\]|\{\||\|\}|<ref|</|ISBN|thumb|class=|DEFAULTSORT|&lt;|<!--|==|''")


@pytest.fixture(scope="module")
def dumps(tmp_path_factory) -> dict[str, Path]:
    """The folder of each language's dump."""
    mirror = tmp_path_factory.mktemp("mirror")
    for language in LANGUAGES.values():
        folder = mirror / language.wiki / DATE
        assert main(["demo-data", "--wiki", language.wiki, "--date", DATE, "--output", str(folder)]) == 0
    return {code: mirror / language.wiki / DATE for code, language in LANGUAGES.items()}


@pytest.fixture(scope="module")
def extracted(dumps, tmp_path_factory) -> dict[str, dict[str, str]]:
    """What wikiextractor makes of each dump: texts by title."""
    return {code: _extract(folder, tmp_path_factory.mktemp(code)) for code, folder in dumps.items()}


def _extract(folder: Path, output: Path) -> dict[str, str]:
    """Extract all parts as one stream, because a template may stand in another part than the article that uses it."""
    dump = output / "dump.xml.bz2"
    dump.write_bytes(b"".join(part.read_bytes() for part in sorted(folder.glob("*.bz2"))))
    command = [sys.executable, "-m", "wikiextractor.WikiExtractor", str(dump), "-o", str(output / "text"), "--json"]
    subprocess.run([*command, "--processes", "1"], check=True, capture_output=True, timeout=120)
    lines = [line for file in output.glob("text/*/wiki_*") for line in file.read_text(encoding="utf-8").splitlines()]
    return {page["title"]: page["text"] for page in map(json.loads, lines)}


@cache
def _pages(folder: Path) -> list[ElementTree.Element]:
    roots = [ElementTree.fromstring(bz2.decompress(part.read_bytes())) for part in sorted(folder.glob("*.bz2"))]
    return [page for root in roots for page in root.iter(f"{{{EXPORT}}}page")]


def _field(page: ElementTree.Element, path: str) -> str:
    return page.findtext("/".join(f"{{{EXPORT}}}{name}" for name in path.split("/")), default="")


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(dumps, tmp_path):
    for name, seed in (("same", "1"), ("other", "2")):
        arguments = ["demo-data", "--wiki", "qaawiki", "--date", DATE, "--seed", seed]
        assert main([*arguments, "--output", str(tmp_path / name)]) == 0
    first = {file.name: file.read_bytes() for file in dumps["qaa"].iterdir()}
    assert {file.name: file.read_bytes() for file in (tmp_path / "same").iterdir()} == first
    other = {file.name: file.read_bytes() for file in (tmp_path / "other").iterdir()}
    part = next(name for name in first if name.endswith(".bz2"))
    assert other.keys() == first.keys()
    assert bz2.decompress(other[part]) != bz2.decompress(first[part])


@pytest.mark.parametrize("code", LANGUAGES)
def test_pages_are_as_many_as_declared(dumps, code):
    pages = _pages(dumps[code])
    articles = len(articles_of(LANGUAGES[code], seed=1))
    namespaces = Counter(int(_field(page, "ns")) for page in pages)
    assert namespaces[0] == articles + REDIRECTS + len(EMPTY)
    assert (namespaces[1], namespaces[2], namespaces[10]) == (TALKS, USERS, len(templates()))
    assert sum(page.find(f"{{{EXPORT}}}redirect") is not None for page in pages) == REDIRECTS


@pytest.mark.parametrize("code", LANGUAGES)
def test_page_numbers_and_titles_are_each_given_once(dumps, code):
    pages = _pages(dumps[code])
    assert [int(_field(page, "id")) for page in pages] == list(range(1, len(pages) + 1))
    titles = Counter(_field(page, "title") for page in pages)
    assert [title for title, count in titles.items() if count > 1] == []


@pytest.mark.parametrize("code", LANGUAGES)
def test_sizes_and_sums_are_those_of_the_files(dumps, code):
    folder = dumps[code]
    status = json.loads((folder / "dumpstatus.json").read_text())["jobs"]["articlesdump"]
    listed = dict(line.split("  ")[::-1] for line in next(folder.glob("*-sha1sums.txt")).read_text().splitlines())
    parts = sorted(folder.glob("*.bz2"))
    assert len(parts) == PARTS[code]
    assert status["status"] == "done"
    assert set(status["files"]) == set(listed) == {part.name for part in parts}
    for part in parts:
        entry, content = status["files"][part.name], part.read_bytes()
        assert entry["size"] == len(content)
        assert entry["sha1"] == listed[part.name] == hashlib.sha1(content).hexdigest()
        assert entry["md5"] == hashlib.md5(content).hexdigest()


@pytest.mark.parametrize("code", LANGUAGES)
def test_wikiextractor_loses_no_article(extracted, code):
    titles = {article.title for article in articles_of(LANGUAGES[code], seed=1)}
    assert {title for title, text in extracted[code].items() if text.strip()} == titles


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_sentence_of_an_article_comes_out_and_no_markup_does(extracted, code):
    article = articles_of(LANGUAGES[code], seed=1)[0]
    text = extracted[code][article.title].replace("\n", " ")
    for section in article.sections:
        for sentence in (sentence for paragraph in section.paragraphs for sentence in paragraph):
            assert " ".join(word.text for word in sentence) + "." in text
    assert [title for title, page in extracted[code].items() if MARKUP.search(page)] == []


def test_articles_use_the_markup_that_extraction_has_to_remove(dumps):
    wikitext = "\n".join(_field(page, "revision/text") for page in _pages(dumps["qac"]))
    for mark in ("{{Infobox", "{{Cite book", "{{Count", "<ref>", "{|", "[[Vaizd:", "[[Kategor:", "<!--", "'''", "* [["):
        assert mark in wikitext, mark


def test_an_unknown_wiki_leaves_one_clear_line_and_no_folder(tmp_path, capsys):
    assert main(["demo-data", "--wiki", "enwiki", "--output", str(tmp_path / "dump")]) == 1
    assert "qaawiki, qabwiki, qacwiki" in capsys.readouterr().err
    assert not (tmp_path / "dump").exists()


def test_an_invalid_date_is_refused(tmp_path, capsys):
    assert main(["demo-data", "--wiki", "qaawiki", "--date", "today", "--output", str(tmp_path / "dump")]) == 1
    assert "eight digits" in capsys.readouterr().err
