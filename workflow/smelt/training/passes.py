"""One pass of a model over a batch, and what the families of models call the parts that pretraining needs."""

from collections.abc import Callable
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
}


def family_of(model: Any) -> Family:
    """Return the family of a model of transformers.

    Raises:
        SmeltError: it is of none that pretraining knows.
    """
    name = model.config.model_type
    if name not in FAMILIES:
        raise SmeltError("model", f"is of family {name}; pretraining knows {', '.join(FAMILIES)}")
    return FAMILIES[name]


class Pass:
    """One pass of a model over a batch: hidden states now, what a head makes of them when first asked for."""

    def __init__(self, model: Any, batch: Batch) -> None:
        """Run the encoder of a model with a head for masked tokens over a batch."""
        self.model, self.batch, self.family = model, batch, family_of(model)
        types = {"token_type_ids": batch.token_type_ids} if self.family.token_types else {}
        self._output = model.base_model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **types)
        self.hidden: Tensor = self._output.last_hidden_state  # (rows, length, hidden)

    @cached_property
    def masked_states(self) -> Tensor:
        """What the decoder takes of the masked positions only, shape (masked, width): the rest would be for nothing."""
        chosen = self.hidden.flatten(0, 1).index_select(0, self.batch.masked)
        return self.family.transform(self.model, chosen)

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
