"""One pass of a model over a batch: its attention where an objective compares it, and torch.compile where it pays.

Fused attention kernels never compute the distributions, and transformers' own eager attention returns them after
dropout, when they are no longer distributions. So a pass that needs them uses the attention of this module.

torch.compile pays on GPUs, for the encoder in training. Every shape is compiled separately: by default torch's choice
depends on the shapes before, and a run resumed from a checkpoint meets them in another order, so it would end with
other bits. For the same reason validation, whose batches have many shapes, is not compiled.
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
from smelt.training.recipes import MachineSettings

NAME = "smelt_shown"


def show_distributions(model: Any) -> None:
    """Make a model of transformers return logarithms of probabilities as `output_attentions`."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(NAME, attention_with_distributions)
    AttentionMaskInterface.register(NAME, eager_mask)
    model.set_attn_implementation(NAME)


def attention_with_distributions(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: object,
) -> tuple[Tensor, Tensor]:
    """Return the output of attention, shape (rows, length, heads, width), and its distributions.

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
class RequiredOutputs:
    """Outputs that a pass must return in addition to its last hidden states."""

    hidden_states: bool = False
    attentions: bool = False
    """Needs smelt.training.forward_pass.show_distributions."""

    def __or__(self, other: "RequiredOutputs") -> "RequiredOutputs":
        """Return the outputs that either requires."""
        return RequiredOutputs(self.hidden_states or other.hidden_states, self.attentions or other.attentions)

    def __bool__(self) -> bool:
        """Return whether any output is required."""
        return self.hidden_states or self.attentions


LAST_STATES_ONLY = RequiredOutputs()


class ForwardPass:
    """One pass of a model over a batch: hidden states now, outputs of heads when first used."""

    def __init__(
        self,
        model: Any,
        batch: Batch,
        required: RequiredOutputs = LAST_STATES_ONLY,
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Run the encoder of a model with a head for masked tokens over a batch.

        counts: number of predictions of each term in the whole batch that this is a part of; by default, in this one.
        """
        self.model, self.batch, self.counts, self.family = model, batch, counts, family_of(model)
        inputs = {"token_type_ids": batch.token_type_ids} if self.family.token_types else {}
        outputs = {"output_hidden_states": True} if required.hidden_states else {}
        outputs |= {"output_attentions": True} if required.attentions else {}
        self._output = model.base_model(
            input_ids=batch.input_ids, attention_mask=batch.attention_mask, **inputs, **outputs
        )
        self.hidden: Tensor = self._output.last_hidden_state  # (rows, length, hidden)

    @property
    def hidden_states(self) -> tuple[Tensor, ...]:
        """The first layer's input and each layer's output, shape (rows, length, hidden) each."""
        return tuple(self._output.hidden_states)

    @property
    def attentions(self) -> tuple[Tensor, ...]:
        """Each layer's attention as logarithms of probabilities, shape (rows, heads, length, length) each."""
        return tuple(self._output.attentions)

    def states_at(self, positions: Tensor) -> Tensor:
        """Return the decoder's inputs at some positions of the flattened batch, shape (positions, width)."""
        return self.family.transform(self.model, self.hidden.flatten(0, 1).index_select(0, positions))

    @cached_property
    def masked_states(self) -> Tensor:
        """The decoder's inputs at the masked positions, the only ones that it needs, shape (masked, width)."""
        return self.states_at(self.batch.masked)

    @property
    def decoder(self) -> nn.Linear:
        """The layer from masked states to logits, shape (vocabulary, width)."""
        return self.family.decoder(self.model)

    @cached_property
    def sentence_logits(self) -> Tensor:
        """Logits of sentence prediction, shape (rows, 2).

        Raises:
            SmeltError: the model has no such head.
        """
        head, pooled = self.family.sentences, getattr(self._output, "pooler_output", None)
        if head is None or pooled is None:
            name = self.model.config.model_type
            raise SmeltError("model", f"this {name} predicts nothing of sentences; set objective.sentences: none")
        return head(self.model, pooled)


WIDTHS = 64  # tokens: a compiled encoder sees only widths that are multiples of it, so eight up to 512
SHAPES = 64  # compiled at most: widths, rows of the last micro-batch, with and without padding


def compile_encoder(model: nn.Module) -> None:
    """Compile the encoder at its first use; not the heads, whose number of masked positions changes with every step."""
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, SHAPES)
    model.base_model.compile(dynamic=False)  # type: ignore[union-attr]


def without_compilation() -> AbstractContextManager[None]:
    """Return a context in which a compiled encoder runs uncompiled."""
    stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return stance


def is_to_be_compiled(machine: MachineSettings, device: torch.device) -> bool:
    """Return whether to compile: as the recipe sets it, by default on GPUs where it works."""
    if machine.compile is not None:
        return machine.compile
    return device.type == "cuda" and can_compile(device)


def can_compile(device: torch.device) -> bool:
    """Try whether this machine can compile for a device; that needs a C compiler and Python's headers."""
    try:
        torch.compile(lambda numbers: numbers + 1)(torch.zeros(8, device=device))
    except Exception as error:  # whatever the compiler lacks, training runs without it
        reason = str(error).strip().partition("\n")[0]
        print(f"smelt: warning: training goes on without torch.compile, which fails here ({reason})", file=sys.stderr)
        return False
    return True
