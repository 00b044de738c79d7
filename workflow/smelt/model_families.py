"""The names that families of models give their parts, and how they count positions.

A family is what transformers calls a model type. Nothing here loads torch: functions that take a model get one from
callers that have loaded it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from smelt.errors import SmeltError

if TYPE_CHECKING:
    from torch import Tensor, nn

# Models whose positions are numbered from the padding's id on (fairseq's convention): those whose code in transformers
# makes positions of ids. A test compares the list with that code, and with the longest row that each reads.
OFFSET_POSITIONS = {
    *["camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke", "markuplm", "mpnet"],
    *["roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"],
}
PADDING_IN_CODE = {"mpnet": 1}  # whatever id the configuration gives
COMPACT = "compact"
"""The family of the students in smelt.architectures."""
WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"
PIECE_EMBEDDINGS = "embeddings.pieces.weight"  # of smelt's compact students
"""How the name of an encoder's input embeddings ends in a checkpoint, behind the encoder's prefix."""
DISTILBERT_EPSILON = 1e-12  # of its layer normalisation; transformers has no key for it

Dimension = Literal["layers", "hidden", "heads", "feed_forward"]
_KEYS: dict[str, dict[Dimension, str]] = {
    "": {
        "layers": "num_hidden_layers",
        "hidden": "hidden_size",
        "heads": "num_attention_heads",
        "feed_forward": "intermediate_size",
    },
    "distilbert": {"layers": "n_layers", "hidden": "dim", "heads": "n_heads", "feed_forward": "hidden_dim"},
}
# What further families call them; the feed-forward part of some has no key, and is four times as wide as their states.
_ALSO_CALLED: dict[Dimension, tuple[str, ...]] = {
    "layers": ("n_layer",),  # GPT-2, XLNet
    "hidden": ("emb_dim", "n_embd", "d_model"),  # XLM, GPT-2, XLNet
    "heads": ("n_head",),
    "feed_forward": ("n_inner", "d_inner"),
}
PLAIN = {
    *["albert", "bert", "camembert", "convbert", "deberta", "deberta-v2", "distilbert", "electra", "ernie", "flaubert"],
    *["gpt2", "jina_embeddings_v3", "megatron-bert", "mpnet", "roberta", "roformer", "xlm", "xlm-roberta"],
}
"""Families whose layers are built like BERT's: so their number of parameters follows from a few numbers."""
GATED = {"eurobert", "gte", "llama", "mistral", "modernbert", "nomic_bert", "qwen2", "qwen3"}
"""The same, but the feed-forward part has three matrices instead of two: one of them gates."""
NARROW_EMBEDDINGS = {
    **dict.fromkeys(["albert", "convbert", "deberta", "deberta-v2", "electra", "roformer"], "embedding_size"),
    "rembert": "input_embedding_size",
}
"""Families whose embeddings may be narrower than their states, with the key of the width."""
_DROPOUTS = {
    "": ("hidden_dropout_prob", "attention_probs_dropout_prob"),
    "distilbert": ("dropout", "attention_dropout"),
}
_MASK_HEADS = ("ForMaskedLM", "ForPreTraining")
_LAYERS = (".transformer.layer.", ".encoder.layer.")  # what stands before a layer's number in names of weights
# The parts of a layer and of the head in BERT by what DistilBERT calls them.
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
_OF_THE_HEAD = {
    "vocab_transform": "cls.predictions.transform.dense",
    "vocab_layer_norm": "cls.predictions.transform.LayerNorm",
    "vocab_projector": "cls.predictions.decoder",
}


def max_positions(configuration: Any) -> int | None:
    """Return how many tokens a model reads at once, by its configuration; None where there is no such limit.

    configuration: an object of transformers, or the content of a config.json.
    """
    positions, family = _value(configuration, "max_position_embeddings"), _value(configuration, "model_type")
    padding = PADDING_IN_CODE.get(family or "", _value(configuration, "pad_token_id"))
    offset = (padding or 0) + 1 if family in OFFSET_POSITIONS else 0
    # XLNet's -1 stands for no limit.
    return None if positions is None or int(positions) <= 0 else int(positions) - offset


def number_of(configuration: Any, name: Dimension) -> int | None:
    """Return a number of a model by its configuration, an object of transformers or the content of a config.json."""
    found = value_of(configuration, name)
    return None if found is None else int(found)


