"""Attention that shows its distributions, for objectives that compare them.

Fused kernels never have them, and transformers' own eager attention shows what dropout has left of them, which is no
distribution any more.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

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
