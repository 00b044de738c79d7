"""New encoders for pretraining: a shape, with the heads that a recipe trains, as a model of transformers.

While it trains, a model's vocabulary is padded to a multiple of 64 rows, which matrix units like; it is resized to the
tokenizer's before it is saved. The rows that pad are zeros, added once the weights are drawn: the first weights are
those of a model without them, an objective that leaves their logits out sends them no gradient, and decay leaves zeros
alone, so that they stay zeros to the end.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError
from smelt.study.architectures import Family, Shape
from smelt.training.pieces import Pieces
from smelt.training.recipes import Recipe

if TYPE_CHECKING:
    import torch

SHORTEST_POSITIONS = 512  # the positions of every published ALBERT, BERT and DistilBERT
MULTIPLE = 64


def new_encoder(shape: Shape, recipe: Recipe, pieces: Pieces, device: "torch.device | None" = None) -> Any:
    """Return a new model, its weights drawn from torch's generator and its vocabulary padded.

    Args:
        shape: the encoder's numbers.
        recipe: of which dropout, initializer_range, length, sentences, attention and gradient_checkpointing count.
        pieces: the tokenizer's.
        device: where it will train, which decides the attention kernel; the CPU by default. It is not moved there.

    Raises:
        SmeltError: the recipe asks for an attention kernel that cannot run here.
    """
    kind = kind_of(shape.family, recipe)
    kernel = attention_kernel(recipe, device.type if device else "cpu")
    model = kind._from_config(_CONFIGURATIONS[shape.family](shape, recipe, pieces), attn_implementation=kernel)
    if shape.family == "albert" and recipe.sentences != "none":
        model.sop_classifier.dropout.p = recipe.dropout_of(shape.hidden)  # the configuration's is for fine-tuning
    if recipe.gradient_checkpointing:
        recompute_layers(model)
    resize_vocabulary(model, padded(pieces.size))
    return model


def kind_of(family: Family, recipe: Recipe) -> Any:
    """Return the class of transformers whose heads are those that the recipe trains, and no other."""
    import transformers

    kinds = {
        "albert": (transformers.AlbertForPreTraining, transformers.AlbertForMaskedLM),
        "bert": (transformers.BertForPreTraining, transformers.BertForMaskedLM),
        "distilbert": (None, transformers.DistilBertForMaskedLM),
    }
    kind = kinds[family][recipe.sentences == "none"]
    if kind is None:
        raise SmeltError("recipe", f"sentences: expected none with the family {family}; found {recipe.sentences!r}")
    return kind


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
            ("precision: bf16", recipe.precision == "bf16"),
        )
        if not there
    ]
    if recipe.attention == "flash" and lacking:
        raise SmeltError("recipe", f"attention: flash needs {' and '.join(lacking)}; leave the key out for torch's own")
    if recipe.attention in ("sdpa", "eager"):
        return recipe.attention
    return "sdpa" if lacking else "flash_attention_2"


def recompute_layers(model: Any) -> None:
    """Have each layer keep only its input in training, and compute the rest again when gradients need it."""
    if model.supports_gradient_checkpointing:
        model.activation_checkpointing_enable({"use_reentrant": False})
        return
    # transformers has no such thing for ALBERT, whose one layer is called again and again.
    from torch.utils.checkpoint import checkpoint

    for group in model.base_model.encoder.albert_layer_groups:
        for layer in group.albert_layers:
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False)


def padded(pieces: int) -> int:
    """Return the rows that a vocabulary takes while training: the next multiple of 64."""
    return -(-pieces // MULTIPLE) * MULTIPLE


def resize_vocabulary(model: Any, rows: int) -> None:
    """Cut a model's vocabulary to its first rows, or add rows of zeros; what is kept, and what is tied, stays so."""
    import torch

    before = model.config.vocab_size
    if before == rows:
        return
    model.resize_token_embeddings(rows, mean_resizing=False)
    with torch.no_grad():
        for parameter in (model.get_input_embeddings().weight, model.get_output_embeddings().bias):
            parameter[before:] = 0


def _albert(shape: Shape, recipe: Recipe, pieces: Pieces) -> Any:
    from transformers import AlbertConfig

    return AlbertConfig(
        vocab_size=pieces.size,
        embedding_size=shape.embedding,
        bos_token_id=pieces.classification,
        eos_token_id=pieces.separator,
        **_numbers(shape, recipe, pieces),
    )


def _bert(shape: Shape, recipe: Recipe, pieces: Pieces) -> Any:
    from transformers import BertConfig

    # An encoder has no cache; without saying so, transformers warns of it under gradient checkpointing.
    return BertConfig(vocab_size=pieces.size, use_cache=False, **_numbers(shape, recipe, pieces))


def _distilbert(shape: Shape, recipe: Recipe, pieces: Pieces) -> Any:
    from transformers import DistilBertConfig

    return DistilBertConfig(
        vocab_size=pieces.size,
        dim=shape.hidden,
        n_layers=shape.layers,
        n_heads=shape.heads,
        hidden_dim=shape.feed_forward,
        dropout=recipe.dropout_of(shape.hidden),
        attention_dropout=recipe.dropout_of(shape.hidden),
        max_position_embeddings=max(SHORTEST_POSITIONS, recipe.length),
        initializer_range=recipe.initial_deviation(shape.hidden),
        pad_token_id=pieces.padding,
    )


def _numbers(shape: Shape, recipe: Recipe, pieces: Pieces) -> dict[str, Any]:
    """Return what ALBERT's and BERT's configurations call by the same names."""
    return {
        "hidden_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "intermediate_size": shape.feed_forward,
        "max_position_embeddings": max(SHORTEST_POSITIONS, recipe.length),
        "hidden_dropout_prob": recipe.dropout_of(shape.hidden),
        "attention_probs_dropout_prob": recipe.dropout_of(shape.hidden),
        "initializer_range": recipe.initial_deviation(shape.hidden),
        "pad_token_id": pieces.padding,
    }


_CONFIGURATIONS: dict[Family, Callable[[Shape, Recipe, Pieces], Any]] = {
    "albert": _albert,
    "bert": _bert,
    "distilbert": _distilbert,
}
