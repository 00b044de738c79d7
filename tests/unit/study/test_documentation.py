"""The pages about study and task files describe every key as the types do, and their links lead somewhere."""

import re
from pathlib import Path
from typing import Any

import pytest

from smelt.errors import SmeltError
from smelt.strict_yaml import parse_yaml
from smelt.study import reference
from smelt.study.schema import Study
from smelt.tasks.task_file import TaskFile, load_task

ROOT = Path(__file__).parents[3]
PAGES = {page: page.read_text(encoding="utf-8") for page in reference.pages()}
DOCUMENTS = [*ROOT.glob("*.md"), ROOT / "config/README.md", *(ROOT / "docs").rglob("*.md")]
FENCED = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)


def keys_of(schema: dict[str, Any]) -> set[str]:
    """Return every key that any part of a schema has."""
    parts = [schema, *schema.get("$defs", {}).values()]
    return {key for part in parts for key in part.get("properties", {})}


@pytest.mark.parametrize("kind", [Study, TaskFile])
def test_every_key_stands_in_the_pages(kind: Any) -> None:
    prose = FENCED.sub("", "\n".join(PAGES.values()))  # examples describe nothing
    documented = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`]+)`", prose))))
    assert keys_of(kind.model_json_schema()) - documented == set()


def test_the_tables_in_the_pages_are_those_of_the_types() -> None:
    stale = [page.name for page, text in reference.fill_tables(PAGES).items() if text != PAGES[page]]
    assert stale == [], "run `smelt schema` and commit what it writes"


def test_every_type_has_a_table() -> None:
    assert set(reference.types()) - set(reference.places(PAGES)) == set()


def test_every_key_has_a_meaning_but_those_that_say_which_kind_it_is() -> None:
    rows = [row for text in PAGES.values() for block in reference.BLOCK.finditer(text) for row in _rows(block[0])]
    assert len(rows) > 250
    unsaid = [(key, value) for key, value, _, meaning in rows if not meaning and key not in ("`kind`", "`maker`")]
    assert unsaid == []


def _rows(table: str) -> list[list[str]]:
    """Return the cells of a table's rows, without its head."""
    lines = [line for line in table.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_a_table_of_a_type_that_is_gone_is_named() -> None:
    page = ROOT / "docs/reference/none.md"
    with pytest.raises(SmeltError, match="keys of Nothing: no such type"):
        reference.fill_tables({page: "# None\n\n<!-- keys of Nothing -->\n<!-- end of keys -->\n"})


def test_a_table_that_stands_twice_is_named() -> None:
    page = ROOT / "docs/reference/twice.md"
    block = "<!-- keys of Corpus -->\n<!-- end of keys -->\n"
    with pytest.raises(SmeltError, match="keys of Corpus: stand on"):
        reference.fill_tables({page: f"# One\n\n{block}\n# Two\n\n{block}"})


def test_the_shape_of_a_study_in_the_index_is_a_study() -> None:
    (example,) = re.findall(r"```yaml\n(study: .*?)```", PAGES[ROOT / "config/README.md"], re.DOTALL)
    study = Study.model_validate(parse_yaml(example, "config/README.md"))
    assert set(study.models) == {"tiny", "tiny-sw"}


def test_the_whole_task_file_of_the_pages_is_one(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(title: .*?)```", "\n".join(PAGES.values()), re.DOTALL)
    (tmp_path / "mine.yaml").write_text(example)
    assert load_task("mine", tmp_path).languages == ["eu"]


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page: Path) -> None:
    prose = FENCED.sub("", page.read_text(encoding="utf-8"))
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", prose) if not re.match(r"\w+:", link)]
    assert [link for link in links if not _leads_somewhere(page, link)] == []


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    if not anchor or not target.is_file():
        return target.exists()
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", target.read_text(encoding="utf-8")), re.MULTILINE)
    return anchor in {reference.slug(heading) for heading in headings}


def test_a_type_without_a_table_is_named() -> None:
    texts = {page: page.read_text(encoding="utf-8") for page in reference.pages()}
    left_out = re.compile(r"^<!-- keys of ScoresTable -->.*?^<!-- end of keys -->$", re.MULTILINE | re.DOTALL)
    with pytest.raises(SmeltError, match="ScoresTable: no page has a table of its keys"):
        reference.fill_tables({page: left_out.sub("", text) for page, text in texts.items()})
