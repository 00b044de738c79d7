"""Figures of tables: scores over size and latency with the front, and scores by language over training examples."""

import json
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.axes import Axes
from test_grid import LANGUAGES, TABLE_5, Report, published_scores
from test_tradeoff import PUBLISHED as STUDENTS
from test_tradeoff import ROWS, SETTINGS, write_sources

from smelt.__main__ import main
from smelt.report.figures import by_language, caption_of, tradeoff
from smelt.report.figures.style import save, style
from smelt.report.tables import table_of

# Thousands of training examples (XtremeDistil, Table 17).
EXAMPLES = {"af": 5, "ar": 20, "bn": 10, "de": 20, "en": 20, "fa": 20}


def task(folder: Path, name: str, languages: dict[str, int]) -> Path:
    """Write of a task what the figure reads."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"name": name, "splits": {"train": {"languages": languages}}}))
    return path


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    """The published scores, and the numbers of training examples: once for all, and for each language alone."""
    examples = {code: 1000 * thousands for code, thousands in EXAMPLES.items()}
    alone = [task(tmp_path, f"panx.monolingual.{code}", {code: examples[code]}) for code in LANGUAGES]
    return [published_scores(tmp_path).path(), task(tmp_path, "panx", examples), *alone]


def lines(axis: Axes) -> dict[str, list[float]]:
    return {str(line.get_label()): list(line.get_ydata()) for line in axis.lines}  # type: ignore[arg-type]


def ticks(axis: Axes) -> list[str]:
    return [label.get_text() for label in axis.get_xticklabels()]


def test_languages_stand_from_fewest_to_most_training_examples(sources: list[Path]) -> None:
    axis, behind = by_language.draw(sources, table_of({"kind": "grid"} | TABLE_5), []).axes
    assert ticks(axis) == ["af", "bn", "ar", "de", "en", "fa"]
    assert lines(axis)["XtremeDistil"] == pytest.approx([87, 91, 85, 84, 78, 90])
    assert lines(axis)["mBERT-single"] == pytest.approx([89, 83, 88, 89, 83, 92])
    assert [bar.get_height() for bar in behind.patches] == [5000, 10000, 20000, 20000, 20000, 20000]


def test_a_label_with_signs_of_a_formula_is_drawn_as_it_stands(tmp_path: Path, sources: list[Path]) -> None:
    table = table_of({"kind": "grid"} | TABLE_5 | {"rows": {"$x_{ <b> in $": "ours"}})
    with style():
        save(by_language.draw(sources, table, []), tmp_path / "one.svg", tmp_path / "one.png")
    assert "$x_{ &lt;b&gt;" in (tmp_path / "one.svg").read_text()


def test_rows_of_different_training_sets_have_no_bars(sources: list[Path]) -> None:
    task(sources[1].parent, "panx", dict.fromkeys(LANGUAGES, 100))
    (axis,) = by_language.draw(sources, table_of({"kind": "grid"} | TABLE_5), []).axes
    assert ticks(axis) == list(LANGUAGES)


def test_a_table_of_languages_has_a_panel_a_section_and_its_families(sources: list[Path]) -> None:
    sections = [
        {"title": "joint", "task": "panx", "models": ["ours", "mmner"]},
        {"title": "", "task": "panx.monolingual.{language}", "models": ["mbert"]},
    ]
    settings = {"kind": "languages", "languages": ["ar", "af"], "sections": sections}
    models = ["ours", "mmner", "mbert"]
    table = table_of(settings | {"models": models})
    joint, alone, bars_of_joint, bars_of_alone = by_language.draw(sources, table, models).axes
    assert (joint.get_title(), alone.get_title()) == ("joint", "panx.monolingual.{language}")
    assert ticks(joint) == ["af", "ar"]
    assert lines(joint) == {"ours": pytest.approx([87, 85]), "mmner": pytest.approx([84, 88])}
    assert lines(alone) == {"mbert": pytest.approx([89, 88])}
    assert len(bars_of_joint.patches) == len(bars_of_alone.patches) == 2


def test_columns_of_a_grid_are_panels_of_one_set_of_colours(tmp_path: Path) -> None:
    report = Report(tmp_path)
    for model in ("a-x", "b-x", "b-y"):
        report.add(model, "panx", 1, {"af": 0.5, "bn": 0.6})
    rows = {"rows": {"A": "a", "B": "b"}, "columns": {"X": "x", "Y": "y"}}
    table = table_of({"kind": "grid", "model": "{row}-{column}", "task": "panx"} | rows)
    first, second = by_language.draw([report.path()], table, []).axes
    assert (list(lines(first)), list(lines(second))) == (["A", "B"], ["B"])
    assert first.lines[1].get_color() == second.lines[0].get_color() != first.lines[0].get_color()


def test_the_front_joins_what_nothing_beats_and_every_point_has_its_name(tmp_path: Path) -> None:
    with style():
        figure = tradeoff.draw(write_sources(tmp_path), table_of(SETTINGS))
    size, one, many = figure.axes
    assert [axis.get_xlabel() for axis in (size, one, many)] == [
        "parameters (millions), log scale",
        "latency of 1 × 32 on cpu (ms), log scale",
        "latency of 32 × 32 on cpu (ms), log scale",
    ]
    for axis in figure.axes:
        assert {text.get_text() for text in axis.texts} == set(ROWS)
        (front,) = axis.lines[:1]
        assert all(low <= high for low, high in pairwise(front.get_ydata()))
    slow = [(STUDENTS[name][2], STUDENTS[name][0]) for name in ("50-100", "50-200", "50-600", "200-600", "300-600")]
    assert list(zip(size.lines[0].get_xdata(), size.lines[0].get_ydata(), strict=True)) == [
        pytest.approx(point) for point in [*slow, (179, 91.86)]
    ]
    latencies = list(many.lines[0].get_xdata())
    assert 800 / 16 not in latencies  # 50-600, which 300-400 beats
    assert len(latencies) == len(ROWS) - 1


def test_a_set_up_that_was_not_measured_has_no_panel(tmp_path: Path) -> None:
    setups = [{"device": "cuda", "batch": 32}, {"device": "cpu", "batch": 1}]
    with style():
        figure = tradeoff.draw(write_sources(tmp_path), table_of(SETTINGS | {"batches": None, "setups": setups}))
    labels = [axis.get_xlabel() for axis in figure.axes if axis.get_xlabel()]
    assert labels == ["parameters (millions), log scale", "latency of 1 × 32 on cpu (ms), log scale"]


def test_names_do_not_cover_each_other(tmp_path: Path) -> None:
    with style():
        figure = tradeoff.draw(write_sources(tmp_path), table_of(SETTINGS))
        figure.draw_without_rendering()
    for axis in figure.axes:
        boxes = [text.get_window_extent() for text in axis.texts]
        covered = [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes) if i < j and a.overlaps(b)]
        assert covered == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tradeoff-table-16", "by-language-table-5"])
def test_figures_are_written_in_both_forms_and_repeat(tmp_path: Path, sources: list[Path], name: str) -> None:
    settings: dict[str, Any] = {"kind": "grid", "models": ["ours"]} | TABLE_5
    if name.startswith("tradeoff"):
        settings, sources = SETTINGS, write_sources(tmp_path)
    words = ["figure", "--name", name, "--sources", *map(str, sources), "--settings", json.dumps(settings)]
    found = []
    for turn in ("one", "two"):
        paths = [tmp_path / f"{turn}.svg", tmp_path / f"{turn}.png"]
        assert main([*words, "--svg", str(paths[0]), "--png", str(paths[1])]) == 0
        found.append([path.read_bytes() for path in paths])
    assert found[0] == found[1]
    assert ElementTree.fromstring(found[0][0].decode()).tag == "{http://www.w3.org/2000/svg}svg"
    assert found[0][1].startswith(b"\x89PNG")
    assert caption_of(name)[0].endswith(name[-7:])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tradeoff-table-16", "lacks length: expected a table of kind tradeoff"),
        ("by-language-table-5", "has no scores of several languages that the table could show"),
    ],
)
def test_what_cannot_be_drawn_is_named(
    tmp_path: Path, sources: list[Path], capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    scores = pd.read_csv(sources[0])
    scores[scores["language"] == "af"].to_csv(sources[0], index=False)
    settings = {"kind": "grid", "models": ["ours"], "task": "panx", "model": "{row}", "rows": {"ours": "ours"}}
    words = ["figure", "--name", name, "--sources", *map(str, sources), "--settings", json.dumps(settings)]
    assert main([*words, "--svg", str(tmp_path / "a.svg"), "--png", str(tmp_path / "a.png")]) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a.svg").exists()
