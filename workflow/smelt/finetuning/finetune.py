"""`smelt job finetune`: fine-tune a model on a task with one or more seeds, and score it on validation and test.

The test split is scored once, after the best weights have been chosen on the validation split; it chooses nothing.

Several runs of one model and task share the libraries, the tokenizer and the task's windows, one run after the other:
each gives what it gives alone. Each keeps its result with its checkpoints until all are done, so that a job which is
stopped goes on with the run that was under way.
"""

import argparse
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.cli import KeyValues, add_country, add_examples, add_gpus, hide_gpus, seed
from smelt.energy import Account, Meter
from smelt.entry import check
from smelt.errors import SmeltError
from smelt.files import read_json, whole_folder, write_json
from smelt.finetuning.grid import (
    GridCell,
    choose_cell,
    describe_grid,
    has_weights,
    read_cells,
    remove_weights,
    weights_of,
)
from smelt.finetuning.outcome import FinetuningOutcome, describe_outcome, print_scores
from smelt.model_folder import refuse_no_model
from smelt.provenance import digest, sha256_of, write_provenance
from smelt.study.finetuning import FinetuningGrid, FinetuningSettings
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Examples
from smelt.tasks.prepared_task import read_split, read_task, splits_of

if TYPE_CHECKING:
    from smelt.finetuning.job import FinetuningInputs, FineTuningJob
    from smelt.training.steps import Limits

COMMANDS_OWN = ("version", "tested_on", "keep")
"""Keys of `--settings` beside those of runs: `version` is for Snakemake alone, `tested_on` the languages of the test
split that count, `keep` whether the weights stay."""
FINISHED = ".finished"
"""Ends the name of a result that waits for those of other runs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's flags."""
    parser.add_argument("--model", type=Path, required=True, help="folder of the model, with its tokenizer")
    parser.add_argument("--task", type=Path, required=True, help="folder of the prepared task")
    parser.add_argument(
        "--seed", type=seed, nargs="+", required=True, help="draws classifier, order and dropout; a run for each"
    )
    parser.add_argument("--settings", action=KeyValues, required=True, help="epochs, batch and so on")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    add_gpus(parser)
    parser.add_argument(
        "--checkpoints",
        type=Path,
        help="folder for the checkpoints of each run, under its output's name; by default one beside the output",
    )
    add_limits(parser)
    add_country(parser)
    grid = parser.add_mutually_exclusive_group()
    grid.add_argument("--cell", nargs="+", help="names of runs of the grid that the settings are, which test nothing")
    grid.add_argument("--cells", type=Path, nargs="*", help="folders of a grid's runs: choose the best, and test it")
    parser.add_argument(
        "--weights",
        type=Path,
        nargs="*",
        default=[],
        help="folder where the runs of a grid keep their weights until one is chosen; without --cell it is removed, and"
        " may be one for each seed that had a grid before",
    )
    parser.add_argument("--output", type=Path, nargs="+", required=True, help="folder to write, one for each run")
    add_examples(
        parser,
        "--model mbert --task sst2 --seed 1 2 3 --settings epochs=3 batch=16 --output seed-1 seed-2 seed-3",
    )


@dataclass(frozen=True)
class RequestedRun:
    """A run that the command is asked for."""

    seed: int
    settings: FinetuningSettings
    output: Path
    checkpoints: Path


def run(arguments: argparse.Namespace) -> None:
    """Fine-tune, choose the best weights, score them, and write metrics, predictions and provenance of each run.

    Of a grid, a run is not tested, and keeps its weights; then the best run is chosen by validation, and tested. It
    is trained again where its weights are gone, as when a study adds a run to a grid that had its choice.
    """
    started = time.monotonic()
    hide_gpus(arguments.gpus)
    task = read_task(arguments.task)
    cells = read_cells(arguments.cells or [], arguments.model.name, task, arguments.seed[0])
    chosen = choose_cell(cells, task) if cells else None
    runs = list_runs(arguments, chosen)
    names = splits_of(arguments.task, learns=runs[0].settings.epochs > 0)
    splits = {split: read_split(arguments.task, split, task) for split in names}
    splits["test"] = choose_tested(splits["test"], arguments.settings.get("tested_on"), arguments.task)
    if arguments.cell:
        del splits["test"]
    refuse_no_model(arguments.model, arguments.model)

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # what makes matrix products repeat on a GPU
    inputs = open_inputs(arguments.model, arguments.task, splits, runs[0].settings)
    FinetuneCommand(arguments, inputs, cells, chosen, started).make_all(runs)
    if not arguments.cell:
        for folder in arguments.weights:
            remove_weights(folder)
    if chosen:
        print(f"chosen on validation, of {len(cells)} runs: {chosen.name}")


