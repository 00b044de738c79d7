"""The page's section on corpora: what extraction, cleaning and sampling did, and what deserves a look."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_page import Page

from smelt.__main__ import main
from smelt.mixture import Mixture
from smelt.report.corpus_records import CorpusRecord, read_corpora
from smelt.report.page.corpora import (
    cleaning_table,
    corpus_table,
    dropped_table,
    markup_table,
    overlap_table,
    share,
    step_tables,
    templates_table,
)
from smelt.report.page.corpus_warnings import looks
from smelt.report.page.sources import sources_table
from smelt.report.render import Grid

SIGNIFICANCE = {"test": "welch", "alpha": 0.05, "correction": "holm", "confidence": 0.95, "resamples": 200, "seed": 1}
NOTHING = {"documents_removed": 0, "documents_changed": 0, "paragraphs_removed": 0, "characters_removed": 0}


def step(name: str, settings: Any = True, **numbers: Any) -> dict[str, Any]:
    """Return the record of a step of cleaning."""
    return {"step": name, "settings": settings, **NOTHING, **numbers}


def statistics(language: str, *cleaning: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Return the statistics of a language of 60 documents, as `smelt job documents` writes them."""
    pages = {"pages": 90, "extracted": 66, "redirect": 20, "other_namespace": 3, "empty": 1, "lost": 0}
    templates = {"uses": 0, "names": 0, "most_frequent": {}}
    markup = {
        "headings": 9,
        "list_items": 5,
        "list_items_characters": 100,
        "empty_with_list_items": 0,
        "dropped": {},
        "not_expanded": {"lua": templates, "missing": templates, "functions": templates},
        "documents_with_markup_left": 0,
        "left": {},
    }
    sizes = {"documents": 60, "held_out_documents": 2, "paragraphs": 100, "words": 900, "characters": 5000}
    record = {"language": language, **sizes, "bytes": 6000, "pages": pages, "markup": markup, "cleaning": [*cleaning]}
    for key, change in changes.items():
        old = record.get(key)
        record[key] = old | change if isinstance(old, dict) else change
    return record


def records(tmp_path: Path, *found: dict[str, Any]) -> list[CorpusRecord]:
    """Return the records of a corpus of some languages."""
    return read_corpora(files(tmp_path, *found))


def files(tmp_path: Path, *found: dict[str, Any]) -> list[Path]:
    """Return the statistics as files."""
    paths = [tmp_path / "wiki" / each["language"] / "statistics.json" for each in found]
    for path, each in zip(paths, found, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(each))
    return paths


def cells(grid: Grid) -> dict[str, list[str]]:
    """Return the texts of a grid by the heads of its rows."""
    return {row.head: [f"{cell.text} {cell.detail}".strip() for cell in row.cells] for row in grid.rows}


def test_shares_of_a_step_are_of_what_reached_it(tmp_path: Path) -> None:
    found = records(
        tmp_path,
        statistics(
            "sw",
            step("boilerplate", documents_changed=7, paragraphs_removed=25, characters_removed=500),
            step("min_characters", 200, documents_removed=20, paragraphs_removed=20, characters_removed=2000),
            step("near_duplicates", {}, documents_removed=20, paragraphs_removed=80, characters_removed=3000),
        ),
    )
    table = cleaning_table(found)
    assert table is not None
    # Of 60 documents that are left and 40 that went, 100 reached the first two steps and 80 the last.
    assert cells(table.grids[0]) == {
        "boilerplate": ["100", "0", "7", "25 (11.1%)", "500 (4.8%)"],
        "min_characters": ["100", "20 (20.0%)", "0", "20 (10.0%)", "2,000 (20.0%)"],
        "near_duplicates": ["80", "20 (25.0%)", "0", "80 (44.4%)", "3,000 (37.5%)"],
    }


def test_each_step_has_its_languages_the_one_that_lost_most_first(tmp_path: Path) -> None:
    wrong = {"found": {"en": 4, "id": 11}}
    found = records(
        tmp_path,
        statistics("sw", step("language", documents_removed=1, found={"en": 1})),
        statistics("ms", step("language", documents_removed=15, **wrong)),
        statistics("vi", step("language", found={})),
    )
    (table,) = step_tables(found)
    assert list(cells(table.grids[0])) == ["ms", "sw"]
    assert cells(table.grids[0])["ms"][-1] == "id 11, en 4"
    assert table.notes == ["Nothing removed or changed: vi."]


