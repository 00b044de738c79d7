"""Pretraining as a job: a new encoder, trained for what its recipe predicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from smelt.errors import SmeltError
from smelt.models.encoders import new_encoder
from smelt.models.ingredients import Blocks
from smelt.models.job import Trainable
from smelt.models.pretrained import Pretrained, PretrainingSettings, write_model
from smelt.training.blocks import TokenBlocks, segmented
from smelt.training.objectives import objective_of
from smelt.training.pieces import Pieces
from smelt.training.recipes import Recipe
from smelt.training.run import Outcome

WHY = {
    "order": "None of the {:,} blocks has two sentences of one document between which it could be split. Set sentences:"
    " none; or packing: stream, which splits between any two tokens of a document; or take longer documents",
    "next": "None of the {:,} blocks can be split with another one to take a second segment from. Set sentences: none,"
    " or take a larger corpus",
}


@dataclass(frozen=True)
class Pretraining:
    """What the maker `pretrain` chooses."""

    settings: PretrainingSettings
    tokenizer: Path

    def identity(self, recipe: Recipe) -> dict[str, Any]:
        """Return the settings, without those that make no other model."""
        return {"settings": self.settings.model_dump() | {"recipe": recipe.identity()}}

    def check(self, recipe: Recipe, blocks: Blocks) -> None:
        """Refuse blocks where none can be split, and something is to be predicted of two segments.

        Those of a small corpus come again and again.

        Raises:
            SmeltError: none can be split.
        """
        if recipe.sentences != "none" and not segmented(recipe, blocks["train"]):
            why = WHY[recipe.sentences].format(sum(map(len, blocks["train"])))
            raise SmeltError("recipe", f"sentences: {recipe.sentences} has nothing to learn from. {why}")

    def begin(self, recipe: Recipe, pieces: Pieces, device: torch.device) -> Trainable:
        """Return a new encoder and the recipe's objective."""
        return Trainable(new_encoder(self.settings.shape, recipe, pieces, device), objective_of(recipe, pieces))

    def write(self, output: Path, model: Any, blocks: Sequence[TokenBlocks], recipe: Recipe, outcome: Outcome) -> None:
        """Write the model's folder."""
        settings = self.settings.model_copy(update={"recipe": recipe})
        write_model(output, Pretrained(model, self.tokenizer, settings, list(blocks), outcome))