class FinetuneCommand:
    """Makes the runs that the command is asked for."""

    def __init__(
        self,
        arguments: argparse.Namespace,
        inputs: "FinetuningInputs",
        cells: list[GridCell],
        chosen: GridCell | None,
        started: float,
    ) -> None:
        """Take the flags, what the runs share, the runs of a grid and the chosen one, and when the command began."""
        self.arguments, self.inputs, self.cells, self.chosen = arguments, inputs, cells, chosen
        self.started = self.began = started

    def make_all(self, runs: list[RequestedRun]) -> None:
        """Make the runs; results of several wait with their checkpoints until all are done."""
        from smelt.training.progress import say

        finished = [run.checkpoints / f"{self._result_name(run)}{FINISHED}" for run in runs]
        for number, (requested, folder) in enumerate(zip(runs, finished, strict=True), 1):
            if len(runs) > 1:
                say(f"run {number} of {len(runs)}: {requested.output.name}, seed {requested.seed}")
            if folder.is_dir():
                say("is finished already")
                self._print(read_json(folder / "metrics.json"))
            else:
                self.make(requested, folder if len(runs) > 1 else requested.output)
        for requested, folder in zip(runs, finished, strict=True):
            if folder.is_dir():
                with whole_folder(requested.output) as draft:
                    shutil.copytree(folder, draft, copy_function=link_or_copy, dirs_exist_ok=True)
        for requested in runs:
            for folder in requested.checkpoints.glob(f"*{FINISHED}"):  # those of other settings, too
                shutil.rmtree(folder)
            remove_empty(requested.checkpoints, self.arguments.checkpoints)

    def make(self, requested: RequestedRun, folder: Path) -> None:
        """Make a run, and write its result into a folder."""
        from smelt.finetuning.job import gpus

        arguments = self.arguments
        with Meter(arguments.country, gpus()) as meter:
            account = Account(meter, self.began)
            job = self.inputs.job(requested.settings, requested.seed, arguments.threads)
            identity = job.identity | {"version": arguments.settings.get("version")}
            with limits_of(requested.checkpoints, identity, arguments, account, self.started) as limits:
                outcome = self._learn(job, digest(identity), limits)
                if arguments.cell and arguments.weights:
                    job.save_weights(weights_of(arguments.weights[0], requested.output.name), digest(identity))
                metrics = describe_outcome(
                    self.inputs.task, arguments.model.name, requested.seed, outcome.metrics, job.used
                )
                with whole_folder(folder) as draft:
                    outcome.write_predictions(draft / "predictions.parquet")
                    write_json(draft / "metrics.json", metrics)
                    if arguments.settings.get("keep"):
                        self._keep(job, draft / "model", metrics)
                    self._write_provenance(draft, job, account)
                limits.checkpoints.remove()
        remove_empty(arguments.checkpoints)
        self.began = time.monotonic()
        self._print(metrics)

    def _learn(self, job: "FineTuningJob", run_name: str, limits: "Limits") -> FinetuningOutcome:
        """Return what the run, or the chosen one of a grid, scores."""
        folder, chosen = next(iter(self.arguments.weights), None), self.chosen
        if chosen and folder and has_weights(folder, chosen.name, run_name):
            outcome = job.test(weights_of(folder, chosen.name), chosen.measured)
        else:
            outcome = job.run(limits)
        if chosen:
            outcome.metrics.update(describe_grid(self.cells, chosen))
        return outcome

    def _keep(self, job: "FineTuningJob", folder: Path, metrics: dict[str, Any]) -> None:
        from smelt.finetuning.card import write_finetuned_card

        job.save(folder)
        name = f"{self.arguments.model.name}-{self.inputs.task.name}-seed-{job.seed}"
        write_finetuned_card(folder, name, self.arguments.model.name, self.inputs.task, metrics)

    def _write_provenance(self, draft: Path, job: "FineTuningJob", account: Account) -> None:
        settled = job.used | {"device": job.device, "threads": self.arguments.threads}
        made_from = {"model": self.arguments.model, "task": self.arguments.task}
        made_from |= {f"grid/{cell.name}": cell.folder for cell in self.cells}
        write_provenance(draft, "finetune", settled, made_from, [job.seed], account.hours, account.energy())

    def _print(self, metrics: dict[str, Any]) -> None:
        print_scores(metrics["scores"], self.inputs.task, self.inputs.splits)

    def _result_name(self, requested: RequestedRun) -> str:
        """Return a name that only results of the same settings and inputs have."""
        settings = {key: self.arguments.settings.get(key) for key in COMMANDS_OWN} | requested.settings.model_dump()
        own = [settings, requested.seed, self.inputs.length, self.inputs.identity]
        return digest([*own, sha256_of(self.arguments.task / "test.parquet")])[:12]


