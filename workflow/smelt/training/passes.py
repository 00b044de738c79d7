"""One pass of a model over a batch, and what the families of models call the parts that training needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from smelt.errors import SmeltError
from smelt.training.batches import Batch


@dataclass(frozen=True)
class Family:
    """Where the models of one family keep their heads; each entry takes the model."""

    transform: Callable[[Any, Tensor], Tensor]
    """From hidden states, shape (n, hidden), to what the decoder takes, shape (n, width)."""
    decoder: Callable[[Any], nn.Linear]
    """From there to logits, shape (n, vocabulary)."""
    sentences: Callable[[Any, Tensor], Tensor] | None = None
    """From pooled states, shape (rows, hidden), to logits of two classes; None for families without."""
    token_types: bool = True
    """Whether the encoder tells segments apart."""


def _albert_transform(model: Any, states: Tensor) -> Tensor:
    head = model.predictions
    return torch.as_tensor(head.LayerNorm(head.activation(head.dense(states))))


def _distilbert_transform(model: Any, states: Tensor) -> Tensor:
    return torch.as_tensor(model.vocab_layer_norm(model.activation(model.vocab_transform(states))))


def _roberta_transform(model: Any, states: Tensor) -> Tensor:
    head = model.lm_head
    return torch.as_tensor(head.layer_norm(nn.functional.gelu(head.dense(states))))


_ROBERTA = Family(transform=_roberta_transform, decoder=lambda model: model.lm_head.decoder, token_types=False)

FAMILIES = {
    "albert": Family(
        transform=_albert_transform,
        decoder=lambda model: model.predictions.decoder,
        sentences=lambda model, pooled: model.sop_classifier(pooled),
    ),
    "bert": Family(
        transform=lambda model, states: model.cls.predictions.transform(states),
        decoder=lambda model: model.cls.predictions.decoder,
        sentences=lambda model, pooled: model.cls.seq_relationship(pooled),
    ),
    "distilbert": Family(
        transform=_distilbert_transform,
        decoder=lambda model: model.vocab_projector,
        token_types=False,
    ),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
}


def family_of(model: Any) -> Family:
    """Return the family of a model of transformers.

    Raises:
        SmeltError: it is of none that training knows.
    """
    name = model.config.model_type
    if name not in FAMILIES:
        raise SmeltError("model", f"is of family {name}; training knows {', '.join(FAMILIES)}")
    return FAMILIES[name]


@dataclass(frozen=True)
class Asked:
    """What is asked of a pass besides its last hidden states, which come of themselves."""

    hidden_states: bool = False
    attentions: bool = False
    """Needs smelt.training.attention.show_distributions."""

    def __or__(self, other: "Asked") -> "Asked":
        """Return what either asks."""
        return Asked(self.hidden_states or other.hidden_states, self.attentions or other.attentions)

    def __bool__(self) -> bool:
        """Say whether anything is asked."""
        return self.hidden_states or self.attentions


NOTHING = Asked()


class Pass:
    """One pass of a model over a batch: hidden states now, what a head makes of them when first asked for."""

    def __init__(
        self, model: Any, batch: Batch, asked: Asked = NOTHING, counts: Mapping[str, int] | None = None
    ) -> None:
        """Run the encoder of a model with a head for masked tokens over a batch.

        counts: how many things each term predicts in the whole batch that this one is a part of; by default, in this.
        """
        self.model, self.batch, self.counts, self.family = model, batch, counts, family_of(model)
        inputs = {"token_type_ids": batch.token_type_ids} if self.family.token_types else {}
        outputs = {"output_hidden_states": True} if asked.hidden_states else {}
        outputs |= {"output_attentions": True} if asked.attentions else {}
        self._output = model.base_model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, **inputs, **outputs
        )
        self.hidden: Tensor = self._output.last_hidden_state  # (rows, length, hidden)

    @property
    def hidden_states(self) -> tuple[Tensor, ...]:
        """What goes into the first layer and comes out of each, shape (rows, length, hidden) each."""
        return tuple(self._output.hidden_states)

    @property
    def attentions(self) -> tuple[Tensor, ...]:
        """Each layer's attention as logarithms of probabilities, shape (rows, heads, length, length) each."""
        return tuple(self._output.attentions)

    def states_at(self, positions: Tensor) -> Tensor:
        """Return what the decoder takes of some positions, counted through all rows, shape (positions, width)."""
        return self.family.transform(self.model, self.hidden.flatten(0, 1).index_select(0, positions))

    @cached_property
    def masked_states(self) -> Tensor:
        """What the decoder takes of the masked positions only, shape (masked, width): the rest would be for nothing."""
        return self.states_at(self.batch.masked)

    @property
    def decoder(self) -> nn.Linear:
        """The layer from masked states to logits, shape (vocabulary, width)."""
        return self.family.decoder(self.model)

    @cached_property
    def sentence_logits(self) -> Tensor:
        """Logits of what is predicted of two segments, shape (rows, 2).

        Raises:
            SmeltError: the model has no such head.
        """
        head, pooled = self.family.sentences, getattr(self._output, "pooler_output", None)
        if head is None or pooled is None:
            name = self.model.config.model_type
            raise SmeltError("model", f"this {name} predicts nothing of sentences; set the recipe's sentences to none")
        return head(self.model, pooled)
