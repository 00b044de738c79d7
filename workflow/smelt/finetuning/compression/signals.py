"""Signals: outputs of a fine-tuned teacher for the transfer text of a task, stored or computed in each epoch (live).

The folder has `signals.json`, which records their inputs, the text under `text/` and, where they are stored,
shards under `shards/`. A shard is an array of states of each layer that some student imitates,
`<number>.layer-<layer>.npy` (bfloat16, as the 16 bits of each number), and one of logits, `<number>.logits.npy`
(float32), a row a labelled token of its windows, in the windows' order. The logits come last: a shard that has them is
complete.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor
from transformers.utils import logging

from smelt.errors import SmeltError, not_found
from smelt.files import checksum, read_json, whole_file
from smelt.finetuning.batches import TaskBatch
from smelt.finetuning.compression.transfer import Transfer, read_transfer
from smelt.finetuning.compression.windows import Whole, Windows
from smelt.finetuning.model import refuse_other_labels
from smelt.model_families import max_positions
from smelt.pretrained import WEIGHTS, unreadable
from smelt.provenance import digest, sha256_of
from smelt.study.compression import Layer, middle
from smelt.tasks.kinds import kind_of
from smelt.tasks.kinds.base import Task
from smelt.tasks.tokenizer import TaskTokenizer

NAME, TEXT, SHARDS = "signals.json", "text", "shards"
FORMAT = 2
WINDOWS = 16_384  # of a shard; a kill costs at most one
AT_ONCE = 128  # windows that the teacher reads together


@dataclass(frozen=True)
class TeacherOutputs:
    """A teacher's outputs for some labelled tokens; None where they are not wanted."""

    states: Tensor | None
    """Hidden states of one layer, shape (tokens, width), as bfloat16 has them."""
    logits: Tensor | None
    """Shape (tokens, labels)."""


class Teacher:
    """A fine-tuned classifier, frozen."""

    def __init__(self, folder: Path, task: Task, layers: Sequence[Layer], length: int, device: torch.device) -> None:
        """Load it.

        Args:
            folder: of the model.
            task: whose labels it must predict, in their order.
            layers: layers whose states are wanted, counted from 1.
            length: tokens that it must be able to read at once.
            device: where it runs.

        Raises:
            SmeltError: no model loads from there, it was not fine-tuned, on another task, or lacks a layer.
        """
        self.folder, self.device, self.kind = folder, device, kind_of(task)
        refuse_other_labels(folder, task)
        self.model = _load_teacher(folder, task).to(device).eval().requires_grad_(False)
        self.width = int(self.model.config.hidden_size)
        self.labels = len(task.labels)
        depth = int(self.model.config.num_hidden_layers)
        self.layers = sorted({middle(depth) if layer == "middle" else layer for layer in layers})
        if self.layers and self.layers[-1] > depth:
            raise SmeltError("layer", f"{folder} has {depth} layers, counted from 1; found layer {self.layers[-1]}")
        limit = max_positions(self.model.config)
        if limit is not None and length > limit:
            raise SmeltError("length", f"{folder} reads {limit} tokens at once; found {length}")

    @property
    def embeddings(self) -> Tensor:
        """Its embeddings of pieces, shape (pieces, width of embeddings)."""
        weight: Tensor = self.model.get_input_embeddings().weight
        return weight

    @torch.no_grad()
    def __call__(self, batch: TaskBatch, layers: Sequence[int]) -> tuple[list[Tensor], Tensor]:
        """Return its outputs for the labelled tokens of a batch; on a GPU its matrix products are in bfloat16.

        Returns:
            States of each of the layers, bfloat16, shape (tokens, width); and logits, float32, shape (tokens, labels).
        """
        wanted = list(layers) or False  # the other layers' states are not kept
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            found = self.model(input_ids=batch.ids, attention_mask=batch.mask, output_hidden_states=wanted)
        states = [found.hidden_states[layer][batch.rows, batch.positions].bfloat16() for layer in layers]
        return states, self.kind.logits(found, batch).float()


