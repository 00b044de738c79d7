"""The fine-tuning loop: some epochs, the best of them kept by the validation set."""

import math
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from smelt.errors import SmeltError
from smelt.finetuning.batches import Batch, collate, shuffled
from smelt.finetuning.encoding import IGNORED, Encoded
from smelt.finetuning.metrics import Score, Scorer
from smelt.finetuning.prediction import predict
from smelt.study.schema import Finetuning
from smelt.training.optimizers import parameter_groups, set_learning_rate
from smelt.training.progress import SECONDS_BETWEEN_LINES, say


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to."""

    epoch: int
    train_loss: float
    validation: Score


class FineTuning:
    """A model that learns a task, with its optimizer and schedule."""

    def __init__(self, model: Any, settings: Finetuning, seed: int, padding: int, device: torch.device) -> None:
        """Take a model whose classifier is drawn already."""
        self.model = model.to(device)
        self.settings, self.seed, self.padding, self.device = settings, seed, padding, device
        # DistilBERT knows no token types, and RoBERTa's kind only one: both find the pair's second text by its marks.
        self.has_types = getattr(self.model.config, "type_vocab_size", 0) > 1
        groups = parameter_groups(self.model, settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
        self.step = self.steps = 0
        self.started = time.perf_counter()

    def run(self, train: Encoded, validation: Encoded, scorer: Scorer) -> tuple[list[Epoch], int]:
        """Train, leave the best epoch's weights in the model, and return all epochs and the best one's number.

        The best is the one with the highest score on the validation set; of equals, the earliest.

        Raises:
            SmeltError: the loss is no number any more.
        """
        lengths = [len(window.ids) for window in train.windows]
        self.steps = self.settings.epochs * math.ceil(len(lengths) / self.settings.batch)
        self.started = time.perf_counter()
        torch.manual_seed(self.seed)  # dropout's own draws, whatever was drawn to make the model
        epochs: list[Epoch] = []
        best, kept = 0, {}
        for number in range(1, self.settings.epochs + 1):
            loss = self._epoch(train, shuffled(lengths, self.settings.batch, self.seed, number), number)
            epochs.append(Epoch(number, loss, scorer(self.predict(validation)[0])))
            shown = " ".join(f"{name} {value:.4f}" for name, value in epochs[-1].validation.items())
            say(f"epoch {number} of {self.settings.epochs}  loss {loss:.4f}  validation {shown}")
            if best == 0 or scorer.better(epochs[-1].validation, epochs[best - 1].validation):
                best, kept = number, {name: part.clone() for name, part in self.model.state_dict().items()}
        self.model.load_state_dict(kept)
        return epochs, best

    def predict(self, encoded: Encoded) -> tuple[list[list[int]], list[list[float]]]:
        """Return, for each window, the number of the best label at each of its positions, and its probability."""
        self.model.eval()
        return predict(self._logits, encoded, 2 * self.settings.batch, self.padding, self.device)

    def _epoch(self, train: Encoded, chosen: list[list[int]], number: int) -> float:
        """Train for one epoch; return the mean loss of a labelled token."""
        self.model.train()
        total, labelled, next_line = 0.0, 0, time.perf_counter() + SECONDS_BETWEEN_LINES
        for batch in collate(train, chosen, self.padding, self.device):
            loss = self._update(batch)
            if not math.isfinite(loss):
                where = f"step {self.step} (epoch {number})"
                raise SmeltError(where, f"the loss is {loss}: lower finetuning.learning_rate or finetuning.clip")
            total += loss * len(batch.targets)
            labelled += len(batch.targets)
            if time.perf_counter() >= next_line:
                next_line = time.perf_counter() + SECONDS_BETWEEN_LINES
                pace = (time.perf_counter() - self.started) / self.step
                left = timedelta(seconds=round(pace * (self.steps - self.step)))
                say(f"step {self.step:,} of {self.steps:,}  loss {total / labelled:.4f}  {left} left")
        return total / labelled

    def _update(self, batch: Batch) -> float:
        self.step += 1
        set_learning_rate(self.optimizer, self.settings.learning_rate * self._rate())
        loss = functional.cross_entropy(self._logits(batch).float(), batch.targets, ignore_index=IGNORED)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.item()

    def _rate(self) -> float:
        """Return the factor of the learning rate at this step, from 1: a linear rise, then a linear fall."""
        warmup = self.settings.warmup_steps(self.steps)
        if self.step <= warmup:
            return self.step / warmup
        return (self.steps - self.step + 1) / (self.steps - warmup)

    def _logits(self, batch: Batch) -> Tensor:
        """Return the logits of the labelled places, shape (labelled, labels)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            types = {} if batch.types is None or not self.has_types else {"token_type_ids": batch.types}
            logits: Tensor = self.model(input_ids=batch.ids, attention_mask=batch.mask, **types).logits
        # Token classifiers give (windows, length, labels), text classifiers (windows, labels).
        return logits[batch.rows, batch.positions] if logits.ndim == 3 else logits[batch.rows]
