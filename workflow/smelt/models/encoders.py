"""New encoders for pretraining: a shape, with the heads that a recipe trains, as a model of transformers.

While it trains, a model's vocabulary is padded to a multiple of 64 rows, because matrix units are faster so; it is
resized to the tokenizer's before it is saved. The padding rows are zeros, added after the weights are drawn, so that
the other weights start as without them. They stay zeros to the end, because the objective leaves their logits out and
weight decay does not change zeros.
"""

from functools import partial
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError
from smelt.model_families import FAMILIES, dropouts_of, keys_of, repeated_layers
from smelt.study.architectures import FamilyName, Shape
from smelt.training.pieces import Pieces
from smelt.training.recipes import ObjectiveSettings, Recipe

if TYPE_CHECKING:
    import torch

SHORTEST_POSITIONS = 512  # the positions of every published ALBERT, BERT and DistilBERT
MULTIPLE = 64


def new_encoder(shape: Shape, recipe: Recipe, pieces: Pieces, device: "torch.device | None" = None) -> Any:
    """Return a new model, its weights drawn from torch's generator and its vocabulary padded.

    Args:
        shape: the encoder's numbers.
        recipe: its model and machine parts, length and sentences are used.
        pieces: the tokenizer's.
        device: where it will train, which decides the attention kernel; the CPU by default. It is not moved there.

    Raises:
        SmeltError: the recipe asks for an attention kernel that cannot run here.
    """
    model_class = model_class_for(shape.family, recipe.objective)
    kernel = attention_kernel(recipe, device.type if device else "cpu")
    model = model_class._from_config(_configuration(shape, recipe, pieces), attn_implementation=kernel)
    if shape.family == "albert" and recipe.objective.sentences != "none":
        model.sop_classifier.dropout.p = recipe.model.dropout_of(shape.hidden)  # the configuration's is for fine-tuning
    if recipe.machine.gradient_checkpointing:
        recompute_layers(model)
    resize_vocabulary(model, padded_rows(pieces.size))
    return model


def model_class_for(family: FamilyName, objective: ObjectiveSettings) -> Any:
    """Return the class of transformers with exactly the heads that the objective trains."""
    import transformers

    known = FAMILIES[family]
    name = known.masked if objective.sentences == "none" else known.pretraining
    if name is None:
        raise SmeltError(
            "recipe",
            f"objective.sentences: expected none with the family {family}; found {objective.sentences!r}",
        )
    return getattr(transformers, name)


def attention_kernel(recipe: Recipe, device: str) -> str:
    """Return transformers' name of the attention kernel for a type of device.

    Raises:
        SmeltError: FlashAttention is asked for where it cannot run.
    """
    from transformers.utils import is_flash_attn_2_available

    lacking = [
        what
        for what, there in (
            ("the package flash_attn", is_flash_attn_2_available()),
            ("a CUDA device", device == "cuda"),
            ("model.precision: bf16", recipe.model.precision == "bf16"),
        )
        if not there
    ]
    if recipe.machine.attention == "flash" and lacking:
        raise SmeltError(
            "recipe", f"machine.attention: flash needs {' and '.join(lacking)}; leave the key out for torch's own"
        )
    if recipe.machine.attention in ("sdpa", "eager"):
        return recipe.machine.attention
    return "sdpa" if lacking else "flash_attention_2"


def recompute_layers(model: Any) -> None:
    """Make each layer keep only its input in training, and compute the rest again when gradients need it."""
    if model.supports_gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
        return
    # transformers cannot do this for ALBERT, whose one layer is called repeatedly.
    from torch.utils.checkpoint import checkpoint

    for layer in repeated_layers(model):
        layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def padded_rows(pieces: int) -> int:
    """Return the number of rows of a vocabulary while training: the next multiple of 64."""
    return -(-pieces // MULTIPLE) * MULTIPLE


def resize_vocabulary(model: Any, rows: int) -> None:
    """Cut a model's vocabulary to its first rows, or add rows of zeros; kept rows and tied weights stay so."""
    import torch

    before = model.config.vocab_size
    if before == rows:
        return
    model.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        for parameter in (model.get_input_embeddings().weight, model.get_output_embeddings().bias):
            parameter[before:] = 0


def _configuration(shape: Shape, recipe: Recipe, pieces: Pieces) -> Any:
    from transformers import AutoConfig

    family, keys = shape.family, keys_of(shape.family)
    own: dict[str, Any] = {}
    if family == "albert":
        own = {
            "embedding_size": shape.embedding,
            "bos_token_id": pieces.classification,
            "eos_token_id": pieces.separator,
        }
    elif family == "bert":
        own = {"use_cache": False}  # an encoder has none; transformers would warn of it under gradient checkpointing
    return AutoConfig.for_model(
        family,
        **{key: getattr(shape, name) for name, key in keys.items()},
        **dict.fromkeys(dropouts_of(family), recipe.model.dropout_of(shape.hidden)),
        **own,
        vocab_size=pieces.size,
        max_position_embeddings=max(SHORTEST_POSITIONS, recipe.data.length),
        initializer_range=recipe.model.initial_deviation(shape.hidden),
        pad_token_id=pieces.padding,
    )
