"""What a student minimises (XtremeDistil, equations 2, 4 and 6), summed over labelled tokens.

Only labelled tokens come here: the first pieces of words, or the first token of a text. What stands between them (later
pieces of words, tagged 'X' in the paper, special tokens and padding) is never handed over.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from smelt.finetuning.encoding import IGNORED

Representation = Literal["keras-kl", "kl", "mse"]
FLOOR = 1e-7  # Keras' epsilon


def representation_loss(student: Tensor, teacher: Tensor, kind: Representation) -> Tensor:
    """Return how far projected states are from a teacher's, summed over tokens (equation 6).

    Args:
        student: projected states, shape (tokens, width).
        teacher: hidden states, of the same shape.
        kind: keras-kl is `keras.losses.kl_divergence` as XtremeDistil's code calls it, on values that are no
            distributions: both clipped to [1e-7, 1], the sum of t log(t / s) over the width, which can be below 0. kl
            is that divergence of their softmax. mse is the mean of squared differences over the width.
    """
    if kind == "keras-kl":
        wanted, found = teacher.clamp(FLOOR, 1.0), student.clamp(FLOOR, 1.0)
        return (wanted * (wanted.log() - found.log())).sum()
    if kind == "kl":
        found, wanted = student.log_softmax(-1), teacher.log_softmax(-1)
        return functional.kl_div(found, wanted, reduction="sum", log_target=True)
    return functional.mse_loss(student, teacher, reduction="sum") / student.shape[-1]


def logit_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Return half the squared distance of logits of shape (tokens, labels), summed over tokens (equation 4).

    The teacher's raw logits are the target, as in the code: log-probabilities, the letter of the equation, differ from
    them by a constant of each token, which no prediction depends on.
    """
    return functional.mse_loss(student, teacher, reduction="sum") / 2


def label_loss(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return the cross-entropy of labels, summed over tokens, and how many tokens have one (equation 2).

    Args:
        logits: shape (tokens, labels).
        targets: numbers of labels, shape (tokens,); IGNORED where training lacks the label.
    """
    total = functional.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="sum")
    return total, torch.count_nonzero(targets != IGNORED)
