"""Whether a reduced model computes what the whole one does: the same numbers in, and the same bits out.

Weights without a vocabulary axis are compared bit for bit and then shared, so that both models take the memory of one
and of the reduced embeddings, and read the same addresses. Everything but the logits of pieces must then be equal bit
for bit; those are sums that a matrix product of another width may add up in another order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smelt.errors import SmeltError
from smelt.models.adopt import load_as
from smelt.models.reduction.configuration import read_configuration
from smelt.models.reduction.layout import head_of, layout_of
from smelt.models.reduction.tensors import Ids

ROUNDING = 2.0**-24
"""Unit roundoff of single precision."""
_LOGITS = 1 << 25
"""Logits of pieces computed at once, at most (where a line has fewer)."""
_ROWS = 8192


@dataclass
class States:
    """What was compared."""

    lines: int = 0
    tokens: int = 0
    hidden_states: int = 0
    """Vectors that were compared bit for bit: one a token and layer, the embeddings' included."""
    logits: int = 0
    """Logits of kept pieces."""
    largest_difference: float = 0.0
    largest_share_of_bound: float = 0.0

    def record(self, headed: bool) -> dict[str, Any]:
        """Return the figures; those of logits where the model has a head that predicts pieces."""
        exact = {"lines": self.lines, "tokens": self.tokens, "hidden_states_equal_bit_for_bit": self.hidden_states}
        rounded = {
            "logits_of_kept_pieces": self.logits,
            "largest_difference": self.largest_difference,
            "largest_share_of_the_rounding_bound": self.largest_share_of_bound,
        }
        return exact | (rounded if headed else {})


