"""Small task files and data in every format."""

from collections.abc import Callable
from pathlib import Path

import pytest

CONLL = """
title: Invented entities
kind: token-classification
languages: [en]
source:
  folder: {data}
  train: train
  validation: validation
  test: test
format:
  conll: {{separator: " ", word: 0, label: 1, scheme: iob1}}
metric: seqeval-f1
choose_on: validation
licence: none
cite: nobody
"""

GOOD = {"train": "Anna I-PER\nruns O\n\nOslo I-LOC\n", "validation": "Oslo I-LOC\n", "test": "Anna I-PER\nruns O\n"}


@pytest.fixture
def write_task(tmp_path: Path) -> Callable[..., Path]:
    """Write a task file called sample and its data; return the folder of task files."""

    def write(text: str = CONLL, files: dict[str, str | bytes] | None = None, **changes: str) -> Path:
        data, tasks = tmp_path / "data", tmp_path / "tasks"
        tasks.mkdir(exist_ok=True)
        for name, content in (GOOD | (files or {})).items():
            path = data / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        text = text.format(data=data)
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        (tasks / "sample.yaml").write_text(text)
        return tasks

    return write


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty HF_HOME, which both libraries use, with the hub out of reach."""
    import datasets
    from huggingface_hub import constants

    found = tmp_path / "home"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(found / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", found / "datasets")
    return found
