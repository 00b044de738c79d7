"""`python -m smelt finetune`: fine-tune a model on a task with one seed, and score it on validation and test.

The test split is scored once, after the best epoch has been chosen on the validation split; it chooses nothing.
"""

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.energy import Energy, Meter
from smelt.errors import SmeltError
from smelt.files import whole_folder, write_json
from smelt.finetuning.data import Examples, Task, read_split, read_task
from smelt.finetuning.metrics import OWN
from smelt.finetuning.settings import read_settings
from smelt.flags import add_country, json_object, seed
from smelt.provenance import write_provenance


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--model", type=Path, required=True, help="folder of the model, with its tokenizer")
    parser.add_argument("--task", type=Path, required=True, help="folder of the prepared task")
    parser.add_argument("--seed", type=seed, required=True, help="draws the classifier, the order and dropout")
    parser.add_argument("--settings", type=json_object(), required=True, help="epochs, batch and so on, as JSON")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    add_country(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder to write")


def run(arguments: argparse.Namespace) -> None:
    """Fine-tune, choose the best epoch, score it, and write metrics, predictions and provenance."""
    started = time.monotonic()
    settings = read_settings(arguments.settings)
    task = read_task(arguments.task)
    splits = {split: read_split(arguments.task, split, task) for split in ("train", "validation", "test")}
    splits["test"] = tested(splits["test"], arguments.settings.get("tested_on"), arguments.task)
    if not (arguments.model / "config.json").is_file():
        raise SmeltError(arguments.model, "no model is in this folder: config.json is missing")

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what makes matrix products repeat on a GPU
    from smelt.finetuning.job import Job, gpus

    with Meter(arguments.country, gpus()) as meter:
        job = Job(arguments.model, task, settings, arguments.seed, arguments.threads)
        outcome = job.run(splits)
    record = _Record(arguments, settings.model_dump(exclude={"seeds"}) | {"length": job.length})
    metrics = record.metrics(task, outcome.metrics)
    with whole_folder(arguments.output) as draft:
        outcome.write_predictions(draft / "predictions.parquet", splits["test"])
        write_json(draft / "metrics.json", metrics)
        if arguments.settings.get("keep"):
            job.save(draft / "model")
        record.write_provenance(draft, job.device, (time.monotonic() - started) / 3600, meter.reading())
    _tell(metrics, task, splits)


def tested(test: Examples, languages: list[str] | None, folder: Path) -> Examples:
    """Return the examples of the test split in the languages that the model is tested on; all by default.

    Raises:
        SmeltError: it has none in any of them.
    """
    chosen = test if languages is None else test.among(languages)
    if not len(chosen):
        raise SmeltError(folder / "test.parquet", f"holds no example in {', '.join(languages or [])}")
    return chosen


@dataclass(frozen=True)
class _Record:
    """What a run is told apart by, in metrics.json and provenance.json."""

    arguments: argparse.Namespace
    settings: dict[str, Any]

    def metrics(self, task: Task, measured: dict[str, Any]) -> dict[str, Any]:
        names = {"model": self.arguments.model.name, "task": task.name, "seed": self.arguments.seed}
        what = {"kind": task.kind, "metric": task.metric, "setting": task.setting, "average": task.average}
        return names | what | measured | {"settings": self.settings}

    def write_provenance(self, folder: Path, device: str, hours: float, energy: Energy | None) -> None:
        settings = self.settings | {"device": device, "threads": self.arguments.threads}
        inputs = {"model": self.arguments.model, "task": self.arguments.task}
        write_provenance(folder, "finetune", settings, inputs, [self.arguments.seed], hours, energy)


def _tell(metrics: dict[str, Any], task: Task, splits: dict[str, Examples]) -> None:
    name = OWN[task.metric]
    for entry in metrics["scores"]:
        if entry["metric"] == name:
            count = splits[entry["split"]].languages.count(entry["language"]) or len(splits[entry["split"]])
            print(f"{entry['split']}: {entry['language']}: {name} {entry['value']:.4f} ({count})")
