"""Fixtures of the report's tests: a small study's results, before and after models are compared, and a browser."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright
from small_results import Results, make

from smelt.report.figures import FIGURES


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """The files that the report stage reads."""
    return make(tmp_path / "results")


@pytest.fixture
def compared(results: Results) -> Results:
    """The same, with scores gathered and compared."""
    assert (results.scores(), results.compare(), results.costs()) == (0, 0, 0)
    return results


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """A study whose tables and figures are all made."""
    made = make(tmp_path_factory.mktemp("page") / "results")
    assert (made.scores(), made.compare(), made.costs()) == (0, 0, 0)
    assert (made.score_table(), made.segmentation_table(), made.example_table()) == (0, 0, 0)
    assert [made.figure(name) for name in FIGURES] == [0] * len(FIGURES)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window. While it is open, playwright's event loop runs: no other one can start."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("needs a browser: apt install chromium")
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not run for root, as whom continuous integration runs.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()
