"""What the documentation for contributors names is there, and the index lists every page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PACKAGE = ROOT / "workflow/smelt"
PAGES = [ROOT / "CONTRIBUTING.md", DOCS / "architecture.md", DOCS / "README.md", DOCS / "glossary.md"]
PLACES = (ROOT, PACKAGE)
NAMED = re.compile(r"`([\w./-]*(?:/|\.(?:py|md|smk|yaml|toml|rst|json|cff)))`")
"""Folders and files in code spans; those with a placeholder such as <task> are not matched."""
MADE = {"metrics.json", "provenance.json", "reduction.json", "tokenizer.json", "resources/.partial/", "site/"}
"""Files and folders that runs make."""


def outside_examples(page: Path) -> str:
    """Return the text of a page without its code blocks."""
    return re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def sources(folder: Path) -> Iterator[Path]:
    """Yield the Python files of a folder, but this one."""
    return (path for path in folder.rglob("*.py") if path.name != Path(__file__).name)


def is_there(name: str) -> bool:
    """Return whether a path exists in the checkout or in the package."""
    return any((place / name).exists() for place in PLACES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_files_that_a_page_names_are_there(page: Path) -> None:
    missing = []
    for line in outside_examples(page).splitlines():
        folder = ""
        for within, name in re.findall(rf"(?:in `([\w./]+/)` )?{NAMED.pattern}", line):
            folder = within or folder
            if name not in MADE and not is_there(name) and not is_there(folder + name):
                missing.append(name)
    assert missing == []


def test_the_tests_that_prose_names_are_there() -> None:
    pages = [*DOCS.rglob("*.md"), *ROOT.glob("*.md")]
    named = {
        name for page in pages for name in re.findall(r"\btests/[\w./*-]+(?:\.py|/)", page.read_text(encoding="utf-8"))
    }
    assert {name for name in named if not any(ROOT.glob(name))} == set()
    assert any(name.endswith(".py") for name in named)


def test_a_file_that_is_gone_is_found() -> None:
    assert is_there("entry.py")
    assert NAMED.findall("`study/makers/gone.py`, `<task>.yaml`, `rows`, `tasks/kinds/`") == [
        "study/makers/gone.py",
        "tasks/kinds/",
    ]
    assert not is_there("study/makers/gone.py")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_classes_functions_and_constants_that_a_page_names_are_there(page: Path) -> None:
    code = "\n".join(
        path.read_text(encoding="utf-8") for folder in (PACKAGE, ROOT / "tests") for path in sources(folder)
    )
    names = {name for name in re.findall(r"`(\w+)`", outside_examples(page)) if re.search(r"[A-Z_]", name)}
    assert {name for name in names if not re.search(rf"\b{name}\b", code)} == set()


def test_every_version_that_jobs_are_compared_by_is_explained() -> None:
    text = outside_examples(ROOT / "CONTRIBUTING.md")
    found = {
        name
        for path in sources(PACKAGE)
        for name in re.findall(r"^([A-Z]+_VERSION) = ", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert {name for name in found if f"`{name}`" not in text} == set()


def test_the_index_lists_every_page() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w./-]+)", index))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")} - {"README.md", "index.md"}
    assert pages - linked == set()
