"""Losses and accuracies on held-out batches, by language and over all."""

import math
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from smelt.training.curve import EVERYTHING, Tally
from smelt.training.data import Batch
from smelt.training.memory import parts
from smelt.training.objectives import ModelWithObjective, Term


def tallies_of(
    module: ModelWithObjective,
    batches: Iterable[tuple[str, Batch]],
    rows: int | None,
    device: torch.device,
    stopped: Callable[[], str | None],
) -> dict[str, Tally] | None:
    """Return the tally of each language, and of all together; None if asked to stop between two batches.

    Args:
        module: in evaluation mode.
        batches: (language, batch) pairs, on the CPU.
        rows: to pass at once; whole batches by default.
        device: of the model.
        stopped: returns the reason to stop, or None.
    """
    tallies: dict[str, Tally] = {}
    for language, batch in batches:
        for part in parts(batch, rows or len(batch)):
            with torch.inference_mode():
                terms = module(part.to(device))
            sums = sums_of(terms).tolist()
            for name in (language, EVERYTHING):
                tallies.setdefault(name, Tally()).add_all([term.name for term in terms], sums)
        if stopped():
            return None
    return tallies


def sums_of(terms: list[Term]) -> Tensor:
    """Return total, count and correct (NaN where there is none) of each term, shape (3 * terms,), on their device."""
    parts_of_terms = [
        part.detach().double()
        for term in terms
        for part in (
            term.total,
            term.count,
            torch.full_like(term.total, math.nan) if term.correct is None else term.correct,
        )
    ]
    return torch.stack(parts_of_terms)


def merge(processes: list[dict[str, Tally]]) -> dict[str, Tally]:
    """Return the tallies of all processes together, by language."""
    together: dict[str, Tally] = {}
    for tallies in processes:
        for language, tally in tallies.items():
            together.setdefault(language, Tally()).join(tally)
    return together


def metrics_line(tally: Tally) -> str:
    """Return the metrics of a tally in one line."""
    return "  ".join(f"{name} {value:.4f}" for name, value in tally.metrics().items())
