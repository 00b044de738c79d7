"""The weights and the configuration of a model with another vocabulary.

Tensors with an entry for each piece are found by asking the model's own classes on torch's meta device: a class is
built twice, with vocabularies of two sizes, and what differs in shape has a vocabulary axis, whatever it is called:
embeddings, the output layer (tied or not), its bias and that bias's aliases. Shapes of a checkpoint alone could not
show it, as a hidden size may happen to be the number of pieces.

Checkpoints are read block by block, as one file of safetensors or shards. Tensors with a vocabulary axis are gathered
along it, all others are copied as they are, numbers of any type.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smelt.errors import SmeltError
from smelt.files import read_json, write_json
from smelt.model_families import head_of, refuse_without_pieces
from smelt.model_folder import ModelSource, read_configuration, refuse_without_safetensors
from smelt.models.vocabulary.tensors import (
    Ids,
    StoredTensor,
    TensorToWrite,
    part_of_tensor,
    read_header,
    whole_tensor,
    write_tensors,
)
from smelt.pretrained import CLASSES

WEIGHTS, GENERATION = "model.safetensors", "generation_config.json"
Rewrite = Callable[[StoredTensor, int], TensorToWrite]
# Settings of generation that hold ids in lists of lists, and what stands beside ids in the innermost ones.
_LISTS = {
    "bad_words_ids": None,
    "force_words_ids": None,
    "suppress_tokens": None,
    "begin_suppress_tokens": None,
    "forced_decoder_ids": 0,  # a position before the id
    "sequence_bias": 1,  # a bias behind the ids
}
_OF_THE_FILE = ("_name_or_path", "transformers_version", CLASSES)  # about the file, and those beside it


@dataclass(frozen=True)
class RewrittenWeights:
    """The tensors of a checkpoint, as they were rewritten."""

    rows: int
    """Rows of its embeddings."""
    padding_rows: int
    """Of these, rows beyond the tokenizer's pieces, which no text can reach; they are dropped."""
    gathered: tuple[str, ...]
    """Names of the tensors with a vocabulary axis."""
    copied: int
    """Number of the others."""


@dataclass(frozen=True)
class Layout:
    """The tensors of the classes that a checkpoint may have been saved from."""

    axes: Mapping[str, int]
    """The vocabulary's axis in each tensor that has one, by the tensor's name."""
    known: frozenset[str]
    """All tensors that the classes have."""
    embeddings: frozenset[str]
    """The names of the input embeddings."""
    tied: frozenset[str]
    """Tensors that are other names of one, if the configuration ties them."""
    first_position: int
    """The highest id of padding in an embedding other than the input's, which positions may be counted from (RoBERTa's
    family); -1 if there is none. All ids up to it stay in place, whatever the family is."""
    wide: bool
    """Whether a head multiplies by the input's embeddings, which have a row for each piece (DeBERTa's own)."""


def check_places(source: ModelSource, output: Path | None) -> None:
    """Check, before anything long, that there is a whole model, and that the output, if any, overwrites nothing.

    Raises:
        SmeltError: the checkpoint is not whole, or `output` is a file or a folder with something in it.
    """
    check_checkpoint(source.folder, source.where)
    if output and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise SmeltError(output, "exists: expected an --output that is not there yet; remove it, or name another")


