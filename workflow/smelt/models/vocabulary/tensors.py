"""Tensors in safetensors files, read and written block by block as bytes, of whatever type their numbers are.

The file opens with the length of its header as 8 little-endian bytes, then the header as JSON (name to dtype, shape and
offsets), then the tensors. A block at a time, because a checkpoint should take no more memory than a block.
"""

import itertools
import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from smelt.errors import SmeltError, first_line, not_found
from smelt.model_folder import read_tensor_headers

Ids = NDArray[np.int64]

BLOCK = 1 << 23
"""Bytes read at once."""


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file."""

    file: Path
    dtype: str
    """safetensors' name of it: F32, BF16, ..."""
    shape: tuple[int, ...]
    start: int
    """Offset of its first byte in the file."""
    bytes: int

    def copy(self, target: BinaryIO) -> None:
        """Append its bytes to a file; bytes that the system does not copy from file to file go through memory."""
        with self.file.open("rb", buffering=0) as stream:
            sent = _send(stream, self.start, self.bytes, target)
        for block in self.blocks(sent):
            target.write(block)

    def blocks(self, first: int = 0) -> Iterator[memoryview]:
        """Yield its bytes from the `first` on; each block is overwritten by the next."""
        buffer = memoryview(bytearray(min(BLOCK, max(self.bytes - first, 1))))
        with self.file.open("rb", buffering=0) as stream:
            stream.seek(self.start + first)
            for begin in range(first, self.bytes, len(buffer)):
                block = buffer[: min(len(buffer), self.bytes - begin)]
                _fill(stream, block, self.file)
                yield block

    def equals(self, expected: "TensorToWrite") -> bool:
        """Return whether it is, bit for bit, what was to be written."""
        if (self.dtype, self.shape, self.bytes) != (expected.dtype, expected.shape, expected.bytes):
            return False
        with self.file.open("rb", buffering=0) as stream:
            stream.seek(self.start)
            for part in expected.blocks():
                for block in part.blocks() if isinstance(part, StoredTensor) else [part]:
                    own = memoryview(bytearray(block.nbytes))
                    _fill(stream, own, self.file)
                    if own != block.cast("B"):
                        return False
        return True

    def gather(self, ids: Ids, axis: int) -> Iterator[memoryview]:
        """Yield the bytes of the tensor with only the `ids` (ascending) of one axis."""
        outer, size = math.prod(self.shape[:axis]), self.shape[axis]
        row = self.bytes // max(outer * size, 1)
        step = max(BLOCK // max(row, 1), 1)
        buffer = memoryview(bytearray(min(step, size) * row))
        with self.file.open("rb", buffering=0) as stream:
            for begin in range(outer):
                for first, chosen in _runs(ids, size, step):
                    block = buffer[: (int(chosen[-1]) + 1) * row]
                    stream.seek(self.start + (begin * size + first) * row)
                    _fill(stream, block, self.file)
                    yield np.frombuffer(block, np.uint8).reshape(-1, row)[chosen].data


@dataclass(frozen=True)
class TensorToWrite:
    """A tensor to write."""

    dtype: str
    shape: tuple[int, ...]
    bytes: int
    blocks: Callable[[], Iterator[memoryview | StoredTensor]]
    """Its bytes, one block after the other; each may be overwritten by the next."""


def whole_tensor(tensor: StoredTensor) -> TensorToWrite:
    """Return a tensor as it is."""
    return TensorToWrite(tensor.dtype, tensor.shape, tensor.bytes, lambda: iter([tensor]))


def part_of_tensor(tensor: StoredTensor, ids: Ids, axis: int) -> TensorToWrite:
    """Return the tensor with only the `ids` (ascending) along an axis."""
    shape = (*tensor.shape[:axis], len(ids), *tensor.shape[axis + 1 :])
    size = tensor.bytes // tensor.shape[axis] * len(ids)
    return TensorToWrite(tensor.dtype, shape, size, lambda: tensor.gather(ids, axis))


def read_header(file: Path) -> dict[str, StoredTensor]:
    """Return the tensors of a safetensors file.

    Raises:
        SmeltError: the file is missing or damaged: cut, or with a header that does not fit it.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "numpy"):  # compares the header with the file's length, and every offset with its shape
            pass
    except FileNotFoundError:
        raise not_found(file) from None
    except (SafetensorError, OSError, ValueError) as error:
        raise SmeltError(file, f"is no whole safetensors file ({first_line(error)})") from None
    headers, start = read_tensor_headers(file)
    return {name: _read_entry(file, start, header) for name, header in headers.items()}


def write_tensors(file: Path, parts: Mapping[str, TensorToWrite]) -> None:
    """Write a safetensors file; tensors of wide numbers come first, so that all are aligned."""
    names = _in_order(parts)
    with file.open("wb") as stream:
        stream.write(_header(parts, names))
        for name in names:
            for block in parts[name].blocks():
                if isinstance(block, StoredTensor):
                    block.copy(stream)
                else:
                    stream.write(block)


def size_of_file(parts: Mapping[str, TensorToWrite]) -> int:
    """Return the bytes of the file that `write_tensors` would write."""
    return len(_header(parts, _in_order(parts))) + sum(part.bytes for part in parts.values())


def _in_order(parts: Mapping[str, TensorToWrite]) -> list[str]:
    return sorted(parts, key=lambda name: (-_width(parts[name]), name))


def _header(parts: Mapping[str, TensorToWrite], names: Sequence[str]) -> bytes:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name in names:
        part = parts[name]
        header[name] = {"dtype": part.dtype, "shape": part.shape, "data_offsets": [offset, offset + part.bytes]}
        offset += part.bytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _read_entry(file: Path, data: int, entry: dict[str, list[int]]) -> StoredTensor:
    begin, end = entry["data_offsets"]
    return StoredTensor(file, str(entry["dtype"]), tuple(entry["shape"]), data + begin, end - begin)


def _runs(ids: Ids, size: int, step: int) -> Iterator[tuple[int, Ids]]:
    """Yield, for each block of `step` rows with any of the ids, its first id and the distances of all from it."""
    bounds = np.searchsorted(ids, np.arange(0, size + step, step))
    for begin, end in itertools.pairwise(bounds):
        if end > begin:
            yield int(ids[begin]), ids[begin:end] - ids[begin]


def _send(source: BinaryIO, start: int, length: int, target: BinaryIO) -> int:
    """Let the system append bytes of a file to another one; return how many it did, 0 if it cannot."""
    target.flush()
    done = 0
    with suppress(OSError, AttributeError):  # not every system can, nor for all files; `write` reports a full disk
        while done < length and (sent := os.sendfile(target.fileno(), source.fileno(), start + done, length - done)):
            done += sent
    return done


def _fill(stream: object, block: memoryview, file: Path) -> None:
    done = 0
    while done < len(block):
        read = stream.readinto(block[done:])  # type: ignore[attr-defined]
        if not read:
            raise SmeltError(file, "ends before its tensors do")
        done += read


def _width(part: TensorToWrite) -> int:
    return part.bytes // max(math.prod(part.shape), 1)
