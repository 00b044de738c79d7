"""Fine-tuning as one phase of smelt.training.epochs: its batches, loss, rate, and validation by the task's metric."""

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from smelt.finetuning.batches import Batch, collate, predict, shuffled
from smelt.study.schema import Finetuning
from smelt.tasks.metrics import Score, Scorer
from smelt.tasks.windows import IGNORED, Encoded
from smelt.training.epochs import History, LearntBatch, Measured, Phase
from smelt.training.optimizers import parameter_groups


class FineTuning(Phase):
    """A classifier that learns a task for some epochs; the best is the one with the highest validation score."""

    advice = "lower finetuning.learning_rate or finetuning.clip"

    def __init__(
        self,
        model: Any,
        settings: Finetuning,
        seed: int,
        padding: int,
        device: torch.device,
        train: Encoded,
        validation: Encoded,
        scorer: Scorer,
    ) -> None:
        """Take a model whose classifier is drawn already, what it learns, and what chooses the best epoch."""
        self.model = model.to(device)
        self.train, self.validation, self.scorer = train, validation, scorer
        self.lengths = [len(window.ids) for window in train.windows]
        self.settings, self.seed, self.padding, self.device = settings, seed, padding, device
        self.epochs, self.clip = settings.epochs, settings.clip
        # DistilBERT knows no token types, and RoBERTa's kind only one: both find the pair's second text by its marks.
        self.has_types = getattr(self.model.config, "type_vocab_size", 0) > 1
        self.order = lru_cache(maxsize=1)(self._order)

    @property
    def steps_of_epoch(self) -> int:
        """Steps of an epoch."""
        return math.ceil(len(self.lengths) / self.settings.batch)

    def begin(self) -> tuple[dict[str, nn.Parameter], torch.optim.Optimizer]:
        """Return all weights, by name, and their optimizer."""
        torch.manual_seed(self.seed)  # of dropout, however many numbers the model's making has drawn
        groups = parameter_groups(self.model, self.settings.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=self.settings.learning_rate, fused=True)
        return dict(self.model.named_parameters()), optimizer

    def learning_rate(self, step: int) -> float:
        """Return the rate of a step, counted from 0: a linear rise, then a linear fall."""
        steps = self.epochs * self.steps_of_epoch
        warmup = self.settings.warmup_steps(steps)
        share = (step + 1) / warmup if step < warmup else (steps - step) / (steps - warmup)
        return self.settings.learning_rate * share

    def learn(self, step: int) -> LearntBatch:
        """Leave the gradients of a step, counted from 0, in the weights."""
        epoch, place = divmod(step, self.steps_of_epoch)
        windows = self.order(epoch + 1)[place]
        (batch,) = collate(self.train, [windows], self.padding, self.device)
        loss = functional.cross_entropy(self._logits(batch).float(), batch.targets, ignore_index=IGNORED)
        loss.backward()  # type: ignore[no-untyped-call]
        return LearntBatch(loss.item(), len(batch.targets), sum(self.lengths[window] for window in windows))

    def measure(self) -> Score:
        """Return the scores of the validation split."""
        return self.scorer(self.predict(self.validation)[0])

    def better(self, one: Measured, other: Measured) -> bool:
        """Whether one score is better than another, in the task's own metric."""
        return self.scorer.better(dict(one), dict(other))

    def record(self, history: History) -> dict[str, Any]:
        """Return the best epoch and all epochs, as metrics.json holds them."""
        epochs = enumerate(zip(history.train_losses, history.validation[1:], strict=True), 1)
        rows = [{"epoch": number, "train_loss": loss, "validation": score} for number, (loss, score) in epochs]
        return {"best_epoch": history.best, "epochs": rows}

    def predict(self, encoded: Encoded) -> tuple[list[list[int]], list[list[float]]]:
        """Return, for each window, the number of the best label at each of its positions, and its probability."""
        self.model.eval()
        return predict(self._logits, encoded, 2 * self.settings.batch, self.padding, self.device)

    def _order(self, epoch: int) -> list[list[int]]:
        """Return the windows of each batch of an epoch, counted from 1."""
        return shuffled(self.lengths, self.settings.batch, self.seed, epoch)

    def _logits(self, batch: Batch) -> Tensor:
        """Return the logits of the labelled places, shape (labelled, labels)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            types = {} if batch.types is None or not self.has_types else {"token_type_ids": batch.types}
            logits: Tensor = self.model(input_ids=batch.ids, attention_mask=batch.mask, **types).logits
        # Token classifiers give (windows, length, labels), text classifiers (windows, labels).
        return logits[batch.rows, batch.positions] if logits.ndim == 3 else logits[batch.rows]
