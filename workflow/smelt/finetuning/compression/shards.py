"""A teacher's signals on the disk: shards of windows, each written whole, which batches are gathered from.

A shard is an array of states of each layer that some student imitates, `<number>.layer-<layer>.npy` (bfloat16, as the
16 bits of each number), and one of logits, `<number>.logits.npy` (float32), a row a labelled token of its windows, in
the windows' order. The logits come last: where they are, the shard is whole.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smelt.errors import SmeltError
from smelt.files import whole_file
from smelt.finetuning.compression.teacher import Teacher, Told, as_bits, from_bits
from smelt.finetuning.compression.windows import Whole, Windows

WINDOWS = 16_384  # of a shard: what a kill costs at most
AT_ONCE = 128  # windows that the teacher reads together


def size_of(labelled: int, layers: int, width: int, labels: int) -> int:
    """Return the bytes that signals of so many labelled tokens take, with states of so many layers."""
    return labelled * (2 * width * layers + 4 * labels)


def numbers_of(windows: int) -> Iterator[tuple[int, Whole]]:
    """Yield each shard's number and its windows."""
    for shard, start in enumerate(range(0, windows, WINDOWS)):
        yield shard, np.arange(start, min(start + WINDOWS, windows))


def is_written(folder: Path, shard: int) -> bool:
    """Say whether a shard is whole."""
    return (folder / _name(shard, "logits")).is_file()


def write_shard(folder: Path, shard: int, windows: Windows, numbers: Whole, teacher: Teacher, padding: int) -> None:
    """Ask the teacher about the windows of a shard and write what it says."""
    first = windows.firsts[numbers[0]]
    labelled = int(windows.firsts[numbers[-1] + 1] - first)
    states = {layer: np.zeros((labelled, teacher.width), np.uint16) for layer in teacher.layers}
    logits = np.zeros((labelled, teacher.labels), np.float32)
    order = numbers[np.argsort(windows.lengths[numbers], kind="stable")[::-1]]
    for start in range(0, len(order), AT_ONCE):
        chosen = order[start : start + AT_ONCE]
        found, of_labels = teacher(windows.batch(chosen, padding, teacher.device), teacher.layers)
        rows = windows.labelled_in(chosen) - first
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
        self._logits = [_mapped(folder, shard, "logits", (count, labels)) for shard, count in enumerate(counts)]
        self._states: list[NDArray[Any]] = []
        if layer is not None:
            kind = _of_layer(layer)
            self._states = [_mapped(folder, shard, kind, (count, width)) for shard, count in enumerate(counts)]

    def told(self, numbers: Whole, states: bool, logits: bool) -> Told:
        """Return what the teacher said of the labelled tokens of some windows, in their order."""
        rows = self._windows.labelled_in(numbers)
        found = torch.from_numpy(self._gathered(self._logits, rows)) if logits else None
        return Told(from_bits(self._gathered(self._states, rows)) if states else None, found)

    def _gathered(self, shards: list[NDArray[Any]], rows: Whole) -> NDArray[Any]:
        owners = np.searchsorted(self._firsts, rows, side="right") - 1
        found = np.empty((len(rows), shards[0].shape[1]), shards[0].dtype)
        for shard in np.unique(owners):
            here = owners == shard
            found[here] = shards[shard][rows[here] - self._firsts[shard]]
        return found


def _save(path: Path, array: NDArray[Any]) -> None:
    with whole_file(path) as draft, draft.open("wb") as stream:
        np.save(stream, array)


def _of_layer(layer: int) -> str:
    return f"layer-{layer}"


def _name(shard: int, kind: str) -> str:
    return f"{shard:05d}.{kind}.npy"


def _mapped(folder: Path, shard: int, kind: str, shape: tuple[int, int]) -> NDArray[Any]:
    path = folder / _name(shard, kind)
    try:
        found: NDArray[Any] = np.load(path, mmap_mode="r")
    except FileNotFoundError:
        raise SmeltError(path, "no such file; expected what `python -m smelt signals` writes") from None
    except (ValueError, EOFError) as error:
        raise SmeltError(path, f"is damaged ({error})") from None
    if found.shape != shape:
        raise SmeltError(path, f"holds an array of shape {found.shape}, not {shape}: it belongs to other text")
    return found