def check_checkpoint(source: Path, where: str) -> None:
    """Check a model's configuration and files, before pieces are counted for it, which may take long.

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
        read_header(file)


def is_model(folder: Path) -> bool:
    """Return whether a folder holds the weights of a model, and not a tokenizer alone."""
    return bool(_files_of(folder, WEIGHTS))


def ids_of_model(source: Path, where: str) -> Ids:
    """Return the ids that a model needs whatever the languages, ascending.

    Those that its configuration names, and in RoBERTa's family, where positions are counted from the id of padding,
    all up to that one: so it stays where it is, and with it every position.

    Raises:
        SmeltError: transformers knows no such model.
    """
    configuration = read_configuration(source, where)
    generation = source / GENERATION
    files = [configuration.to_dict(), read_json(generation) if generation.is_file() else {}]
    named = [number for values in files for ids in named_ids(values).values() for number in ids]
    first = layout_of(configuration, where).first_position
    return np.unique(np.array([*named, *range(first + 1)], np.int64))


def reduce_weights(source: Path, ids: Ids, output: Path, pieces: int, where: str) -> RewrittenWeights:
    """Write config.json, generation_config.json (where there is one) and model.safetensors of the kept pieces.

    Args:
        source: a model's folder, as save_pretrained writes it.
        ids: the pieces to keep, ascending; the new id of a piece is its rank among them.
        output: a folder that exists.
        pieces: number of pieces of the tokenizer. Rows of the embeddings beyond them are dropped.
        where: the model's name in errors.

    Raises:
        SmeltError: the checkpoint cannot be read, has fewer rows than the tokenizer has pieces, or has a tensor as
            long as the vocabulary that its class does not have.
    """
    return rewrite_weights(source, ids, output, pieces, where, lambda tensor, axis: part_of_tensor(tensor, ids, axis))


def rewrite_weights(source: Path, ids: Ids, output: Path, pieces: int, where: str, part: Rewrite) -> RewrittenWeights:
    """Write config.json, generation_config.json (where there is one) and model.safetensors of another vocabulary.

    Args:
        source: a model's folder, as save_pretrained writes it.
        ids: the new vocabulary: the rank of an old id in it is its new one.
        output: a folder that exists.
        pieces: number of pieces of the old tokenizer. Rows of the embeddings beyond them are to be dropped.
        where: the model's name in errors.
        part: makes a tensor of the new vocabulary from one of the old, and the vocabulary's axis in it.

    Raises:
        SmeltError: as `reduce_weights` does.
    """
    configuration = read_configuration(source, where)
    layout = layout_of(configuration, where)
    tensors = stored_tensors(source, where)
    rows = check_rows(tensors, layout, configuration, pieces, where)
    write_tensors(output / WEIGHTS, rewritten(tensors, layout, rows, where, part))
    write_configurations(source, output, configuration, ids)
    gathered = tuple(sorted(name for name in tensors if name in layout.axes))
    return RewrittenWeights(rows, rows - pieces, gathered, len(tensors) - len(gathered))


def stored_tensors(source: Path, where: str) -> dict[str, StoredTensor]:
    """Return the tensors of a checkpoint.

    Raises:
        SmeltError: there are no weights, or a file of them is missing or damaged.
    """
    return {name: tensor for file in _checkpoint(source, where) for name, tensor in read_header(file).items()}


def check_weights(source: Path, reduced: Path, ids: Ids, layout: Layout, where: str) -> None:
    """Check that a model's tensors are those of its source, and of those with a vocabulary axis the rows of `ids`.

    Args:
        source: the whole model's folder.
        reduced: the reduced one's.
        ids: the kept pieces, ascending.
        layout: of the source.
        where: the reduced model's name in errors.

    Raises:
        SmeltError: a tensor is missing, is none of the source's, or differs.
    """
    theirs, ours = stored_tensors(source, where), stored_tensors(reduced, where)
    for name in theirs.keys() | ours.keys():
        if name not in theirs:
            raise SmeltError(where, f"is not exact: its weight {name} is none of its source's")
        if name not in ours:
            raise SmeltError(where, f"is not exact: it lacks the weight {name} of its source")
        whole = whole_tensor(theirs[name])
        expected = part_of_tensor(theirs[name], ids, layout.axes[name]) if name in layout.axes else whole
        if not ours[name].equals(expected):
            raise SmeltError(where, f"is not exact: its weight {name} differs from the source's")


def check_configuration(whole: Any, reduced: Any, ids: Ids, where: str) -> None:
    """Check that two configurations differ in their ids of pieces alone.

    Args:
        whole: the source's.
        reduced: the reduced model's.
        ids: the kept pieces, ascending.
        where: the reduced model's name in errors.

    Raises:
        SmeltError: a key differs otherwise.
    """
    size = {whole.attribute_map.get("vocab_size", "vocab_size"): len(ids)}
    expected = renumber_ids(whole.to_dict(), ids, Path("config.json")) | size
    found = reduced.to_dict()
    for key in sorted(expected.keys() | found.keys()):
        if key not in _OF_THE_FILE and expected.get(key) != found.get(key):
            raise SmeltError(where, f"is not exact: {key} of its config.json is {found.get(key)!r}")


def check_rows(tensors: Mapping[str, StoredTensor], layout: Layout, configuration: Any, pieces: int, where: str) -> int:
    """Return the number of rows of the embeddings, after checking that weights, configuration and tokenizer fit.

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


def rewritten(
    tensors: Mapping[str, StoredTensor], layout: Layout, rows: int, where: str, part: Rewrite
) -> dict[str, TensorToWrite]:
    """Return the tensors of a checkpoint as they are written with another vocabulary; `rows` are those of embeddings.

    Raises:
        SmeltError: a tensor has another number of rows, or is as long as the vocabulary and none of its class.
    """
    return {name: _part(name, tensor, layout, rows, where, part) for name, tensor in tensors.items()}


def _part(name: str, tensor: StoredTensor, layout: Layout, rows: int, where: str, part: Rewrite) -> TensorToWrite:
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
    return whole_tensor(tensor)


def _checkpoint(source: Path, where: str) -> list[Path]:
    if files := _files_of(source, WEIGHTS):
        return files
    refuse_without_safetensors(source, where)
    raise SmeltError(where, f"has no weights: expected {WEIGHTS}, or shards with {WEIGHTS}.index.json")


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


def layout_of(configuration: Any, where: str) -> Layout:
    """Return the layout of a model's configuration; it is remembered, because finding it takes seconds.

    Raises:
        SmeltError: transformers knows no such model, its class takes no size of a vocabulary, or its head is of a form
            that is not known.
    """
    key = type(configuration).__name__, configuration.to_json_string(use_diff=False)
    if key not in _LAYOUTS:
        _LAYOUTS[key] = _find_layout(configuration, where)
    return _LAYOUTS[key]


