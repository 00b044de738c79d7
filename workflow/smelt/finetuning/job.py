"""Fine-tunings, from a model's folder to scores and predictions; imported once the inputs have proved sound."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from smelt.errors import SmeltError, first_line
from smelt.files import whole_file
from smelt.finetuning.batches import TaskBatch, collate, draw_batches, predict
from smelt.finetuning.model import load_configuration, load_with_classifier
from smelt.finetuning.outcome import FinetuningOutcome, Scored, Scorer, outcome_of, untested_outcome
from smelt.model_families import max_positions, token_types
from smelt.model_folder import model_files, tokenizer_files
from smelt.provenance import digest, sha256_of
from smelt.study.finetuning import EMBEDDING_KEYS, FinetuningSettings
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Examples, WindowPredictions
from smelt.tasks.metrics import MetricValues
from smelt.tasks.prepared_task import encode, read_task
from smelt.tasks.tokenizer import load_pieces
from smelt.tasks.windows import Encoded
from smelt.training.epochs import CHECKPOINT_FORMAT, EpochTraining, History, LearntBatch, Measured, Phase
from smelt.training.optimizers import parameter_groups
from smelt.training.steps import Limits

LEARNT = ("train", "validation")  # splits that decide the weights
SHORTEST = 8  # tokens that a model has to read at once for windows to make sense


class FinetuningInputs:
    """A pretrained model and a prepared task, cut into pieces once for runs of any seeds and settings."""

    def __init__(self, folder: Path, prepared: Path, splits: dict[str, Examples], length: int) -> None:
        """Read the tokenizer and the model's configuration.

        Args:
            folder: the model's.
            prepared: the task's.
            splits: its examples; test is left out where nothing is tested.
            length: tokens of an example at most; a model that reads fewer has its own.

        Raises:
            SmeltError: one of them does not load, or does not suit the task.
        """
        self.folder, self.prepared, self.splits = folder, prepared, splits
        self.task = read_task(prepared)
        self.pieces = load_pieces(folder)
        self.length = min(length, max_positions(load_configuration(folder, self.task)) or length)
        if self.length - self.pieces.special < SHORTEST:
            raise SmeltError(folder, f"the model reads {self.length} tokens at once: expected {SHORTEST} and more")
        kind_of(self.task).check_tokenizer(self.task, self.pieces, folder)

    def job(self, settings: FinetuningSettings, seed: int, threads: int) -> "FineTuningJob":
        """Return one run."""
        return FineTuningJob(self, settings, seed, threads)

    @cached_property
    def scored(self) -> Scored:
        """The splits, and their windows."""
        encoded = {name: encode(part, self.task, self.pieces, self.length) for name, part in self.splits.items()}
        return Scored(self.task, self.splits, encoded)

    @cached_property
    def counts(self) -> dict[str, Any]:
        """The counts of each split's windows, as metrics.json holds them."""
        return {name: self.scored.encoded[name].counts(len(examples)) for name, examples in self.splits.items()}

    @cached_property
    def words(self) -> dict[str, Any]:
        """How the words of a task that labels words are cut, beside running text.

        Raises:
            SmeltError: otherwise than there.
        """
        return kind_of(self.task).words_in_running_text(self.pieces, [self.splits["train"]], self.folder)

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint must agree on about them."""
        read = [*(f"{split}.parquet" for split in LEARNT), *kind_of(self.task).files_beside]
        described = {key: value for key, value in vars(self.task).items() if key != "scores" or value is not None}
        return {
            "model": {str(file.relative_to(self.folder)): sha256_of(file) for file in self.files},
            "task": digest([described, *(sha256_of(self.prepared / file) for file in read)]),
        }

    @property
    def files(self) -> list[Path]:
        """The files of the model's folder that decide what it computes."""
        return [*model_files(self.folder), *tokenizer_files(self.folder)]


