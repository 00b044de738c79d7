"""docs/papers.md has every table and figure of the five papers, and what it names is there and is what it says."""

import os
import re
from pathlib import Path

import pytest
from published_studies import PAPERS, STUDIES

from smelt.study.catalogue import Catalogue

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/papers.md").read_text(encoding="utf-8")
SECTIONS = dict(zip(PAPERS, re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:], strict=True))
TABLES = {"malbert": 4, "smaller-mbert": 3, "eliquare": 7, "albeto": 6, "xtremedistil": 17}
FIGURES = {"malbert": 1, "smaller-mbert": 0, "eliquare": 5, "albeto": 0, "xtremedistil": 3}


def rows(paper: str) -> list[list[str]]:
    lines = [line for line in SECTIONS[paper].splitlines() if re.match(r"\| (?:Table|Figure|section) ", line)]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize("paper", PAPERS)
def test_every_table_and_figure_has_a_row(paper: str) -> None:
    named = [row[0] for row in rows(paper) if not row[0].startswith("section")]
    expected = [f"Table {number + 1}" for number in range(TABLES[paper])]
    expected += [f"Figure {number + 1}" for number in range(FIGURES[paper])]
    assert sorted(named) == sorted(expected)
    assert all(len(row) == 5 and all(row) for row in rows(paper))


@pytest.mark.parametrize("paper", PAPERS)
def test_tables_and_figures_of_the_study_are_there_and_of_that_kind(
    paper: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SMELT_UPPER_BOUNDS", "SMELT_TASKS", "SMELT_VECTORS", "SMELT_REVIEWS", "SPANISH_CORPORA"):
        monkeypatch.setenv(name, os.devnull)
    catalogue = Catalogue.load(STUDIES / f"{paper}.yaml")
    assert f"Study `{paper}`" in SECTIONS[paper]
    assert (STUDIES / f"{paper}-released.yaml").exists()
    assert f"`{paper}-released`" in SECTIONS[paper]
    made = {name: table.kind for name, table in catalogue.study.tables.items()}
    made |= dict.fromkeys(catalogue.report.figures(), "figure")
    for row in rows(paper):
        named = re.findall(r"`([\w.-]+)` \(`?(\w+)`?\)", row[2])
        assert [made.get(name) for name, _ in named] == [kind for _, kind in named], row
        assert bool(named) == (row[2] != "–"), row
        assert named or "not made" in row[4], row


def test_the_tests_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests/unit").rglob("test_*.py"))
    assert len(named) > 20
    assert {name for name in named if f"def {name}(" not in code} == set()


def test_what_needs_real_data_has_a_star() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests/unit").rglob("test_*.py"))
    for name, star in re.findall(r"`(test_\w+)`(\*?)", PAGE):
        skipped = re.search(rf"@pytest\.mark\.skipif\(not DATA[^\n]*\n(?:@[^\n]*\n)*def {name}\(", code)
        assert bool(star) == bool(skipped), name
