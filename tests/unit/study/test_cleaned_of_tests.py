"""Corpora that are cleaned of the test examples of the study's tasks."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from smelt.errors import SmeltError
from smelt.study.catalogue import Catalogue
from smelt.study.workflow import catalogue_of


def catalogue(folder: Path, **settings: object) -> Catalogue:
    """Return the catalogue of a study with tasks in English, and in English and other languages."""
    study = {
        "study": "cleaned",
        "corpora": {"two": {"text": {"en": "en.txt", "sw": "sw.txt"}, "cleaning": {"test_examples": settings}}},
        "tokenizers": {"small": {"algorithm": "unigram", "vocabulary": 400, "corpus": "two"}},
        "models": {
            "tiny": {
                "maker": "pretrain",
                "architecture": "albert-tiny",
                "tokenizer": "small",
                "corpus": "two",
                "recipe": "small",
            }
        },
        "tasks": ["conll2003", "massive-intents"],
        "finetuning": {"seeds": [1]},
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(study))
    return catalogue_of([folder / "study.yaml"], {})


def test_documents_wait_for_the_tasks_that_test_their_language(tmp_path: Path) -> None:
    corpora = catalogue(tmp_path).corpora
    english, swahili = (SimpleNamespace(corpus="two", language=code) for code in ("en", "sw"))
    folder = "results/cleaned/tasks"
    assert corpora.named_tests(english) == [f"{task}={folder}/{task}" for task in ("conll2003", "massive-intents")]
    assert corpora.tests(swahili) == [f"{folder}/massive-intents/{file}" for file in ("task.json", "test.parquet")]


def test_a_study_names_the_tasks_that_matter(tmp_path: Path) -> None:
    corpora = catalogue(tmp_path, tasks=["conll2003"]).corpora
    assert list(corpora.tested(SimpleNamespace(corpus="two", language="en"))) == ["conll2003"]
    assert corpora.tests(SimpleNamespace(corpus="two", language="sw")) == []


def test_a_task_that_the_study_lacks_is_refused(tmp_path: Path) -> None:
    line = r"corpora.two.cleaning.test_examples.tasks: no task is called 'conll2002': expected .*did you mean conll2003"
    with pytest.raises(SmeltError, match=line):
        catalogue(tmp_path, tasks=["conll2002"])
