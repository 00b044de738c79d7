"""Distillation as a job: a student of teachers, trained for a weighted sum of losses."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from smelt.errors import SmeltError
from smelt.models.distilled import DistillationSettings, Distilled, write_student
from smelt.models.ingredients import Blocks
from smelt.models.job import Trainable
from smelt.models.students import new_student
from smelt.models.teachers import checksums, load_teachers, refuse_differing, shared_pieces
from smelt.training.blocks import TokenBlocks
from smelt.training.distillation import distillation_of
from smelt.training.flops import flops_per_token
from smelt.training.losses import Losses, refuse_untaught
from smelt.training.pieces import Pieces, load_tokenizer
from smelt.training.recipes import Recipe
from smelt.training.run import Outcome


@dataclass(frozen=True)
class Distilling:
    """What the maker `distil` chooses."""

    settings: DistillationSettings
    teachers: Sequence[Path]
    """Folders; the student has the first one's tokenizer and starts from its layers."""

    def identity(self, recipe: Recipe) -> dict[str, Any]:
        """Return the settings, without those that make no other model, and the checksums of the teachers."""
        settings = self.settings.model_dump() | {"recipe": recipe.identity()}
        return {"settings": settings, "teachers": checksums(self.teachers)}

    def check(self, recipe: Recipe, blocks: Blocks) -> None:
        """Refuse teachers of different pieces, or with pieces that no loss would teach, and too few texts for a batch.

        Raises:
            SmeltError: as it says.
        """
        refuse_differing(self.teachers)
        self._refuse_untaught()
        if (found := sum(map(len, blocks["train"]))) < recipe.batch:
            raise SmeltError(
                "recipe",
                f"batch: {recipe.batch:,} blocks are more than the {found:,} that there are to learn from:"
                " expected a smaller batch, or a larger corpus",
            )

    def _refuse_untaught(self) -> None:
        for teacher in self.teachers:
            if shared_pieces([teacher], len(load_tokenizer(teacher))) is not None:
                try:
                    refuse_untaught(self.settings.losses, str(teacher))
                except ValueError as error:
                    raise SmeltError("--settings", str(error)) from None

    def begin(self, recipe: Recipe, pieces: Pieces, device: torch.device) -> Trainable:
        """Return the student, and its objective with the teachers in it."""
        settings, losses = self.settings, self.settings.losses
        folders = self.teachers if losses.ask_teachers else self.teachers[:1]
        teachers = load_teachers(folders, losses, recipe, pieces)
        torch.manual_seed(settings.seed)  # reading a teacher may have drawn from the generator
        student = new_student(teachers[0], settings.student, recipe, pieces, device)
        beside = flops_beside(student, teachers, losses, recipe)
        objective = distillation_of(
            losses, teachers, student, pieces, recipe.precision, shared_pieces(folders, pieces.size)
        )
        return Trainable(student, objective, beside)

    def write(self, output: Path, model: Any, blocks: Sequence[TokenBlocks], recipe: Recipe, outcome: Outcome) -> None:
        """Write the student's folder."""
        settings = self.settings.model_copy(update={"recipe": recipe})
        write_student(output, Distilled(model, self.teachers, settings, blocks, outcome))


def flops_beside(student: Any, teachers: Sequence[Any], losses: Losses, recipe: Recipe) -> float:
    """Return the floating-point operations a token that a distillation takes besides the student's training.

    They are the teachers' passes, forward only, which are a third of a training pass; and the student's head over all
    tokens, where predictions are compared there.
    """
    compared = (1.0 if losses.positions == "all" else recipe.mask_rate) if losses.kl else 0.0
    of_student = max(compared, recipe.mask_rate if losses.mlm else 0.0)
    taught = teachers if losses.ask_teachers else []
    of_teachers = sum(flops_per_token(teacher, recipe.length, compared) / 3 for teacher in taught)
    counted = flops_per_token(student, recipe.length, recipe.mask_rate)
    return of_teachers + flops_per_token(student, recipe.length, of_student) - counted
