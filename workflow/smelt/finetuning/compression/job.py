"""One compression from a task and a teacher to a student, its scores and predictions."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smelt.allocator import keep_freed_memory
from smelt.card import Card, CardValue, how_to_use, place_of, write_card
from smelt.errors import SmeltError
from smelt.files import checksum
from smelt.finetuning.batches import predict
from smelt.finetuning.card import test_scores, tested_languages
from smelt.finetuning.compression.phases import CompressionPhase, Record, StageData
from smelt.finetuning.compression.random_streams import derive_seed
from smelt.finetuning.compression.signals import Signals, Teacher, describe_origin
from smelt.finetuning.compression.students import (
    DistillationStudent,
    HeadName,
    draw_student,
    kept_head,
    phases_of,
    pretrained_embeddings,
    seen_pieces,
    start_embeddings,
    width_of,
)
from smelt.finetuning.compression.windows import Windows, as_arrays, join_windows
from smelt.finetuning.job import gpus
from smelt.finetuning.outcome import FinetuningOutcome, Predict, Scored, outcome_of
from smelt.languages import iso_codes
from smelt.model_families import max_positions
from smelt.provenance import digest, sha256_of
from smelt.study.compression import Compression, Layer, needs_finetuned_teacher, needs_states, needs_transfer
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Examples, Task, WindowPredictions
from smelt.tasks.prepared_task import encode, read_batches
from smelt.tasks.tokenizer import load_pieces
from smelt.tasks.windows import Encoded
from smelt.training.epochs import CHECKPOINT_FORMAT, EpochTraining
from smelt.training.steps import Limits

KINDS = {"bilstm": "bidirectional LSTM", "transformer": "Transformer encoder"}
LEARNT = {"representation": "hidden states", "logits": "logits", "labels": "labels"}
LIMITS = """\
It knows the labels of this task and nothing else. What its teacher gets wrong, it has learnt to get wrong; how it does
on texts of other kinds was not measured. The test split chose nothing."""
OWN_CLASS = "The folder holds the class of the model, which this runs; texts in a batch are padded on their right."


@dataclass(frozen=True)
class CompressionInputs:
    """Folders that a student is made from."""

    task: Path
    source: Path
    """The teacher before it was fine-tuned, with its tokenizer."""
    teacher: Path | None
    """The same fine-tuned on the task; None where nothing is learnt from it."""
    signals: Path | None
    """Its outputs for transfer text; None where no stage imitates it."""


class CompressionJob:
    """A student, a task and a seed."""

    def __init__(self, inputs: CompressionInputs, task: Task, settings: Compression, seed: int, threads: int) -> None:
        """Load tokenizer, teacher and signals, and make the student.

        Raises:
            SmeltError: one is missing, does not load or does not belong to the others.
        """
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined] # for nothing
        self.inputs, self.task, self.settings, self.seed = inputs, task, settings, seed
        self.kind = kind_of(task)
        self.device = torch.device("cuda" if gpus() else "cpu")
        if self.device.type == "cpu":
            keep_freed_memory()
        self.pieces = load_pieces(inputs.source)
        # Before anything takes long: a tokenizer that cuts the task's words otherwise than texts is refused.
        parts = read_batches(inputs.task, "train", task)
        self.words = self.kind.words_in_running_text(self.pieces, parts, inputs.source)
        self.phases = phases_of(settings.stages, settings.settings)
        teacher = self._teacher()
        self.signals = self._signals(teacher)
        self.training, self.counts = self._training()
        self.student, self.embeddings = self._student(teacher)

    @cached_property
    def length(self) -> int:
        """Tokens of the longest window."""
        return self.settings.settings.length

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Facts that a checkpoint must agree on."""
        files = [self.inputs.task / f"{split}.parquet" for split in ("train", "validation", "test")]
        vocabulary = self.pieces.tokenizer.convert_ids_to_tokens(range(len(self.pieces.tokenizer)))
        about = {} if self.signals is None else {key: self.signals.about[key] for key in ("teacher", "text", "mode")}
        return {
            "settings": self.settings.model_dump(),
            "seed": self.seed,
            "checkpoint": CHECKPOINT_FORMAT,
            "task": digest([self.task.labels, list(map(checksum, files))]),
            "pieces": digest(vocabulary),
            "signals": about,
            "start": self._start_files(),
            # Earlier versions gave words without it, and may have left a checkpoint.
            **({"blank_before_words": True} if self.kind.labels_words and self.pieces.with_blanks is not None else {}),
        }

    def run(self, splits: dict[str, Examples], limits: Limits) -> FinetuningOutcome:
        """Train the student through all phases, and score it with the head that it keeps.

        splits: validation and test.
        """
        encoded = {name: encode(examples, self.task, self.pieces, self.length) for name, examples in splits.items()}
        settings = self.settings.settings
        data = StageData(
            self.training,
            self._arrays(encoded["validation"]),
            self.signals,
            settings,
            self.seed,
            self.pieces.padding,
            self.device,
        )
        scored = Scored(self.task, splits, encoded)
        torch.manual_seed(derive_seed(self.seed, "dropout"))
        learnt = (self.student, data, settings.clip, lambda head: scored.scores(self._predict(head)))
        phases = [CompressionPhase(number, phase, *learnt) for number, phase in enumerate(self.phases)]
        training = EpochTraining("compression", self.student, phases, limits)
        training.go()
        counts = {"train": self.counts}
        counts |= {name: encoded[name].counts(len(examples)) for name, examples in splits.items()}
        head = kept_head(self.phases)
        return outcome_of(scored, self._predict(head), self._describe_run(training.records), counts)

    def save(self, folder: Path) -> Any:
        """Write the student with its classifier and tokenizer; return it."""
        student = self.student.keep(kept_head(self.phases)).cpu()
        student.save_pretrained(folder)
        self.pieces.save(folder, self.kind.labels_words, max_positions(student.config))
        return student

    def _describe_run(self, records: list[Record]) -> dict[str, Any]:
        student = self.student.model
        config = student.config
        facts = {"kind": config.kind, "parameters": sum(weight.numel() for weight in student.parameters())}
        facts |= {"rows": config.rows, "embedding_size": config.embedding_size, "hidden_size": config.hidden_size}
        facts |= {"num_hidden_layers": config.num_hidden_layers, "projection_size": config.projection_size}
        measured = {"stages": records, "student": facts, "embeddings": self.embeddings} | self.words
        if self.signals is None:
            return measured
        keys = ("mode", "text", "texts", "of_evaluation_left_out", "counts", "seed")
        about = {key: self.signals.about[key] for key in keys}
        return measured | {"transfer": about | {"layer": self.signals.layer}}

    def _predict(self, head: HeadName) -> Predict:
        def predict_windows(encoded: Encoded) -> WindowPredictions:
            self.student.eval()
            batch = 2 * self.settings.settings.batch
            student, padding = self.student, self.pieces.padding
            return predict(self.kind, lambda part: student.logits(part, head), encoded, batch, padding, self.device)

        return predict_windows

    def _teacher(self) -> Teacher | None:
        if not needs_finetuned_teacher(self.settings.stages, self.settings.embeddings):
            return None
        if self.inputs.teacher is None:
            raise SmeltError(
                "--teacher", "is missing: a stage, or the start of the embeddings, is of the fine-tuned one"
            )
        layers: list[Layer] = [self.settings.layer or "middle"] if needs_states(self.settings.stages) else []
        return Teacher(self.inputs.teacher, self.task, layers, self.length, self.device)

    def _signals(self, teacher: Teacher | None) -> Signals | None:
        if not needs_transfer(self.settings.stages):
            return None
        assert teacher is not None
        if self.inputs.signals is None:
            raise SmeltError("--signals", "is missing: a stage imitates the teacher on transfer text")
        width = width_of(self.inputs.source)
        if teacher.width != width:
            raise SmeltError(
                teacher.folder, f"is {teacher.width} wide, and {self.inputs.source} {width}: not the same model"
            )
        held_out = self.settings.settings.held_out
        made = describe_origin(teacher, self.inputs.task, self.task, self.pieces, self.length, held_out)
        return Signals(self.inputs.signals, made, teacher, self.pieces)

    def _training(self) -> tuple[Windows, dict[str, int]]:
        """Return the training set as windows, and the counts of metrics.json."""
        parts, counts = [], Counter[str]()
        for examples in read_batches(self.inputs.task, "train", self.task):
            encoded = encode(examples, self.task, self.pieces, self.length)
            parts.append(self._arrays(encoded))
            counts.update(encoded.counts(len(examples)))
        return join_windows(parts), dict(counts)

    def _arrays(self, encoded: Encoded) -> Windows:
        return as_arrays(encoded.windows, len(self.pieces.tokenizer), encoded.targets)

    def _student(self, teacher: Teacher | None) -> tuple[DistillationStudent, dict[str, Any]]:
        kept = np.arange(len(self.pieces.tokenizer))
        if self.settings.vocabulary == "seen":
            texts = [self.training, *([] if self.signals is None else [self.signals.transfer.windows])]
            kept = seen_pieces(self.pieces, texts)
        student = draw_student(self.settings, self.task, self.pieces, kept, width_of(self.inputs.source), self.seed)
        rows = self._teacher_embeddings(teacher)
        facts = start_embeddings(student, self.settings, self.pieces, kept, rows, self.seed)
        return DistillationStudent(student, self.seed).to(self.device), facts

    def _teacher_embeddings(self, teacher: Teacher | None) -> Tensor | None:
        """Return the teacher's embeddings, shape (pieces or more, width); None where the start does not use them."""
        start = self.settings.embeddings
        if not start.from_teacher:
            return None
        found = teacher.embeddings if teacher and start.of == "finetuned" else pretrained_embeddings(self.inputs.source)
        if len(found) < len(self.pieces.tokenizer):
            message = f"has embeddings for {len(found):,} pieces, its tokenizer {len(self.pieces.tokenizer):,}"
            raise SmeltError(self.inputs.teacher or self.inputs.source, message)
        return found

    def _start_files(self) -> list[str]:
        """Return the checksums of what the first embeddings are made from: files of vectors, or a teacher's folder."""
        start = self.settings.embeddings
        if not start.from_teacher:
            return [checksum(path) for path in start.paths]
        folder = self.inputs.teacher if start.of == "finetuned" else self.inputs.source
        assert folder is not None, "a start of the fine-tuned teacher's embeddings was refused without one"
        return [sha256_of(folder)]


