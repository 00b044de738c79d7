"""Tables of data: examples of tasks and the unlabelled texts of their students, XtremeDistil's Table 1 among them."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from small_results import Results

# XtremeDistil (Mukherjee and Hassan Awadallah 2020), Table 1: labels, training, test; and unlabelled texts.
PUBLISHED: dict[str, tuple[str, int, int, int, list[int]]] = {
    "wikiann-41": ("token-classification", 7, 705_000, 329_000, [705_000, 1_400_000, 7_200_000]),
    "imdb": ("sequence-classification", 2, 25_000, 25_000, [50_000]),
    "dbpedia": ("sequence-classification", 14, 560_000, 70_000, []),
}


def described(results: Results, name: str, languages: dict[str, int]) -> Path:
    """Write a task.json whose test examples are cut between languages."""
    kind, labels, train, test, _ = PUBLISHED[name]
    sizes = {"train": train, "validation": test // 10, "test": test}
    share = {code: part / sum(languages.values()) for code, part in languages.items()}
    splits = {
        split: {"examples": size, "languages": {code: round(size * part) for code, part in share.items()}}
        for split, size in sizes.items()
    }
    description: dict[str, Any] = {"name": name, "kind": kind, "labels": [f"l{number}" for number in range(labels)]}
    description |= {"splits": splits, "repeated_from_train": {"validation": 0, "test": 0}}
    return results.write(results.task(name), description)


def signals(results: Results, task: str, name: str, texts: dict[str, int]) -> Path:
    folder = results.path("signals", "mbert", task, "seed-1", name)
    results.write(folder / "signals.json", {"texts": texts})
    return folder


@pytest.fixture
def sources(results: Results) -> list[Path]:
    tasks = [described(results, name, {"af": 1, "en": 4} if name == "wikiann-41" else {"en": 1}) for name in PUBLISHED]
    texts = [
        signals(results, name, f"wiki-{size}-32", {"train": size - 300, "af": 100, "en": 200})
        for name, (*_, sizes) in PUBLISHED.items()
        for size in sizes
    ]
    return [*tasks, *texts]


def table(results: Results, sources: list[Path], **settings: Any) -> int:
    return results.table("table_1", {"kind": "data", "tasks": list(PUBLISHED), "models": []} | settings, sources)


def test_xtremedistils_table_1_is_rebuilt(results: Results, sources: list[Path]) -> None:
    assert table(results, sources) == 0
    text = results.read("tables", "table_1.md")
    assert "| Task | Languages | Labels | Training | Validation | Test | Unlabelled |" in text
    wikiann = "| wikiann-41 | 2 | 7 | 705,000 | 32,900 | 329,000 | 705,000; 1,400,000; 7,200,000 |"
    assert text.index("*token-classification*") < text.index(wikiann) < text.index("*sequence-classification*")
    assert "| imdb | 1 | 2 | 25,000 | 2,500 | 25,000 | 50,000 |" in text
    assert "| dbpedia | 1 | 14 | 560,000 | 7,000 | 70,000 | – |" in text
    assert "the task's own training texts are among them" in text


def test_each_language_has_a_row_below_its_task(results: Results, sources: list[Path]) -> None:
    assert table(results, sources, each_language=True) == 0
    text = results.read("tables", "table_1.md")
    assert "| wikiann-41, af |  |  | 141,000 | 6,580 | 65,800 | 100 |" in text
    assert "| imdb, en |  |  | 25,000 | 2,500 | 25,000 | 200 |" in text
    frame = pd.read_csv(results.path("tables", "table_1.csv"), keep_default_na=False, na_values=[""])
    whole = frame[(frame["task"] == "wikiann-41") & (frame["language"] == "all")]
    assert list(whole["unlabelled"]) == [705_000, 1_400_000, 7_200_000]
    assert list(whole["transfer"]) == ["wiki-705000-32", "wiki-1400000-32", "wiki-7200000-32"]
    parts = frame[(frame["task"] == "wikiann-41") & (frame["language"] != "all")].drop_duplicates("language")
    assert parts["train"].sum() == 705_000


def test_a_task_without_labels_and_students_has_neither(results: Results) -> None:
    path = described(results, "imdb", {"en": 1})
    results.write(path, path.read_text().replace('"labels": ["l0", "l1"]', '"labels": []'))
    assert table(results, [path], tasks=["imdb"]) == 0
    text = results.read("tables", "table_1.md")
    assert "| imdb | 1 | – | 25,000 | 2,500 | 25,000 | – |" in text
    assert "Labels:" not in text
    assert "Unlabelled:" not in text
    assert "classification" not in text


def test_sources_that_are_none_are_refused(
    results: Results, sources: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert table(results, sources[1:]) == 1
    assert "expected task.json of wikiann-41, imdb, dbpedia, in this order" in capsys.readouterr().err
    results.write(sources[-1] / "signals.json", {"texts": None})
    assert table(results, sources) == 1
    assert "signals.json: does not count its texts" in capsys.readouterr().err
