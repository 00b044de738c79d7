"""The folder that is published: which files of a model's folder go into it, and what they may not hold."""

import fnmatch
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.companions import find_companions
from smelt.environment import hide_secrets
from smelt.errors import SmeltError
from smelt.files import read_json, write_json
from smelt.model_folder import AMPLIFICATION, REDUCTION, TOKENIZER_FILES
from smelt.publish.subject import CARD, PROVENANCE, PublishedModel

ALLOWED = (
    *("config.json", "generation_config.json"),
    *("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json", "model.onnx", "model.onnx.data"),
    *TOKENIZER_FILES,
    *(AMPLIFICATION, REDUCTION, PROVENANCE, CARD),
)
"""Files that are published, beside the modules, prompts and licences that a model brings along, and its own class."""
_WEIGHTS = (".safetensors", ".onnx", ".data", ".model")
_PIECES = {*TOKENIZER_FILES, AMPLIFICATION, REDUCTION} - {"tokenizer_config.json"}
"""Files that are full of pieces, any of which may look like a part of an address; they name no places."""
_NAME = r"[\w.@+-]+"
_PATH = re.compile(
    rf"(?<![\w/.$}}~-])(?!(?<=:)//)(?:~|file://|/)?/(?:{_NAME}(?: {_NAME})*/)+(?P<last>{_NAME})/?"
    rf"|(?<![\w\\])(?:[A-Za-z]:|\\)\\(?:{_NAME}(?: {_NAME})*\\)+(?P<of_windows>{_NAME})"
)
"""A path from the root, not the part of an address; of one under a variable, `${NAME}/...`, the name alone stands."""
_NAMING, _NAMES = ("config.json", "tokenizer_config.json"), ("_name_or_path", "name_or_path")
"""Files, and keys of them, in which transformers records where a model was loaded from."""


@dataclass(frozen=True)
class PublishedFiles:
    """The files of a model's folder."""

    kept: list[str]
    """Paths within the folder, sorted."""
    left: list[str]
    """Those that stay behind."""


def list_files(published: PublishedModel) -> PublishedFiles:
    """Return which files of a model's folder are published.

    Raises:
        SmeltError: the folder has modules that smelt does not know.
    """
    folder = published.folder
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    config = read_json(folder / "config.json")
    classes = {f"{str(place).partition('.')[0]}.py" for place in (config.get("auto_map") or {}).values()}
    companions = {*find_companions(folder, str(folder)).files}
    named = [name for name in found if "/" not in name and any(fnmatch.fnmatch(name, one) for one in ALLOWED)]
    kept = sorted({*named, *((classes | companions) & {*found})})
    return PublishedFiles(kept, [name for name in found if name not in kept])


def write_folder(published: PublishedModel, files: PublishedFiles, card: str, output: Path, link: bool) -> None:
    """Write the files, the card and the record of how the model was made into an empty folder.

    Args:
        published: the model.
        files: those of its folder.
        card: the content of README.md.
        output: the folder.
        link: whether weights may be links to those of the model.

    Raises:
        SmeltError: a file holds a secret, or a path of this machine that is not the study's.
    """
    for name in [name for name in files.kept if name not in (PROVENANCE, CARD)]:
        target = output / name
        target.parent.mkdir(parents=True, exist_ok=True)
        source = (published.folder / name).resolve()
        if name.endswith(_WEIGHTS) and link:
            target.symlink_to(source)
        elif name in _NAMING:
            _copy_without_names(source, target)
        else:
            shutil.copyfile(source, target)
    write_json(output / PROVENANCE, without_paths(published.provenance))
    (output / CARD).write_text(without_paths(card), encoding="utf-8")
    for path in output.rglob("*"):
        if path.is_file() and not path.name.endswith(_WEIGHTS) and path.name not in _PIECES:
            refuse_secrets(path, path.relative_to(output).as_posix())


def _copy_without_names(source: Path, target: Path) -> None:
    """Copy a file, byte for byte unless it names the place that it was loaded from."""
    content = read_json(source)
    if any(content.pop(key, None) is not None for key in _NAMES):
        write_json(target, content, exact=True)
    else:
        shutil.copyfile(source, target)


def without_paths(value: Any) -> Any:
    """Return a value of JSON, or a text, with the last part alone of each path from the root."""
    if isinstance(value, str):
        return _PATH.sub(lambda match: match["last"] or match["of_windows"], value)
    if isinstance(value, list):
        return [without_paths(each) for each in value]
    if isinstance(value, Mapping):
        return {key: without_paths(each) for key, each in value.items()}
    return value


def refuse_secrets(path: Path, name: str) -> None:
    """Refuse a text that holds a secret, or the path of a person's or this checkout's folder.

    Raises:
        SmeltError: it does.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    if hide_secrets(text) != text:
        raise SmeltError(name, "holds a token, a password or a signed address: nothing is published")
    for place in (Path.home(), Path.cwd()):
        if place != Path(place.anchor) and re.search(rf"(?<![\w.~-]){re.escape(str(place))}(?![\w-]|\.\w)", text):
            raise SmeltError(name, f"names the folder {place} of this machine: nothing is published")
