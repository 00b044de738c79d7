"""Encoder shapes: by name and by numbers, in three families, with the recipes they can follow; and those of others."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import model_validator

from smelt.entry import Entry, check
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.model_families import FAMILIES, GATED, NARROW_EMBEDDINGS, Dimension, value_of
from smelt.numbers import MOST_PIECES, Heads, Layers, PieceCount, StateWidth
from smelt.training.recipes import ObjectiveSettings

FamilyName = Literal["albert", "bert", "distilbert"]


POSITIONS = 512  # that published encoders have
MOST_PARAMETERS = 10**12  # more than any encoder has


class Shape(Entry):
    """The numbers of an encoder."""

    family: FamilyName = "albert"
    """`albert`, whose layers share their parameters and whose embeddings are narrow (Lan et al. 2019); `bert` (Devlin
    et al. 2019); or `distilbert`, which is BERT without token types and without a pooler (Sanh et al. 2019)."""
    layers: Layers
    """Number of layers."""
    hidden: StateWidth
    """Width of the hidden states."""
    heads: Heads
    """Attention heads of a layer; they divide the width."""
    feed_forward: StateWidth
    """Width inside a layer's feed-forward part."""
    embedding: StateWidth = 128
    """Width of the pieces' embeddings in ALBERT; in the other families it is the hidden size and is left out."""

    @model_validator(mode="before")
    @classmethod
    def _embeds_at_its_width(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("family", "albert") == "albert":
            return value
        return {"embedding": value["hidden"], **value} if isinstance(value.get("hidden"), int) else value

    @model_validator(mode="after")
    def _numbers_go_together(self) -> Self:
        if self.hidden % self.heads:
            raise ValueError(f"{self.heads} heads do not divide a hidden size of {self.hidden}")
        if (size := self.parameters(MOST_PIECES)) > MOST_PARAMETERS:
            raise ValueError(f"makes an encoder of {size:.1e} parameters: expected at most {MOST_PARAMETERS:.0e}")
        if not FAMILIES[self.family].shared_layers and self.embedding != self.hidden:
            raise ValueError(
                f"embedding: found {self.embedding}; {self.family} has embeddings of the hidden size, {self.hidden}:"
                " leave the key out, or choose family albert"
            )
        return self

    def parameters(self, vocabulary: int) -> int:
        """Return how many parameters an encoder of this shape has, to a few thousand: what its size in memory is.

        Args:
            vocabulary: pieces that have an embedding.
        """
        layer = 4 * self.hidden**2 + 2 * self.hidden * self.feed_forward + 9 * self.hidden + self.feed_forward
        family = FAMILIES[self.family]
        layers = layer * (1 if family.shared_layers else self.layers)
        factorised = self.hidden * self.embedding if family.shared_layers or self.embedding != self.hidden else 0
        pooler = 0 if family.pretraining is None else self.hidden**2
        return (vocabulary + POSITIONS) * self.embedding + factorised + layers + pooler


class PublishedShape(Entry):
    """The numbers of an encoder that somebody else made, in any family."""

    family: str
    """A model type of transformers."""
    layers: Layers
    hidden: StateWidth
    heads: Heads
    feed_forward: StateWidth
    """As wide as two matrices would be: a gated part, which has three, counts as one and a half times its width."""
    embedding: StateWidth
    pieces: PieceCount

    @property
    def numbers(self) -> dict[str, int]:
        """Layers, hidden, heads and feed_forward."""
        return {name: getattr(self, name) for name in get_args(Dimension)}


def read_published_shape(file: Path) -> PublishedShape:
    """Return the shape that a config.json gives. Loading transformers for it would take longer than planning a study.

    Raises:
        SmeltError: it cannot be read, or gives no such numbers of one encoder.
    """
    configuration = read_json(file)
    if configuration.get("is_encoder_decoder"):
        raise SmeltError(file, "is of an encoder with a decoder: expected one of an encoder")
    family = configuration.get("model_type") or "bert"
    found = {name: value_of(configuration, name) for name in get_args(Dimension)}
    hidden = found["hidden"]
    if found["feed_forward"] is None:
        found["feed_forward"] = 4 * hidden if isinstance(hidden, int) else hidden
    found["embedding"] = configuration.get(NARROW_EMBEDDINGS.get(str(family), "")) or hidden
    found["pieces"] = configuration.get("vocab_size")
    if missing := [name for name, value in found.items() if value is None]:
        raise SmeltError(file, f"gives no {', '.join(missing)} under a name that smelt knows")
    shape = check(PublishedShape, found | {"family": family}, file)
    gated = {"feed_forward": shape.feed_forward * 3 // 2} if shape.family in GATED else {}
    return shape.model_copy(update=gated)


def numbers_in(folder: str) -> dict[str, int]:
    """Return layers, hidden, heads and feed_forward of the model in a folder; nothing where it gives none."""
    try:
        return read_published_shape(Path(folder, "config.json")).numbers
    except SmeltError:
        return {}


def _bert(layers: int, hidden: int) -> Shape:
    """Return a BERT shape: heads of 64, and a feed-forward layer four times as wide as the hidden states."""
    return Shape(family="bert", layers=layers, hidden=hidden, heads=hidden // 64, feed_forward=4 * hidden)


ARCHITECTURES = {
    # ALBETO's sizes (Cañete et al. 2022, Table 1); base, large, xlarge and xxlarge are those of Lan et al. 2019.
    "albert-tiny": Shape(layers=4, hidden=312, heads=12, feed_forward=1248),
    "albert-base": Shape(layers=12, hidden=768, heads=12, feed_forward=3072),
    "albert-large": Shape(layers=24, hidden=1024, heads=16, feed_forward=4096),
    "albert-xlarge": Shape(layers=24, hidden=2048, heads=16, feed_forward=8192),
    "albert-xxlarge": Shape(layers=12, hidden=4096, heads=64, feed_forward=16384),
    # Turc et al. 2019, section 4 and Table 1; base and large are those of Devlin et al. 2019, section 3. Multilingual
    # BERT is bert-base with another vocabulary.
    "bert-tiny": _bert(2, 128),
    "bert-mini": _bert(4, 256),
    "bert-small": _bert(4, 512),
    "bert-medium": _bert(8, 512),
    "bert-base": _bert(12, 768),
    "bert-large": _bert(24, 1024),
    # Sanh et al. 2019, section 3: every other layer of bert-base. Also DistilBETO's and distilmBERT's.
    "distilbert-base": Shape(family="distilbert", layers=6, hidden=768, heads=12, feed_forward=3072),
}


def refuse_unfit_objective(shape: Shape, objective: ObjectiveSettings) -> None:
    """Refuse an objective that an encoder of that shape cannot learn.

    Raises:
        ValueError: DistilBERT, which cannot distinguish segments and has no pooler, is to predict their order.
    """
    if FAMILIES[shape.family].pretraining is None and objective.sentences != "none":
        raise ValueError(
            f"settings.objective.sentences: expected none; found {objective.sentences!r}, which architectures of"
            f" the family {shape.family} cannot predict: they have neither token types nor a pooler"
        )
