"""Data sets in the layout of the hub's cache, and tasks that read them."""

from collections.abc import Callable
from pathlib import Path

from smelt.__main__ import main

REVISION, OTHER = "3cbb74c7948eba5f890d2e97120088b0cea5ab76", "c0ffee" + "0" * 34
SENTIMENT = f"""
title: Invented sentiment
kind: sequence-classification
languages: [en]
source:
  hub: SetFit/sst5
  revision: {REVISION}
  train: {{{{split: train}}}}
  validation: {{{{split: validation}}}}
  test: {{{{split: test}}}}
format:
  columns: {{{{text: text, label: label_text}}}}
metric: accuracy
licence: none
cite: nobody
"""


def snapshot(home: Path, revision: str = REVISION, repository: str = "unimelb-nlp/wikiann") -> Path:
    """Return the folder in which the hub's cache keeps a commit of a data set."""
    found = home / "hub" / f"datasets--{repository.replace('/', '--')}" / "snapshots" / revision
    found.mkdir(parents=True, exist_ok=True)
    return found


def prepare(write_task: Callable[..., Path], output: Path, text: str, **changes: str) -> int:
    tasks = write_task(text, **changes)
    return main(["task", "--name", "sample", "--folder", str(tasks), "--output", str(output)])