def value_of(configuration: Any, name: Dimension) -> Any:
    """Return what a configuration gives for a number, which a file may give as anything; None where it has no key."""
    keys = [*(keys[name] for keys in _KEYS.values()), *_ALSO_CALLED[name]]
    return next((found for key in keys if (found := _value(configuration, key)) is not None), None)


def _value(configuration: Any, key: str) -> Any:
    """Return a value of a configuration, an object of transformers or the content of a config.json."""
    return configuration.get(key) if isinstance(configuration, Mapping) else getattr(configuration, key, None)


def layers_and_width(configuration: Any) -> tuple[int | None, int | None]:
    """Return how many layers a configuration gives and how wide they are."""
    return number_of(configuration, "layers"), number_of(configuration, "hidden")


def keys_of(family: str) -> dict[Dimension, str]:
    """Return what a family's configuration calls layers, hidden, heads and feed_forward."""
    return _KEYS.get(family, _KEYS[""])


def dropouts_of(family: str) -> tuple[str, ...]:
    """Return what a family's configuration calls its dropouts: of layers and of attention."""
    return _DROPOUTS.get(family, _DROPOUTS[""])


def token_types(configuration: Any) -> int:
    """Return how many types of segments an encoder knows: RoBERTa's kind has one, DistilBERT none."""
    return getattr(configuration, "type_vocab_size", None) or 0


def refuse_without_pieces(configuration: Any, where: str) -> None:
    """Refuse a model without one vocabulary of its own: of images and text, or put together from two models.

    Raises:
        SmeltError: it is one.
    """
    if not isinstance(getattr(configuration, "vocab_size", None), int):
        kind = type(configuration).__name__.removesuffix("Config")
        raise SmeltError(where, f"is of the kind {kind}: its config.json has no vocab_size; expected a model of text")


def fills_masks(architecture: str) -> bool:
    """Return whether a class of transformers has a masked-language-model head, by its name."""
    return architecture.endswith(_MASK_HEADS)


def of_encoder(model: Any, names: Iterable[str]) -> list[str]:
    """Return the names of the encoder's weights, in order, without a pooler's: not all models have one."""
    return sorted(name for name in names if name.startswith(f"{model.base_model_prefix}.") and "pooler" not in name)


@dataclass(frozen=True)
class Family:
    """The parts of a family that can be trained; each function takes the model."""

    title: str
    """Its name with an article."""
    masked: str
    """The class of transformers with a masked-language-model head alone."""
    transform: "Callable[[Any, Tensor], Tensor]"
    """From hidden states, shape (n, hidden), to what the decoder takes, shape (n, width)."""
    decoder: "Callable[[Any], nn.Linear]"
    """From there to logits, shape (n, vocabulary)."""
    pretraining: str | None = None
    """The class with heads for masked pieces and for what is predicted of two segments; None for encoders without a
    pooler, which cannot predict it."""
    sentences: "Callable[[Any, Tensor], Tensor] | None" = None
    """From pooled states, shape (rows, hidden), to logits of two classes; None for families without."""
    token_types: bool = True
    """Whether the encoder distinguishes two segments."""
    student: str | None = None
    """The family of a distilled student, where it is another one."""
    shared_layers: bool = False
    """Whether all layers are one layer, and the embeddings are narrower than the hidden states."""


def _albert_transform(model: Any, states: "Tensor") -> "Tensor":
    head = model.predictions
    transformed: Tensor = head.LayerNorm(head.activation(head.dense(states)))
    return transformed


def _distilbert_transform(model: Any, states: "Tensor") -> "Tensor":
    transformed: Tensor = model.vocab_layer_norm(model.activation(model.vocab_transform(states)))
    return transformed


def _roberta_transform(model: Any, states: "Tensor") -> "Tensor":
    from torch.nn.functional import gelu

    head = model.lm_head
    transformed: Tensor = head.layer_norm(gelu(head.dense(states)))
    return transformed


def _roberta(title: str, masked: str) -> Family:
    return Family(title, masked, _roberta_transform, lambda model: model.lm_head.decoder, token_types=False)


