"""What happens when a process that reads articles misbehaves: one that does so on purpose takes its place."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_dumps import ALBEDO, export, page

from smelt.corpora import extractor
from smelt.corpora.census import IdSet, Skipped, take_census
from smelt.corpora.dump import files_of
from smelt.corpora.extraction import Article, extract
from smelt.corpora.wikitext.settings import ReadingSettings
from smelt.errors import FINAL, Killed, SmeltError

# Reads articles as the real one does, and does something else at the page that it is given in the environment.
STAND_IN = """
import os, sys, time
from smelt.corpora.wikitext import worker
read = worker._read
def misbehave(reader, page):
    if page.id == 2:
        {lines}
    return read(reader, page)
worker._read = misbehave
worker.main()
"""


@pytest.fixture
def misbehaving(monkeypatch):
    """A function that makes the process run a line at the second page."""

    def install(lines: str) -> None:
        monkeypatch.setattr(extractor, "PROGRAM", STAND_IN.format(lines=lines))

    return install


@pytest.fixture
def run(write_dump, tmp_path):
    """A function that extracts a dump of three articles."""
    files = files_of(write_dump(export(*(page(n, f"Page {n}", ALBEDO) for n in (1, 2, 3)))))

    def extract_all(**limits: float) -> list[Article]:
        census = take_census(files, tmp_path / "stores", IdSet(), Skipped())
        settings = ReadingSettings().of_wiki(census.site.namespaces)
        with extractor.Extractor(1, **limits) as processes:
            return list(extract(processes, files, census, tmp_path / "stores", settings))

    return extract_all


def failure(run, **limits: float) -> str:
    with pytest.raises(SmeltError) as error:
        run(**limits)
    return str(error.value)


def test_the_stand_in_works_when_it_behaves(misbehaving, run):
    misbehaving("print('what a library prints is no answer')")
    assert [(article.id, article.title) for article in run()] == [(n, f"Page {n}") for n in (1, 2, 3)]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ("raise KeyError(7)", "ended with exit status 1; it said: KeyError: 7"),
        ("sys.exit('no memory left')", "ended with exit status 1; it said: no memory left"),
        ("os.kill(os.getpid(), 11)", "ended with exit status -11"),
        ("page = worker.RawPage(4, 'Other', '', '')", "gave page 4 instead"),
        ("os.write(1, b'\\xff' * 9)", "gave no answer that can be read"),
    ],
)
def test_the_page_at_which_a_process_fails_is_named(lines, reason, misbehaving, run):
    misbehaving(lines)
    message = failure(run)
    assert f"wikiextractor {reason}" in message
    assert message.endswith(" at 'Page 2' (id 2), after 0 of 3 articles. To leave it out: wikipedia.skip_pages, [2].")


def test_a_page_that_cannot_be_read_is_named(misbehaving, run):
    misbehaving("reader.read = None")
    assert "wikiextractor failed (TypeError: 'NoneType' object is not callable) at 'Page 2' (id 2)" in failure(run)


@pytest.mark.slow
def test_a_hanging_process_is_stopped_and_the_page_named(misbehaving, run):
    misbehaving("time.sleep(600)")
    assert "was stuck for 3 s at 'Page 2' (id 2), after 0 of 3 articles." in failure(run, stall=3)


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM"])
def test_a_process_that_was_killed_is_no_fault_of_its_page_and_may_be_tried_again(name, misbehaving, run):
    misbehaving(f"os.kill(os.getpid(), {signal.Signals[name].value})")
    with pytest.raises(Killed) as error:
        run()
    assert f"wikiextractor was killed by {name} at 'Page 2' (id 2), after 0 of 3 articles" in str(error.value)
    assert "memory" in str(error.value)
    assert "skip_pages" not in str(error.value)
    assert error.value.exit_code not in FINAL


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_is_ended_takes_its_processes_with_it(ending, write_dump, tmp_path):
    """The output of a job that is killed stays under its draft's name; no process stays either way."""
    folder = write_dump(export(*(page(n, f"Page {n}", ALBEDO * 500) for n in range(1, 200))))
    outputs = ["--output-documents", tmp_path / "out/documents.parquet", "--statistics", tmp_path / "out/s.json"]
    words = ["--language", "en", "--dump", folder, "--held-out", "0.1", *outputs]
    with subprocess.Popen([sys.executable, "-m", "smelt", "documents", *map(str, words)]) as job:
        children = _wait_for_children(job.pid)
        job.send_signal(ending)
        assert job.wait(20) == (128 + ending if ending == signal.SIGTERM else -ending)
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < deadline, "a process is left"
        time.sleep(0.05)
    assert not (tmp_path / "out/documents.parquet").exists()


def _wait_for_children(parent: int) -> list[int]:
    deadline = time.monotonic() + 30
    while True:
        if children := Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            return list(map(int, children))
        assert time.monotonic() < deadline, "no process started"
        time.sleep(0.02)


def test_a_process_needs_no_module_of_the_folder_it_runs_in(run, tmp_path, monkeypatch):
    (tmp_path / "pickle.py").write_text("raise SystemExit('the wrong module')")
    monkeypatch.chdir(tmp_path)
    assert len(run()) == 3


def test_the_folder_of_the_job_is_not_on_the_path_of_a_process(misbehaving, run):
    misbehaving(f"assert {str(Path.cwd())!r} not in sys.path and '' not in sys.path")
    assert len(run()) == 3
