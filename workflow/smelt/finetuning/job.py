"""One fine-tuning from a model's folder to scores and predictions; imported once the inputs have proved sound."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from smelt.errors import SmeltError
from smelt.finetuning.loop import FineTuning
from smelt.finetuning.model import load_model, longest
from smelt.finetuning.outcome import Outcome, Scored, outcome_of
from smelt.model_families import longest_of
from smelt.provenance import digest, sha256_of
from smelt.study.schema import Finetuning
from smelt.tasks.metrics import Scorer
from smelt.tasks.prepared import Examples, Task
from smelt.tasks.running_text import Comparison
from smelt.tasks.tokenizer import TaskTokenizer, load_pieces, refuse_unmarked_pairs
from smelt.tasks.windows import encode
from smelt.training.epochs import EpochTraining
from smelt.training.steps import Limits

LEARNT = ("train", "validation")  # splits that decide the weights
SHORTEST = 8  # tokens that a model has to read at once for windows to make sense


class Job:
    """A model, a task and a seed."""

    def __init__(self, folder: Path, task: Task, settings: Finetuning, seed: int, threads: int) -> None:
        """Load the tokenizer and the model.

        Raises:
            SmeltError: one of them does not load, or the tokenizer has pieces that the model has no embedding for.
        """
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        self.task, self.settings, self.seed, self.folder = task, settings, seed, folder
        self.pieces = load_pieces(folder)
        self.model = load_model(folder, task, seed)
        self.length = min(settings.length, longest(self.model))
        self.device = "cuda" if gpus() else "cpu"
        self._check(folder)
        if task.pairs:
            refuse_unmarked_pairs(self.pieces, folder)

    def identity(self, task: Path) -> dict[str, Any]:
        """Return what a checkpoint must agree on; task: the folder of the prepared task."""
        return {
            "settings": self.settings.model_dump() | {"length": self.length},
            "seed": self.seed,
            "model": sha256_of(self.folder),
            "task": digest([vars(self.task), *(sha256_of(task / f"{split}.parquet") for split in LEARNT)]),
        }

    def run(self, splits: dict[str, Examples], limits: Limits) -> Outcome:
        """Fine-tune on train, choose the epoch on validation, and then score both it and test.

        Raises:
            SmeltError: the tokenizer cuts the words of a task that labels words otherwise than in running text, or
                what smelt.training.steps raises.
            Unfinished: stopped before the end; running again continues from the checkpoint that it kept.
        """
        found = words_in_running_text(self.task, self.pieces, [splits["train"]], self.folder)
        encoded = {name: encode(examples, self.task, self.pieces, self.length) for name, examples in splits.items()}
        scorer = Scorer(self.task, splits["validation"], encoded["validation"])
        device, padding = torch.device(self.device), self.pieces.padding
        learnt = (encoded["train"], encoded["validation"], scorer)
        tuning = FineTuning(self.model, self.settings, self.seed, padding, device, *learnt)
        training = EpochTraining("fine-tuning", self.model, [tuning], limits)
        training.run()
        counts = {name: encoded[name].counts(len(examples)) for name, examples in splits.items()}
        measured = training.records[0] | found
        return outcome_of(Scored(self.task, splits, encoded), tuning.predict, measured, counts)

    def save(self, folder: Path) -> None:
        """Write the model, with its classifier and tokenizer, as a folder that transformers loads."""
        self.model.save_pretrained(folder)
        self.pieces.save(folder, self.task.by_word, longest_of(self.model.config))

    def _check(self, folder: Path) -> None:
        embeddings = self.model.get_input_embeddings().num_embeddings
        if len(self.pieces.tokenizer) > embeddings:
            found = f"its tokenizer has {len(self.pieces.tokenizer):,} pieces, its model embeddings for {embeddings:,}"
            raise SmeltError(folder, f"{found}: they do not belong together")
        if self.length - self.pieces.special < SHORTEST:
            raise SmeltError(folder, f"the model reads {self.length} tokens at once: expected {SHORTEST} and more")


def words_in_running_text(task: Task, pieces: TaskTokenizer, parts: Iterable[Examples], folder: Path) -> dict[str, Any]:
    """Compare a task's words with running text for metrics.json, and print the result; nothing for a task of texts.

    Args:
        task: the task.
        pieces: of the model's tokenizer.
        parts: examples of its training set.
        folder: the model's.

    Raises:
        SmeltError: the tokenizer cuts its words otherwise than in running text.
    """
    if not task.by_word:
        return {}
    found = sum((pieces.check_words(part.words, folder) for part in parts), Comparison(0, 0))
    blank = pieces.with_blanks is not None
    print(f"words: {found.sentence()}" + ("; each is cut with a blank before it" if blank else ""))
    return {"words_in_running_text": found.record(blank)}


def gpus() -> list[int]:
    """Return the GPU that a job uses, by torch's number, if there is one."""
    return [0] if torch.cuda.is_available() else []