FAMILIES = {
    "albert": Family(
        "An ALBERT",
        "AlbertForMaskedLM",
        _albert_transform,
        lambda model: model.predictions.decoder,
        pretraining="AlbertForPreTraining",
        sentences=lambda model, pooled: model.sop_classifier(pooled),
        shared_layers=True,
    ),
    "bert": Family(
        "A BERT",
        "BertForMaskedLM",
        lambda model, states: model.cls.predictions.transform(states),
        lambda model: model.cls.predictions.decoder,
        pretraining="BertForPreTraining",
        sentences=lambda model, pooled: model.cls.seq_relationship(pooled),
        student="distilbert",
    ),
    "distilbert": Family(
        "A DistilBERT",
        "DistilBertForMaskedLM",
        _distilbert_transform,
        lambda model: model.vocab_projector,
        token_types=False,
    ),
    "roberta": _roberta("A RoBERTa", "RobertaForMaskedLM"),
    "xlm-roberta": _roberta("An XLM-R", "XLMRobertaForMaskedLM"),
    "camembert": _roberta("A CamemBERT", "CamembertForMaskedLM"),
}
"""The families that can be trained on raw text."""


def family_of(model: Any) -> Family:
    """Return the family of a model of transformers.

    Raises:
        SmeltError: it is of none that training knows.
    """
    name = model.config.model_type
    if name not in FAMILIES:
        raise SmeltError("model", f"is of family {name}; training knows {', '.join(FAMILIES)}")
    return FAMILIES[name]


def embeddings_of(model: Any) -> "dict[str, nn.Embedding]":
    """Return the embeddings of positions and of pieces of a model of FAMILIES."""
    return {"positions": model.base_model.embeddings.position_embeddings, "pieces": model.get_input_embeddings()}


def repeated_layers(model: Any) -> "list[nn.Module]":
    """Return the layers of a model that its encoder passes again and again: ALBERT's."""
    groups = model.base_model.encoder.albert_layer_groups if family_of(model).shared_layers else []
    return [layer for group in groups for layer in group.albert_layers]


def with_layer_of(name: str, layers: list[int]) -> str:
    """Return the name of a weight with `layers[n]` for the number n of its layer; ALBERT's layers have no numbers."""
    for stem in _LAYERS:
        before, found, rest = name.partition(stem)
        if found:
            number, _, part = rest.partition(".")
            return f"{before}{stem}{layers[int(number)]}.{part}"
    return name


def name_in_bert(name: str) -> str:
    """Return what BERT calls a weight of DistilBERT."""
    for own, theirs in _OF_THE_HEAD.items():
        if name.startswith(f"{own}."):
            return name.replace(own, theirs, 1)
    name = name.replace("distilbert.transformer.layer.", "bert.encoder.layer.").replace("distilbert.", "bert.")
    for own, theirs in _OF_A_LAYER.items():
        if f".{own}." in name:
            return name.replace(f".{own}.", f".{theirs}.")
    return name


@dataclass(frozen=True)
class Head:
    """A head that predicts pieces: it multiplies a vector by a matrix with a row for each piece, and adds a bias."""

    weight: "Tensor"
    """Shape (vocabulary, width)."""
    bias: "Tensor | None"
    """Shape (vocabulary,)."""
    module: "nn.Module"
    """The module that the vector enters or, with `after`, the one that it leaves."""
    after: bool = False


def head_of(model: Any, where: str) -> Head | None:
    """Return the head of a model of any family that predicts pieces, or None where it has none.

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


def operations_per_token(shape: Mapping[str, int], projection: int, length: int, predicted: float, head: int) -> float:
    """Return the floating-point operations of one training pass for each token: forward, and twice as much backward.

    A token takes 6 operations for each weight of a matrix that it passes, each time that it passes it (Kaplan et al.
    2020, section 2.1; ALBERT's shared ones once per layer), and 12 * length * hidden per layer for attention's scores
    and weighted sums (Chowdhery et al. 2022, appendix B).

    Args:
        shape: the model's layers, hidden and feed_forward.
        projection: weights between embeddings and hidden states; 0 where they are as wide.
        length: tokens in a row.
        predicted: share of the tokens that pass the head.
        head: weights of the head's matrices.
    """
    layer = 4 * shape["hidden"] ** 2 + 2 * shape["hidden"] * shape["feed_forward"]
    weights = projection + shape["layers"] * layer + predicted * head
    return float(6 * weights + 12 * shape["layers"] * length * shape["hidden"])
