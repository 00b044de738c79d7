"""Checkpoints from before safetensors: pytorch_model.bin, turned into a safetensors file."""

from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, first_line
from smelt.models.reduction.tensors import Part, write_tensors

_DTYPES = {
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float64": "F64",
    "int64": "I64",
    "int32": "I32",
    "uint8": "U8",
    "bool": "BOOL",
}


def converted(file: Path, folder: Path, tied: Set[str]) -> Path:
    """Write the tensors of a pickled file to a safetensors file in a folder, and return that.

    tied: names that a tensor may have besides its own; where they stand for the same memory, they are left out.

    Raises:
        SmeltError: the file is missing or damaged, or holds anything but tensors.
    """
    import torch

    try:
        # mmap, so that tensors are read as they are written; files of torch before 1.6 cannot be mapped.
        tensors = torch.load(file, map_location="cpu", weights_only=True, mmap=_can_be_mapped(file))
    except FileNotFoundError:
        raise SmeltError(file, "no such file") from None
    except Exception as error:
        raise SmeltError(file, f"cannot be read as a PyTorch checkpoint ({first_line(error)})") from None
    if not isinstance(tensors, dict) or not all(isinstance(value, torch.Tensor) for value in tensors.values()):
        raise SmeltError(file, "is no checkpoint of a model: expected tensors by name")
    output = folder / f"{file.stem}.safetensors"
    write_tensors(output, {name: _part(tensors[name], file) for name in _without_aliases(tensors, tied)})
    return output


def _can_be_mapped(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) == b"PK\x03\x04"


def _without_aliases(tensors: dict[str, Any], tied: Set[str]) -> list[str]:
    owners = {tensor.data_ptr() for name, tensor in tensors.items() if name not in tied}
    return [name for name, tensor in tensors.items() if name not in tied or tensor.data_ptr() not in owners]


def _part(tensor: Any, file: Path) -> Part:
    kind = str(tensor.dtype).removeprefix("torch.")
    if kind not in _DTYPES:
        raise SmeltError(file, f"holds numbers of type {kind}: expected one of {', '.join(_DTYPES)}")

    def blocks() -> Iterator[memoryview]:
        import torch

        yield tensor.detach().contiguous().flatten().view(torch.uint8).numpy().data

    return Part(_DTYPES[kind], tuple(tensor.shape), tensor.numel() * tensor.element_size(), blocks)
