"""One training job, in each of its processes: blocks, checkpoints, model, objective, batches and outputs.

A maker's plan chooses the model, the objective and what is written. The loop is smelt.training.loop.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from smelt.allocator import keep_freed_memory
from smelt.energy import Account, Meter
from smelt.errors import SmeltError
from smelt.study.makers.trained import TrainingSettings
from smelt.training.blocks import FEW_SEGMENTED, TokenBlocks, count_segmentable
from smelt.training.checkpoints import Checkpoints
from smelt.training.data import Batches
from smelt.training.distributed import Processes, join_processes
from smelt.training.loop import train
from smelt.training.objectives import Objective
from smelt.training.pieces import Pieces, load_tokenizer, pieces_of
from smelt.training.progress import Gauges, gauges_of, say
from smelt.training.recipes import DataSettings, Recipe
from smelt.training.run import Outcome, Run
from smelt.training.speed import is_emulated
from smelt.training.steps import end_of

Blocks = dict[str, list[TokenBlocks]]
"""The blocks of each split, one entry a language."""


@dataclass(frozen=True)
class TrainingJob:
    """The data to train on, and the files to write."""

    blocks: list[Path]
    """Block folders, one a language."""
    tokenizer: Path
    """Folder of the tokenizer, or of a model with one."""
    checkpoints: Path
    """Folder for checkpoints of all runs."""
    curve: Path
    output: Path
    minutes: float | None = None
    """Time of the job."""
    country: str | None = None
    """Where it runs, ISO 3166-1 alpha-3."""


@dataclass(frozen=True)
class Trainable:
    """A model and its objective."""

    model: Any
    objective: Objective
    extra_flops: float = 0.0
    """Floating-point operations a token, in addition to those of training the model."""


class TrainingPlan(Protocol):
    """The decisions of a maker about a training."""

    @property
    def settings(self) -> TrainingSettings:
        """All that decides the model's weights, apart from blocks and tokenizer."""

    def identity(self, recipe: Recipe) -> dict[str, Any]:
        """Return what a checkpoint must agree on, apart from blocks and tokenizer, under a recipe of known length."""

    def check(self, recipe: Recipe, blocks: Blocks) -> None:
        """Raise a SmeltError if it cannot train on these blocks."""

    def begin(self, recipe: Recipe, pieces: Pieces, device: torch.device) -> Trainable:
        """Return the model and its objective; torch's generator is seeded already."""

    def write(self, output: Path, model: Any, blocks: Sequence[TokenBlocks], recipe: Recipe, outcome: Outcome) -> None:
        """Write the model's folder."""


def run_job(job: TrainingJob, maker: TrainingPlan) -> None:
    """Make a model, in this process and in those that were started with it.

    Raises:
        SmeltError: as `make` does.
    """
    with join_processes() as (processes, device):
        prepare(device)
        gpus = [device.index or 0] if device.type == "cuda" else []
        try:
            with Meter(job.country, gpus, int(os.environ.get("LOCAL_RANK", "0"))) as meter:
                make(job, maker, processes, device, meter)
        except SmeltError as error:
            if error.of_all:
                if processes.first:
                    print(f"smelt: {error}", file=sys.stderr, flush=True)
                error.reported = True
                processes.wait()  # torchrun ends all when one has ended, reported or not
            raise


def prepare(device: torch.device) -> None:
    """Make a GPU repeat itself bit for bit, where torch can, and a CPU keep the memory that steps take and free."""
    if device.type == "cpu":
        keep_freed_memory()
        os.environ.setdefault(
            "DS_ACCELERATOR", "cpu"
        )  # otherwise DeepSpeed, if installed, warns that it found no other
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        os.environ.setdefault("FLASH_ATTENTION_DETERMINISTIC", "1")
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # for nothing


def make(job: TrainingJob, maker: TrainingPlan, processes: Processes, device: torch.device, meter: Meter) -> None:
    """Train a model and write its folder; resume from a checkpoint of the same settings and inputs if there is one.

    Every process of the job calls it; the first one writes.

    Raises:
        SmeltError: blocks do not fit the tokenizer or are damaged, the plan refuses them, or as
            smelt.training.loop.train does.
    """
    started = time.monotonic()
    settings = maker.settings
    refuse_uneven(settings.recipe, processes)
    pieces, blocks = processes.agree(lambda: open_data(job.blocks, job.tokenizer, settings.recipe.data, processes))
    recipe = processes.agree(lambda: recipe_for_blocks(settings.recipe, blocks["train"]))
    processes.agree(lambda: maker.check(recipe, blocks))
    identity = processes.agree(lambda: maker.identity(recipe)) | data_identity(blocks, pieces)
    folder = job.checkpoints / f"{job.output.name}-{digest(identity)}"
    end = end_of(job.minutes, started)
    with Checkpoints(folder, identity, processes, recipe.checkpoints.keep, wait_until=end) as kept:
        if processes.first:
            print_plan(recipe, blocks["train"], processes, device)
        torch.manual_seed(settings.seed)
        trained = processes.agree(lambda: maker.begin(recipe, pieces, device))
        batches = Batches(blocks["train"], blocks["validation"], pieces, recipe, settings, settings.seed, processes)
        gauges = gauges_beside(trained, gauges_of(trained.model, recipe, device, processes))
        events = events_beside(job.curve)
        run = Run(
            checkpoints=kept,
            account=Account(meter, gather=processes.gather),
            minutes=job.minutes,
            started=started,
            curve=job.curve,
            seed=settings.seed,
            device=device,
            events=events,
            gauges=gauges,
        )
        outcome = train(trained.model, trained.objective, batches, recipe, run)
        if processes.first:
            maker.write(job.output, trained.model, blocks["train"], recipe, outcome)
        kept.finish()
    if processes.first:
        name_other_checkpoints(job, folder)