_LAYOUTS: dict[tuple[str, str], Layout] = {}


def _find_layout(configuration: Any, where: str) -> Layout:
    import torch

    refuse_without_pieces(configuration, where)
    wider = copy.deepcopy(configuration)
    wider.vocab_size += 1
    axes: dict[str, int] = {}
    known, embeddings, tied, first, wide = set[str](), set[str](), set[str](), -1, False
    for kind in _classes(configuration, where):
        with torch.device("meta"):
            model, other = kind(copy.deepcopy(configuration)), kind(copy.deepcopy(wider))
        head = head_of(model, where)
        wide |= head is not None and head.after
        shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
        grown = {name: tensor.shape for name, tensor in other.state_dict().items()}
        axes |= {name: _axis(shapes[name], grown[name]) for name in shapes if shapes[name] != grown[name]}
        known |= set(shapes)
        inputs = model.get_input_embeddings()
        embeddings |= {f"{name}.weight" for name, module in model.named_modules() if module is inputs}
        tied |= set(model.all_tied_weights_keys)
        others = [part for part in model.modules() if isinstance(part, torch.nn.Embedding) and part is not inputs]
        first = max([first, *(part.padding_idx for part in others if part.padding_idx is not None)])
    return Layout(axes, frozenset(known), frozenset(embeddings), frozenset(tied), first, wide)


def _classes(configuration: Any, where: str) -> list[Any]:
    """Return the class that a configuration names, the bare encoder's, and those with pretraining heads."""
    import transformers
    from transformers.models.auto import modeling_auto as auto

    named = [getattr(transformers, name, None) for name in configuration.architectures or []]
    if None in named:
        name = configuration.architectures[named.index(None)]
        raise SmeltError(where, f"is a {name}, which transformers does not have: expected one of its own classes")
    tables = (auto.MODEL_MAPPING, auto.MODEL_FOR_MASKED_LM_MAPPING, auto.MODEL_FOR_PRETRAINING_MAPPING)
    mapped = [table[type(configuration)] for table in tables if type(configuration) in table]
    return list(dict.fromkeys([*named, *mapped]))


def _axis(shape: Any, grown: Any) -> int:
    return next(axis for axis, (size, other) in enumerate(zip(shape, grown, strict=True)) if size != other)


def named_ids(values: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the ids that a configuration names, by key: `pad_token_id` and its like, and lists for generation."""
    found = {}
    for key, value in values.items():
        if value is not None and (key.endswith("_token_id") or key in _LISTS):
            found[key] = _ids_in(value, _LISTS.get(key))
    return found


def _ids_in(value: Any, beside: int | None) -> list[int]:
    found: list[int] = []

    def note(number: int) -> int:
        found.append(number)
        return number

    _with_ids(value, beside, note)
    return found


def _with_ids(value: Any, beside: int | None, new: Callable[[int], int]) -> Any:
    """Return an id, or lists of ids, with each id `new(id)`.

    beside: the place in a pair that holds no id.
    """
    if not isinstance(value, list):
        return new(value)
    if beside is not None and len(value) == 2 and not isinstance(value[beside], list):
        return [part if place == beside else _with_ids(part, None, new) for place, part in enumerate(value)]
    return [_with_ids(part, beside, new) for part in value]


def write_configurations(source: Path, output: Path, configuration: Any, ids: Ids) -> None:
    """Write config.json and, where there is one, generation_config.json with `ids` renumbered by their ranks.

    What config.json leaves to the class's defaults is written out where an id has moved.

    Raises:
        SmeltError: a configuration names an id that is not kept.
    """
    written = read_json(source / "config.json")
    defaults = {key: value for key, value in configuration.to_dict().items() if key.endswith("_token_id")}
    effective = {key: value for key, value in defaults.items() if value is not None} | written
    effective.pop(CLASSES, None)  # of files that stay behind
    size = {configuration.attribute_map.get("vocab_size", "vocab_size"): len(ids)}  # XLM calls it n_words
    write_json(output / "config.json", renumber_ids(effective, ids, source / "config.json") | size, exact=True)
    if (source / GENERATION).is_file():
        renumbered = renumber_ids(read_json(source / GENERATION), ids, source / GENERATION)
        write_json(output / GENERATION, renumbered, exact=True)


def renumber_ids(values: Mapping[str, Any], ids: Ids, where: Path) -> dict[str, Any]:
    """Return a configuration whose token ids are ranks in `ids` (ascending).

    Raises:
        SmeltError: an id is not kept.
    """

    def rank(number: int) -> int:
        if not np.isin(number, ids):
            raise SmeltError(where, f"{key} is {number}, which is not the id of a piece that is kept")
        return int(np.searchsorted(ids, number))

    moved = copy.deepcopy(dict(values))
    for key in named_ids(values):
        moved[key] = _with_ids(values[key], _LISTS.get(key), rank)
    return moved
