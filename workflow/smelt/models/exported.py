"""What of a model is exported: an encoder up to its hidden states, or a compact student with its head.

A classifier is another one for each task and next to nothing of an encoder, so that an encoder is exported bare. Of a
compact student the projection is a large part, and it is fine-tuned already: it is exported up to its logits.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, first_line
from smelt.model_families import longest_of
from smelt.models.adopt import configuration_of_folder, load_as, load_model

INPUTS, TYPES = ("input_ids", "attention_mask"), "token_type_ids"
HIDDEN, LOGITS = "last_hidden_state", "logits"


@dataclass(frozen=True)
class Exported:
    """A model of transformers in evaluation mode, on the CPU, and which of its outputs is the graph's."""

    model: Any
    output: str = HIDDEN

    def __call__(self, *inputs: Any) -> Any:
        """Return the output, (batch, length, width) or (batch, labels), of what `inputs` names, (batch, length) each.

        Token types may be left out; then all are 0, as they are in a text that is no pair.
        """
        named = dict(zip(self.inputs, inputs, strict=False))
        return getattr(self.model(**named), self.output)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The graph's inputs: ids, mask, and token types where they separate the two texts of a pair."""
        types = getattr(self.config, "type_vocab_size", None) or 0  # RoBERTa's kind has one type, DistilBERT none
        return (*INPUTS, TYPES) if types > 1 else INPUTS

    @property
    def config(self) -> Any:
        """The model's configuration."""
        return self.model.config

    @property
    def shape(self) -> str:
        """The output's shape, in words."""
        if self.output != LOGITS:
            return f"(batch, length, {self.config.hidden_size})"
        of_rows = type(self.model).__name__.endswith("ForSequenceClassification")
        return f"(batch{'' if of_rows else ', length'}, {self.config.num_labels})"

    @property
    def longest(self) -> int | None:
        """How many tokens the model reads at once; None where there is no such limit."""
        return longest_of(self.config)


def load_exported(source: Path) -> Exported:
    """Return what of a folder's model is exported, in single precision.

    Raises:
        SmeltError: the folder holds no model that loads, or one that needs more than a text, as T5 does.
    """
    import smelt.architectures as ours  # which makes them known to transformers

    configuration = configuration_of_folder(source, str(source))
    if configuration.model_type != ours.CompactConfig.model_type:
        exported = Exported(load_model(source, str(source)).base_model.eval())
        _try(exported, source)
        return exported
    named = (configuration.architectures or [""])[0]
    if not named.startswith("CompactFor"):
        raise SmeltError(source, f"is a {named or 'compact model'} without a classifier: there is nothing to export")
    model, missing = load_as(getattr(ours, named), source, str(source))
    if missing:
        raise SmeltError(source, f"lacks {len(missing)} of its weights, such as {missing[0]}")
    return Exported(model.eval(), LOGITS)


def _try(exported: Exported, source: Path) -> None:
    """Run a model on two pieces, before an export that takes long.

    Raises:
        SmeltError: it cannot read ids and mask alone.
    """
    import torch

    ids = torch.full((1, 2), 5 % exported.config.vocab_size)
    try:
        with torch.inference_mode():
            exported(ids, torch.ones_like(ids))
    except Exception as error:
        problem = f"{type(exported.model).__name__} cannot read a text alone ({first_line(error)}); expected an encoder"
        raise SmeltError(source, problem) from None