def _load_teacher(folder: Path, task: Task) -> Any:
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        model, report = getattr(transformers, kind_of(task).head).from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, **WEIGHTS
        )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise unreadable(folder, folder, "no model loads from this folder", error) from None
    if missing := sorted(report["missing_keys"]):
        raise SmeltError(folder, f"is not fine-tuned on {task.name}: it lacks {missing[0]}")
    return model


@dataclass(frozen=True)
class SignalsOrigin:
    """The inputs of signals that decide whether they fit a compression."""

    teacher: str
    """sha256 of the teacher's folder."""
    task: str
    """Digest of the labels and training texts."""
    pieces: str
    """Digest of the vocabulary."""
    length: int
    held_out: float

    def refuse_others(self, found: dict[str, Any], where: Path) -> None:
        """Refuse signals with other inputs; the SmeltError names what differs."""
        what = {"teacher": "of another teacher", "task": "of another task", "pieces": "of another vocabulary"}
        for key, wanted in vars(self).items():
            if found.get(key) != wanted:
                numbers = f"of {key} {found.get(key)}, expected {wanted}"
                raise SmeltError(where, f"holds signals {what.get(key, numbers)}: recompute them")


def describe_origin(
    teacher: Teacher, task_folder: Path, task: Task, pieces: TaskTokenizer, length: int, held_out: float
) -> SignalsOrigin:
    """Return the record of the inputs of signals."""
    sums = [checksum(path) for name in ("train", "unlabelled") if (path := task_folder / f"{name}.parquet").is_file()]
    vocabulary = pieces.tokenizer.convert_ids_to_tokens(range(len(pieces.tokenizer)))
    of_task = digest([task.kind, task.labels, sums])
    return SignalsOrigin(sha256_of(teacher.folder), of_task, digest(vocabulary), length, held_out)


class Signals:
    """Transfer text with the teacher's outputs: logits, and states of one layer where a stage imitates them."""

    def __init__(self, folder: Path, made: SignalsOrigin, teacher: Teacher, pieces: TaskTokenizer) -> None:
        """Open the folder.

        Args:
            folder: as `smelt job signals` writes it.
            made: the inputs that it must be made from.
            teacher: with the one layer whose states are wanted, or none.
            pieces: of the tokenizer.

        Raises:
            SmeltError: it holds no signals, or those of something else.
        """
        path = folder / NAME
        self.about = read_json(path)
        if self.about.get("format") != FORMAT:
            raise SmeltError(path, f"is of format {self.about.get('format')}; expected {FORMAT}: recompute the signals")
        made.refuse_others(self.about, path)
        self.layer = teacher.layers[0] if teacher.layers else None
        if self.layer is not None and self.layer not in self.about["layers"]:
            known = ", ".join(map(str, self.about["layers"])) or "none"
            raise SmeltError(path, f"holds signals of layers {known}, expected {self.layer}: recompute them")
        self.transfer: Transfer = read_transfer(folder / TEXT, len(pieces.tokenizer))
        self._teacher: Teacher | None = None
        self._shards: Shards | None = None
        if self.about["mode"] == "live":
            self._teacher = teacher
        else:  # the teacher may go
            self._shards = Shards(folder / SHARDS, self.transfer.windows, self.layer, teacher.width, teacher.labels)

    def teacher_outputs(self, numbers: Whole, batch: TaskBatch, states: bool, logits: bool) -> TeacherOutputs:
        """Return the teacher's outputs for the labelled tokens of some windows, which make this batch."""
        if self._teacher is not None:
            found, of_labels = self._teacher(batch, self._teacher.layers if states else [])
            return TeacherOutputs(found[0] if states else None, of_labels if logits else None)
        assert self._shards is not None
        outputs = self._shards.teacher_outputs(numbers, states, logits)
        device = batch.ids.device
        return TeacherOutputs(*(None if part is None else part.to(device) for part in (outputs.states, outputs.logits)))


def size_of(labelled: int, layers: int, width: int, labels: int) -> int:
    """Return the bytes that signals take, given the numbers of labelled tokens and of layers."""
    return labelled * (2 * width * layers + 4 * labels)


def numbers_of(windows: int) -> Iterator[tuple[int, Whole]]:
    """Yield each shard's number and its windows."""
    for shard, start in enumerate(range(0, windows, WINDOWS)):
        yield shard, np.arange(start, min(start + WINDOWS, windows))


