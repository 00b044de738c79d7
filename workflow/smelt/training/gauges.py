"""What is known of a pretraining besides its losses: its arithmetic, its device's peak and memory, its energy."""

from collections.abc import Callable
from typing import Any

import torch

from smelt.energy import Energy
from smelt.training.flops import flops_per_token
from smelt.training.peak import is_emulated, measured_peak
from smelt.training.processes import ALONE, Processes
from smelt.training.progress import Gauges
from smelt.training.recipes import Recipe


def gauges_of(
    model: Any,
    recipe: Recipe,
    device: torch.device,
    processes: Processes = ALONE,
    energy: Callable[[], Energy | None] | None = None,
) -> Gauges:
    """Return the gauges of a run; the first process measures its device for half a second, and counts all as alike.

    Args:
        model: with its heads, as it is trained.
        recipe: of which length, mask_rate and precision count.
        device: this process's.
        processes: of the run; those that print nothing need no gauges.
        energy: returns what the run has taken so far.
    """
    if not processes.first:
        return Gauges()
    dtype = torch.bfloat16 if recipe.precision == "bf16" else torch.float32
    return Gauges(
        flops_per_token=flops_per_token(model, recipe.length, recipe.mask_rate),
        # Against emulated arithmetic a share would say nothing.
        peak=None if is_emulated(recipe.precision, device) else processes.size * measured_peak(device, dtype),
        memory=(lambda: torch.cuda.max_memory_allocated(device)) if device.type == "cuda" else None,
        energy=energy,
    )
