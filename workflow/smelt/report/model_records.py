"""What stands in a model's folder: its shape, its size and how it was made. Read without loading the model."""

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json


@dataclass(frozen=True)
class ModelRecord:
    """Name, config.json, provenance.json and the number of parameters of a model; tied ones count once.

    An exported model's are not told: they are those of its source's encoder, whatever they are written as.
    """

    name: str
    config: dict[str, Any]
    provenance: dict[str, Any]
    parameters: int | None


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


def count_parameters(path: Path) -> int:
    """Return how many numbers a safetensors file holds, from its header alone."""
    return sum(math.prod(tensor["shape"]) for tensor in read_header(path).values())


def encoder_parameters(path: Path) -> int:
    """Return how many of a safetensors file's numbers are the encoder's: without heads, and without lists of positions.

    The encoder's tensors share the prefix of its word embeddings (`bert.`, `roberta.`, or none in a bare encoder).

    Raises:
        SmeltError: the file is missing, is no safetensors file, or holds no word embeddings.
    """
    header = read_header(path)
    words = next((name for name in header if name.endswith("embeddings.word_embeddings.weight")), None)
    if words is None:
        raise SmeltError(path, "holds no embeddings.word_embeddings.weight: expected an encoder")
    prefix = words.removesuffix("embeddings.word_embeddings.weight")
    return sum(
        math.prod(tensor["shape"])
        for name, tensor in header.items()
        if name.startswith(prefix) and not tensor["dtype"].startswith("I")
    )


def read_header(path: Path) -> dict[str, dict[str, Any]]:
    """Return name, dtype and shape of the tensors of a safetensors file.

    The file opens with the header's length as 8 little-endian bytes, then the header as JSON.

    Raises:
        SmeltError: the file is missing, or is no safetensors file.
    """
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header: dict[str, dict[str, Any]] = json.loads(stream.read(length))
    except FileNotFoundError:
        raise SmeltError(path, "no such file") from None
    except (struct.error, ValueError, OverflowError, MemoryError):
        raise SmeltError(path, "is not a safetensors file") from None
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}