def open_inputs(
    folder: Path, prepared: Path, splits: dict[str, Examples], settings: FinetuningSettings
) -> "FinetuningInputs":
    """Return a model and a task for the runs of a command: a classifier's, or an embedding model's.

    Raises:
        SmeltError: one of them does not load, or they do not go together, or not with the settings.
    """
    if kind_of(read_task(prepared)).embeds:
        from smelt.finetuning.embedding import EmbeddingInputs  # sentence-transformers takes seconds to load

        return EmbeddingInputs(folder, prepared, splits, settings)
    if settings.epochs == 0:
        raise SmeltError("--settings", "epochs is 0, but the task needs a classifier, which has to be learnt")
    from smelt.finetuning.job import FinetuningInputs

    return FinetuningInputs(folder, prepared, splits, settings.length)


def list_runs(arguments: argparse.Namespace, chosen: GridCell | None) -> list[RequestedRun]:
    """Return the runs that the flags ask for: one for each seed, or for each named run of a grid with one seed.

    Raises:
        SmeltError: the flags do not go together, or the settings are not as they should be.
    """
    grid = read_settings(arguments.settings)
    if (arguments.cell or chosen) and len(arguments.seed) > 1:
        raise SmeltError("--seed", f"expected one seed for the runs of a grid, found {len(arguments.seed)}")
    if arguments.cell:
        if unknown := [name for name in arguments.cell if name not in grid.cells]:
            raise SmeltError("--cell", f"the grid has no run {unknown[0]!r}: expected some of {', '.join(grid.cells)}")
        asked = [(arguments.seed[0], grid.cells[name]) for name in arguments.cell]
    elif chosen:
        asked = [(arguments.seed[0], chosen.settings)]
    elif len(grid.cells) > 1:
        raise SmeltError("--settings", f"is a grid of {len(grid.cells)} runs: name some with --cell")
    else:
        asked = [(each, *grid.cells.values()) for each in arguments.seed]
    if len(arguments.output) != len(asked):
        raise SmeltError("--output", f"expected a folder for each of {len(asked)} runs, found {len(arguments.output)}")
    kept = arguments.checkpoints
    return [
        RequestedRun(*each, output, kept / output.name if kept else output.with_name(f".{output.name}.checkpoints"))
        for each, output in zip(asked, arguments.output, strict=True)
    ]


def read_settings(found: dict[str, Any]) -> FinetuningGrid:
    """Return the settings of `--settings`, without the command's own keys.

    Raises:
        SmeltError: a key is not as it should be.
    """
    settings = {key: value for key, value in found.items() if key not in COMMANDS_OWN}
    return check(FinetuningGrid, settings, "--settings")


def add_limits(parser: argparse.ArgumentParser) -> None:
    """Declare how long the job may take, and how often it keeps its state."""
    parser.add_argument("--checkpoint-minutes", type=float, default=10.0, help="minutes between two checkpoints")
    parser.add_argument("--minutes", type=float, help="time of the job; it keeps a checkpoint before that is over")


@contextmanager
def limits_of(
    folder: Path, identity: dict[str, Any], arguments: argparse.Namespace, account: Account, started: float
) -> Iterator["Limits"]:
    """Yield the limits of a run, with its checkpoints locked; a folder that is left empty is removed.

    Once the run is done, checkpoints of others in that folder are named.

    Args:
        folder: for its checkpoints.
        identity: what a checkpoint must agree on.
        arguments: the flags of `add_limits`.
        account: counts the run's time and energy.
        started: when the job began.
    """
    from smelt.training.checkpoints import Checkpoints
    from smelt.training.progress import say
    from smelt.training.steps import Limits, end_of

    end = end_of(arguments.minutes, started)
    try:
        with Checkpoints(folder / digest(identity)[:12], identity, wait_until=end) as checkpoints:
            yield Limits(
                checkpoints=checkpoints,
                account=account,
                minutes=arguments.minutes,
                checkpoint_minutes=arguments.checkpoint_minutes,
                started=started,
            )
        for other in sorted(path for path in folder.glob("*") if path.suffix != FINISHED):
            say(f"{other}: checkpoints of another seed, other settings or other inputs; remove them if not needed")
    finally:
        remove_empty(folder)


def link_or_copy(source: str, target: str) -> None:
    """Give a file a second name, or copy it where that is on another file system."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def remove_empty(*folders: Path | None) -> None:
    """Remove folders that are empty, one after the other."""
    for folder in folders:
        if folder is not None:
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