class Models:
    """The whole model and the reduced one, on the CPU in single precision."""

    def __init__(self, source: Path, reduced: Path, ids: Ids, where: str) -> None:
        """Load both, and compare and share their weights.

        Raises:
            SmeltError: a model cannot be loaded, or a weight of the reduced one is not the source's.
        """
        configuration = read_configuration(source, where)
        self.where, self.ids = where, torch.tensor(ids)
        self.before, self.after = load(source, configuration, where), load(reduced, configuration, where)
        self._share_weights()
        positions = getattr(configuration, "max_position_embeddings", None) or 0
        positions = positions if positions > 0 else 10**9  # XLNet's -1 stands for no limit
        self.longest = positions - layout_of(configuration, where).first_position - 1
        self.token_types = getattr(configuration, "type_vocab_size", 0) > 0
        self.output = head_of(self.after, where)
        self._last: Tensor | None = None
        if self.output is not None:
            self.output.module.register_forward_hook(self._note)

    @property
    def lines_at_once(self) -> int:
        """How many lines of 128 tokens to compute at once: two at least, so that the shorter is padded."""
        widest = self.before.config.vocab_size if self.output is not None else 1
        return min(max(_LOGITS // (128 * widest), 2), 16)

    def compare(self, old: Mapping[str, Tensor], new: Mapping[str, Tensor], states: States, line: str) -> None:
        """Compute both models' outputs on a batch of the same lines, and add what was compared to `states`.

        old, new: what each one's tokenizer made of the lines; ids of shape (lines, length).

        Raises:
            SmeltError: anything differs by more than rounding of logits; `line` is how the message names the lines.
        """
        with torch.inference_mode():
            one = self.before(**self._inputs(old), output_hidden_states=True)
            other = self.after(**self._inputs(new), output_hidden_states=True)
        states.lines += len(old["input_ids"])
        states.tokens += int(old["attention_mask"].sum())
        for part in ("hidden_states", "encoder_hidden_states", "decoder_hidden_states"):
            layers = zip(other.get(part) or (), one.get(part) or (), strict=True)
            for layer, (ours, theirs) in enumerate(layers):
                self._check_same(f"{part.replace('_', ' ')} of layer {layer}", ours, theirs, line)
                states.hidden_states += int(old["attention_mask"].sum())
        for name, theirs in one.items():
            ours = other[name]
            if isinstance(theirs, Tensor) and ours.shape == theirs.shape:
                self._check_same(name, ours, theirs, line)
            elif isinstance(theirs, Tensor):
                self._check_logits(name, ours, theirs[..., self.ids], states, line)

    def _inputs(self, encoded: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what a model is called with; a decoder reads the line that its encoder reads."""
        if not self.before.config.is_encoder_decoder:
            return dict(encoded)
        ids, mask = encoded["input_ids"], encoded["attention_mask"]
        return dict(encoded) | {"decoder_input_ids": ids, "decoder_attention_mask": mask}

    def _note(self, _: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        assert self.output is not None
        self._last = output if self.output.after else inputs[0]

    def _check_same(self, name: str, ours: Tensor, theirs: Tensor, line: str) -> None:
        if not torch.equal(ours, theirs):
            largest = float((ours - theirs).abs().max())
            raise SmeltError(self.where, f"is not exact: its {name} differ by up to {largest:.3g} on {line}")

    def _check_logits(self, name: str, ours: Tensor, theirs: Tensor, states: States, line: str) -> None:
        """Compare logits with what rounding may come to: twice n u / (1 - n u) times |h| |w| + |b| for sums of n terms.

        The bound of an inner product in any order of addition is Higham's (2002, equation 3.5), by Cauchy and Schwarz.
        """
        assert self.output is not None
        assert self._last is not None
        weight = self.output.weight.detach()
        bias = None if self.output.bias is None else self.output.bias.detach()
        terms = weight.shape[1] + 1
        size = self._last.norm(dim=-1, keepdim=True) * weight.norm(dim=1) + (0 if bias is None else bias.abs())
        bound = size * (2 * terms * ROUNDING / (1 - terms * ROUNDING))
        difference = (ours - theirs).abs_()
        states.logits += difference.numel()
        states.largest_difference = max(states.largest_difference, float(difference.max()))
        share = float((difference / bound).nan_to_num_(0.0).max())  # a row of zeros, as of padding, has no rounding
        states.largest_share_of_bound = max(states.largest_share_of_bound, share)
        if not bool((difference <= bound).all()):
            largest = states.largest_difference
            raise SmeltError(
                self.where, f"is not exact: its {name} differ by up to {largest:.3g}, more than rounding, on {line}"
            )

    def _share_weights(self) -> None:
        theirs = dict(self.before.named_parameters())
        for name, ours in self.after.named_parameters():
            if name not in theirs:
                raise SmeltError(self.where, f"is not exact: its weight {name} is none of its source's")
            if ours.shape == theirs[name].shape and torch.equal(ours, theirs[name]):
                ours.data = theirs[name].data
            elif not self._gathered(ours, theirs[name]):
                raise SmeltError(self.where, f"is not exact: its weight {name} differs from the source's")

    def _gathered(self, ours: Tensor, theirs: Tensor) -> bool:
        """Whether a tensor consists of the kept rows of another, compared some rows at a time."""
        if ours.shape != (len(self.ids), *theirs.shape[1:]):
            return False
        parts = zip(torch.split(ours, _ROWS), torch.split(self.ids, _ROWS), strict=True)
        return all(torch.equal(part, theirs[rows]) for part, rows in parts)


def load(folder: Path, configuration: Any, where: str) -> Any:
    """Return the model of a folder in the class that it was saved as, or as a bare encoder where weights of that lack.

    Raises:
        SmeltError: the weights cannot be read, or weights of the encoder are missing.
    """
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    missing: list[str] = []
    named = [getattr(transformers, name) for name in configuration.architectures or []]
    for kind in (*named[:1], transformers.AutoModel):
        torch.manual_seed(0)  # a pooler that the checkpoint lacks starts at random, the same each time
        model, missing = load_as(kind, folder, where)
        if not missing:
            return model.eval()
    raise SmeltError(where, f"lacks {len(missing)} of its weights, such as {missing[0]}: the checkpoint is incomplete")


def batches(lines: Sequence[str], size: int) -> list[list[str]]:
    """Return lines in batches."""
    return [list(lines[begin : begin + size]) for begin in range(0, len(lines), size)]
