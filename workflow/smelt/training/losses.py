"""The losses of distillation and their weights.

Light on purpose (no torch): the study file's types are built on it.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Entry
from smelt.numbers import Layers, NonNegative, Positive

TERMS = ("kl", "mlm", "cosine", "hidden", "attention")
LAYER_TERMS = ("hidden", "attention")  # the terms that layers are mapped for


class Losses(Entry):
    """Weights of the losses of a distillation, and what they are taken over; a loss of weight 0 is not computed."""

    kl: NonNegative = 5.0
    """Weight of the Kullback-Leibler divergence of the student's predictions from the teacher's, softened by the
    temperature and multiplied by its square (Hinton et al. 2015, section 2.1; alpha_ce of DistilBERT's code)."""
    mlm: NonNegative = 2.0
    """Weight of the cross-entropy of the masked tokens; it needs no teacher."""
    cosine: NonNegative = 1.0
    """Weight of 1 less the cosine of the student's and the teacher's last hidden states (Sanh et al. 2019, section 2);
    through a learned projection where their widths differ."""
    hidden: NonNegative = 0.0
    """Weight of the mean squared error of the hidden states of mapped layers, through learned projections; the
    embeddings are mapped to the embeddings (TinyBERT, Jiao et al. 2020, equations 8 and 9; MobileBERT's feature
    maps)."""
    attention: NonNegative = 0.0
    """Weight of the Kullback-Leibler divergence of the attention distributions of mapped layers, head by head
    (MobileBERT, Sun et al. 2020, section 3.2); the student has as many heads as its teachers."""
    temperature: Positive = 2.0
    """Temperature: `kl` compares logits divided by it."""
    positions: Literal["all", "masked"] = "all"
    """Tokens that `kl` is taken over: `all` that are not padding, or the `masked` ones."""
    layers: list[Layers] | None = Field(default=None, min_length=1)
    """The teacher's layer for each of the student's, counted from 1, for `hidden` and `attention`; by default spread
    evenly (TinyBERT's m * N / M)."""

    @model_validator(mode="after")
    def _learns_something(self) -> Self:
        if not any(self.weights().values()):
            raise ValueError(f"{', '.join(TERMS)}: all weights are 0; expected one above it, or nothing is learnt")
        return self

    @model_validator(mode="after")
    def _maps_layers_for_something(self) -> Self:
        if self.layers is not None and not any(self.weights()[name] for name in LAYER_TERMS):
            raise ValueError("layers: maps layers for hidden and attention, whose weights are 0; expected one above it")
        return self

    def idle(self) -> dict[str, str]:
        """Return the settings that have no effect under these weights, each with why."""
        return {} if self.kl else dict.fromkeys(("temperature", "positions"), "with kl: 0, the only loss that uses it")

    def weights(self) -> dict[str, float]:
        """Return the weight of each loss, those of 0 too."""
        return {name: float(getattr(self, name)) for name in TERMS}

    @property
    def needs_teachers(self) -> bool:
        """Whether any loss needs a teacher."""
        return any(weight for name, weight in self.weights().items() if name != "mlm")


def refuse_losses_without_mlm(losses: Losses, teacher: str) -> None:
    """Refuse losses that do not teach the pieces that were added to a teacher, which has not learnt them.

    Raises:
        ValueError: the weight of mlm is 0; the message names the teacher as given.
    """
    if not losses.mlm:
        raise ValueError(
            f"losses.mlm: is 0, and only masked tokens teach a student to predict the pieces that were added to"
            f" {teacher}: kl compares those before them, and the other losses compare no predictions; expected a"
            " weight above 0"
        )
