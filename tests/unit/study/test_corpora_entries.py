"""Dumps of a study have one mirror each, or several that stand in for each other, and may lack pages."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from study_files import complaint, write

from smelt.study.catalogue import Catalogue
from smelt.study.schema import load_study


def test_one_dump_comes_from_one_mirror(tmp_path: Path) -> None:
    other = {"wikipedia": {"date": "20230501", "languages": ["en"], "mirror": "/elsewhere"}}
    message = complaint(write(tmp_path, {"corpora/other": other}))
    assert "corpora.other.wikipedia.mirror" in message
    assert "https://dumps.wikimedia.org" in message


def test_a_dump_may_come_from_the_first_of_several_mirrors(tmp_path: Path) -> None:
    mirrors = ["https://dumps.wikimedia.org", "https://archive.org/download/{wiki}-{date}"]
    source = load_study(write(tmp_path, {"corpora/wiki/wikipedia/mirror": mirrors})).corpora["wiki"].wikipedia
    assert source is not None
    assert source.mirrors == mirrors


@pytest.mark.parametrize(
    ("mirror", "expected"),
    [
        ([], "at least 1"),
        (["/a", "/a"], "twice"),
        ("/a/{wiki}", "/a/{wiki} names one of {wiki} and {date}"),
        (["/a", "/b/{date}"], "/b/{date} names one of {wiki} and {date}"),
    ],
)
def test_invalid_mirrors_are_named(mirror: object, expected: str, tmp_path: Path) -> None:
    message = complaint(write(tmp_path, {"corpora/wiki/wikipedia/mirror": mirror}))
    assert "corpora.wiki.wikipedia.mirror" in message
    assert expected in message


def test_pages_to_leave_out_are_titles_and_ids(tmp_path: Path) -> None:
    pages = {"en": [1984, "1984", "No"]}
    source = load_study(write(tmp_path, {"corpora/wiki/wikipedia/skip_pages": pages})).corpora["wiki"].wikipedia
    assert source is not None
    assert source.skip_pages == pages


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        ({"sw": ["Paka"]}, "skip_pages.sw: expected a language of wikipedia.languages"),
        ({"en": [0]}, "corpora.wiki.wikipedia.skip_pages.en"),
        ({"en": [""]}, "corpora.wiki.wikipedia.skip_pages.en"),
        ({"en": [True]}, "corpora.wiki.wikipedia.skip_pages.en"),
    ],
)
def test_pages_that_cannot_be_left_out_are_named(pages: object, expected: str, tmp_path: Path) -> None:
    assert expected in complaint(write(tmp_path, {"corpora/wiki/wikipedia/skip_pages": pages}))


@pytest.mark.parametrize(
    ("change", "drawn"),
    [
        ({}, False),
        ({"corpora/wiki/sampling": {"alpha": 0.3}}, True),
        ({"corpora/wiki/sampling": {"max_share": 0.6}}, True),
    ],
)
def test_shares_are_drawn_where_languages_do_not_keep_their_proportions(
    change: dict[str, object], drawn: bool, tmp_path: Path
) -> None:
    report = Catalogue.load(write(tmp_path, change)).report
    assert ("language-shares" in report.figures()) == drawn
    if drawn:
        figure = SimpleNamespace(figure="language-shares")
        mixture = {"alpha": 1.0} | change["corpora/wiki/sampling"]  # type: ignore[operator]
        assert json.loads(report.figure_settings(figure)) == {"mixtures": {"wiki": mixture}}
        assert [Path(path).parent.name for path in report.figure_sources(figure)] == ["en", "el"]


def test_the_shares_of_a_single_corpus_among_several_are_drawn_without_the_others(tmp_path: Path) -> None:
    mixed = {"wikipedia": {"date": "20230501", "languages": ["sw", "vi"]}, "sampling": {"alpha": 0.5}}
    report = Catalogue.load(write(tmp_path, {"corpora/mixed": mixed})).report
    figure = SimpleNamespace(figure="language-shares")
    assert [Path(path).parts[-3:-1] for path in report.figure_sources(figure)] == [("mixed", "sw"), ("mixed", "vi")]
