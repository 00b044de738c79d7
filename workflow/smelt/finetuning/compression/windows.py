"""Windows as arrays, so that millions of texts need no Python objects: token ids, and which tokens are labelled.

They lie in memory, or in files that are mapped into it; batches are put together by array operations alone. The order
of batches depends on nothing but the seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
import torch
from numpy.typing import NDArray

from smelt.errors import SmeltError, first_line
from smelt.finetuning.batches import Order, TaskBatch
from smelt.tasks.windows import Window

Whole = NDArray[np.int64]
LONG_IDS = 2**16  # larger vocabularies need ids of more than 16 bits
POSITIONS, STARTS, FIRSTS = "positions.uint16", "starts.npy", "firsts.npy"


@dataclass(frozen=True)
class Windows:
    """Windows one after the other: the ids of a window begin at its entry in `starts` and end at the next one; its
    labelled tokens likewise, by `firsts`."""

    ids: NDArray[Any]
    """Token ids of all windows, special ones included, shape (tokens,)."""
    starts: Whole
    """Where each window's ids begin, and the end of the last; shape (windows + 1,)."""
    positions: NDArray[np.uint16]
    """Place in its window of each labelled token, shape (labelled,)."""
    firsts: Whole
    """Number of the first labelled token of each window, and that of all; shape (windows + 1,)."""
    targets: Whole | None = None
    """Label of each labelled token, shape (labelled,); IGNORED where training lacks it, None for unlabelled text."""

    def __len__(self) -> int:
        """Return the number of windows."""
        return len(self.starts) - 1

    @cached_property
    def lengths(self) -> NDArray[np.uint16]:
        """Tokens of each window, shape (windows,)."""
        return np.diff(self.starts).astype(np.uint16)

    @property
    def labelled(self) -> int:
        """Number of labelled tokens."""
        return int(self.firsts[-1])

    def find_labelled(self, numbers: Whole) -> Whole:
        """Return the numbers of the labelled tokens of some windows, in the windows' order."""
        return ranges(self.firsts[numbers], self.firsts[numbers + 1] - self.firsts[numbers])

    def batch(self, numbers: Whole, padding: int, device: torch.device) -> TaskBatch:
        """Return some windows as padded tensors."""
        lengths = self.starts[numbers + 1] - self.starts[numbers]
        counts = self.firsts[numbers + 1] - self.firsts[numbers]
        mask = np.arange(lengths.max()) < lengths[:, None]
        ids = np.full(mask.shape, padding, dtype=np.int64)
        ids[mask] = self.ids[ranges(self.starts[numbers], lengths)]
        labelled = ranges(self.firsts[numbers], counts)
        rows = np.repeat(np.arange(len(numbers)), counts)
        positions = self.positions[labelled].astype(np.int64)
        targets = np.zeros(0, np.int64) if self.targets is None else self.targets[labelled]
        parts = (ids, mask.astype(np.int64), rows, positions, targets)
        return TaskBatch(numbers.tolist(), *(torch.from_numpy(part).to(device, non_blocking=True) for part in parts))


def ranges(starts: Whole, lengths: Whole) -> Whole:
    """Return start, start + 1, ... of each start, as many as its length, one after the other."""
    ends = np.cumsum(lengths)
    return np.asarray(np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths))


def as_arrays(windows: Sequence[Window], pieces: int, targets: Sequence[Sequence[int]] | None = None) -> Windows:
    """Return windows as arrays, with the label of each position if there are any; pieces: size of the vocabulary."""
    kind = np.uint16 if pieces <= LONG_IDS else np.uint32
    return Windows(
        np.concatenate([np.zeros(0, kind), *(np.asarray(window.ids, kind) for window in windows)]),
        _ends([len(window.ids) for window in windows]),
        np.array([place for window in windows for place in window.positions], np.uint16),
        _ends([len(window.positions) for window in windows]),
        None if targets is None else np.array([label for labels in targets for label in labels], np.int64),
    )


