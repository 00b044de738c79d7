"""Two ways to take one step of distillation: smelt's objective, and both models whole with all their logits.

Each is a function that takes a workload and returns the function to time, in a process of its own (bench.workers).
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM
from transformers.utils import logging

from smelt.models.encoders import padded_rows, resize_vocabulary
from smelt.models.job import prepare
from smelt.training.data import Batch
from smelt.training.distillation import distillation_of
from smelt.training.examples import IGNORED
from smelt.training.losses import Losses
from smelt.training.objectives import ModelWithObjective, weighted_loss
from smelt.training.optimizers import optimizer_of
from smelt.training.recipes import Recipe

LENGTH, MASKING_PROBABILITY, SEED = 128, 0.15, 1
CLASSIFICATION, MASK, FIRST_ORDINARY = 101, 103, 106  # as in BERT's vocabularies
DEVIATION = 0.04  # of the weights: twice the usual, so that random models predict something


@dataclass(frozen=True)
class Workload:
    """The vocabulary, positions, precision, rows and number of steps of a measurement."""

    vocabulary: int
    positions: str
    precision: str
    rows: int
    steps: int

    @property
    def losses(self) -> Losses:
        """DistilBERT's three."""
        return Losses.model_validate({"kl": 5.0, "mlm": 2.0, "cosine": 1.0, "positions": self.positions})

    @property
    def recipe(self) -> Recipe:
        """The optimizer, which is the same in both ways."""
        return Recipe.model_validate(
            {
                "data": {"batch": self.rows, "length": LENGTH},
                "optimizer": {"name": "adamw", "learning_rate": 1e-5},
                "schedule": {"steps": 1},
            }
        )

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class StepFigures:
    """The figures of a way."""

    tokens_per_second: float
    processor_seconds: float
    """Of a step, all threads together: what other work on the machine disturbs least."""
    memory: float
    """Most MiB in use during the steps: of the process, libraries included, or of the GPU."""
    losses: Mapping[str, float]
    """Of the first step that the process took, which is not measured, before anything was learnt."""


def chunked(workload: Workload) -> Callable[[], StepFigures]:
    """The objective and the optimizer of smelt's loop."""
    prepare(workload.device)
    teacher, student = models_of(workload)
    resize_vocabulary(student, padded_rows(workload.vocabulary))
    pieces: Any = SimpleNamespace(size=workload.vocabulary)
    precision: Any = workload.precision
    objective = distillation_of(workload.losses, [teacher], student, pieces, precision)
    module = ModelWithObjective(student, objective).to(workload.device)

    def forward(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        with torch.autocast(workload.device.type, torch.bfloat16, enabled=precision == "bf16"):
            terms = module(batch)
        return weighted_loss(terms), {term.name: term.loss for term in terms}

    return measure_steps(workload, module, forward)


def straightforward(workload: Workload) -> Callable[[], StepFigures]:
    """Both models as transformers calls them in fp32, and torch's losses of their logits at the positions wanted.

    What DistilBERT's public code does, but for the labels, which it compares at all positions.
    """
    teacher, student = (model.to(workload.device) for model in models_of(workload))
    losses = workload.losses
    teacher.eval().requires_grad_(False)

    def forward(batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        inputs = {"input_ids": batch.input_ids, "attention_mask": torch.ones_like(batch.input_ids)}
        with torch.no_grad():
            theirs = teacher(**inputs, output_hidden_states=True)
        ours = student(**inputs, output_hidden_states=True)
        labels = torch.full_like(batch.input_ids, IGNORED)
        labels.view(-1)[batch.masked] = batch.labels
        chosen = labels != IGNORED if losses.positions == "masked" else inputs["attention_mask"].bool()
        parts = {
            "kl": divergence(ours.logits[chosen], theirs.logits[chosen], losses.temperature),
            "mlm": functional.cross_entropy(ours.logits[labels != IGNORED], labels[labels != IGNORED]),
            "cosine": 1 - functional.cosine_similarity(ours.hidden_states[-1], theirs.hidden_states[-1], -1).mean(),
        }
        weights = losses.weights()
        return torch.stack([weights[name] * part for name, part in parts.items()]).sum(), parts

    return measure_steps(workload, student, forward)


def divergence(ours: Tensor, theirs: Tensor, temperature: float) -> Tensor:
    """Return the mean over positions, times the squared temperature; logits of shape (positions, vocabulary)."""
    softened = functional.log_softmax(ours / temperature, -1), functional.softmax(theirs / temperature, -1)
    return functional.kl_div(*softened, reduction="batchmean") * temperature**2


def measure_steps(
    workload: Workload, trained: nn.Module, forward: Callable[[Batch], tuple[Tensor, dict[str, Tensor]]]
) -> Callable[[], StepFigures]:
    """Return a function that takes a few steps of a loss, given its parts, and measures them."""
    optimizer, batch = optimizer_of(trained, workload.recipe), batch_of(workload).to(workload.device)
    trained.train()
    first: dict[str, float] = {}

    def step() -> None:
        loss, parts = forward(batch)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained.parameters(), workload.recipe.optimizer.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if not first:
            first.update({name: part.item() for name, part in parts.items()})

    def run() -> StepFigures:
        begin_peak(workload.device)
        began, worked = waited(workload.device), time.process_time()
        for _ in range(workload.steps):
            step()
        seconds, worked = waited(workload.device) - began, time.process_time() - worked
        speed = workload.steps * workload.rows * LENGTH / seconds
        return StepFigures(speed, worked / workload.steps, peak(workload.device), first)

    step()
    return run


def models_of(workload: Workload) -> tuple[Any, Any]:
    """Return BERT-base and DistilBERT's shape over the vocabulary, without dropout; the same weights every time."""
    logging.set_verbosity_error()
    torch.manual_seed(SEED)
    common: dict[str, Any] = {"vocab_size": workload.vocabulary, "initializer_range": DEVIATION}
    without: dict[str, Any] = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    teacher = BertForMaskedLM(BertConfig(**common, **without))
    student = DistilBertForMaskedLM(DistilBertConfig(**common, dropout=0.0, attention_dropout=0.0))
    return teacher, student


def batch_of(workload: Workload) -> Batch:
    """Return rows without padding, 15% of their tokens masked."""
    generator = torch.Generator().manual_seed(SEED)
    ids = torch.randint(FIRST_ORDINARY, workload.vocabulary, (workload.rows, LENGTH), generator=generator)
    ids[:, 0] = CLASSIFICATION
    drawn = torch.rand(ids.shape, generator=generator)
    drawn[:, 0] = 1.0
    masked = (drawn < MASKING_PROBABILITY).flatten().nonzero().flatten()
    labels = ids.flatten()[masked]
    ids.view(-1)[masked] = MASK
    return Batch(
        input_ids=ids,
        token_type_ids=torch.zeros_like(ids),
        attention_mask=None,
        masked=masked,
        labels=labels,
        sentence_labels=torch.full((workload.rows,), IGNORED),
        lengths=np.full(workload.rows, LENGTH),
        cut=np.zeros(workload.rows, np.int64),
    )


def waited(device: torch.device) -> float:
    """Return the time once the device has done its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def begin_peak(device: torch.device) -> None:
    """Reset the peak of memory."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak(device: torch.device) -> float:
    """Return the most MiB in use since then."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
