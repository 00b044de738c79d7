"""The weights of the pieces that are kept, gathered from a checkpoint, and its configuration to match.

Reads safetensors (one file or shards) a block at a time; a pytorch_model.bin is turned into them first. Tensors with a
vocabulary axis (see layout) are gathered along it, all others are copied as they are, numbers of any type.
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.models.reduction.configuration import named_ids, read_configuration, write_configurations
from smelt.models.reduction.layout import Layout, layout_of
from smelt.models.reduction.pickled import converted
from smelt.models.reduction.tensors import Ids, Part, Stored, kept_in_part, kept_whole, read_header, write_tensors

WEIGHTS = "model.safetensors"
PICKLED, PICKLE = "pytorch_model.bin", ".bin"

Rewrite = Callable[[Stored, int], Part]


@dataclass(frozen=True)
class Gathered:
    """What became of a checkpoint's tensors."""

    rows: int
    """Rows of its embeddings."""
    padding_rows: int
    """Of these, rows beyond the tokenizer's pieces, which no text can reach; they are dropped."""
    gathered: tuple[str, ...]
    """Names of the tensors with a vocabulary axis."""
    copied: int
    """Number of the others."""


def ids_of_model(source: Path, where: str) -> Ids:
    """Return the ids that a model needs whatever the languages, ascending.

    Those that its configuration names, and in RoBERTa's family, where positions are counted from the id of padding,
    all up to that one: so it stays where it is, and with it every position.

    Raises:
        SmeltError: transformers knows no such model.
    """
    configuration = read_configuration(source, where)
    named = [number for ids in named_ids(configuration.to_dict()).values() for number in ids]
    first = layout_of(configuration, where).first_position
    return np.unique(np.array([*named, *range(first + 1)], np.int64))


def reduce_weights(source: Path, ids: Ids, output: Path, pieces: int, where: str) -> Gathered:
    """Write config.json, generation_config.json (where there is one) and model.safetensors of the kept pieces.

    Args:
        source: a model's folder, as save_pretrained writes it.
        ids: the pieces to keep, ascending; the new id of a piece is its rank among them.
        output: a folder that exists.
        pieces: number of pieces of the tokenizer. Rows of the embeddings beyond them are dropped.
        where: what to call the model in errors.

    Raises:
        SmeltError: the checkpoint cannot be read, has fewer rows than the tokenizer has pieces, or has a tensor as
            long as the vocabulary of which its class knows nothing.
    """
    return rewrite_weights(source, ids, output, pieces, where, lambda tensor, axis: kept_in_part(tensor, ids, axis))


def rewrite_weights(source: Path, ids: Ids, output: Path, pieces: int, where: str, part: Rewrite) -> Gathered:
    """Write config.json, generation_config.json (where there is one) and model.safetensors of another vocabulary.

    Args:
        source: a model's folder, as save_pretrained writes it.
        ids: the new vocabulary: the rank of an old id in it is its new one.
        output: a folder that exists.
        pieces: number of pieces of the old tokenizer. Rows of the embeddings beyond them are to be dropped.
        where: what to call the model in errors.
        part: makes a tensor of the new vocabulary from one of the old, and the vocabulary's axis in it.

    Raises:
        SmeltError: as `reduce_weights` does.
    """
    configuration = read_configuration(source, where)
    layout = layout_of(configuration, where)
    with tempfile.TemporaryDirectory(dir=output, prefix=".converted-") as scratch:
        tensors = stored_tensors(source, Path(scratch), layout, where)
        rows = check_rows(tensors, layout, configuration, pieces, where)
        parts = {name: _part(name, tensor, layout, rows, where, part) for name, tensor in tensors.items()}
        write_tensors(output / WEIGHTS, parts)
    write_configurations(source, output, configuration, ids)
    gathered = tuple(sorted(name for name in tensors if name in layout.axes))
    return Gathered(rows, rows - pieces, gathered, len(tensors) - len(gathered))


def check_checkpoint(source: Path, where: str) -> None:
    """Check what can be told of a model at once: before pieces are counted for it, which may take long.

    Raises:
        SmeltError: transformers knows no such model, its configuration names an id beyond its vocabulary, or its
            weights are not there or damaged.
    """
    configuration = read_configuration(source, where)
    layout_of(configuration, where)
    rows = configuration.vocab_size
    for key, ids in named_ids(configuration.to_dict()).items():
        if max(ids, default=0) >= rows:
            raise SmeltError(
                where, f"{key} of its config.json is {max(ids)}, but its vocab_size is {rows}: mend the file"
            )
    for file in _checkpoint(source, where):
        if file.suffix != PICKLE:
            read_header(file)
        elif not file.is_file():
            raise SmeltError(file, "no such file")


def is_model(folder: Path) -> bool:
    """Return whether a folder holds the weights of a model, and not a tokenizer alone."""
    return bool(_files_of(folder, WEIGHTS) or _files_of(folder, PICKLED))


def stored_tensors(source: Path, scratch: Path, layout: Layout, where: str) -> dict[str, Stored]:
    """Return where the tensors of a checkpoint lie; pickled ones are written to `scratch` first.

    Raises:
        SmeltError: there are no weights, or a file of them is missing or damaged.
    """
    files = (
        converted(file, scratch, layout.tied) if file.suffix == PICKLE else file for file in _checkpoint(source, where)
    )
    return {name: tensor for file in files for name, tensor in read_header(file).items()}


def check_rows(tensors: Mapping[str, Stored], layout: Layout, configuration: Any, pieces: int, where: str) -> int:
    """Return the number of rows of the embeddings, and check that all agrees on it.

    Raises:
        SmeltError: embeddings are missing, or their rows are not as many as config.json says, or fewer than the pieces.
    """
    found = [tensors[name] for name in layout.embeddings if name in tensors]
    if not found:
        raise SmeltError(where, f"lacks its embeddings: expected a tensor {' or '.join(sorted(layout.embeddings))}")
    rows = found[0].shape[0]
    if rows != configuration.vocab_size:
        raise SmeltError(
            where, f"its embeddings have {rows} rows, but its config.json a vocab_size of {configuration.vocab_size}"
        )
    if rows < pieces:
        raise SmeltError(where, f"its tokenizer has {pieces} pieces but its embeddings only {rows} rows")
    return rows


def _part(name: str, tensor: Stored, layout: Layout, rows: int, where: str, part: Rewrite) -> Part:
    if name in layout.axes:
        axis = layout.axes[name]
        if len(tensor.shape) <= axis or tensor.shape[axis] != rows:
            shape = "x".join(map(str, tensor.shape))
            raise SmeltError(where, f"its tensor {name} is {shape}, not {rows} long as its embeddings are")
        return part(tensor, axis)
    if name not in layout.known and rows in tensor.shape and tensor.dtype.startswith(("F", "BF")):
        raise SmeltError(
            where, f"has a tensor {name} that is {rows} long, as its vocabulary is, and that its class does not know"
        )
    return kept_whole(tensor)


def _checkpoint(source: Path, where: str) -> list[Path]:
    files = _files_of(source, WEIGHTS) or _files_of(source, PICKLED)
    if not files:
        raise SmeltError(where, f"has no weights: expected {WEIGHTS} or {PICKLED}, or one's shards with their index")
    return files


def _files_of(source: Path, name: str) -> list[Path]:
    """Return the file of that name, or the shards that its index lists."""
    if (source / name).is_file():
        return [source / name]
    index = source / f"{name}.index.json"
    if not index.is_file():
        return []
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise SmeltError(index, "lists no shards: expected a weight_map")
    return [source / str(shard) for shard in dict.fromkeys(shards.values())]
