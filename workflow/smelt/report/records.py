"""Records that other stages wrote: of tasks, models and tokenisation studies."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.model_families import PIECE_EMBEDDINGS, WORD_EMBEDDINGS
from smelt.model_folder import count_parameters, read_tensor_headers
from smelt.report.csv_files import read_csv
from smelt.tasks.splits import SPLITS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TaskRecord:
    """A prepared task; counts are of examples."""

    name: str
    languages: int
    """Languages of its test set."""
    average: str
    """Score of several languages: one score over all `examples`, or the mean over `languages`."""
    examples: dict[str, int]
    """Of each split."""
    in_train: dict[str, int]
    """Those of validation and of test that also stand in training, word for word."""
    in_validation: dict[str, int]
    """Those of test that also stand in validation; empty where the task was prepared before they were counted."""
    contexts_in_train: dict[str, int] = field(default_factory=dict)
    """Questions of validation and of test about a context that training has too; empty for other kinds."""
    contexts_in_validation: dict[str, int] = field(default_factory=dict)
    """Questions of test about a context that validation has too."""
    limit: int = 0
    """Training examples that were drawn; 0 where all are used."""
    validation_limit: int = 0
    """Validation examples that were drawn; 0 where all are used."""
    kind: str = ""
    labels: int = 0
    """Its labels; 0 where its kind has none, such as answers."""
    by_language: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Examples of each split by language."""
    note: str = ""
    """What its task file says for readers of its scores."""

    @property
    def share_in_train(self) -> float:
        """Share of the test set that also stands in training."""
        return self.in_train["test"] / self.examples["test"]

    @property
    def share_of_known_contexts(self) -> float:
        """Share of the test questions about a context that also stands in training."""
        return self.contexts_in_train.get("test", 0) / self.examples["test"]


def read_tasks(paths: Sequence[Path]) -> list[TaskRecord]:
    """Return the records of task.json files, in the order given.

    Raises:
        SmeltError: a file is missing, or holds something else.
    """
    return [_task(path, read_json(path)) for path in paths]


def _task(path: Path, description: dict[str, Any]) -> TaskRecord:
    try:
        splits = description["splits"]
        return TaskRecord(
            name=description["name"],
            languages=len(splits["test"]["languages"]),
            average=description.get("average", "examples"),
            examples={split: splits[split]["examples"] for split in SPLITS},
            in_train=description["repeated_from_train"],
            in_validation=description.get("repeated_from_validation", {}),
            contexts_in_train=description.get("contexts_from_train", {}),
            contexts_in_validation=description.get("contexts_from_validation", {}),
            limit=description.get("limit", 0),
            validation_limit=description.get("validation_limit", 0),
            kind=description.get("kind", ""),
            labels=len(description.get("labels") or ()),
            by_language={split: splits[split]["languages"] for split in SPLITS},
            note=description.get("note", ""),
        )
    except (KeyError, TypeError) as error:
        raise SmeltError(path, f"lacks {error}: expected what `smelt task` writes") from None


@dataclass(frozen=True)
class ModelRecord:
    """Name, config.json, provenance.json and the number of parameters of a model; tied ones count once.

    An exported model has no number of its own: it is that of its source's encoder, in any format.
    """

    name: str
    config: dict[str, Any]
    provenance: dict[str, Any]
    parameters: int | None


def read_tokenisation(path: Path) -> dict[str, Any]:
    """Return a tokenisation study of a model on a task.

    Raises:
        SmeltError: the file is missing, or holds something else.
    """
    study: dict[str, Any] = read_json(path)
    for part in ("model", "task", "segmentation", "correlations", "by_pieces"):
        if part not in study:
            raise SmeltError(path, f"has no {part!r}: expected a tokenisation study")
    return study


def read_model(folder: Path) -> ModelRecord:
    """Return the record of a model's folder.

    Raises:
        SmeltError: a file of it is missing or is not what its name says.
    """
    exported = (folder / "model.onnx").is_file()
    return ModelRecord(
        folder.name,
        read_json(folder / "config.json"),
        read_json(folder / "provenance.json"),
        None if exported else count_parameters(folder / "model.safetensors"),
    )


def encoder_parameters(path: Path) -> int:
    """Return how many of a safetensors file's numbers are the encoder's: without heads, and without lists of positions.

    The encoder's tensors share the prefix of its word embeddings (`bert.`, `roberta.`, `compact.` in students that
    compress makes, or none in a bare encoder).

    Raises:
        SmeltError: the file is missing, is no safetensors file, or holds no word embeddings.
    """
    header, _ = read_tensor_headers(path)
    embeddings = (WORD_EMBEDDINGS, PIECE_EMBEDDINGS)
    found = ((name, part) for name in header for part in embeddings if name.endswith(part))
    name, part = next(found, (None, ""))
    if name is None:
        raise SmeltError(path, f"holds no {WORD_EMBEDDINGS}: expected an encoder")
    prefix = name.removesuffix(part)
    return sum(
        math.prod(tensor["shape"])
        for name, tensor in header.items()
        if name.startswith(prefix) and not tensor["dtype"].startswith("I")
    )


def read_steps(paths: Iterable[Path]) -> dict[tuple[str, str], float]:
    """Return the optimiser steps of compressed models, from the metrics.json of each run.

    Returns:
        Steps of all phases together, mean over seeds, by (model, task); nan where one does not say.

    Raises:
        SmeltError: a file is missing, or not of a compressed model.
    """
    found: dict[tuple[str, str], list[float]] = {}
    for path in paths:
        metrics = read_json(path)
        if "stages" not in metrics:
            raise SmeltError(path, "has no 'stages': expected the metrics of a compressed model")
        steps = sum(phase.get("steps", math.nan) for phase in metrics["stages"])
        found.setdefault((metrics["model"], metrics["task"]), []).append(steps)
    return {run: fmean(values) for run, values in found.items()}


@dataclass(frozen=True)
class TransferRecord:
    """The unlabelled texts that students of one teacher learn from."""

    name: str
    """Of its folder: corpus, number of texts asked for, and length."""
    texts: Mapping[str, int]
    """Texts that were drawn, by language of a corpus or part of the task."""

    @property
    def total(self) -> int:
        """All texts."""
        return sum(self.texts.values())


def read_transfer_texts(folder: Path) -> TransferRecord:
    """Return how many unlabelled texts lie under a teacher's signals.

    Raises:
        SmeltError: the file is missing, or holds something else.
    """
    path = folder / "signals.json"
    try:
        return TransferRecord(folder.name, {name: int(count) for name, count in read_json(path)["texts"].items()})
    except (KeyError, TypeError, ValueError, AttributeError):
        raise SmeltError(path, "does not count its texts: expected what `smelt job signals` writes") from None


CURVE = ".curve.csv"
"""The end of the name of a learning curve: <model>.curve.csv."""
_CURVE_COLUMNS = ("step", "split", "language", "metric", "value")


def read_validation(path: Path) -> "pd.DataFrame":
    """Return the part of a curve that was measured on held-out documents.

    Raises:
        SmeltError: the file lacks a column, or holds no validation.
    """
    curve = read_csv(path, _CURVE_COLUMNS)
    held_out = curve[curve["split"] == "validation"]
    if held_out.empty:
        raise SmeltError(path, "holds no validation: expected rows whose split is 'validation'")
    return held_out
