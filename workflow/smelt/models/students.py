"""The models of a distillation: teachers, read from their folders, and new students.

A student is smaller than its teacher and starts from some of its layers, or at random. A BERT's student is a DistilBERT
as Sanh et al. 2019 (section 3) made it: without token types and without a pooler. Those of the other families are of
their teacher's class. Teacher and student have the same padded vocabulary while they train (smelt.models.encoders).
"""

import copy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError
from smelt.files import checksum
from smelt.model_families import (
    DISTILBERT_EPSILON,
    FAMILIES,
    dropouts_of,
    embeddings_of,
    family_of,
    keys_of,
    max_positions,
    name_in_bert,
    number_of,
    of_encoder,
    with_layer_of,
)
from smelt.model_folder import check_folder, count_shared_pieces, incomplete, load_as, model_files, read_configuration
from smelt.models.encoders import attention_kernel, padded_rows, recompute_layers, resize_vocabulary
from smelt.study.makers.distil import StudentShape
from smelt.training.losses import Losses
from smelt.training.pieces import Pieces, load_tokenizer
from smelt.training.recipes import DataSettings, ModelSettings, Recipe

if TYPE_CHECKING:
    import torch


def new_student(
    teacher: Any, shape: StudentShape, recipe: Recipe, pieces: Pieces, device: "torch.device | None" = None
) -> Any:
    """Return a student of a teacher, with a masked-language-model head and its vocabulary padded.

    Args:
        teacher: with a head for masked tokens and its vocabulary padded, in single precision; of one of FAMILIES.
        shape: the student's numbers, its start, and the embeddings that do not learn.
        recipe: dropout, initializer_range, attention and gradient_checkpointing are used.
        pieces: the tokenizer's.
        device: where it will train, which decides the attention kernel; the CPU by default. It is not moved there.

    Random weights are drawn from torch's generator.

    Raises:
        SmeltError: the shape does not fit the teacher, or an attention kernel cannot run here.
    """
    try:
        shape.refuse_unfit_family(family_of(teacher).student or teacher.config.model_type)
        shape.refuse_unfit_teacher(numbers_of_teacher(teacher))
    except ValueError as error:
        raise SmeltError("student", str(error)) from None
    kernel = attention_kernel(recipe, device.type if device else "cpu")
    configuration = configuration_of(teacher, shape, recipe.model)
    configuration.vocab_size = pieces.size
    student = student_class_for(teacher)._from_config(configuration, attn_implementation=kernel)
    if recipe.machine.gradient_checkpointing:
        recompute_layers(student)
    resize_vocabulary(student, padded_rows(pieces.size))
    if shape.copies:
        positions = embeddings_of(student)["positions"]
        sinusoids = copy.deepcopy(positions.state_dict())
        student.load_state_dict(weights_for(student, teacher, shape))
        if shape.positions == "sinusoidal":
            positions.load_state_dict(sinusoids)
    freeze(student, shape)
    return student


def numbers_of_teacher(teacher: Any) -> dict[str, int]:
    """Return layers, hidden, heads and feed_forward of a model."""
    return {name: number_of(teacher.config, name) or 0 for name in keys_of(teacher.config.model_type)}


def student_class_for(teacher: Any) -> Any:
    """Return the class of a teacher's students."""
    import transformers

    family = family_of(teacher)
    return getattr(transformers, (FAMILIES[family.student] if family.student else family).masked)


def weights_for(student: Any, teacher: Any, shape: StudentShape) -> dict[str, Any]:
    """Return the teacher's weights that the student starts from, by the student's names."""
    layers = shape.layers_to_copy(teacher.config.num_hidden_layers)
    state = teacher.state_dict()
    distilled = family_of(teacher).student is not None
    names = {name: with_layer_of(name, layers) for name in student.state_dict()}
    return {name: state[name_in_bert(source) if distilled else source] for name, source in names.items()}


def freeze(student: Any, shape: StudentShape) -> None:
    """Freeze the embeddings that do not learn; transformers lets those of a configuration with sinusoids learn."""
    embeddings = embeddings_of(student)
    for part in shape.still:
        embeddings[part].requires_grad_(False)


def load_teachers(folders: Sequence[Path], losses: Losses, data: DataSettings, pieces: Pieces) -> list[Any]:
    """Return the teachers in single precision, in evaluation mode, their vocabularies padded as the student's is.

    Raises:
        SmeltError: a folder holds no such model or lacks weights, or a teacher cannot give what a loss needs.
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    spoken = logging.get_verbosity()
    logging.set_verbosity_error()  # weights that are not used, such as a pooler, are no news
    try:
        return [_load(folder, losses, data, pieces) for folder in folders]
    finally:
        logging.set_verbosity(spoken)


def refuse_differing(folders: Sequence[Path]) -> None:
    """Refuse teachers that do not have the same pieces under the same ids.

    Raises:
        SmeltError: they differ, or a tokenizer cannot be read.
    """
    from smelt.training.distillation import refuse_other_pieces

    first, *others = folders
    for other in others:
        refuse_other_pieces(str(other), load_tokenizer(other), load_tokenizer(first))


def checksums(folders: Sequence[Path]) -> list[dict[str, str]]:
    """Return the checksum of each file of each teacher's configuration and weights."""
    return [{file.name: checksum(file) for file in model_files(folder)} for folder in folders]