class FineTuningJob:
    """One run: a model, a task, settings and a seed."""

    def __init__(self, inputs: FinetuningInputs, settings: FinetuningSettings, seed: int, threads: int) -> None:
        """Take what it learns from; the model is loaded when it is needed."""
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        self.inputs, self.settings, self.seed = inputs, settings, seed
        self.device = "cuda" if gpus() else "cpu"

    @cached_property
    def model(self) -> Any:
        """The model, with a classifier that the seed draws.

        Raises:
            SmeltError: it does not load, or the tokenizer has pieces that it has no embedding for.
        """
        model, pieces = load_with_classifier(self.inputs.folder, self.inputs.task, self.seed), self.inputs.pieces
        embeddings = model.get_input_embeddings().num_embeddings
        if len(pieces.tokenizer) > embeddings:
            found = f"its tokenizer has {len(pieces.tokenizer):,} pieces, its model embeddings for {embeddings:,}"
            raise SmeltError(self.inputs.folder, f"{found}: they do not belong together")
        return model

    @property
    def used(self) -> dict[str, Any]:
        """The settings as they take effect."""
        return self.settings.model_dump(exclude=set(EMBEDDING_KEYS)) | {"length": self.inputs.length}

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint must agree on."""
        own = {"settings": self.used, "seed": self.seed, "checkpoint": CHECKPOINT_FORMAT}
        return own | self.inputs.identity

    def run(self, limits: Limits) -> FinetuningOutcome:
        """Fine-tune on train, choose the best weights on validation, and then score both it and test, if that is there.

        Raises:
            SmeltError: the tokenizer cuts the words of a task that labels words otherwise than in running text, or
                what smelt.training.steps raises.
            Unfinished: stopped before the end; running again continues from the checkpoint that it kept.
        """
        found, phase = self.inputs.words, self._phase()
        training = EpochTraining("fine-tuning", self.model, [phase], limits)
        training.go()
        return self._outcome(phase, training.records[0] | found)

    def test(self, weights: Path, measured: dict[str, Any]) -> FinetuningOutcome:
        """Score the weights that a run of the same settings kept, or those of the model's folder itself.

        measured: what that run measured.

        Raises:
            SmeltError: they are not those of this model and task.
        """
        try:
            self.model.load_state_dict(load_file(weights))
        except (OSError, RuntimeError, SafetensorError) as error:
            raise SmeltError(weights, f"has no weights of this model and task: {first_line(error)}") from None
        return self._outcome(self._phase(), measured)

    def _phase(self) -> "TaskPhase":
        scored, device = self.inputs.scored, torch.device(self.device)
        learnt = (scored.encoded["train"], scored.encoded["validation"], scored.scorer("validation"))
        return FineTuningPhase(self.model, self.settings, self.seed, self.inputs.pieces.padding, device, *learnt)

    def _outcome(self, phase: "TaskPhase", measured: dict[str, Any]) -> FinetuningOutcome:
        outcome = outcome_of if "test" in self.inputs.splits else untested_outcome
        return outcome(self.inputs.scored, phase.predict_with_best, measured, self.inputs.counts)

    def save_weights(self, path: Path, run: str) -> None:
        """Write the weights alone, for the choice among the runs of a grid; run: the digest of what they are from."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as draft:
            weights = {name: weight.clone().contiguous() for name, weight in self.model.state_dict().items()}
            save_file(weights, draft, {"run": run})

    def save(self, folder: Path) -> None:
        """Write the model, with its classifier and tokenizer, as a folder that transformers loads."""
        self.model.save_pretrained(folder)
        labels_words = kind_of(self.inputs.task).labels_words
        self.inputs.pieces.save(folder, labels_words, max_positions(self.model.config))


class TaskPhase(Phase):
    """A model that learns a task for some epochs; its best weights are those with the best validation."""

    advice = "lower finetuning.learning_rate or finetuning.clip"

    def __init__(
        self,
        model: Any,
        settings: FinetuningSettings,
        seed: int,
        device: torch.device,
        lengths: Sequence[int],
        validation: Encoded,
        scorer: Scorer,
    ) -> None:
        """Take a model, the lengths of what it learns from, and what chooses the best epoch."""
        self.model = model.to(device)
        self.lengths, self.validation, self.scorer = lengths, validation, scorer
        self.kind = scorer.kind
        self.settings, self.seed, self.device = settings, seed, device
        self.epochs, self.clip = settings.epochs, settings.clip
        self._epoch, self._batches = 0, list[list[int]]()  # the epoch under way, and what it learns from
        self._measured: WindowPredictions | None = None  # of the validation split, by the present weights
        self._best: WindowPredictions | None = None

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

    def batch_of(self, step: int) -> list[int]:
        """Return what a step learns from, counted from 0, by its numbers in the training set."""
        epoch, place = divmod(step, self.steps_of_epoch)
        if epoch + 1 != self._epoch:
            self._epoch = epoch + 1
            self._batches = draw_batches(self.lengths, self.settings.batch, self.seed, self._epoch)
        return self._batches[place]

    def measure(self) -> MetricValues:
        """Return the scores of the validation split, and its loss where that chooses."""
        self._measured = found = self.predict(self.validation)
        scores = self.scorer(found)
        return scores | {"loss": found.loss} if self.settings.choose == "loss" else scores

    def note_best(self) -> None:
        """Note that what was measured last is the best so far."""
        self._best = self._measured

    def predict_with_best(self, encoded: Encoded) -> WindowPredictions:
        """Return the predictions of the best weights, which the model has; those of validation are known already.

        A run that went on from a checkpoint may have to make them again.
        """
        return self._best if encoded is self.validation and self._best else self.predict(encoded)

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

    @abstractmethod
    def predict(self, encoded: Encoded) -> WindowPredictions:
        """Return the model's predictions for a split."""


class FineTuningPhase(TaskPhase):
    """A classifier that learns a task for some epochs."""

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
        lengths = [len(window.ids) for window in train.windows]
        super().__init__(model, settings, seed, device, lengths, validation, scorer)
        self.train, self.padding = train, padding
        # DistilBERT knows no token types, and RoBERTa's kind only one: both find the pair's second text by its marks.
        self.has_types = token_types(self.model.config) > 1

    def learn(self, step: int) -> LearntBatch:
        """Leave the gradients of a step, counted from 0, in the weights."""
        windows = self.batch_of(step)
        (batch,) = collate(self.train, [windows], self.padding, self.device)
        loss = self.kind.loss(self._logits(batch), batch.targets)
        loss.backward()  # type: ignore[no-untyped-call]
        return LearntBatch(loss.item(), len(batch.targets), sum(self.lengths[window] for window in windows))

    def predict(self, encoded: Encoded) -> WindowPredictions:
        """Return the model's predictions for windows."""
        self.model.eval()
        return predict(self.kind, self._logits, encoded, 2 * self.settings.batch, self.padding, self.device)

    def _logits(self, batch: TaskBatch) -> Tensor:
        """Return the logits of the labelled places, shape (labelled, labels)."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bf16"):
            types = {} if batch.types is None or not self.has_types else {"token_type_ids": batch.types}
            output = self.model(input_ids=batch.ids, attention_mask=batch.mask, **types)
        return self.kind.logits(output, batch)


def gpus() -> list[int]:
    """Return the GPU that a job uses, by torch's number, if there is one."""
    return [0] if torch.cuda.is_available() else []
