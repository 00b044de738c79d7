"""Objectives of training: small parts that are weighted and summed.

An objective turns one pass of a model into terms. The training of a new paper is another list of weighted terms.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from smelt.training.data import Batch
from smelt.training.examples import IGNORED
from smelt.training.forward_pass import LAST_STATES_ONLY, ForwardPass, RequiredOutputs
from smelt.training.heads import masked_cross_entropy
from smelt.training.pieces import Pieces
from smelt.training.recipes import ObjectiveSettings


@dataclass(frozen=True)
class Term:
    """A named sum of losses over a number of predictions; its loss is their mean."""

    name: str
    total: Tensor
    """Sum of the losses, a scalar that carries the gradient."""
    count: Tensor
    """The number of predictions."""
    correct: Tensor | None
    """The number of right predictions; None if a prediction is neither right nor wrong."""
    weight: float = 1.0

    @property
    def loss(self) -> Tensor:
        """Mean loss; 0 without predictions."""
        return self.total / self.count.clamp(min=1)


class Objective(Protocol):
    """Turns a pass into terms; an objective that is a module is trained with the model."""

    @property
    def required_outputs(self) -> RequiredOutputs:
        """The outputs it needs from a pass in addition to the last hidden states."""

    def terms(self, output: ForwardPass) -> Iterator[Term]:
        """Yield the terms of a pass."""

    def counts(self, batch: Batch) -> dict[str, int]:
        """Return the number of predictions of each term for a batch that is still on the CPU."""

    def weights(self) -> dict[str, float]:
        """Return the weight of each term, in the order of the terms."""


class MaskedLanguageModel:
    """Cross-entropy of the masked tokens (Devlin et al. 2019, section 3.1), term mlm."""

    required_outputs = LAST_STATES_ONLY

    def __init__(self, vocabulary: int | None = None) -> None:
        """Take the number of pieces; weights beyond them are padding, which is never predicted."""
        self.vocabulary = vocabulary

    def terms(self, output: ForwardPass) -> Iterator[Term]:
        """Yield the term mlm."""
        labels, decoder = output.batch.labels, output.decoder
        vocabulary = self.vocabulary or decoder.out_features
        total, correct = masked_cross_entropy(output.masked_states, decoder.weight, decoder.bias, labels, vocabulary)
        yield Term("mlm", total, (labels != IGNORED).sum(), correct)

    def counts(self, batch: Batch) -> dict[str, int]:
        """Return how many tokens are masked."""
        return {"mlm": int((batch.labels != IGNORED).sum())}

    def weights(self) -> dict[str, float]:
        """Return the weight of the term."""
        return {"mlm": 1.0}


class SentencePrediction:
    """Cross-entropy of sentence prediction; rows with one segment are left out."""

    required_outputs = LAST_STATES_ONLY

    def __init__(self, name: str) -> None:
        """Take the name of the term."""
        self.name = name

    def terms(self, output: ForwardPass) -> Iterator[Term]:
        """Yield the term."""
        logits, labels = output.sentence_logits.float(), output.batch.sentence_labels
        total = functional.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="sum")
        yield Term(self.name, total, (labels != IGNORED).sum(), (logits.detach().argmax(-1) == labels).sum())

    def counts(self, batch: Batch) -> dict[str, int]:
        """Return how many rows have two segments."""
        return {self.name: int((batch.sentence_labels != IGNORED).sum())}

    def weights(self) -> dict[str, float]:
        """Return the weight of the term."""
        return {self.name: 1.0}


class SentenceOrderPrediction(SentencePrediction):
    """Whether two segments were swapped (Lan et al. 2019, section 3.1), term sop."""

    def __init__(self) -> None:
        """Name the term."""
        super().__init__("sop")


class NextSentencePrediction(SentencePrediction):
    """Whether the second segment is from elsewhere (Devlin et al. 2019, section 3.1), term nsp."""

    def __init__(self) -> None:
        """Name the term."""
        super().__init__("nsp")


class Weighted:
    """A weighted sum of objectives."""

    def __init__(self, *parts: tuple[float, Objective]) -> None:
        """Take (weight, objective) pairs."""
        self.parts = parts

    @property
    def required_outputs(self) -> RequiredOutputs:
        """The outputs that any part needs."""
        return reduce(or_, (objective.required_outputs for _, objective in self.parts), LAST_STATES_ONLY)

    def terms(self, output: ForwardPass) -> Iterator[Term]:
        """Yield the terms of all parts, with their weights multiplied."""
        for weight, objective in self.parts:
            for term in objective.terms(output):
                yield replace(term, weight=weight * term.weight)

    def counts(self, batch: Batch) -> dict[str, int]:
        """Return the counts of all parts."""
        return {name: count for _, objective in self.parts for name, count in objective.counts(batch).items()}

    def weights(self) -> dict[str, float]:
        """Return the weights of all terms, multiplied through."""
        return {name: weight * own for weight, part in self.parts for name, own in part.weights().items()}


def objective_of(settings: ObjectiveSettings, pieces: Pieces) -> Objective:
    """Return a recipe's objective: masked language modelling, plus its sentence prediction at the same weight."""
    masked = MaskedLanguageModel(pieces.size)
    if settings.sentences == "none":
        return masked
    sentences = SentenceOrderPrediction() if settings.sentences == "order" else NextSentencePrediction()
    return Weighted((1.0, masked), (1.0, sentences))


class ModelWithObjective(nn.Module):
    """A model and its objective as one module, so that DeepSpeed can wrap the whole step."""

    def __init__(self, model: nn.Module, objective: Objective) -> None:
        """Take the model to train and its objective."""
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, batch: Batch, counts: Mapping[str, int] | None = None) -> list[Term]:
        """Return the terms of a batch.

        counts: number of predictions of each term in the whole batch that this is a part of; by default, in this one.
        """
        return list(self.objective.terms(ForwardPass(self.model, batch, self.objective.required_outputs, counts)))


def share_of_loss(terms: list[Term], counts: Mapping[str, int]) -> Tensor:
    """Return the share of a micro-batch's terms in the loss of the whole batch, a scalar.

    counts: number of predictions of each term in the whole batch, of all processes.
    """
    return torch.stack([term.weight * term.total / max(counts[term.name], 1) for term in terms]).sum()


def weighted_loss(terms: list[Term]) -> Tensor:
    """Return the loss to minimise, a scalar."""
    return torch.stack([term.weight * term.loss for term in terms]).sum()
