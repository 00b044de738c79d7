"""One pass of a model over a batch: its attention where an objective compares it, and torch.compile where it pays.

Fused attention kernels never have the distributions, and transformers' own eager attention shows them after dropout,
when they are distributions no more; so a pass that needs them uses the attention of this module.

torch.compile pays on GPUs, for the encoder as it trains. Every shape is compiled on its own: what torch does by default
depends on which shapes came before, and a run that goes on from a checkpoint meets them in another order, so it would
end with other bits. For the same reason validation, whose batches have many shapes, is not compiled.
"""

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from smelt.errors import SmeltError
from smelt.model_families import family_of
from smelt.training.data import Batch
from smelt.training.recipes import Recipe

NAME = "smelt_shown"


def show_distributions(model: Any) -> None:
    """Have a model of transformers compute attention so that `output_attentions` gives logarithms of probabilities."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(NAME, shown_attention)
    AttentionMaskInterface.register(NAME, eager_mask)
    model.set_attn_implementation(NAME)


def shown_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: object,
) -> tuple[Tensor, Tensor]:
    """Return what attention makes of the values, shape (rows, length, heads, width), and its distributions.

    These are logarithms of the probabilities before dropout, in float32, shape (rows, heads, length, length); the
    rest is transformers' eager attention.
    """
    scores = torch.matmul(query, key.transpose(2, 3)) * (query.shape[-1] ** -0.5 if scaling is None else scaling)
    if attention_mask is not None:
        scores = scores + attention_mask
    distributions = scores.float().log_softmax(-1)
    weights = functional.dropout(distributions.exp().to(query.dtype), dropout, training=module.training)
    return torch.matmul(weights, value).transpose(1, 2).contiguous(), distributions


@dataclass(frozen=True)
class Asked:
    """What is asked of a pass besides its last hidden states, which come of themselves."""

    hidden_states: bool = False
    attentions: bool = False
    """Needs smelt.training.forward_pass.show_distributions."""

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


WIDTHS = 64  # tokens: a compiled encoder meets rows of multiples of it, of which a block of 512 has eight
SHAPES = 64  # that are compiled at the most: widths, rows of the last micro-batch, with and without padding


def compile_encoder(model: nn.Module) -> None:
    """Have the encoder compiled at its first use; the heads see another number of masked positions at every step."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, SHAPES)
    model.base_model.compile(dynamic=False)  # type: ignore[union-attr]


def uncompiled() -> AbstractContextManager[None]:
    """Return a context in which a compiled encoder runs as it is."""
    stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return stance


def is_to_be_compiled(recipe: Recipe, device: torch.device) -> bool:
    """Say whether to compile: what the recipe says, else on GPUs where it works."""
    if recipe.machine.compile is not None:
        return recipe.machine.compile
    return device.type == "cuda" and can_compile(device)


def can_compile(device: torch.device) -> bool:
    """Say whether this machine can compile for a device, by trying; it takes a C compiler and Python's headers."""
    try:
        torch.compile(lambda numbers: numbers + 1)(torch.zeros(8, device=device))
    except Exception as error:  # whatever a compiler may lack, training goes without it
        reason = str(error).strip().partition("\n")[0]
        print(f"smelt: warning: training goes on without torch.compile, which fails here ({reason})", file=sys.stderr)
        return False
    return True