def shared_pieces(folders: Sequence[Path], size: int) -> int | None:
    """Return how many of the first pieces every teacher had before pieces were added to it; None if all.

    size: of the vocabulary; a reduction may have removed all added pieces.
    """
    counts = [shared for folder in folders if (shared := count_shared_pieces(folder)) is not None]
    return min([count for count in counts if count < size], default=None)


def _same_kind(teacher: Any, shape: StudentShape, settings: ModelSettings) -> Any:
    """Return a copy of a teacher's configuration with the student's numbers."""
    configuration = copy.deepcopy(teacher.config)
    numbers = _numbers(teacher, shape)
    for name, key in keys_of(configuration.model_type).items():
        setattr(configuration, key, numbers[name])
    for key in dropouts_of(configuration.model_type):
        setattr(configuration, key, settings.dropout_of(numbers["hidden"]))
    configuration.initializer_range = settings.initial_deviation(numbers["hidden"])
    if configuration.model_type == "distilbert":  # the teacher's may be sinusoids where the student's learn
        configuration.sinusoidal_pos_embds = shape.positions == "sinusoidal"
    return configuration


def configuration_of(teacher: Any, shape: StudentShape, settings: ModelSettings) -> Any:
    """Return the configuration of a teacher's student; an ALBERT's passes its one layer less often.

    Raises:
        SmeltError: an ALBERT has several groups of layers, and nothing says which passes are which.
    """
    family = family_of(teacher)
    if family.student == "distilbert":
        return _distilbert(teacher, shape, settings)
    if family.shared_layers and teacher.config.num_hidden_groups != 1:
        groups = teacher.config.num_hidden_groups
        raise SmeltError("teacher", f"has {groups} groups of layers; expected ALBERT with one layer for all passes")
    return _same_kind(teacher, shape, settings)


def _distilbert(teacher: Any, shape: StudentShape, settings: ModelSettings) -> Any:
    """Return the configuration of a BERT's student; warn if it normalises differently from its teacher."""
    from transformers import DistilBertConfig

    if (theirs := teacher.config.layer_norm_eps) != DISTILBERT_EPSILON:
        print(
            f"smelt: warning: {teacher.name_or_path or 'the teacher'} normalises layers with an epsilon of {theirs:g},"
            f" every DistilBERT with {DISTILBERT_EPSILON:g}: its student does not begin quite as its layers are",
            file=sys.stderr,
        )
    config, numbers = teacher.config, _numbers(teacher, shape)
    return DistilBertConfig(
        **{key: numbers[name] for name, key in keys_of("distilbert").items()},
        **dict.fromkeys(dropouts_of("distilbert"), settings.dropout_of(numbers["hidden"])),
        activation=config.hidden_act,
        max_position_embeddings=config.max_position_embeddings,
        initializer_range=settings.initial_deviation(numbers["hidden"]),
        sinusoidal_pos_embds=shape.positions == "sinusoidal",
        pad_token_id=config.pad_token_id,
        tie_word_embeddings=config.tie_word_embeddings,
    )


def _numbers(teacher: Any, shape: StudentShape) -> dict[str, int]:
    numbers = numbers_of_teacher(teacher)
    return {key: getattr(shape, key) or number for key, number in numbers.items()}


def _load(folder: Path, losses: Losses, data: DataSettings, pieces: Pieces) -> Any:
    """Return one teacher."""
    import torch
    from transformers import AutoModelForMaskedLM

    where = str(folder)
    check_folder(folder, where)
    family = read_configuration(folder, where).model_type
    if family not in FAMILIES:
        raise SmeltError(where, f"is of family {family}; expected a teacher of {', '.join(FAMILIES)}")
    torch.manual_seed(0)  # a head that the checkpoint lacks starts at random, the same each time
    teacher, missing = load_as(AutoModelForMaskedLM, folder, where)
    _refuse_lacking(teacher, missing, losses, where)
    _refuse_short(teacher, data, where)
    rows = teacher.get_input_embeddings().weight.shape[0]
    if rows < pieces.size:
        raise SmeltError(where, f"its embeddings have {rows:,} rows for {pieces.size:,} pieces of the tokenizer")
    resize_vocabulary(teacher, pieces.size)  # rows that no piece has are cut off
    resize_vocabulary(teacher, padded_rows(pieces.size))
    return teacher.eval().requires_grad_(False)


def _refuse_lacking(teacher: Any, missing: Sequence[str], losses: Losses, where: str) -> None:
    """Refuse a checkpoint that lacks weights of the encoder, or of the head if its predictions are needed."""
    if lacking := of_encoder(teacher, missing):
        raise incomplete(lacking, where)
    if missing and losses.kl:
        raise SmeltError(
            where,
            f"has no head for masked tokens (it lacks {missing[0]}), whose predictions losses.kl compares: expected a"
            " model with one, or kl: 0",
        )


def _refuse_short(teacher: Any, data: DataSettings, where: str) -> None:
    """Refuse blocks that are longer than the teacher reads."""
    positions = max_positions(teacher.config)
    if positions is not None and data.length > positions:
        raise SmeltError(
            "recipe", f"data.length: {data.length} tokens are more than the {positions} positions of {where}"
        )
