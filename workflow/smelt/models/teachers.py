"""Teachers, read from the folders of models: with a head for masked tokens, and the pieces that all of them share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import checksum
from smelt.models.adopt import check_folder, configuration_of_folder, load_as, model_files
from smelt.models.encoders import padded, resize_vocabulary
from smelt.models.shared_pieces import shared_of
from smelt.models.students import STUDENTS
from smelt.training.losses import Losses
from smelt.training.pieces import Pieces, load_tokenizer
from smelt.training.recipes import Recipe
from smelt.training.teachers import refuse_other_pieces


def load_teachers(folders: Sequence[Path], losses: Losses, recipe: Recipe, pieces: Pieces) -> list[Any]:
    """Return the teachers in single precision, in evaluation mode, their vocabularies padded as the student's is.

    Raises:
        SmeltError: a folder holds no such model or not all of it, or what a teacher is asked for it cannot give.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    spoken = logging.get_verbosity()
    logging.set_verbosity_error()  # what a checkpoint has besides, such as a pooler, is no news
    try:
        return [_load(folder, losses, recipe, pieces) for folder in folders]
    finally:
        logging.set_verbosity(spoken)


def refuse_differing(folders: Sequence[Path]) -> None:
    """Refuse teachers that do not have the same pieces under the same ids.

    Raises:
        SmeltError: two have not, or a tokenizer cannot be read.
    """
    first, *others = folders
    for other in others:
        refuse_other_pieces(str(other), load_tokenizer(other), load_tokenizer(first))


def checksums(folders: Sequence[Path]) -> list[dict[str, str]]:
    """Return the checksum of each file of each teacher's configuration and weights."""
    return [{file.name: checksum(file) for file in model_files(folder)} for folder in folders]


def shared_pieces(folders: Sequence[Path], size: int) -> int | None:
    """Return how many of the first pieces every teacher knew before pieces were added to it; None where it is all.

    size: of the vocabulary; a reduction may have left nothing of what was added.
    """
    counts = [shared for folder in folders if (shared := shared_of(folder)) is not None]
    return min([count for count in counts if count < size], default=None)


def _load(folder: Path, losses: Losses, recipe: Recipe, pieces: Pieces) -> Any:
    """Return one teacher."""
    import torch
    from transformers import AutoModelForMaskedLM

    where = str(folder)
    check_folder(folder, where)
    family = configuration_of_folder(folder, where).model_type
    if family not in STUDENTS:
        raise SmeltError(where, f"is of family {family}; expected a teacher of {', '.join(STUDENTS)}")
    torch.manual_seed(0)  # a head that the checkpoint lacks starts at random, the same each time
    teacher, missing = load_as(AutoModelForMaskedLM, folder, where)
    _refuse_lacking(teacher, missing, losses, where)
    _refuse_short(teacher, recipe, where)
    rows = teacher.get_input_embeddings().weight.shape[0]
    if rows < pieces.size:
        raise SmeltError(where, f"its embeddings have {rows:,} rows for {pieces.size:,} pieces of the tokenizer")
    resize_vocabulary(teacher, pieces.size)  # rows that no piece has are cut off
    resize_vocabulary(teacher, padded(pieces.size))
    return teacher.eval().requires_grad_(False)


def _refuse_lacking(teacher: Any, missing: Sequence[str], losses: Losses, where: str) -> None:
    """Refuse a checkpoint that lacks weights of the encoder, or of the head where its predictions are asked for."""
    of_encoder = [name for name in missing if name.startswith(f"{teacher.base_model_prefix}.")]
    if of_encoder:
        raise SmeltError(where, f"lacks {len(of_encoder)} of its weights, such as {of_encoder[0]}: it is incomplete")
    if missing and losses.kl:
        raise SmeltError(
            where,
            f"has no head for masked tokens (it lacks {missing[0]}), whose predictions losses.kl compares: expected a"
            " model with one, or kl: 0",
        )


def _refuse_short(teacher: Any, recipe: Recipe, where: str) -> None:
    """Refuse blocks that are longer than the teacher's positions; RoBERTa's begin after the id of padding."""
    config = teacher.config
    offset = config.pad_token_id + 1 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
    if recipe.length > (positions := config.max_position_embeddings - offset):
        raise SmeltError("recipe", f"length: {recipe.length} tokens are more than the {positions} positions of {where}")
