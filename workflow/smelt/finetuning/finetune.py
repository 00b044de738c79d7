"""`python -m smelt finetune`: fine-tune a model on a task with one seed, and score it on validation and test.

The test split is scored once, after the best epoch has been chosen on the validation split; it chooses nothing.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from smelt.energy import Meter
from smelt.entry import check
from smelt.errors import SmeltError
from smelt.files import whole_folder, write_json
from smelt.finetuning.data import Examples, read_split, read_task
from smelt.finetuning.outcome import described, tell
from smelt.flags import add_country, add_gpus, hide_gpus, json_object, seed
from smelt.provenance import write_provenance
from smelt.study.schema import Finetuning


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--model", type=Path, required=True, help="folder of the model, with its tokenizer")
    parser.add_argument("--task", type=Path, required=True, help="folder of the prepared task")
    parser.add_argument("--seed", type=seed, required=True, help="draws the classifier, the order and dropout")
    parser.add_argument("--settings", type=json_object(), required=True, help="epochs, batch and so on, as JSON")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    add_gpus(parser)
    add_country(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder to write")


def run(arguments: argparse.Namespace) -> None:
    """Fine-tune, choose the best epoch, score it, and write metrics, predictions and provenance."""
    started = time.monotonic()
    hide_gpus(arguments.gpus)
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
    used = settings.model_dump(exclude={"seeds"}) | {"length": job.length}
    metrics = described(task, arguments.model.name, arguments.seed, outcome.metrics, used)
    with whole_folder(arguments.output) as draft:
        outcome.write_predictions(draft / "predictions.parquet", splits["test"])
        write_json(draft / "metrics.json", metrics)
        if arguments.settings.get("keep"):
            job.save(draft / "model")
        settled = used | {"device": job.device, "threads": arguments.threads}
        inputs = {"model": arguments.model, "task": arguments.task}
        hours = (time.monotonic() - started) / 3600
        write_provenance(draft, "finetune", settled, inputs, [arguments.seed], hours, meter.reading())
    tell(metrics["scores"], task, splits)


def tested(test: Examples, languages: list[str] | None, folder: Path) -> Examples:
    """Return the examples of the test split in the languages that the model is tested on; all by default.

    Raises:
        SmeltError: it has none in any of them.
    """
    chosen = test if languages is None else test.among(languages)
    if not len(chosen):
        raise SmeltError(folder / "test.parquet", f"holds no example in {', '.join(languages or [])}")
    return chosen


def read_settings(found: dict[str, Any]) -> Finetuning:
    """Return the settings of `--settings`; the seed has its own flag, and `version` is for Snakemake's eyes.

    `tested_on`, the languages of the test split that count, and `keep` are the command's own.

    Raises:
        SmeltError: a key is not as it should be.
    """
    settings = {key: value for key, value in found.items() if key not in ("version", "tested_on", "keep")}
    return check(Finetuning, settings | {"seeds": [0]}, "--settings")
