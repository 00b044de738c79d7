"""One pass of a model over a batch."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from torch import Tensor, nn

from smelt.errors import SmeltError
from smelt.model_families import family_of
from smelt.training.batches import Batch


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
