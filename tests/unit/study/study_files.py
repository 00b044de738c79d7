"""A sound study file, for tests that change a key of it."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from smelt.errors import SmeltError
from smelt.study.schema import load_study

SOUND: dict[str, Any] = {
    "study": "small",
    "corpora": {"wiki": {"wikipedia": {"date": "20230501", "languages": ["en", "el"]}}},
    "tokenizers": {"unigram-1k": {"algorithm": "unigram", "vocabulary": 1000, "corpus": "wiki"}},
    "models": {
        "tiny": {
            "maker": "pretrain",
            "architecture": "albert-tiny",
            "tokenizer": "unigram-1k",
            "corpus": "wiki",
            "recipe": "small",
            "settings": {"schedule": {"steps": 10}},
        },
        "mbert": {"maker": "adopt", "hub": "google-bert/bert-base-multilingual-cased", "revision": "3f076fd"},
    },
    "tasks": {"conll2003": {"limit": 100}, "sst2": None},
    "finetuning": {"seeds": [1, 2]},
}


def write(folder: Path, changes: dict[str, Any]) -> Path:
    """Write the sound study with some keys changed; a dotted key reaches into it."""
    study = copy.deepcopy(SOUND)
    for place, value in changes.items():
        *parents, last = place.split("/")
        part = study
        for parent in parents:
            part = part[parent]
        part[last] = value
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def complaint(path: Path) -> str:
    with pytest.raises(SmeltError) as caught:
        load_study(path)
    return str(caught.value)
