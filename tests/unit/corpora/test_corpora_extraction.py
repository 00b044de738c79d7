"""What happens when wikiextractor misbehaves: a stand-in for it, found first on the path, does so on purpose."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_dumps import ALBEDO, export, page

from smelt.corpora.census import IdSet, take_census
from smelt.corpora.dump import files_of
from smelt.corpora.extraction import Article, extract
from smelt.corpora.extractor import ExtractionLimits
from smelt.errors import SmeltError

# Reads the articles that it is given and writes them back as wikiextractor does, except for what `misbehave` does.
STAND_IN = """
import json, os, re, sys, time
pages = re.findall(r"<id>(\\d+)</id>", open("/dev/stdin").read())
def main():
    pass
def answer(page):
    print(json.dumps({"id": page, "text": "text of " + page}), flush=True)
"""
# What the script that counts looks at, and the names of elements.
EXTRACT = """
compact = dropNested = dropSpans = fullyQualifiedTemplateTitle = callParserFunction = None
discardElements = ignoredTags = placeholder_tags = selfClosingTags = ("ref",)
class Extractor:
    extract = None
"""


@pytest.fixture
def misbehaving(tmp_path, monkeypatch):
    """A function that makes wikiextractor run some other lines."""

    def install(lines: str) -> None:
        package = tmp_path / "stand-in/wikiextractor"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "extract.py").write_text(EXTRACT)
        (package / "WikiExtractor.py").write_text(STAND_IN + lines)
        monkeypatch.setenv("PYTHONPATH", f"{package.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")

    return install


@pytest.fixture
def run(write_dump, tmp_path):
    """A function that extracts a dump of three articles."""
    files = files_of(write_dump(export(*(page(n, f"Page {n}", ALBEDO) for n in (1, 2, 3)))))

    def extract_all(limits: ExtractionLimits) -> list[Article]:
        census = take_census(files, tmp_path / "templates.xml", IdSet())
        return list(extract(files, census, tmp_path / "templates.xml", 1, limits))

    return extract_all


def failure(run, limits: ExtractionLimits | None = None) -> str:
    with pytest.raises(SmeltError) as error:
        run(limits or ExtractionLimits())
    return str(error.value)


def test_the_stand_in_works_when_it_behaves(misbehaving, run):
    misbehaving("for page in pages: answer(page)")
    assert run(ExtractionLimits()) == [Article(n, f"Page {n}", f"text of {n}") for n in (1, 2, 3)]


def test_a_lost_article_is_named(misbehaving, run):
    misbehaving("answer('1'); answer('3')")
    message = failure(run)
    assert "lost 1 of 3 articles: 'Page 2' (id 2) (exit status 0)" in message
    assert message.endswith(". To leave it out: wikipedia.skip_pages, [2].")


def test_articles_lost_at_the_end_are_named(misbehaving, run):
    misbehaving("answer('1')")
    message = failure(run)
    assert "lost 2 of 3 articles: 'Page 2' (id 2), 'Page 3' (id 3)" in message
    assert message.endswith(". To leave them out: wikipedia.skip_pages, [2, 3].")


def test_an_article_that_comes_twice_is_an_error(misbehaving, run):
    misbehaving("answer('1'); answer('2'); answer('2')")
    assert "returned a page 2, twice" in failure(run)


def test_a_failing_program_is_quoted(misbehaving, run):
    misbehaving("sys.exit('no memory left')")
    assert "(exit status 1); it said: no memory left" in failure(run)


@pytest.mark.slow
def test_a_hanging_program_is_stopped_and_the_page_named(misbehaving, run):
    misbehaving("answer('1'); time.sleep(600)")
    message = failure(run, ExtractionLimits(stall=3))
    assert "was stuck for 3 s at 'Page 2' (id 2), of 3 articles. To leave it out: wikipedia.skip_pages, [2]." in message


def test_a_program_that_hangs_after_a_worker_crashed_is_stopped_soon(misbehaving, run):
    misbehaving("answer('1'); print('Traceback (most recent call last)\\nKeyError: 7', file=sys.stderr, flush=True)\n"
                "time.sleep(600)")  # fmt: skip
    assert "crashed (KeyError: 7) at 'Page 2' (id 2)" in failure(run, ExtractionLimits(after_crash=0.5))


def test_a_program_that_takes_too_long_is_stopped(misbehaving, run):
    misbehaving("print('half a li', end='', flush=True); time.sleep(600)")
    assert "was not done within 0.02 minutes at 'Page 1' (id 1)" in failure(run, ExtractionLimits(minutes=0.02))


@pytest.mark.slow
def test_a_job_that_is_ended_takes_wikiextractor_with_it(misbehaving, write_dump, tmp_path):
    misbehaving(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(600)")
    words = ["--language", "en", "--dump", write_dump(export(page(1, "Albedo", ALBEDO))), "--held-out", "0.1"]
    outputs = [
        "--output-documents",
        tmp_path / "out/documents.parquet",
        "--statistics",
        tmp_path / "out/statistics.json",
    ]
    with subprocess.Popen([sys.executable, "-m", "smelt", "documents", *map(str, words + outputs)]) as job:
        child = _wait_for(tmp_path / "pid")
        job.send_signal(signal.SIGTERM)
        assert job.wait(20) == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
    assert not list((tmp_path / "out").iterdir())


def _wait_for(file: Path) -> int:
    deadline = time.monotonic() + 30
    while not (file.exists() and file.read_text()):
        assert time.monotonic() < deadline, "wikiextractor did not start"
        time.sleep(0.05)
    return int(file.read_text())
