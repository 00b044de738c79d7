"""Which tensors of a model have an entry for each piece, asked of the model's own classes on torch's meta device.

A class is built twice, with vocabularies of two sizes: what differs in shape has a vocabulary axis, whatever it is
called: embeddings, the output layer (tied or not), its bias and that bias's aliases. Shapes of a checkpoint alone
could not tell, as a hidden size may happen to be the number of pieces.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True)
class Layout:
    """Of the classes that a checkpoint may have been saved from."""

    axes: Mapping[str, int]
    """The vocabulary's axis in each tensor that has one, by the tensor's name."""
    known: frozenset[str]
    """All tensors that the classes have."""
    embeddings: frozenset[str]
    """The names that the input embeddings go by."""
    tied: frozenset[str]
    """Tensors that are other names of another one, where the configuration ties them."""
    first_position: int
    """The highest id of padding that positions are counted from (RoBERTa's family); -1 where they start at 0."""


@dataclass(frozen=True)
class Head:
    """What multiplies a vector by a matrix with a row for each piece, and adds a bias."""

    weight: "Tensor"
    """Shape (vocabulary, width)."""
    bias: "Tensor | None"
    """Shape (vocabulary,)."""
    module: "nn.Module"
    """The module that the vector enters or, with `after`, the one that it leaves."""
    after: bool = False


def head_of(model: Any, where: str) -> Head | None:
    """Return the head of a model that predicts pieces, or None where it has none.

    Raises:
        SmeltError: it is of a form that is not known.
    """
    output = model.get_output_embeddings()
    if output is None:
        return None
    embeddings = model.get_input_embeddings().weight
    if len(output.weight) == len(embeddings):
        return Head(output.weight, getattr(output, "bias", None), output)
    # DeBERTa's own head multiplies by the embeddings, and transformers names the layer that stands before that.
    for part in model.modules():
        if getattr(part, "dense", None) is output and len(getattr(part, "bias", ())) == len(embeddings):
            return Head(embeddings, part.bias, part.LayerNorm, after=True)
    raise SmeltError(
        where, f"the head of {type(model).__name__} is of a form that smelt does not know: expected a linear layer"
    )


def layout_of(configuration: Any, where: str) -> Layout:
    """Return the layout of a model's configuration.

    Raises:
        SmeltError: transformers knows no such model, its class takes no size of a vocabulary, or its head is of a form
            that is not known.
    """
    import torch

    refuse_without_pieces(configuration, where)
    wider = copy.deepcopy(configuration)
    wider.vocab_size += 1
    axes: dict[str, int] = {}
    known, embeddings, tied, first = set[str](), set[str](), set[str](), -1
    for kind in _classes(configuration, where):
        with torch.device("meta"):
            model, other = kind(copy.deepcopy(configuration)), kind(copy.deepcopy(wider))
        head_of(model, where)
        shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
        grown = {name: tensor.shape for name, tensor in other.state_dict().items()}
        axes |= {name: _axis(shapes[name], grown[name]) for name in shapes if shapes[name] != grown[name]}
        known |= set(shapes)
        inputs = model.get_input_embeddings()
        embeddings |= {f"{name}.weight" for name, module in model.named_modules() if module is inputs}
        tied |= set(model.all_tied_weights_keys)
        others = [part for part in model.modules() if isinstance(part, torch.nn.Embedding) and part is not inputs]
        first = max([first, *(part.padding_idx for part in others if part.padding_idx is not None)])
    return Layout(axes, frozenset(known), frozenset(embeddings), frozenset(tied), first)


def refuse_without_pieces(configuration: Any, where: str) -> None:
    """Refuse a model without one vocabulary of its own: of images and text, or put together from two models.

    Raises:
        SmeltError: it is one.
    """
    if not isinstance(getattr(configuration, "vocab_size", None), int):
        kind = type(configuration).__name__.removesuffix("Config")
        raise SmeltError(where, f"is of the kind {kind}: its config.json has no vocab_size; expected a model of text")


def _classes(configuration: Any, where: str) -> list[Any]:
    """Return the class that a configuration names, the bare encoder's, and those with pretraining heads."""
    import transformers
    from transformers.models.auto import modeling_auto as auto

    named = [getattr(transformers, name, None) for name in configuration.architectures or []]
    if None in named:
        name = configuration.architectures[named.index(None)]
        raise SmeltError(where, f"is a {name}, which transformers does not have: expected one of its own classes")
    tables = (auto.MODEL_MAPPING, auto.MODEL_FOR_MASKED_LM_MAPPING, auto.MODEL_FOR_PRETRAINING_MAPPING)
    mapped = [table[type(configuration)] for table in tables if type(configuration) in table]
    return list(dict.fromkeys([*named, *mapped]))


def _axis(shape: Any, grown: Any) -> int:
    return next(axis for axis, (size, other) in enumerate(zip(shape, grown, strict=True)) if size != other)
