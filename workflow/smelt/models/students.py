"""The models of a distillation: teachers, read from their folders, and new students.

A student is smaller than its teacher and starts from some of its layers, or at random. A BERT's student is a DistilBERT
as Sanh et al. 2019 (section 3) made it: without token types and without a pooler. Those of the other families are of
their teacher's class. Teacher and student have the same padded vocabulary while they train (smelt.models.encoders).
"""

import copy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError
from smelt.files import checksum
from smelt.models.encoders import attention_kernel, padded, recompute_layers, resize_vocabulary
from smelt.models.folder import check_folder, configuration_of_folder, load_as, model_files, shared_of
from smelt.study.student import StudentShape
from smelt.training.losses import Losses
from smelt.training.pieces import Pieces, load_tokenizer
from smelt.training.recipes import Recipe

if TYPE_CHECKING:
    import torch

# A layer's parts in BERT by what DistilBERT calls them.
_OF_A_LAYER = {
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}
DISTILBERT_EPSILON = 1e-12  # of its layer normalisation; transformers has no key for it
_OF_THE_HEAD = {
    "vocab_transform": "cls.predictions.transform.dense",
    "vocab_layer_norm": "cls.predictions.transform.LayerNorm",
    "vocab_projector": "cls.predictions.decoder",
}


def new_student(
    teacher: Any, shape: StudentShape, recipe: Recipe, pieces: Pieces, device: "torch.device | None" = None
) -> Any:
    """Return a student of a teacher, with a masked-language-model head and its vocabulary padded.

    Args:
        teacher: with a head for masked tokens and its vocabulary padded, in single precision; of the families of
            STUDENTS.
        shape: the student's numbers, where it starts from, and what of it does not learn.
        recipe: of which dropout, initializer_range, attention and gradient_checkpointing count.
        pieces: the tokenizer's.
        device: where it will train, which decides the attention kernel; the CPU by default. It is not moved there.

    Random weights are drawn from torch's generator.

    Raises:
        SmeltError: the shape does not fit the teacher, or an attention kernel cannot run here.
    """
    try:
        shape.refuse_unfit(numbers_of_teacher(teacher))
    except ValueError as error:
        raise SmeltError("student", str(error)) from None
    kernel = attention_kernel(recipe, device.type if device else "cpu")
    configuration = STUDENTS[teacher.config.model_type](teacher, shape, recipe)
    configuration.vocab_size = pieces.size
    student = kind_of(teacher)._from_config(configuration, attn_implementation=kernel)
    if recipe.gradient_checkpointing:
        recompute_layers(student)
    resize_vocabulary(student, padded(pieces.size))
    if shape.copies:
        student.load_state_dict(weights_for(student, teacher, shape))
    freeze(student, shape)
    return student


def numbers_of_teacher(teacher: Any) -> dict[str, int]:
    """Return layers, hidden, heads and feed_forward of a model of transformers."""
    config = teacher.config
    return {
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "heads": config.num_attention_heads,
        "feed_forward": getattr(config, "intermediate_size", None) or config.hidden_dim,  # DistilBERT's name for it
    }


def kind_of(teacher: Any) -> Any:
    """Return the class of a teacher's students."""
    import transformers

    family = teacher.config.model_type
    return (
        transformers.DistilBertForMaskedLM
        if family == "bert"
        else transformers.MODEL_FOR_MASKED_LM_MAPPING[type(teacher.config)]
    )


def weights_for(student: Any, teacher: Any, shape: StudentShape) -> dict[str, Any]:
    """Return the teacher's weights that each of the student's starts from, by the student's names."""
    layers = shape.copied(teacher.config.num_hidden_layers)
    state = teacher.state_dict()
    distilled = teacher.config.model_type == "bert"
    names = {name: _of_layer(name, layers) for name in student.state_dict()}
    return {name: state[_of_bert(source) if distilled else source] for name, source in names.items()}


def freeze(student: Any, shape: StudentShape) -> None:
    """Have the embeddings that the shape names not learn."""
    embeddings = {
        "positions": student.base_model.embeddings.position_embeddings,
        "pieces": student.get_input_embeddings(),
    }
    for part in shape.frozen:
        embeddings[part].requires_grad_(False)


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
    from smelt.training.teachers import refuse_other_pieces

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


