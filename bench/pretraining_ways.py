"""Three ways to pretrain the same model on the same blocks: smelt's loop, transformers' Trainer, and a bare step.

Each is a function of a workload that returns what does it once; they run in processes of their own (bench.workers).
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers.utils import logging

from bench.clock import StepClock
from bench.synthetic import SyntheticCorpus
from smelt.energy import Account, Meter
from smelt.mixture import Mixture
from smelt.models.encoders import new_encoder
from smelt.models.job import prepare
from smelt.study.architectures import ARCHITECTURES, Shape
from smelt.training.blocks import TokenBlocks
from smelt.training.checkpoints import Checkpoints
from smelt.training.data import Batch, Batches
from smelt.training.forward_pass import compile_encoder
from smelt.training.loop import train
from smelt.training.objectives import ModelWithObjective, objective_of, weighted_loss
from smelt.training.optimizers import optimizer_of
from smelt.training.pieces import Pieces, load_tokenizer, pieces_of
from smelt.training.progress import gauges_of
from smelt.training.recipes import Recipe
from smelt.training.run import Run

NEVER = 10**9
SEED = 1


@dataclass(frozen=True)
class TrainingWorkload:
    """What is trained, on what, for how long."""

    architecture: str
    precision: str
    corpus: SyntheticCorpus
    rows: int
    warm: int
    steps: int

    @property
    def shape(self) -> Shape:
        """The encoder's numbers."""
        return ARCHITECTURES[self.architecture]

    @property
    def recipe(self) -> Recipe:
        """AdamW without dropout, as fast recipes have it; measuring and keeping nothing on the way."""
        return Recipe.model_validate(
            {
                "data": {"batch": self.rows, "length": self.corpus.length},
                "model": {"dropout": 0.0, "precision": self.precision},
                "optimizer": {"name": "adamw", "learning_rate": 1e-4},
                "schedule": {"steps": self.warm + self.steps},
                "validation": {"every": NEVER, "blocks": 1},
                "machine": {"micro_batch": self.rows},
                "checkpoints": {"every": NEVER},
            }
        )

    @property
    def tokens(self) -> int:
        """Tokens of the measured steps; no block is padded but a corpus's last."""
        return self.steps * self.rows * self.corpus.length


@dataclass(frozen=True)
class Throughput:
    """The figures of a way."""

    tokens_per_second: float
    waiting: float = 0.0
    """Share of the time in which the loop had to wait for its next batch."""


class Opened:
    """A workload's tokenizer and blocks, open, and its device."""

    def __init__(self, workload: TrainingWorkload) -> None:
        """Open them."""
        logging.set_verbosity_error()
        self.workload, self.recipe = workload, workload.recipe
        self.tokenizer = load_tokenizer(workload.corpus.tokenizer)
        self.pieces: Pieces = pieces_of(self.tokenizer)
        self.blocks = {
            split: TokenBlocks(workload.corpus.blocks, split, self.pieces, workload.corpus.length)
            for split in ("train", "validation")
        }
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.gpus = [torch.cuda.current_device()] if self.device.type == "cuda" else []

    def batches(self) -> Batches:
        """Return the batches of a run."""
        return Batches([self.blocks["train"]], [self.blocks["validation"]], self.pieces, self.recipe, Mixture(), SEED)

    def model(self) -> Any:
        """Return a new model, the same one every time."""
        torch.manual_seed(SEED)
        return new_encoder(self.workload.shape, self.recipe, self.pieces, self.device)


class Noted:
    """Batches that note when each was ready."""

    def __init__(self, batches: Batches) -> None:
        """Take what makes them."""
        self._batches = batches
        self.ready: dict[int, float] = {}

    def train(self, step: int) -> Batch:
        """Return the batch of a step."""
        batch = self._batches.train(step)
        self.ready[step] = time.perf_counter()
        return batch

    def validation(self) -> Iterator[tuple[str, Batch]]:
        """Return what is held out."""
        return self._batches.validation()

    def describe(self, step: int) -> str:
        """Return which blocks a step has."""
        return self._batches.describe(step)


def loop(workload: TrainingWorkload) -> Callable[[], Throughput]:
    """Smelt's own loop as `smelt job pretrain` runs it: sampler, masks, prefetch, meters, events and all."""
    opened = Opened(workload)
    prepare(opened.device)
    objective = objective_of(workload.recipe.objective, opened.pieces)

    def run() -> Throughput:
        batches, model = Noted(opened.batches()), opened.model()
        with tempfile.TemporaryDirectory() as folder, StepClock(workload.warm, workload.steps) as clock:
            with Checkpoints(Path(folder, "checkpoints"), {}) as kept, Meter(None, opened.gpus) as meter:
                surroundings = Run(
                    checkpoints=kept,
                    account=Account(meter),
                    curve=Path(folder, "curve.csv"),
                    seed=SEED,
                    device=opened.device,
                    events=Path(folder, "events"),
                    gauges=gauges_of(model, workload.recipe, opened.device),
                )
                train(model, objective, batches, workload.recipe, surroundings)
            return Throughput(workload.tokens / clock.seconds, clock.waited(batches.ready) / clock.seconds)

    return run


def bare(workload: TrainingWorkload) -> Callable[[], Throughput]:
    """The same step on one batch made before, and nothing around it."""
    opened = Opened(workload)
    prepare(opened.device)
    objective = objective_of(workload.recipe.objective, opened.pieces)
    batch = opened.batches().train(1).to(opened.device)

    def run() -> Throughput:
        model = opened.model().to(opened.device).train()
        if opened.device.type == "cuda":
            compile_encoder(model)
        module = ModelWithObjective(model, objective)
        optimizer = optimizer_of(module, workload.recipe)
        with StepClock(workload.warm, workload.steps) as clock:
            for _ in range(workload.warm + workload.steps):
                with torch.autocast(opened.device.type, torch.bfloat16, enabled=workload.precision == "bf16"):
                    terms = module(batch)
                weighted_loss(terms).backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(model.parameters(), workload.recipe.optimizer.clip)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            return Throughput(workload.tokens / clock.seconds)

    return run
