"""The small files beside a vocabulary that name its tokens, some of them by id."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from smelt.files import read_json, write_json

CONFIGURATION = "tokenizer_config.json"
ADDED = "added_tokens.json"
SPECIAL = "special_tokens_map.json"

_AN_ID = re.compile(r"(\w+_token|unk|pad|bos|eos|cls|sep|mask)_id")  # not pad_token_type_id, which is a segment


def write_settings(folder: Path, output: Path, ids: dict[str, int], new: Callable[[int], int]) -> None:
    """Write the files that `folder` has, with ids renumbered.

    Args:
        folder: the source's files.
        output: where to write.
        ids: each token's old id.
        new: the new id of an old one.
    """
    if (folder / CONFIGURATION).is_file():
        write_json(output / CONFIGURATION, _configuration(read_json(folder / CONFIGURATION), ids, new), exact=True)
    if (folder / ADDED).is_file():
        # The tokenizer that loads decides on a token's id; a file that says otherwise is not followed.
        written = {token: new(ids[token]) for token in read_json(folder / ADDED)}
        write_json(output / ADDED, written)
    if (folder / SPECIAL).is_file():
        shutil.copy(folder / SPECIAL, output / SPECIAL)  # spellings alone


def _configuration(settings: dict[str, Any], ids: dict[str, int], new: Callable[[int], int]) -> dict[str, Any]:
    written = dict(settings)
    if "added_tokens_decoder" in settings:
        tokens = settings["added_tokens_decoder"].values()
        written["added_tokens_decoder"] = {str(new(ids[token["content"]])): token for token in tokens}
    for key, value in settings.items():
        if _AN_ID.fullmatch(key) and isinstance(value, int):
            written[key] = new(value)
    return written