def _of_layer(name: str, layers: list[int]) -> str:
    """Return the name with the number of the teacher's layer in the place of the student's; ALBERT's have none."""
    for stem in (".transformer.layer.", ".encoder.layer."):
        before, found, rest = name.partition(stem)
        if found:
            number, _, part = rest.partition(".")
            return f"{before}{stem}{layers[int(number)]}.{part}"
    return name


def _of_bert(name: str) -> str:
    """Return what BERT calls a weight of DistilBERT."""
    for own, theirs in _OF_THE_HEAD.items():
        if name.startswith(f"{own}."):
            return name.replace(own, theirs, 1)
    name = name.replace("distilbert.transformer.layer.", "bert.encoder.layer.").replace("distilbert.", "bert.")
    for own, theirs in _OF_A_LAYER.items():
        if f".{own}." in name:
            return name.replace(f".{own}.", f".{theirs}.")
    return name


def _same_kind(teacher: Any, shape: StudentShape, recipe: Recipe) -> Any:
    """Return a teacher's own configuration with the student's numbers."""
    configuration = copy.deepcopy(teacher.config)
    numbers = _numbers(teacher, shape)
    if configuration.model_type == "distilbert":
        own = {"n_layers": "layers", "dim": "hidden", "n_heads": "heads", "hidden_dim": "feed_forward"}
        dropouts = ("dropout", "attention_dropout")
    else:
        own = {
            "num_hidden_layers": "layers",
            "hidden_size": "hidden",
            "num_attention_heads": "heads",
            "intermediate_size": "feed_forward",
        }
        dropouts = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    for name, number in own.items():
        setattr(configuration, name, numbers[number])
    for name in dropouts:
        setattr(configuration, name, recipe.dropout_of(numbers["hidden"]))
    configuration.initializer_range = recipe.initial_deviation(numbers["hidden"])
    return configuration


def _albert(teacher: Any, shape: StudentShape, recipe: Recipe) -> Any:
    """Return the configuration of an ALBERT that passes its one layer less often.

    Raises:
        SmeltError: the teacher has several groups of layers, of which it is not said which passes are which.
    """
    if teacher.config.num_hidden_groups != 1:
        groups = teacher.config.num_hidden_groups
        raise SmeltError("teacher", f"has {groups} groups of layers; expected ALBERT with one layer for all passes")
    return _same_kind(teacher, shape, recipe)


def _distilbert(teacher: Any, shape: StudentShape, recipe: Recipe) -> Any:
    """Return the configuration of a BERT's student; tell where it normalises otherwise than its teacher."""
    from transformers import DistilBertConfig

    if (theirs := teacher.config.layer_norm_eps) != DISTILBERT_EPSILON:
        print(
            f"smelt: warning: {teacher.name_or_path or 'the teacher'} normalises layers with an epsilon of {theirs:g},"
            f" every DistilBERT with {DISTILBERT_EPSILON:g}: its student does not begin quite as its layers are",
            file=sys.stderr,
        )
    config, numbers = teacher.config, _numbers(teacher, shape)
    dropout = recipe.dropout_of(numbers["hidden"])
    return DistilBertConfig(
        dim=numbers["hidden"],
        n_layers=numbers["layers"],
        n_heads=numbers["heads"],
        hidden_dim=numbers["feed_forward"],
        activation=config.hidden_act,
        dropout=dropout,
        attention_dropout=dropout,
        max_position_embeddings=config.max_position_embeddings,
        initializer_range=recipe.initial_deviation(numbers["hidden"]),
        pad_token_id=config.pad_token_id,
        tie_word_embeddings=config.tie_word_embeddings,
    )


def _numbers(teacher: Any, shape: StudentShape) -> dict[str, int]:
    numbers = numbers_of_teacher(teacher)
    return {key: getattr(shape, key) or number for key, number in numbers.items()}


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


STUDENTS: dict[str, Callable[[Any, StudentShape, Recipe], Any]] = {
    "bert": _distilbert,
    "distilbert": _same_kind,
    "roberta": _same_kind,
    "xlm-roberta": _same_kind,
    "camembert": _same_kind,
    "albert": _albert,
}
"""How the student of a teacher of each family is configured."""
