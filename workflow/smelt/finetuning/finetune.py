"""`python -m smelt finetune`: fine-tune a model on a task with one seed, and score it on validation and test.

The test split is scored once, after the best epoch has been chosen on the validation split; it chooses nothing.
"""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.cli import add_country, add_gpus, hide_gpus, json_object, seed
from smelt.energy import Account, Meter
from smelt.entry import check
from smelt.errors import SmeltError
from smelt.files import whole_folder, write_json
from smelt.finetuning.grid import choose_cell, describe_grid, has_weights, read_cells, remove_weights, weights_of
from smelt.finetuning.outcome import describe_outcome, print_scores
from smelt.model_folder import refuse_no_model
from smelt.provenance import digest, write_provenance
from smelt.study.finetuning import FinetuningSettings
from smelt.tasks.kinds.base import Examples
from smelt.tasks.prepared_task import read_split, read_task

if TYPE_CHECKING:
    from smelt.training.steps import Limits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--model", type=Path, required=True, help="folder of the model, with its tokenizer")
    parser.add_argument("--task", type=Path, required=True, help="folder of the prepared task")
    parser.add_argument("--seed", type=seed, required=True, help="draws the classifier, the order and dropout")
    parser.add_argument("--settings", type=json_object(), required=True, help="epochs, batch and so on, as JSON")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    add_gpus(parser)
    parser.add_argument("--checkpoints", type=Path, help="folder for checkpoints; by default one beside the output")
    add_limits(parser)
    add_country(parser)
    grid = parser.add_mutually_exclusive_group()
    grid.add_argument("--cell", action="store_true", help="a run of a grid, which tests nothing")
    grid.add_argument("--cells", type=Path, nargs="*", help="folders of a grid's runs: choose the best, and test it")
    parser.add_argument(
        "--weights", type=Path, help="folder where a grid's runs keep their weights until one is chosen"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write")


def run(arguments: argparse.Namespace) -> None:
    """Fine-tune, choose the best epoch, score it, and write metrics, predictions and provenance.

    Of a grid, a run is not tested, and keeps its weights; then the best run is chosen by validation, and tested. It
    is trained again where its weights are gone, as when a study adds a run to a grid that had its choice.
    """
    started = time.monotonic()
    hide_gpus(arguments.gpus)
    task = read_task(arguments.task)
    cells = read_cells(arguments.cells or [], arguments.model.name, task, arguments.seed)
    chosen = choose_cell(cells, task) if cells else None
    settings = chosen.settings if chosen else read_settings(arguments.settings)
    splits = {split: read_split(arguments.task, split, task) for split in ("train", "validation", "test")}
    splits["test"] = choose_tested(splits["test"], arguments.settings.get("tested_on"), arguments.task)
    if arguments.cell:
        del splits["test"]
    refuse_no_model(arguments.model, arguments.model)

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what makes matrix products repeat on a GPU
    from smelt.finetuning.job import FineTuningJob, gpus

    with Meter(arguments.country, gpus()) as meter:
        account = Account(meter, started)
        job = FineTuningJob(arguments.model, task, settings, arguments.seed, arguments.threads)
        identity = job.identity(arguments.task) | {"version": arguments.settings.get("version")}
        with limits_of(arguments, identity, account, started) as limits:
            run_name = digest(identity)
            if chosen and has_weights(arguments.weights, chosen.name, run_name):
                outcome = job.test(splits, weights_of(arguments.weights, chosen.name), chosen.measured)
            else:
                outcome = job.run(splits, limits)
            if chosen:
                outcome.metrics.update(describe_grid(cells, chosen))
            if arguments.cell and arguments.weights:
                job.save_weights(weights_of(arguments.weights, arguments.output.name), run_name)
            used = settings.model_dump() | {"length": job.length}
            metrics = describe_outcome(task, arguments.model.name, arguments.seed, outcome.metrics, used)
            with whole_folder(arguments.output) as draft:
                outcome.write_predictions(draft / "predictions.parquet")
                write_json(draft / "metrics.json", metrics)
                if arguments.settings.get("keep"):
                    job.save(draft / "model")
                settled = used | {"device": job.device, "threads": arguments.threads}
                inputs = {"model": arguments.model, "task": arguments.task}
                inputs |= {f"grid/{cell.name}": cell.folder for cell in cells}
                hours, energy = account.hours, account.energy()
                write_provenance(draft, "finetune", settled, inputs, [arguments.seed], hours, energy)
            limits.checkpoints.remove()
            if chosen:
                remove_weights(arguments.weights)
    if chosen:
        print(f"chosen on validation, of {len(cells)} runs: {chosen.name}")
    print_scores(metrics["scores"], task, splits)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Declare how long the job may take, and how often it keeps its state."""
    parser.add_argument("--checkpoint-minutes", type=float, default=10.0, help="minutes between two checkpoints")
    parser.add_argument("--minutes", type=float, help="time of the job; it keeps a checkpoint before that is over")


@contextmanager
def limits_of(
    arguments: argparse.Namespace, identity: dict[str, Any], account: Account, started: float
) -> Iterator["Limits"]:
    """Yield the limits of a job, with its checkpoints locked; a folder that is left empty is removed.

    Once the job is done, checkpoints of others in that folder are named.

    identity: what a checkpoint must agree on.
    """
    from smelt.training.checkpoints import Checkpoints
    from smelt.training.progress import say
    from smelt.training.steps import Limits

    folder: Path = arguments.checkpoints or arguments.output.with_name(f".{arguments.output.name}.checkpoints")
    try:
        with Checkpoints(folder / digest(identity)[:12], identity) as checkpoints:
            yield Limits(
                checkpoints=checkpoints,
                account=account,
                minutes=arguments.minutes,
                checkpoint_minutes=arguments.checkpoint_minutes,
                started=started,
            )
        for other in sorted(folder.glob("*")):
            say(f"{other}: checkpoints of another seed, other settings or other inputs; remove them if not needed")
    finally:
        with suppress(OSError):
            folder.rmdir()


def choose_tested(test: Examples, languages: list[str] | None, folder: Path) -> Examples:
    """Return the examples of the test split in the languages that the model is tested on; all by default.

    Raises:
        SmeltError: it has none in any of them.
    """
    chosen = test if languages is None else test.among(languages)
    if not len(chosen):
        raise SmeltError(folder / "test.parquet", f"holds no example in {', '.join(languages or [])}")
    return chosen


def read_settings(found: dict[str, Any]) -> FinetuningSettings:
    """Return the settings of `--settings`; `version` is for Snakemake alone.

    `tested_on`, the languages of the test split that count, and `keep` are the command's own.

    Raises:
        SmeltError: a key is not as it should be.
    """
    settings = {key: value for key, value in found.items() if key not in ("version", "tested_on", "keep")}
    return check(FinetuningSettings, settings, "--settings")