def test_test_examples_are_counted_for_each_task_over_languages(tmp_path: Path) -> None:
    def held(**tasks: int) -> dict[str, Any]:
        counts = {
            name: {"examples": 30, "too_short": 10, "found": number, "paragraphs": 2 * number}
            for name, number in tasks.items()
        }
        return step("test_examples", {"remove": "paragraphs"}, tasks=counts)

    found = records(tmp_path, statistics("sw", held(ner=5)), statistics("vi", held(ner=0, intent=10)))
    table = overlap_table(found)
    assert table is not None
    assert cells(table.grids[0]) == {
        "ner": ["2", "60", "20", "5 (12.5%)", "10", "sw 5"],
        "intent": ["1", "30", "10", "10 (50.0%)", "20", "vi 10"],
    }
    (look,) = looks(found)
    assert str(look) == (
        "wiki: more than 1% of the test examples of a task stood in the documents and were left out: "
        "intent (10 of 20, 50.0%), ner (5 of 40, 12.5%)."
    )


def test_templates_that_left_no_words_stand_by_name(tmp_path: Path) -> None:
    lua = {"uses": 134, "names": 7, "most_frequent": {"convert": 90, "a": 20, "b": 9, "c": 6, "d": 5, "e": 3, "f": 1}}
    none = {"uses": 0, "names": 0, "most_frequent": {}}
    unexpanded = {"lua": lua, "missing": none, "functions": none}
    found = records(tmp_path, statistics("sw", markup={"not_expanded": unexpanded}), statistics("vi"))
    table = templates_table(found)
    assert table is not None
    (grid,) = table.grids
    assert grid.corner == "In Lua"
    assert cells(grid) == {"sw": ["134", "2.00", "7", "convert 90, a 20, b 9, c 6, d 5"]}


def test_what_extraction_drops_stands_by_kind_the_largest_first(tmp_path: Path) -> None:
    kinds = ["table", "<ref>", "caption", "<math>", "<gallery>", "<timeline>", "<graph>", "<hiero>"]
    dropped = {kind: {"number": n, "characters": 1000 * n} for n, kind in enumerate(reversed(kinds), 1)}
    table = dropped_table(records(tmp_path, statistics("sw", markup={"dropped": dropped})))
    assert table is not None
    assert table.grids[0].columns == [*kinds[:6], "Other kinds"]
    assert cells(table.grids[0])["sw"][0] == "8,000 (8)"
    assert cells(table.grids[0])["sw"][-1] == "3,000 (3)"


def test_markup_that_is_left_stands_by_kind(tmp_path: Path) -> None:
    left = {"File:": {"occurrences": 9, "documents": 2}, "{{": {"occurrences": 3, "documents": 3}}
    found = records(
        tmp_path, statistics("sw", markup={"left": left, "documents_with_markup_left": 4}), statistics("en")
    )
    table = markup_table(found)
    assert table is not None
    assert [shown[-2:] for shown in cells(table.grids[0]).values()] == [["0", "–"], ["4 (6.1%)", "{{ 3, File: 2"]]
    assert len(markup_table(found[1:]).grids[0].columns) == 5  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("part", "shown"),
    [(0, "0.0%"), (1, "<0.01%"), (900, "0.09%"), (-900, "−0.09%"), (1234, "0.1%"), (500_000, "50.0%")],
)
def test_small_shares_are_no_zeros(part: int, shown: str) -> None:
    assert share(part, 1_000_000) == shown


def test_sources_stand_with_their_versions_and_rows(tmp_path: Path) -> None:
    part = {"file": "/data/news/sw/1.jsonl", "sha256": "5" * 64, "bytes": 2_000_000}
    dump = {"file": "resources/dumps/swwiki/20230501/sw.bz2", "sha1": "0123456789abcdef", "bytes": 1_234_567}
    hub = {"dataset": "web", "hub": "HuggingFaceFW/fineweb-2", "revision": "a" * 40, "config": "swh_Latn"}
    hub |= {"split": "train", "limit": 1000, "rows": 1000, "empty_rows": 3}
    own = {"dataset": "own", "folder": "/data/news", "rows": 50, "empty_rows": 0, "files": [part]}
    table = sources_table(records(tmp_path, statistics("en"), statistics("sw", sources=[dump, hub, own])))
    assert table is not None
    assert [[row.head, *(cell.text for cell in row.cells)] for row in table.grids[0].rows] == [
        ["sw", "sw.bz2", "0123456789ab", "1.23", "–", "–"],
        ["sw", "web: HuggingFaceFW/fineweb-2 (swh_Latn train), the first 1,000 rows", "a" * 12, "–", "1,000", "3"],
        ["sw", "own: /data/news", "–", "–", "50", "0"],
        ["sw", "1.jsonl", "5" * 12, "2.00", "–", "–"],
    ]
    assert sources_table(records(tmp_path, statistics("en"))) is None


def test_shares_before_and_after_sampling_are_those_of_the_mixture(tmp_path: Path) -> None:
    found = records(tmp_path, statistics("en", characters=90_000, words=10), statistics("sw", characters=10_000))
    table = corpus_table(found, {"wiki": Mixture(alpha=0.5)})
    shown = cells(table.grids[0])
    assert [shown[code][-2:] for code in ("en", "sw", "all")] == [
        ["90.0%", "75.0%"],
        ["10.0%", "25.0%"],
        ["100.0%"] * 2,
    ]
    assert "Share drawn" not in corpus_table(found, {}).grids[0].columns


