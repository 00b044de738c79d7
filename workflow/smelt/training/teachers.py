"""Models that are asked and never trained."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from smelt.entry import Precision
from smelt.errors import SmeltError
from smelt.model_families import family_of
from smelt.training.attention import show_distributions
from smelt.training.batches import Batch
from smelt.training.knowledge import Lesson
from smelt.training.passes import Asked, Pass

MOST_PADDING = 1024  # rows; vocabularies are padded to multiples of far less


class Teachers:
    """One teacher or several: in evaluation, under inference mode, in the precision of the recipe.

    No module on purpose, so that they are neither saved nor trained with what holds them.
    """

    def __init__(self, models: Sequence[Any], precision: Precision, asked: Asked) -> None:
        """Freeze the models, in place; what they are asked decides their attention kernel."""
        dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.models = [model.eval().requires_grad_(False).to(dtype) for model in models]
        self.asked = asked
        for model in self.models if asked.attentions else []:
            show_distributions(model)

    def apply(self, change: Callable[[Tensor], Tensor]) -> None:
        """Change all tensors as torch does when a module is moved, keeping their precision."""
        for model in self.models:
            dtype = model.dtype
            model._apply(change).to(dtype)

    def __call__(self, batch: Batch) -> list[Pass]:
        """Return the pass of each teacher over a batch."""
        with torch.inference_mode(), torch.autocast(batch.input_ids.device.type, enabled=False):
            return [Pass(model, batch, self.asked) for model in self.models]


def lesson_of(taught: Pass, positions: Tensor) -> Lesson:
    """Return what a teacher's decoder is given of some positions, counted through all rows of the batch."""
    with torch.inference_mode(), torch.autocast(positions.device.type, enabled=False):
        decoder = taught.decoder
        return Lesson(taught.states_at(positions), decoder.weight, decoder.bias)


def refuse_other_vocabulary(name: str, model: Any, pieces: int, kind: str = "the student's tokenizer") -> None:
    """Refuse a model whose vocabulary cannot be that of `pieces` pieces: it has too few rows, or far too many.

    Names of pieces are not compared here, because models know none; see `refuse_other_pieces`.

    Raises:
        SmeltError: with the name given.
    """
    rows = family_of(model).decoder(model).out_features
    if not pieces <= rows < pieces + MOST_PADDING:
        raise SmeltError(name, f"expected the {pieces:,} pieces of {kind}; found a vocabulary of {rows:,}")


def refuse_other_pieces(name: str, theirs: Any, ours: Any) -> None:
    """Refuse a tokenizer whose ids mean other pieces than another's.

    Args:
        name: of theirs, for the message.
        theirs: a tokenizer of transformers.
        ours: another.

    Raises:
        SmeltError: they differ, with the first id at which they do.
    """
    one, other = (part.convert_ids_to_tokens(range(len(part))) for part in (theirs, ours))
    if len(one) != len(other):
        raise SmeltError(name, f"expected the same pieces as the student's, {len(other):,}; found {len(one):,}")
    if one != other:
        place = next(place for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1])
        message = f"expected the same pieces as the student's; found {one[place]!r} at id {place}, not {other[place]!r}"
        raise SmeltError(name, message)
