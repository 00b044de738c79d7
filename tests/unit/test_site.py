"""The documentation is a site without a broken link, and its picture of the rules is that of the rules."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
BUILD = "sphinx-build --quiet --fail-on-warning --keep-going --conf-dir docs . site"


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Run what `make docs` runs, on the pages of a folder."""
    pytest.importorskip("sphinx", reason="the extra `docs` is not installed")
    assert f"\t{BUILD}\n" in (ROOT / "Makefile").read_text()
    words = BUILD.replace(" . ", f" {source} ").replace(" docs ", f" {ROOT / 'docs'} ").replace(" site", f" {site}")
    return subprocess.run([BIN / words.split()[0], *words.split()[1:]], cwd=ROOT, text=True, capture_output=True)


class Page(HTMLParser):
    """The links of a page, and the places in it that links lead to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = {""}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002
        for name, value in attrs:
            if name in ("href", "src"):
                self.links.add(value or "")
            elif name in ("id", "name"):
                self.places.add(value or "")


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    done = build(ROOT, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = {path: Page(path) for path in tmp_path.rglob("*.html")}
    names = {str(path.relative_to(tmp_path).with_suffix(".md")) for path in pages}
    expected = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "config/README.md"}
    assert {*expected, *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))} - names == set()
    lost, loaded = [], []
    for path, page in pages.items():
        for link in map(urlsplit, page.links):
            target = (path.parent / unquote(link.path)).resolve() if link.path else path
            if link.scheme or link.netloc:
                continue
            if not target.exists() or (target in pages and unquote(link.fragment) not in pages[target].places):
                lost.append(f"{path.relative_to(tmp_path)}: {link.geturl()}")
        loaded += re.findall(r'<(?:script|img|link)\b[^>]*(?:src|href)="(?:https?:)?//[^"]*"', path.read_text())
    assert (lost, loaded) == ([], []), "the second: what a page loads from elsewhere"
    assert "the mean of" in (tmp_path / "docs/library.html").read_text().lower(), "docstrings"


def test_a_broken_link_fails_the_site(tmp_path: Path) -> None:
    page = tmp_path / "pages/docs/index.md"
    page.parent.mkdir(parents=True)
    page.write_text("# A page\n\n[gone](gone.md)\n\n[no heading](#of-this-name)\n")
    done = build(tmp_path / "pages", tmp_path / "site")
    assert done.returncode != 0
    assert "gone.md" in done.stderr
    assert "of-this-name" in done.stderr


@pytest.mark.parametrize("library", ["statistics", "architectures"])
def test_the_page_of_the_library_has_every_module(library: str) -> None:
    listed = set(re.findall(rf"automodule:: smelt\.{library}\.(\w+)", (ROOT / "docs/library.md").read_text()))
    assert listed == {path.stem for path in (ROOT / f"workflow/smelt/{library}").glob("[!_]*.py")}


@pytest.mark.slow
def test_the_picture_of_the_rules_is_that_of_the_rules(tmp_path: Path) -> None:
    if shutil.which("snakevision", path=str(BIN)) is None:
        pytest.skip("the extra `docs` is not installed")
    (recipe,) = re.findall(r"^picture:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    drawn = tmp_path / "rules.svg"
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = recipe.replace("docs/pictures/rules.svg", str(drawn))
    subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], cwd=ROOT, env=environment, check=True)
    assert drawn.read_bytes() == (ROOT / "docs/pictures/rules.svg").read_bytes(), "`make picture` draws it again"
