"""Test examples that stand in a corpus."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from smelt.corpora.overlap import OverlapStep, RunsOfTests
from smelt.corpora.word_runs import units
from smelt.files import write_json
from smelt.study.cleaning import HeldTestExamples

SENTENCE = "The quick brown fox jumps over the lazy dog while seven wizards quietly brew potions at home"


def runs_of(*examples: str, language: str = "en", words: int = 13) -> RunsOfTests:
    """Return the runs of a task's examples."""
    runs = RunsOfTests(language, words)
    for example in examples:
        runs.add_example("task", [example])
    return runs


def test_finds_an_example_whatever_its_case_and_punctuation() -> None:
    text = SENTENCE.upper().replace(" ", ", ")
    assert runs_of("another", SENTENCE).find(f"Before. {text} After.") == [("task", 1)]


def test_twelve_words_in_common_are_too_few() -> None:
    words = SENTENCE.split()
    assert runs_of(SENTENCE).find(" ".join(words[:13])) == [("task", 0)]
    assert runs_of(SENTENCE).find(" ".join([*words[:12], "otherwise", *words[13:16]])) == []


def test_the_same_words_in_another_order_are_another_text() -> None:
    assert runs_of(SENTENCE).find(" ".join(reversed(SENTENCE.split()))) == []


def test_a_run_does_not_cross_paragraphs() -> None:
    words = SENTENCE.split()
    runs = runs_of(SENTENCE)
    assert runs.count("\n".join([" ".join(words[:8]), " ".join(words[8:]), SENTENCE])) == [False, False, True]


def test_counts_examples_once_and_paragraphs_each_time() -> None:
    runs = runs_of(SENTENCE, SENTENCE + " again", "too short")
    runs.count(f"{SENTENCE}\n{SENTENCE}")
    runs.count("nothing of it")
    assert runs.tasks["task"].as_dict() == {"examples": 3, "too_short": 1, "found": 2, "paragraphs": 2}


def test_an_example_of_two_texts_is_found_by_either() -> None:
    runs = RunsOfTests("en", 13)
    runs.add_example("pairs", ["short", SENTENCE])
    assert runs.find(SENTENCE) == [("pairs", 0)]


@pytest.mark.parametrize(
    ("text", "found"),
    [("Straße, 3.5 km", ["strasse", "3", "5", "km"]), ("我爱 你", ["我", "爱", "你"]), ("ไทย", list("ไทย"))],
)
def test_characters_stand_for_words_where_scripts_have_no_blanks(text: str, found: list[str]) -> None:
    assert units(text) == found


def test_runs_are_longer_where_characters_stand_for_words() -> None:
    text = "".join(chr(0x4E00 + number) for number in range(40))
    runs = runs_of(text, language="zh", words=13)
    assert runs.find(text[3:28]) == []
    assert runs.find(text[3:29]) == [("task", 0)]


def test_reads_the_test_examples_of_its_language(tmp_path: Path) -> None:
    kept = {"name": "pairs", "kind": "sequence-classification", "metric": "accuracy", "scheme": "none", "labels": ["a"]}
    write_json(tmp_path / "task.json", kept)
    columns = {"example": [0, 1, 2], "language": ["en", "fr", "en"], "text": [SENTENCE, SENTENCE, "short"]}
    pq.write_table(pa.table(columns | {"label": ["a"] * 3}), tmp_path / "test.parquet")
    runs = RunsOfTests("en", 13)
    runs.add("pairs", tmp_path)
    runs.count(SENTENCE)
    assert runs.tasks["pairs"].as_dict() == {"examples": 2, "too_short": 1, "found": 1, "paragraphs": 1}


def step(tmp_path: Path, **settings: Any) -> OverlapStep:
    """Return the step of cleaning with one test example."""
    kept = {"name": "pairs", "kind": "sequence-classification", "metric": "accuracy", "scheme": "none", "labels": ["a"]}
    write_json(tmp_path / "task.json", kept)
    columns = {"example": [0], "language": ["en"], "text": [SENTENCE], "label": ["a"]}
    pq.write_table(pa.table(columns), tmp_path / "test.parquet")
    return OverlapStep(HeldTestExamples(**settings), "en", {"pairs": tmp_path})


@pytest.mark.parametrize(
    ("remove", "left"),
    [
        ("paragraphs", "Before.\n## Next\nAfter."),  # a heading goes where nothing is left below it
        ("documents", ""),
        ("nothing", f"Before.\n## Held\n{SENTENCE}\n## Next\nAfter."),
    ],
)
def test_leaves_out_what_the_study_says(tmp_path: Path, remove: str, left: str) -> None:
    cleaning = step(tmp_path, remove=remove)
    assert cleaning.apply(f"Before.\n## Held\n{SENTENCE}\n## Next\nAfter.", "wikipedia") == left
    assert cleaning.apply("Nothing of it.", "wikipedia") == "Nothing of it."
    assert cleaning.details()["tasks"]["pairs"] == {"examples": 1, "too_short": 0, "found": 1, "paragraphs": 1}


def test_a_document_of_nothing_else_goes(tmp_path: Path) -> None:
    assert step(tmp_path).apply(f"## Held\n{SENTENCE}", "wikipedia") == ""


def test_words_that_no_test_has_take_no_memory() -> None:
    runs = runs_of(SENTENCE)
    runs.count(" ".join(f"word{number}" for number in range(1000)))
    assert len(runs._ids) == len(set(units(SENTENCE)))