@pytest.mark.parametrize(
    ("cleaning", "changes", "line"),
    [
        (
            [step("min_characters", documents_removed=26)],
            {},
            "min_characters removed more than 30% of the documents: sw (26 of 86, 30.2%)",
        ),
        (
            [step("language", documents_removed=4, found={"en": 4})],
            {},
            "language removed more than 5% of the documents: sw (4 of 64, 6.2%)",
        ),
        (
            [step("boilerplate", names=0)],
            {},
            "boilerplate knows no names of sections: sw",
        ),
        (
            [],
            {"markup": {"documents_with_markup_left": 1}},
            "markup is left in more than 0.2% of the documents: sw (1 of 66, 1.5%)",
        ),
        ([], {"pages": {"empty": 8}}, "more than 10% of the articles are empty: sw (8 of 74, 10.8%)"),
        (
            [],
            {"markup": {"not_expanded": {"missing": {"uses": 201, "names": 1, "most_frequent": {"x": 201}}}}},
            "articles use more than 1 template on average that the dump does not have: sw (3.0)",
        ),
        ([], {"pages": {"differing": 2}}, "pages stand in the dump twice with different texts: sw (2)"),
        ([], {"paragraphs": 250}, "paragraphs have fewer than 25 or more than 2,000 characters on average: sw (20)"),
        ([], {"paragraphs": 2}, "paragraphs have fewer than 25 or more than 2,000 characters on average: sw (2,500)"),
        ([], {"documents": 19}, "fewer than 20 documents, too few for shares: sw (19)"),
    ],
)
def test_what_is_beyond_a_limit_is_named(
    tmp_path: Path, cleaning: list[dict[str, Any]], changes: dict[str, Any], line: str
) -> None:
    assert [str(look) for look in looks(records(tmp_path, statistics("sw", *cleaning, **changes)))] == [
        f"wiki: {line}."
    ]


@pytest.mark.parametrize(
    ("cleaning", "changes"),
    [
        ([], {}),
        ([step("min_characters", documents_removed=25)], {}),  # 29.4%
        ([step("language", documents_removed=3, found={"en": 3})], {}),
        ([step("boilerplate", names=3)], {}),
        ([], {"pages": {"empty": 7}}),
        ([], {"paragraphs": 200}),
        ([], {"documents": 20}),
    ],
)
def test_what_is_within_the_limits_is_not(
    tmp_path: Path, cleaning: list[dict[str, Any]], changes: dict[str, Any]
) -> None:
    assert looks(records(tmp_path, statistics("sw", *cleaning, **changes))) == []


def test_no_share_is_judged_where_there_are_few_documents(tmp_path: Path) -> None:
    few = statistics("sw", step("min_characters", documents_removed=9), documents=3)
    assert [look.what for look in looks(records(tmp_path, few))] == [
        "wiki: fewer than 20 documents, too few for shares"
    ]


def test_a_line_names_twelve_languages_at_most(tmp_path: Path) -> None:
    codes = [f"qa{letter}" for letter in "abcdefghijklmn"]
    (look,) = looks(records(tmp_path, *(statistics(code, documents=1) for code in codes)))
    assert str(look).endswith("qal (1) and 2 more.")


def test_the_section_opens_offline_and_folds_what_is_long(tmp_path: Path) -> None:
    sources = files(
        tmp_path,
        statistics("sw", step("min_characters", documents_removed=30, characters_removed=100)),
        statistics("en", step("min_characters", documents_removed=1, characters_removed=10), characters=90_000),
    )
    study = {"study": "small", "models": {}, "corpora": {"wiki": {"sampling": {"alpha": 0.3}}}}
    words = ["page", "--study", json.dumps(study), "--significance", json.dumps(SIGNIFICANCE), "--corpora"]
    assert main([*words, *map(str, sources), "--output", str(tmp_path / "report.html")]) == 0
    page = (tmp_path / "report.html").read_text()
    parsed = Page(page)
    section = page[page.index('<section id="corpora">') : page.index('<section id="materials">')]
    assert '<a href="#corpora">Corpora</a>' in page
    assert "min_characters removed more than 30% of the documents: sw (30 of 90, 33.3%)." in section
    assert section.index("Worth a look") < section.index("Looked at: ") < section.index("Documents and words")
    assert "<summary>wiki: min_characters</summary>" in section
    assert len(set(parsed.values("id"))) == len(parsed.values("id"))


def test_without_corpora_there_is_no_such_section(tmp_path: Path) -> None:
    words = ["page", "--study", json.dumps({"study": "small", "models": {}}), "--significance"]
    assert main([*words, json.dumps(SIGNIFICANCE), "--output", str(tmp_path / "report.html")]) == 0
    assert 'id="corpora"' not in (tmp_path / "report.html").read_text()
