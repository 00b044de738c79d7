"""`smelt job evaluate`: score a fine-tuned model whose pieces were reduced, without any more training.

IN   the reduced model with its classifier; the prepared task; metrics.json of the fine-tuning that it comes from
OUT  metrics.json, predictions.parquet and provenance.json, as fine-tuning writes them

How the weights were learnt is taken over from the fine-tuning: seed, settings, epochs. Scores and counts are of the
model itself.
"""

import argparse
import os
import time
from pathlib import Path
from typing import Any

from smelt.cli import add_country, add_examples, add_gpus, hide_gpus, positive
from smelt.energy import Account, Meter
from smelt.entry import check
from smelt.errors import SmeltError
from smelt.files import read_json, write_json
from smelt.finetuning.finetune import choose_tested, open_inputs
from smelt.finetuning.outcome import describe_outcome, print_scores
from smelt.model_folder import refuse_no_model
from smelt.provenance import write_provenance
from smelt.study.finetuning import FinetuningSettings
from smelt.tasks.prepared_task import read_split, read_task, splits_of

OWN = ("model", "task", "seed", "kind", "metric", "setting", "average", "scores", "details", "counts", "settings")
"""Keys of metrics.json that are not how the weights were learnt."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--model", type=Path, required=True, help="folder of the model, with its classifier")
    parser.add_argument("--name", required=True, help="the model's name in metrics.json")
    parser.add_argument("--task", type=Path, required=True, help="folder of the prepared task")
    parser.add_argument(
        "--metrics", type=Path, required=True, help="metrics.json of the fine-tuning that it comes from"
    )
    parser.add_argument("--tested-on", nargs="*", default=[], help="languages of the test split that count (all)")
    parser.add_argument("--threads", type=positive, default=1, help="CPU threads")
    add_gpus(parser)
    add_country(parser)
    parser.add_argument(
        "--output", type=Path, required=True, help="folder to write metrics, predictions and so on into"
    )
    add_examples(
        parser,
        "--model mbert-sw --name mbert-sw --task masakhaner-sw --metrics metrics.json --output seed-1",
    )


def run(arguments: argparse.Namespace) -> None:
    """Score the model on validation and test."""
    started = time.monotonic()
    hide_gpus(arguments.gpus)
    task, learnt = read_task(arguments.task), read_json(arguments.metrics)
    seed, settings = _learning(arguments.metrics, learnt, task.name)
    names = splits_of(arguments.task, learns=settings.epochs > 0)
    splits = {split: read_split(arguments.task, split, task) for split in names}
    splits["test"] = choose_tested(splits["test"], arguments.tested_on or None, arguments.task)
    refuse_no_model(arguments.model, arguments.model)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from smelt.finetuning.job import gpus
    from smelt.finetuning.model import refuse_other_labels

    if task.labels:
        refuse_other_labels(arguments.model, task)
    with Meter(arguments.country, gpus()) as meter:
        account = Account(meter, started)
        inputs = open_inputs(arguments.model, arguments.task, splits, settings)
        job = inputs.job(settings, seed, arguments.threads)
        measured = {key: value for key, value in learnt.items() if key not in OWN} | inputs.words
        outcome = job.test(arguments.model / "model.safetensors", measured)
        metrics = describe_outcome(task, arguments.name, seed, outcome.metrics, job.used)
        arguments.output.mkdir(parents=True, exist_ok=True)  # the model stands there already, made by another job
        (arguments.output / "metrics.json").unlink(missing_ok=True)  # those of another time, if this one is cut off
        used = {"tested_on": arguments.tested_on, "device": job.device, "threads": arguments.threads}
        made_from = {"model": arguments.model, "task": arguments.task, "metrics": arguments.metrics}
        write_provenance(arguments.output, "evaluate", used, made_from, [seed], account.hours, account.energy())
        outcome.write_predictions(arguments.output / "predictions.parquet")
        write_json(arguments.output / "metrics.json", metrics)  # last, as what says that all is there
    print_scores(metrics["scores"], task, splits)


def _learning(path: Path, learnt: dict[str, Any], task: str) -> tuple[int, FinetuningSettings]:
    """Return the seed and settings of a fine-tuning on a task.

    Raises:
        SmeltError: the file is not of a fine-tuning, or of one on another task.
    """
    if not isinstance(learnt.get("settings"), dict) or not isinstance(learnt.get("seed"), int):
        raise SmeltError(path, "expected the metrics.json of a fine-tuning, with its seed and settings")
    if learnt.get("task") != task:
        raise SmeltError(path, f"is of a fine-tuning on {learnt.get('task')!r}; expected {task!r}")
    settings = check(FinetuningSettings, learnt["settings"], path)
    return learnt["seed"], settings.model_copy(update={"pooling": None})  # what was learnt has modules of its own
