"""A student as it learns: its parts, of which some are frozen, and two heads, of labels and of the teacher's logits."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from smelt.finetuning.batches import Batch
from smelt.finetuning.compression.phases import Head, Phase
from smelt.finetuning.compression.random_streams import stream
from smelt.study.strategies import Part


class Pupil(nn.Module):
    """A compact student with a second head."""

    def __init__(self, student: Any, seed: int) -> None:
        """Take the student, whose classifier is the head of labels; the seed draws that of logits in the same way."""
        super().__init__()
        self.student = student
        classifier = student.classifier
        self.regression = nn.Linear(classifier.in_features, classifier.out_features)
        generator = torch.Generator().manual_seed(stream(seed, "regression head"))
        nn.init.xavier_uniform_(self.regression.weight, generator=generator)
        nn.init.zeros_(self.regression.bias)
        self.by_token = type(student).__name__.endswith("ForTokenClassification")

    def forward(self, batch: Batch) -> Tensor:
        """Return the projected states of the labelled tokens, shape (labelled, width).

        Later pieces of words, special tokens and padding are read, but neither projected nor handed on.
        """
        if not self.by_token:
            features: Tensor = self.student.features(batch.ids, batch.mask)
            return features[batch.rows]
        states = self.student.compact(batch.ids, batch.mask).last_hidden_state[batch.rows, batch.positions]
        return functional.gelu(self.student.projection(states))

    def head(self, name: Head) -> nn.Linear:
        """Return the head of labels or that of logits."""
        head: nn.Linear = self.student.classifier if name == "classifier" else self.regression
        return head

    def logits(self, batch: Batch, head: Head) -> Tensor:
        """Return what a head says of the labelled tokens, shape (labelled, labels)."""
        logits: Tensor = self.head(head)(self(batch))
        return logits

    def unfreeze(self, phase: Phase) -> dict[str, nn.Parameter]:
        """Freeze all but what learns in a phase; return that, by its name."""
        self.requires_grad_(False)
        for part in phase.parts:
            for module in self._modules_of(part, phase):
                module.requires_grad_(True)
        return {name: weight for name, weight in self.named_parameters() if weight.requires_grad}

    def keep(self, head: Head) -> Any:
        """Return the student with this head as its classifier."""
        if head == "regression":
            self.student.classifier.load_state_dict(self.regression.state_dict())
        return self.student.requires_grad_(True).eval()

    def _modules_of(self, part: Part, phase: Phase) -> Iterator[nn.Module]:
        if part == "head":
            yield from map(self.head, phase.heads)
        elif part == "projection":
            yield self.student.projection
        elif part == "encoder":
            yield self.student.compact.encoder
        else:
            yield self.student.compact.embeddings
