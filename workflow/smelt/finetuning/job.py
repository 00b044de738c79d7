"""One fine-tuning from a model's folder to scores and predictions; imported once the inputs have proved sound."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from smelt.errors import SmeltError
from smelt.finetuning.data import Examples, Task
from smelt.finetuning.encoding import Encoded, encode
from smelt.finetuning.loop import FineTuning
from smelt.finetuning.metrics import Scorer, details
from smelt.finetuning.model import load_model, longest
from smelt.finetuning.predictions import write_predictions
from smelt.finetuning.tokenizer import load_pieces, refuse_unmarked_pairs
from smelt.study.schema import Finetuning

SHORTEST = 8  # tokens that a model has to read at once for windows to make sense


@dataclass(frozen=True)
class Outcome:
    """What a fine-tuning came to."""

    metrics: dict[str, Any]
    task: Task
    predicted: list[list[str]]
    pieces: list[list[list[str]]]
    probabilities: list[list[float]]

    def write_predictions(self, path: Path, examples: Examples) -> None:
        """Write the predictions of the test split."""
        write_predictions(path, self.task, examples, self.predicted, self.pieces, self.probabilities)


class Job:
    """A model, a task and a seed."""

    def __init__(self, folder: Path, task: Task, settings: Finetuning, seed: int, threads: int) -> None:
        """Load the tokenizer and the model.

        Raises:
            SmeltError: one of them does not load, or the tokenizer has pieces that the model has no embedding for.
        """
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        self.task, self.settings, self.seed = task, settings, seed
        self.pieces = load_pieces(folder)
        self.model = load_model(folder, task, seed)
        self.length = min(settings.length, longest(self.model))
        self.device = "cuda" if gpus() else "cpu"
        self._check(folder)
        if task.pairs:
            refuse_unmarked_pairs(self.pieces, folder)

    def run(self, splits: dict[str, Examples]) -> Outcome:
        """Fine-tune on train, choose the epoch on validation, and then score both it and test."""
        encoded = {name: encode(examples, self.task, self.pieces, self.length) for name, examples in splits.items()}
        tuning = FineTuning(self.model, self.settings, self.seed, self.pieces.padding, torch.device(self.device))
        scorers = {name: Scorer(self.task, splits[name], encoded[name]) for name in ("validation", "test")}
        epochs, best = tuning.run(encoded["train"], encoded["validation"], scorers["validation"])
        scores = []
        for name, scorer in scorers.items():
            found, probabilities = tuning.predict(encoded[name])
            scores += _rows(name, scorer.by_language(found))
        predicted = scorers["test"].labels(found)
        metrics = {
            "best_epoch": best,
            "epochs": [asdict(epoch) for epoch in epochs],
            "scores": scores,
            "details": details(splits["test"].gold, predicted, self.task.metric),
            "counts": _counts(splits, encoded),
        }
        return Outcome(metrics, self.task, predicted, encoded["test"].pieces, probabilities)

    def save(self, folder: Path) -> None:
        """Write the model, with its classifier and tokenizer, as a folder that transformers loads."""
        self.model.save_pretrained(folder)
        self.pieces.tokenizer.save_pretrained(folder)

    def _check(self, folder: Path) -> None:
        embeddings = self.model.get_input_embeddings().num_embeddings
        if len(self.pieces.tokenizer) > embeddings:
            found = f"its tokenizer has {len(self.pieces.tokenizer):,} pieces, its model embeddings for {embeddings:,}"
            raise SmeltError(folder, f"{found}: they do not belong together")
        if self.length - self.pieces.special < SHORTEST:
            raise SmeltError(folder, f"the model reads {self.length} tokens at once: expected {SHORTEST} and more")


def gpus() -> list[int]:
    """Return the GPU that a job uses, by torch's number, if there is one."""
    return [0] if torch.cuda.is_available() else []


def _rows(split: str, scores: list[tuple[str, dict[str, float]]]) -> list[dict[str, Any]]:
    return [
        {"split": split, "language": language, "metric": metric, "value": value}
        for language, values in scores
        for metric, value in values.items()
    ]


def _counts(splits: dict[str, Examples], encoded: dict[str, Encoded]) -> dict[str, dict[str, int]]:
    return {name: encoded[name].counts(len(examples)) for name, examples in splits.items()}
