"""One fine-tuning, from a model's folder to scores and predictions; imported once the inputs have proved sound."""

import math
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from smelt.errors import SmeltError, first_line
from smelt.files import whole_file
from smelt.finetuning.batches import TaskBatch, collate, draw_batches, predict
from smelt.finetuning.model import load_with_classifier
from smelt.finetuning.outcome import FinetuningOutcome, Scored, Scorer, outcome_of, untested_outcome
from smelt.model_families import max_positions, token_types
from smelt.model_folder import model_files, tokenizer_files
from smelt.provenance import digest, sha256_of
from smelt.study.finetuning import FinetuningSettings
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Examples, Task, WindowPredictions
from smelt.tasks.metrics import MetricValues
from smelt.tasks.prepared_task import encode
from smelt.tasks.tokenizer import load_pieces
from smelt.tasks.windows import Encoded
from smelt.training.epochs import CHECKPOINT_FORMAT, EpochTraining, History, LearntBatch, Measured, Phase
from smelt.training.optimizers import parameter_groups
from smelt.training.steps import Limits

LEARNT = ("train", "validation")  # splits that decide the weights
SHORTEST = 8  # tokens that a model has to read at once for windows to make sense


class FineTuningJob:
    """A model, a task and a seed."""

    def __init__(self, folder: Path, task: Task, settings: FinetuningSettings, seed: int, threads: int) -> None:
        """Load the tokenizer and the model.

        Raises:
            SmeltError: one of them does not load, or the tokenizer has pieces that the model has no embedding for.
        """
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        self.task, self.settings, self.seed, self.folder = task, settings, seed, folder
        self.pieces = load_pieces(folder)
        self.model = load_with_classifier(folder, task, seed)
        self.length = min(settings.length, max_positions(self.model.config) or settings.length)
        self.device = "cuda" if gpus() else "cpu"
        self._check(folder)
        kind_of(task).check_tokenizer(task, self.pieces, folder)

    def identity(self, task: Path) -> dict[str, Any]:
        """Return what a checkpoint must agree on; task: the folder of the prepared task."""
        files = [*model_files(self.folder), *tokenizer_files(self.folder)]
        return {
            "settings": self.settings.model_dump() | {"length": self.length},
            "seed": self.seed,
            "checkpoint": CHECKPOINT_FORMAT,
            "model": {file.name: sha256_of(file) for file in files},
            "task": digest([vars(self.task), *(sha256_of(task / f"{split}.parquet") for split in LEARNT)]),
        }

    def run(self, splits: dict[str, Examples], limits: Limits) -> FinetuningOutcome:
        """Fine-tune on train, choose the epoch on validation, and then score both it and test, if that is there.

        Raises:
            SmeltError: the tokenizer cuts the words of a task that labels words otherwise than in running text, or
                what smelt.training.steps raises.
            Unfinished: stopped before the end; running again continues from the checkpoint that it kept.
        """
        found = kind_of(self.task).words_in_running_text(self.pieces, [splits["train"]], self.folder)
        scored, tuning = self._prepare(splits)
        training = EpochTraining("fine-tuning", self.model, [tuning], limits)
        training.go()
        return self._outcome(scored, tuning, training.records[0] | found)

    def test(self, splits: dict[str, Examples], weights: Path, measured: dict[str, Any]) -> FinetuningOutcome:
        """Score the weights that a run of the same settings kept.

        measured: what that run measured.

        Raises:
            SmeltError: they are not those of this model and task.
        """
        try:
            self.model.load_state_dict(load_file(weights))
        except (OSError, RuntimeError, SafetensorError) as error:
            raise SmeltError(weights, f"has no weights of this model and task: {first_line(error)}") from None
        return self._outcome(*self._prepare(splits), measured)

    def _prepare(self, splits: dict[str, Examples]) -> tuple[Scored, "FineTuningPhase"]:
        encoded = {name: encode(examples, self.task, self.pieces, self.length) for name, examples in splits.items()}
        scored = Scored(self.task, splits, encoded)
        device, padding = torch.device(self.device), self.pieces.padding
        learnt = (encoded["train"], encoded["validation"], scored.scorer("validation"))
        return scored, FineTuningPhase(self.model, self.settings, self.seed, padding, device, *learnt)

    def _outcome(self, scored: Scored, tuning: "FineTuningPhase", measured: dict[str, Any]) -> FinetuningOutcome:
        counts = {name: scored.encoded[name].counts(len(examples)) for name, examples in scored.splits.items()}
        outcome = outcome_of if "test" in scored.splits else untested_outcome
        return outcome(scored, tuning.predict, measured, counts)

    def save_weights(self, path: Path, run: str) -> None:
        """Write the weights alone, for the choice among the runs of a grid; run: the digest of what they are from."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as draft:
            weights = {name: weight.clone().contiguous() for name, weight in self.model.state_dict().items()}
            save_file(weights, draft, {"run": run})

    def save(self, folder: Path) -> None:
        """Write the model, with its classifier and tokenizer, as a folder that transformers loads."""
        self.model.save_pretrained(folder)
        self.pieces.save(folder, kind_of(self.task).labels_words, max_positions(self.model.config))

    def _check(self, folder: Path) -> None:
        embeddings = self.model.get_input_embeddings().num_embeddings
        if len(self.pieces.tokenizer) > embeddings:
            found = f"its tokenizer has {len(self.pieces.tokenizer):,} pieces, its model embeddings for {embeddings:,}"
            raise SmeltError(folder, f"{found}: they do not belong together")
        if self.length - self.pieces.special < SHORTEST:
            raise SmeltError(folder, f"the model reads {self.length} tokens at once: expected {SHORTEST} and more")


class FineTuningPhase(Phase):
    """A classifier that learns a task for some epochs; its best weights are those with the best validation."""

    advice = "lower finetuning.learning_rate or finetuning.clip"

    def __init__(
        self,
        model: Any,
        settings: FinetuningSettings,
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
        self.kind = scorer.kind
        self.lengths = [len(window.ids) for window in train.windows]
        self.settings, self.seed, self.padding, self.device = settings, seed, padding, device
        self.epochs, self.clip = settings.epochs, settings.clip
        # DistilBERT knows no token types, and RoBERTa's kind only one: both find the pair's second text by its marks.
        self.has_types = token_types(self.model.config) > 1
        self.order = lru_cache(maxsize=1)(self._order)

    @property
    def steps_of_epoch(self) -> int:
        """Steps of an epoch."""
        return math.ceil(len(self.lengths) / self.settings.batch)

    @property
    def steps_of_stretch(self) -> int:
        """Steps between two validations."""
        return self.settings.evaluate_every or self.steps_of_epoch

    def begin(self) -> tuple[dict[str, nn.Parameter], torch.optim.Optimizer]:
        """Return all weights, by name, and their optimizer."""
        torch.manual_seed(self.seed)  # of dropout, however many numbers the model's making has drawn
        groups = parameter_groups(self.model, self.settings.weight_decay)
        optimizer = torch.optim.AdamW(groups, lr=self.settings.learning_rate, fused=True)
        return dict(self.model.named_parameters()), optimizer

    def learning_rate(self, step: int) -> float:
        """Return the rate of a step, counted from 0: a linear rise, then a linear fall."""
        warmup = self.settings.warmup_steps(self.steps)
        share = (step + 1) / warmup if step < warmup else (self.steps - step) / (self.steps - warmup)
        return self.settings.learning_rate * share

    def learn(self, step: int) -> LearntBatch:
        """Leave the gradients of a step, counted from 0, in the weights."""
        epoch, place = divmod(step, self.steps_of_epoch)
        windows = self.order(epoch + 1)[place]
        (batch,) = collate(self.train, [windows], self.padding, self.device)
        loss = self.kind.loss(self._logits(batch), batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return LearntBatch(loss.item(), len(batch.targets), sum(self.lengths[window] for window in windows))

    def measure(self) -> MetricValues:
        """Return the scores of the validation split, and its loss where that chooses."""
        found = self.predict(self.validation)
        scores = self.scorer(found)
        return scores | {"loss": found.loss} if self.settings.choose == "loss" else scores

    def better(self, one: Measured, other: Measured) -> bool:
        """Return whether one validation is better than another, by the loss or the task's own metric."""
        return self.scorer.better(dict(one), dict(other), self.settings.choose)

    def record(self, history: History) -> dict[str, Any]:
        """Return the best epoch and all epochs, as metrics.json holds them.

        Measured within epochs, an epoch is a fraction, and the step stands beside it.
        """
        measured = enumerate(zip(history.train_losses, history.validation[1:], strict=True), 1)
        rows = [self._place(number) | {"train_loss": loss, "validation": score} for number, (loss, score) in measured]
        return {"best_epoch": rows[(history.best or 1) - 1]["epoch"], "epochs": rows}

    def _place(self, stretch: int) -> dict[str, Any]:
        """Return where a stretch ends."""
        if self.settings.evaluate_every is None:
            return {"epoch": stretch}
        step = min(stretch * self.steps_of_stretch, self.steps)
        return {"epoch": round(step / self.steps_of_epoch, 6), "step": step}

    def predict(self, encoded: Encoded) -> WindowPredictions:
        """Return the model's predictions for windows."""
        self.model.eval()
        return predict(self.kind, self._logits, encoded, 2 * self.settings.batch, self.padding, self.device)

    def _order(self, epoch: int) -> list[list[int]]:
        """Return the windows of each batch of an epoch, counted from 1."""
        return draw_batches(self.lengths, self.settings.batch, self.seed, epoch)

    def _logits(self, batch: TaskBatch) -> Tensor:
        """Return the logits of the labelled places, shape (labelled, labels)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            types = {} if batch.types is None or not self.has_types else {"token_type_ids": batch.types}
            output = self.model(input_ids=batch.ids, attention_mask=batch.mask, **types)
        return self.kind.logits(output, batch)


def gpus() -> list[int]:
    """Return the GPU that a job uses, by torch's number, if there is one."""
    return [0] if torch.cuda.is_available() else []
