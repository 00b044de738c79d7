"""Gather the scores of all fine-tuned models into one tidy file.

The runs to read are those the study names, not those that lie in the folder: a run left over from an earlier
version of the study stays out of the tables.
"""

import argparse
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.flags import json_object
from smelt.report.lost_blanks import refuse_lost_blanks
from smelt.report.reading import write_csv

COLUMNS = ["model", "task", "language", "setting", "seed", "split", "metric", "value"]
# Fine-tuned and tested on the same languages; a task file names its other settings, such as transfer.
STANDARD = "standard"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--finetuned", type=Path, required=True, help="folder of the fine-tuned models")
    parser.add_argument(
        "--settings",
        type=json_object("runs", "seeds"),
        required=True,
        help='JSON: {"runs": {model: [task, ...]}, "seeds": [seed, ...]}',
    )
    parser.add_argument("--output", type=Path, required=True, help="scores.csv")


def run(arguments: argparse.Namespace) -> None:
    """Write scores.csv: a row for each model, task, language, seed, split and metric."""
    scores = gather(arguments.finetuned, arguments.settings)
    write_csv(arguments.output, scores)
    print(f"{len(scores)} scores of {scores[['model', 'task', 'seed']].drop_duplicates().shape[0]} runs")


def gather(finetuned: Path, settings: dict[str, Any]) -> pd.DataFrame:
    """Return the scores of the runs that `settings` names, with the columns COLUMNS.

    Raises:
        SmeltError: a run is missing, is not the one its folder names, or gives a score twice or not as a number; or
            earlier versions cut its words wrongly.
    """
    runs = [
        (model, task, seed) for model, tasks in settings["runs"].items() for task in tasks for seed in settings["seeds"]
    ]
    paths = {run: finetuned / run[0] / run[1] / f"seed-{run[2]}" / "metrics.json" for run in runs}
    metrics = {run: read_json(path) for run, path in paths.items()}
    rows = [row for run in runs for row in _scores_of(paths[run], metrics[run], run)]
    refuse_lost_blanks(finetuned, ((model, task, found) for (model, task, _), found in metrics.items()))
    return pd.DataFrame(rows, columns=COLUMNS)


def _scores_of(path: Path, metrics: dict[str, Any], expected: tuple[str, str, int]) -> Iterator[tuple[Any, ...]]:
    _check_run(path, metrics, expected)
    model, task, seed = expected
    setting = metrics.get("setting", STANDARD)
    seen: set[tuple[str, str, str]] = set()
    for score in metrics["scores"]:
        key = _key(path, score)
        if key in seen:
            raise SmeltError(path, f"gives a score twice: {' '.join(key)}")
        seen.add(key)
        split, language, metric = key
        yield model, task, language, setting, seed, split, metric, _value(path, key, score.get("value"))


def _check_run(path: Path, metrics: dict[str, Any], expected: tuple[str, str, int]) -> None:
    for part in ("model", "task", "seed", "scores"):
        if part not in metrics:
            raise SmeltError(path, f"has no {part!r}: expected the metrics of a fine-tuned model")
    found = (metrics["model"], metrics["task"], metrics["seed"])
    if found != expected:
        names = [f"{model} on {task} with seed {seed}" for model, task, seed in (found, expected)]
        raise SmeltError(path, f"holds the scores of {names[0]}; expected {names[1]}. Delete it and run again")
    scores = metrics["scores"]
    if not isinstance(scores, list) or not scores or not all(isinstance(score, dict) for score in scores):
        raise SmeltError(path, "gives no scores: expected a list of split, language, metric and value")


def _key(path: Path, score: dict[str, Any]) -> tuple[str, str, str]:
    for part in ("split", "language", "metric"):
        if not isinstance(score.get(part), str):
            raise SmeltError(path, f"a score has no {part!r}: {json.dumps(score)}")
    return score["split"], score["language"], score["metric"]


def _value(path: Path, key: tuple[str, str, str], value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SmeltError(path, f"{' '.join(key)} is {value!r}: expected a number")
    return float(value)