def join_windows(parts: Sequence[Windows]) -> Windows:
    """Return windows, those with labels or those without, one after the other."""
    targets = [part.targets for part in parts if part.targets is not None]
    return Windows(
        np.concatenate([part.ids for part in parts]),
        _ends(np.concatenate([np.diff(part.starts) for part in parts])),
        np.concatenate([part.positions for part in parts]),
        _ends(np.concatenate([np.diff(part.firsts) for part in parts])),
        np.concatenate(targets) if targets else None,
    )


class WindowStream:
    """Some windows in batches, pass after pass, each in its own order."""

    def __init__(
        self, windows: Windows, chosen: Whole, batch: int, seeds: list[int], padding: int, device: torch.device
    ) -> None:
        """Take the windows, the numbers of those used, the size of a batch, and the seeds of their order."""
        self.windows, self._chosen, self._batch = windows, chosen, batch
        self._lengths = windows.lengths[chosen]
        self._seeds, self._padding, self._device = seeds, padding, device
        self._pass = lru_cache(maxsize=1)(self._draw_order)

    @property
    def batches(self) -> int:
        """Batches of a pass."""
        return -(-len(self._chosen) // self._batch)

    def at(self, phase: int, step: int) -> tuple[Whole, TaskBatch]:
        """Return the windows and the batch of a phase's step; after the last batch of a pass another pass begins."""
        number, place = divmod(step, self.batches)
        return self.make_batch(self._chosen[self._pass(phase, number)[place]])

    def make_batch(self, numbers: Whole) -> tuple[Whole, TaskBatch]:
        """Return the batch of some windows, with their numbers."""
        return numbers, self.windows.batch(numbers, self._padding, self._device)

    def _draw_order(self, phase: int, number: int) -> Order:
        return Order(self._lengths, self._batch, [*self._seeds, phase, number])


def longest_first(windows: Windows, chosen: Whole, batch: int) -> list[Whole]:
    """Return the chosen windows in batches of similar length, the longest first: too little memory shows at once."""
    order = chosen[np.argsort(windows.lengths[chosen], kind="stable")[::-1]]
    return [order[start : start + batch] for start in range(0, len(order), batch)]


class WindowsWriter:
    """Writes unlabelled windows to files as they come; only their lengths stay in memory."""

    def __init__(self, folder: Path, pieces: int) -> None:
        """Take the folder, which exists, and the size of the vocabulary."""
        self.folder, self.pieces = folder, pieces
        self._lengths: list[NDArray[np.int64]] = []
        self._counts: list[NDArray[np.int64]] = []
        self._ids: BinaryIO
        self._positions: BinaryIO

    def __enter__(self) -> Self:
        """Open the files."""
        self._ids = (self.folder / _ids_name(self.pieces)).open("wb")
        self._positions = (self.folder / POSITIONS).open("wb")
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        """Close the files; write where windows begin if all went well."""
        self._ids.close()
        self._positions.close()
        if kind is None:
            np.save(self.folder / STARTS, _ends(np.concatenate([np.zeros(0, np.int64), *self._lengths])))
            np.save(self.folder / FIRSTS, _ends(np.concatenate([np.zeros(0, np.int64), *self._counts])))

    def add(self, windows: Sequence[Window]) -> None:
        """Write some windows."""
        arrays = as_arrays(windows, self.pieces)
        arrays.ids.tofile(self._ids)
        arrays.positions.tofile(self._positions)
        self._lengths.append(np.diff(arrays.starts))
        self._counts.append(np.diff(arrays.firsts))


def read_windows(folder: Path, pieces: int) -> Windows:
    """Return the windows that a writer has written; ids and positions stay on the disk until they are used.

    Raises:
        SmeltError: a file is missing, or holds nothing or no array.
    """
    try:
        ids = np.memmap(folder / _ids_name(pieces), _ids_name(pieces).rpartition(".")[2], mode="r")
        positions = np.memmap(folder / POSITIONS, np.uint16, mode="r")
        return Windows(ids, np.load(folder / STARTS), positions, np.load(folder / FIRSTS))
    except (OSError, ValueError, EOFError) as error:
        raise SmeltError(folder, f"holds no windows of {pieces:,} pieces: {first_line(error)}") from None


def _ids_name(pieces: int) -> str:
    return "ids.uint16" if pieces <= LONG_IDS else "ids.uint32"


def _ends(lengths: Sequence[int] | NDArray[Any]) -> Whole:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)])
