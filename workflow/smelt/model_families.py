"""What families of models count otherwise than the others do, once for all who ask."""

from collections.abc import Mapping
from typing import Any

from smelt.errors import SmeltError

# Models whose positions are numbered from the padding's id on (fairseq's convention): those whose code in transformers
# makes positions of ids. A test holds the list against that code, and against the longest row that each reads.
OFFSET_POSITIONS = {
    *["camembert", "data2vec-text", "esm", "ibert", "layoutlmv3", "lilt", "longformer", "luke", "markuplm", "mpnet"],
    *["roberta", "roberta-prelayernorm", "xlm-roberta", "xlm-roberta-xl", "xmod"],
}
PADDING_IN_CODE = {"mpnet": 1}  # whatever id the configuration gives


def longest_of(configuration: Any) -> int | None:
    """Return how many tokens a model reads at once, by its configuration; None where there is no such limit."""
    return longest(
        getattr(configuration, "max_position_embeddings", None),
        configuration.model_type,
        getattr(configuration, "pad_token_id", None),
    )


def longest(positions: int | None, family: str | None, padding: int | None) -> int | None:
    """Return how many tokens a model of a family reads at once, by what its config.json says."""
    padding = PADDING_IN_CODE.get(family or "", padding)
    offset = (padding or 0) + 1 if family in OFFSET_POSITIONS else 0
    # XLNet's -1 stands for no limit.
    return None if positions is None or int(positions) <= 0 else int(positions) - offset


def refuse_without_pieces(configuration: Any, where: str) -> None:
    """Refuse a model without one vocabulary of its own: of images and text, or put together from two models.

    Raises:
        SmeltError: it is one.
    """
    if not isinstance(getattr(configuration, "vocab_size", None), int):
        kind = type(configuration).__name__.removesuffix("Config")
        raise SmeltError(where, f"is of the kind {kind}: its config.json has no vocab_size; expected a model of text")


def layers_and_width(configuration: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return how many layers a config.json gives and how wide they are; DistilBERT has names of its own."""
    layers = configuration.get("num_hidden_layers", configuration.get("n_layers"))
    return layers, configuration.get("hidden_size", configuration.get("dim"))
