"""Optimizers and the learning rate's schedule."""

import math
from typing import Any

import torch
from torch import nn

from smelt.training.recipes import Recipe


def optimizer_of(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Return the recipe's optimizer, with LayerNorm and biases outside weight decay and LAMB's adaptation."""
    groups = parameter_groups(model, recipe.weight_decay)
    betas = (recipe.beta1, recipe.beta2)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.peak_rate, betas=betas, eps=recipe.epsilon, fused=True)
    lamb: torch.optim.Optimizer = _lamb(groups, recipe.peak_rate, betas, recipe.epsilon)
    return lamb


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return two groups: matrices, which decay and adapt, and vectors (LayerNorm and biases), which do neither."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in parameters if parameter.ndim > 1]
    vectors = [parameter for parameter in parameters if parameter.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]


def learning_rate(step: int, recipe: Recipe) -> float:
    """Return the rate of a step, counted from 1: a linear rise to the peak, then a linear fall to 0 after the last."""
    if step <= recipe.warmup_steps:
        return recipe.peak_rate * step / recipe.warmup_steps
    return recipe.peak_rate * (recipe.schedule - step + 1) / (recipe.schedule - recipe.warmup_steps)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give all groups of an optimizer one rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def _lamb(groups: list[dict[str, Any]], rate: float, betas: tuple[float, float], epsilon: float) -> Any:
    """Return LAMB (You et al. 2020) as ALBERT's code has it, without bias correction.

    The library's defaults are another optimizer: it decays apart from the update, bounds the norm of the weights at
    10, which those of an embedding exceed, and divides the rate by Adam's first bias correction, which multiplies the
    first steps by ten.
    """
    from pytorch_optimizer import Lamb

    matrices, vectors = groups
    lamb = Lamb(
        [matrices | {"adam": False}, vectors | {"adam": True}],
        lr=rate,
        betas=betas,
        eps=epsilon,
        weight_decouple=False,
        adam_debias=True,
    )
    lamb.clamp = math.inf
    return lamb
