"""New students: smaller models of their teacher's kind that start from some of its layers, or at random.

A BERT's student is a DistilBERT as Sanh et al. 2019 (section 3) made it: without token types and without a pooler.
Those of the other families are of their teacher's class. Teacher and student have the same padded vocabulary while they
train (smelt.models.encoders).
"""

import copy
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError
from smelt.models.encoders import attention_kernel, padded, recompute_layers, resize_vocabulary
from smelt.study.student import StudentShape
from smelt.training.pieces import Pieces
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


def numbers_of_teacher(teacher: Any) -> dict[str, int]:
    """Return layers, hidden, heads and feed_forward of a model of transformers."""
    config = teacher.config
    return {
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "heads": config.num_attention_heads,
        "feed_forward": getattr(config, "intermediate_size", None) or config.hidden_dim,  # DistilBERT's name for it
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


STUDENTS: dict[str, Callable[[Any, StudentShape, Recipe], Any]] = {
    "bert": _distilbert,
    "distilbert": _same_kind,
    "roberta": _same_kind,
    "xlm-roberta": _same_kind,
    "camembert": _same_kind,
    "albert": _albert,
}
"""How the student of a teacher of each family is configured."""