def is_written(folder: Path, shard: int) -> bool:
    """Return whether a shard is whole."""
    return (folder / _name(shard, "logits")).is_file()


def write_shard(folder: Path, shard: int, windows: Windows, numbers: Whole, teacher: Teacher, padding: int) -> None:
    """Compute the teacher's outputs for the windows of a shard and write them."""
    first = windows.firsts[numbers[0]]
    labelled = int(windows.firsts[numbers[-1] + 1] - first)
    states = {layer: np.zeros((labelled, teacher.width), np.uint16) for layer in teacher.layers}
    logits = np.zeros((labelled, teacher.labels), np.float32)
    order = numbers[np.argsort(windows.lengths[numbers], kind="stable")[::-1]]
    for start in range(0, len(order), AT_ONCE):
        chosen = order[start : start + AT_ONCE]
        found, of_labels = teacher(windows.batch(chosen, padding, teacher.device), teacher.layers)
        rows = windows.find_labelled(chosen) - first
        logits[rows] = of_labels.cpu().numpy()
        for layer, values in zip(teacher.layers, found, strict=True):
            states[layer][rows] = as_bits(values)
    for layer, array in states.items():
        _save(folder / _name(shard, _of_layer(layer)), array)
    _save(folder / _name(shard, "logits"), logits)


class Shards:
    """The shards of some windows, mapped into memory: logits, and the states of one layer or none."""

    def __init__(self, folder: Path, windows: Windows, layer: int | None, width: int, labels: int) -> None:
        """Open them.

        Raises:
            SmeltError: one is missing or of another shape.
        """
        self._windows = windows
        numbers = [numbers for _, numbers in numbers_of(len(windows))]
        self._firsts = np.array([windows.firsts[each[0]] for each in numbers])
        counts = np.diff(self._firsts, append=windows.labelled).tolist()
        self._logits = [_map_shard(folder, shard, "logits", (count, labels)) for shard, count in enumerate(counts)]
        self._states: list[NDArray[Any]] = []
        if layer is not None:
            kind = _of_layer(layer)
            self._states = [_map_shard(folder, shard, kind, (count, width)) for shard, count in enumerate(counts)]

    def teacher_outputs(self, numbers: Whole, states: bool, logits: bool) -> TeacherOutputs:
        """Return the teacher's outputs for the labelled tokens of some windows, in their order."""
        rows = self._windows.find_labelled(numbers)
        found = torch.from_numpy(self._gather(self._logits, rows)) if logits else None
        return TeacherOutputs(from_bits(self._gather(self._states, rows)) if states else None, found)

    def _gather(self, shards: list[NDArray[Any]], rows: Whole) -> NDArray[Any]:
        owners = np.searchsorted(self._firsts, rows, side="right") - 1
        found = np.empty((len(rows), shards[0].shape[1]), shards[0].dtype)
        for shard in np.unique(owners):
            here = owners == shard
            found[here] = shards[shard][rows[here] - self._firsts[shard]]
        return found


def as_bits(states: Tensor) -> NDArray[np.uint16]:
    """Return bfloat16 numbers as the 16 bits of each, which numpy can hold."""
    bits: NDArray[np.uint16] = states.cpu().view(torch.int16).numpy().view(np.uint16)
    return bits


def from_bits(bits: NDArray[np.uint16]) -> Tensor:
    """Return the bfloat16 numbers that have these bits."""
    return torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16)


def _save(path: Path, array: NDArray[Any]) -> None:
    with whole_file(path) as draft, draft.open("wb") as stream:
        np.save(stream, array)


def _of_layer(layer: int) -> str:
    return f"layer-{layer}"


def _name(shard: int, kind: str) -> str:
    return f"{shard:05d}.{kind}.npy"


def _map_shard(folder: Path, shard: int, kind: str, shape: tuple[int, int]) -> NDArray[Any]:
    path = folder / _name(shard, kind)
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        raise not_found(path, expected="what `smelt job signals` writes") from None
    except (ValueError, EOFError) as error:
        raise SmeltError(path, f"is damaged ({error})") from None
    if found.shape != shape:
        raise SmeltError(path, f"holds an array of shape {found.shape}, not {shape}: it belongs to other text")
    return found