def write_student_card(folder: Path, name: str, task: Task, metrics: dict[str, Any]) -> None:
    """Write README.md into a student's folder."""
    student = metrics["student"]
    facts: dict[str, CardValue] = {key.replace("_", " "): value for key, value in student.items() if value is not None}
    facts |= {"labels": ", ".join(task.labels), "embeddings": _start(metrics["embeddings"])}
    card = Card(
        name,
        f"A {KINDS[student['kind']]} for the task {task.name}, compressed stage by stage from a fine-tuned model "
        "(XtremeDistil, Mukherjee and Awadallah 2020).",
        iso_codes(tested_languages(metrics)),
        facts,
        tables={"Stages": [_stage(record) for record in metrics["stages"]], "Test": test_scores(metrics, task)},
        limits=LIMITS,
        fills_masks=False,
        use=f"{how_to_use(kind_of(task).pipeline, place_of(name), own_class=True)}\n\n{OWN_CLASS}",
        pipeline=kind_of(task).pipeline,
    )
    write_card(folder, card)


def _start(facts: dict[str, Any]) -> str:
    return " of the teacher's, ".join(str(facts[key]) for key in ("start", "of") if key in facts)


def _stage(record: dict[str, Any]) -> dict[str, CardValue]:
    learnt = " and ".join(LEARNT[name] for name, weight in record["losses"].items() if weight)
    row: dict[str, CardValue] = {"stage": record["stage"], "learns": learnt, "unfrozen down to": record["unfrozen"]}
    return row | {"epochs": record["epochs"], "best": record["best"], "validation loss": record["validation_loss"]}
