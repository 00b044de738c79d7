"""Correlate the pieces of words with their errors over several models together (mALBERT, section 3.3).

The file written holds for each task of at least two models:

    models        their names
    correlations  rows of each population: see smelt.measurement.correlations.correlate_over_models
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from smelt.cli import KeyValues, PathList, add_examples
from smelt.errors import SmeltError
from smelt.files import write_json
from smelt.measurement.correlations import correlate_over_models
from smelt.measurement.tokenisation import read_labels
from smelt.measurement.words import read_words
from smelt.report.significance import Significance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the files read and written."""
    parser.add_argument(
        "--predictions",
        action=PathList,
        nargs="+",
        required=True,
        help="<model>/<task>/seed-<n>/predictions.parquet of all models, tasks and seeds; or @FILE, a path a line",
    )
    parser.add_argument("--tasks", type=Path, nargs="+", required=True, help="folders with task.json")
    parser.add_argument(
        "--settings",
        action=KeyValues,
        kind=Significance,
        required=True,
        help="confidence, resamples and seed of intervals",
    )
    parser.add_argument("--output", type=Path, required=True, help="JSON to write")
    add_examples(
        parser,
        "--predictions a.parquet b.parquet --tasks conll2003 --settings seed=1 --output pooled.json",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the correlations over models of each task."""
    files: dict[str, dict[str, list[Path]]] = {}
    for path in arguments.predictions:
        files.setdefault(path.parents[1].name, {}).setdefault(path.parents[2].name, []).append(path)
    folders = {read_labels(folder).name: folder for folder in arguments.tasks}
    if missing := [task for task in files if task not in folders]:
        raise SmeltError("--tasks", f"hold no folder of the task {missing[0]!r}")
    found = {task: pool(models, folders[task], arguments.settings) for task, models in files.items() if len(models) > 1}
    write_json(arguments.output, found)
    for task, pooled in found.items():
        print(f"{task}: the words of {', '.join(pooled['models'])} correlated together")


def pool(files: Mapping[str, Sequence[Path]], folder: Path, settings: Significance) -> dict[str, Any]:
    """Return the correlations over some models on one task, each with the predictions of its seeds.

    Raises:
        SmeltError: a file is missing, or two models read other words.
    """
    words = {model: read_words(list(paths)) for model, paths in files.items()}
    _check_alignment(words)
    whole = {model: frame[frame["pieces"] > 0] for model, frame in words.items()}
    return {"models": list(words), "correlations": correlate_over_models(whole, read_labels(folder).spans, settings)}


def _check_alignment(words: Mapping[str, pd.DataFrame]) -> None:
    (reference, first), *others = words.items()
    shared = ["sentence", "language", "word", "gold"]
    for model, frame in others:
        if not frame[shared].equals(first[shared]):
            found = f"hold other words or gold labels than those of {reference}"
            raise SmeltError(f"predictions of {model}", f"{found}: expected predictions on one and the same test split")
