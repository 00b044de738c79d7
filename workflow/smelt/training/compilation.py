"""torch.compile where it pays: on GPUs, for the encoder as it trains.

Every shape is compiled on its own. What torch does by default depends on which shapes came before, and a run that goes
on from a checkpoint meets them in another order: it would end with other bits. For the same reason validation, whose
batches have all manner of shapes, runs as it is.
"""

import sys
from contextlib import AbstractContextManager

import torch
from torch import nn

from smelt.training.recipes import Recipe

WIDTHS = 64  # tokens: a compiled encoder meets rows of multiples of it, of which a block of 512 has eight
SHAPES = 64  # that are compiled at the most: widths, rows of the last micro-batch, with and without padding


def compile_encoder(model: nn.Module) -> None:
    """Have the encoder compiled at its first use; the heads see another number of masked positions at every step."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, SHAPES)
    model.base_model.compile(dynamic=False)  # type: ignore[union-attr]


def uncompiled() -> AbstractContextManager[None]:
    """Return a context in which a compiled encoder runs as it is."""
    stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return stance


def is_to_be_compiled(recipe: Recipe, device: torch.device) -> bool:
    """Say whether to compile: what the recipe says, else on GPUs where it works."""
    if recipe.compile is not None:
        return recipe.compile
    return device.type == "cuda" and can_compile(device)


def can_compile(device: torch.device) -> bool:
    """Say whether this machine can compile for a device, by trying; it takes a C compiler and Python's headers."""
    try:
        torch.compile(lambda numbers: numbers + 1)(torch.zeros(8, device=device))
    except Exception as error:  # whatever a compiler may lack, training goes without it
        reason = str(error).strip().partition("\n")[0]
        print(f"smelt: warning: training goes on without torch.compile, which fails here ({reason})", file=sys.stderr)
        return False
    return True