def gauges_beside(trained: Trainable, gauges: Gauges) -> Gauges:
    """Return the gauges, with the extra arithmetic of a plan's objective."""
    if gauges.flops_per_token is None:
        return gauges
    return replace(gauges, flops_per_token=gauges.flops_per_token + trained.extra_flops)


def print_plan(recipe: Recipe, blocks: Sequence[TokenBlocks], processes: Processes, device: torch.device) -> None:
    """Print the machine, the data and the length of the training."""
    say(describe_machine(processes, device))
    say(describe_length(recipe, blocks))
    if line := describe_segments(recipe.objective.sentences, blocks):
        say(line)
    if is_emulated(recipe.model.precision, device):
        say("warning: this processor has no arithmetic for bf16; model.precision: fp32 would be many times faster")


def describe_segments(sentences: str, blocks: Sequence[TokenBlocks]) -> str | None:
    """Return on how many blocks the prediction about sentences is learnt, in words; None where there is none."""
    if sentences == "none":
        return None
    able, total = count_segmentable(sentences, blocks), sum(map(len, blocks))
    said = f"sentences: {sentences} is learnt on {able:,} of {total:,} blocks ({able / max(total, 1):.1%})"
    return f"warning: {said}; the others are one segment" if able < FEW_SEGMENTED * total else said


def describe_machine(processes: Processes, device: torch.device) -> str:
    """Return the machine that the model trains on, in words."""
    threads = f"the CPU, with {torch.get_num_threads()} threads"
    each = torch.cuda.get_device_name(device) if device.type == "cuda" else threads
    if processes.size == 1:
        return f"training on {each}"
    machines = int(os.environ.get("GROUP_WORLD_SIZE", "1"))
    where = "one machine" if machines == 1 else f"{machines} machines"
    return f"{processes.size} processes on {where}, each training on {each}"


def events_beside(curve: Path) -> Path:
    """Return the folder of TensorBoard's events: <model>.events beside <model>.curve.csv."""
    return curve.with_name(f"{curve.name.removesuffix('.csv').removesuffix('.curve')}.events")


def name_other_checkpoints(job: TrainingJob, own: Path) -> None:
    """Print which checkpoints of the same model are left from other settings or texts."""
    for other in sorted(job.checkpoints.glob(f"{job.output.name}-*")):
        if other != own:
            say(f"{other}: checkpoints of other settings or other texts, no longer needed unless you go back to those")


def describe_length(recipe: Recipe, blocks: Sequence[TokenBlocks]) -> str:
    """Return how long the training is, in words."""
    total = sum(map(len, blocks))
    passes = recipe.schedule.last_step * recipe.data.batch / total
    return f"{recipe.schedule.last_step:,} steps of {recipe.data.batch:,} blocks, {passes:.3g} times all {total:,}"


def open_data(folders: list[Path], tokenizer: Path, data: DataSettings, processes: Processes) -> tuple[Pieces, Blocks]:
    """Return the pieces of the tokenizer, and the blocks of each split, which the first process checks by checksum.

    Raises:
        SmeltError: the tokenizer cannot be read, or blocks are damaged or of another tokenizer or length.
    """
    pieces = pieces_of(load_tokenizer(tokenizer))
    return pieces, {
        split: open_blocks(folders, split, pieces, data, processes.first) for split in ("train", "validation")
    }


def open_blocks(
    folders: list[Path], split: str, pieces: Pieces, data: DataSettings, verified: bool = True
) -> list[TokenBlocks]:
    """Return the blocks of each language, for this tokenizer; check that they are whole if `verified`."""
    blocks = [TokenBlocks(folder, split, pieces, data.length, data.packing) for folder in folders]
    for part in blocks if verified else []:
        part.verify()
    return blocks


def recipe_for_blocks(recipe: Recipe, blocks: Sequence[TokenBlocks]) -> Recipe:
    """Return the recipe with its epochs over these blocks in steps.

    Raises:
        SmeltError: it stops after its end.
    """
    try:
        return recipe.for_blocks(sum(map(len, blocks)))
    except ValueError as error:
        raise SmeltError("recipe", str(error)) from None


def refuse_uneven(recipe: Recipe, processes: Processes) -> None:
    """Refuse a batch that cannot be shared among the processes.

    Raises:
        SmeltError: it has fewer blocks than there are processes; or, where gradients are exchanged at every pass
            (zero: 2), some processes would have more passes than others and wait for them for ever.
    """
    blocks = "1 block" if recipe.data.batch == 1 else f"{recipe.data.batch} blocks"
    if recipe.data.batch < processes.size:
        message = f"data.batch: {blocks} cannot be shared among {processes.size} processes; start fewer"
        raise processes.alike(SmeltError("recipe", message))
    if recipe.optimizer.zero == 2 and recipe.data.batch % processes.size:
        message = f"data.batch: {blocks} cannot be shared evenly among {processes.size} processes"
        advice = "as optimizer.zero: 2 needs; set optimizer.zero: 1, or start another number"
        raise processes.alike(SmeltError("recipe", f"{message}, {advice}"))


def data_identity(blocks: Blocks, pieces: Pieces) -> dict[str, Any]:
    """Return what a checkpoint must agree on about tokenizer and blocks."""
    return {
        "tokenizer": pieces.digest,
        "blocks": {split: {part.language: part.sha256 for part in parts} for split, parts in blocks.items()},
    }


def digest(identity: dict[str, Any]) -> str:
    """Return a short name for an identity: checkpoints of other settings or blocks lie in another folder."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
