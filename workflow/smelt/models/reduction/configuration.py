"""Token ids in a model's configuration files, renumbered with the vocabulary."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from smelt.errors import SmeltError, first_line
from smelt.files import read_json, write_json
from smelt.models.reduction.tensors import Ids

# Other settings of generation that hold ids; encoders have none, and none is renumbered by guess.
_LISTS = (
    "bad_words_ids",
    "force_words_ids",
    "suppress_tokens",
    "begin_suppress_tokens",
    "forced_decoder_ids",
    "sequence_bias",
)
FILES = ("config.json", "generation_config.json")


def read_configuration(folder: Path, where: str) -> Any:
    """Return the configuration of a model's folder, as transformers reads it.

    Raises:
        SmeltError: there is none, or transformers knows no such model.
    """
    from transformers import AutoConfig

    if not (folder / "config.json").is_file():
        raise SmeltError(where, "is no model folder: it has no config.json")
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        problem = f"its config.json describes no model that transformers knows ({first_line(error)})"
        raise SmeltError(where, problem) from None


def named_ids(values: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the ids that a configuration names, by key: `pad_token_id` and its like."""
    found = {key: value for key, value in values.items() if key.endswith("_token_id") and value is not None}
    return {key: value if isinstance(value, list) else [value] for key, value in found.items()}


def write_configurations(source: Path, output: Path, configuration: Any, ids: Ids) -> None:
    """Write config.json and, where there is one, generation_config.json with `ids` renumbered by their ranks.

    What config.json leaves to the class's defaults is written out where an id has moved.

    Raises:
        SmeltError: a configuration names an id that is not kept, or holds ids in another form.
    """
    written = read_json(source / "config.json")
    defaults = {key: value for key, value in configuration.to_dict().items() if key.endswith("_token_id")}
    effective = {key: value for key, value in defaults.items() if value is not None} | written
    size = {configuration.attribute_map.get("vocab_size", "vocab_size"): len(ids)}  # XLM calls it n_words
    write_json(output / "config.json", renumbered(effective, ids, source / "config.json") | size, exact=True)
    if (source / "generation_config.json").is_file():
        generation = read_json(source / "generation_config.json")
        renumbered_generation = renumbered(generation, ids, source / "generation_config.json")
        write_json(output / "generation_config.json", renumbered_generation, exact=True)


def renumbered(values: Mapping[str, Any], ids: Ids, where: Path) -> dict[str, Any]:
    """Return a configuration whose token ids are ranks in `ids` (ascending).

    Raises:
        SmeltError: an id is not kept, or a key holds ids in a form that is not known.
    """
    for key in _LISTS:
        if values.get(key):
            raise SmeltError(where, f"{key} holds token ids, which smelt cannot renumber: remove the key")
    moved = copy.deepcopy(dict(values))
    for key, named in named_ids(values).items():
        lost = [number for number in named if not np.isin(number, ids)]
        if lost:
            raise SmeltError(where, f"{key} is {lost[0]}, which is not the id of a piece that is kept")
        ranks = [int(np.searchsorted(ids, number)) for number in named]
        moved[key] = ranks if isinstance(values[key], list) else ranks[0]
    return moved
