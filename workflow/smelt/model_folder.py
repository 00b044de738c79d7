"""The folder of a model: find it, check what it holds, and read its parts.

A model is a folder of this machine or a repository of the Hugging Face hub, at one revision, which is fetched through
the hub's own cache.
"""

import json
import math
import re
import shutil
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from smelt.companions import PICKLES, module_folders, refuse_adapter
from smelt.errors import SmeltError, not_found
from smelt.files import read_json, write_json
from smelt.hub_errors import hub_errors
from smelt.licences import licence_of_card, shared_licence
from smelt.model_families import fills_masks, refuse_without_pieces
from smelt.pretrained import CLASSES, TERMS, WEIGHTS, refuse_files_elsewhere, say_code_is_left, unreadable

# The files of tokenizers of any kind. They are copied as they are, so that the model reads text as it was published;
# only settings that would break pipelines are changed (publish_tokenizer).
TOKENIZER_FILES = [
    *["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"],
    *["vocab.txt", "vocab.json", "merges.txt", "bpe.codes", "*.model"],
]
AMPLIFICATION, REDUCTION = "amplification.json", "reduction.json"
_VOCABULARIES = ["tokenizer.json", "vocab.txt", "vocab.json", "*.model"]
SAFETENSORS = "*.safetensors"
# The same weights are often on the hub in several formats: these are neither fetched nor read.
_OTHER_WEIGHTS = [*PICKLES, "*.msgpack", "*.h5"]
_DESCRIPTIONS = ["*.json", "*.txt", "*.model", "*.jinja", "README.md", "LICENSE*", "NOTICE*"]


@dataclass(frozen=True)
class ModelSource:
    """A model's folder, and its names."""

    folder: Path
    where: str
    """Its name in messages."""
    hub: str | None = None
    """Its name on the hub."""


def locate(model: str, revision: str, weights: bool = True) -> ModelSource:
    """Return a model's folder; a model that is no folder is fetched from the hub.

    weights: whether more is wanted of it than its tokenizer.

    Raises:
        SmeltError: it is neither, or cannot be fetched.
    """
    if Path(model).is_dir():
        say_code_is_left(Path(model), model)
        return ModelSource(Path(model), model)
    if model.count("/") != 1 or model.startswith((".", "/", "~")):
        raise SmeltError(model, "no such folder, and no name on the hub (organisation/model)")
    folder = fetch(model, revision) if weights else _fetch_tokenizer(model, revision)
    say_code_is_left(folder, model)
    return ModelSource(folder, f"{model} at {revision}", model)


def fetch(name: str, revision: str) -> Path:
    """Return the folder of a snapshot; its name is the full hash of the commit.

    Args:
        name: the repository: organisation/model.
        revision: commit, tag or branch.

    Raises:
        SmeltError: the hub has no such model or revision or no safetensors of it, or cannot be reached.
    """
    from huggingface_hub import snapshot_download

    where = f"{name} at {revision}"
    with hub_errors(where):
        patterns = [*_DESCRIPTIONS, SAFETENSORS]
        folder = Path(snapshot_download(name, revision=revision, allow_patterns=patterns, ignore_patterns=["*/*"]))
        if list(folder.glob(SAFETENSORS)):
            _fetch_modules(name, revision, folder, where)
            return folder
        refuse_adapter(folder, where)
    mend = "write `revision: pinned` in a study, and `smelt pin <study file>` finds the hub's conversion to safetensors"
    found = f"has no {SAFETENSORS}, but weights as pickles, which can run code and are not read, or none at all"
    raise SmeltError(where, f"{found}: {mend}")


def _fetch_tokenizer(name: str, revision: str) -> Path:
    """Return the folder of a snapshot with the files of its tokenizer, and config.json, which may name its class."""
    from huggingface_hub import snapshot_download

    with hub_errors(f"{name} at {revision}"):
        patterns = [*TOKENIZER_FILES, "config.json"]
        return Path(snapshot_download(name, revision=revision, allow_patterns=patterns, ignore_patterns=["*/*"]))


def _fetch_modules(name: str, revision: str, folder: Path, where: str) -> None:
    """Fetch the folders of a sentence-transformers model's modules."""
    from huggingface_hub import snapshot_download

    if modules := module_folders(folder, where):
        snapshot_download(
            name, revision=revision, allow_patterns=[f"{module}/*" for module in modules], ignore_patterns=[*PICKLES]
        )


def check_folder(folder: Path, where: str) -> None:
    """Refuse a folder that lacks a configuration, weights or a tokenizer, before any library guesses.

    Raises:
        SmeltError: it lacks one.
    """
    refuse_no_model(folder, where)
    refuse_without_safetensors(folder, where)
    refuse_without_tokenizer(folder, where)


def refuse_without_safetensors(folder: Path, where: str) -> None:
    """Refuse a folder whose weights are missing, or in a format that can run code as it is read.

    Raises:
        SmeltError: it has no safetensors.
    """
    if files_of(folder, [SAFETENSORS]):
        return
    if not (others := files_of(folder, _OTHER_WEIGHTS)):
        raise SmeltError(where, f"has no weights: expected {SAFETENSORS}")
    found = f"has no {SAFETENSORS}, but {others[0].name}: pickles can run code, and other formats are not read"
    raise SmeltError(where, f"{found}. Load it where you trust it, save_pretrained it, and name that folder")


def model_files(folder: Path) -> list[Path]:
    """Return the files of a folder that decide what a model computes: its configuration and its weights."""
    return [folder / "config.json", *files_of(folder, [SAFETENSORS])]


def tokenizer_files(folder: Path) -> list[Path]:
    """Return the files of a folder that decide how its tokenizer cuts texts."""
    return files_of(folder, TOKENIZER_FILES)


def refuse_no_model(folder: Path, where: str | Path) -> None:
    """Refuse a folder without a model's configuration, or with links out of it.

    Raises:
        SmeltError: it is one, or is not there.
    """
    if not folder.is_dir():
        raise not_found(where, "folder", "a model as save_pretrained writes it")
    refuse_adapter(folder, where)
    if not (folder / "config.json").is_file():
        raise SmeltError(where, "is no model folder: it has no config.json")
    refuse_files_elsewhere(folder, where)


def refuse_without_tokenizer(folder: Path, where: str | Path) -> None:
    """Refuse a folder without the files of any tokenizer, for which transformers would make one up.

    Raises:
        SmeltError: it is one.
    """
    if not files_of(folder, _VOCABULARIES):
        raise SmeltError(where, f"has no tokenizer: expected one of {', '.join(_VOCABULARIES)}")


def read_configuration(folder: Path, where: str | Path) -> Any:
    """Return the configuration of a model's folder, as transformers reads it.

    Raises:
        SmeltError: there is none, or transformers knows no such model.
    """
    from transformers import AutoConfig

    refuse_no_model(folder, where)
    try:
        return AutoConfig.from_pretrained(folder, **TERMS)
    except Exception as error:
        problem = "its config.json describes no model that transformers knows"
        raise unreadable(folder, where, problem, error) from None


def load_model(folder: Path, where: str) -> Any:
    """Return the model in single precision, with its masked-language-model head where the checkpoint has one.

    Raises:
        SmeltError: the configuration or the weights cannot be read, or weights of the encoder are missing.
    """
    import torch
    import transformers

    configuration = read_configuration(folder, where)
    refuse_without_pieces(configuration, where)
    named = getattr(transformers, (configuration.architectures or [""])[0], None)
    # T5's kind has encoders alone, which AutoModel would take for half a model.
    encoder = named if named is not None and named.__name__.endswith("EncoderModel") else None
    missing: list[str] = []
    for kind in (masked_lm_class(configuration), encoder, transformers.AutoModel):
        if kind is None:
            continue
        torch.manual_seed(0)  # a pooler that the checkpoint lacks starts at random, the same each time
        model, missing = load_as(kind, folder, where)
        if not missing:
            return model
    raise incomplete(missing, where)


def incomplete(missing: Sequence[str], where: str | Path) -> SmeltError:
    """Return the error that a checkpoint lacks weights."""
    return SmeltError(where, f"lacks {len(missing)} of its weights, such as {missing[0]}: the checkpoint is incomplete")


def masked_lm_class(configuration: Any) -> Any:
    """Return the class with a masked-language-model head that a configuration names, or None."""
    import transformers

    named = [name for name in configuration.architectures or [] if fills_masks(name)]
    return getattr(transformers, named[0], None) if named else None


def load_as(kind: Any, folder: Path, where: str) -> tuple[Any, list[str]]:
    """Return a model of a class, in single precision, and which of its weights the checkpoint lacks, poolers apart.

    Raises:
        SmeltError: the weights cannot be read.
    """
    import torch

    try:
        model, report = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True, **WEIGHTS)
    except Exception as error:
        raise unreadable(folder, where, "its weights cannot be read", error) from None
    return model, sorted(name for name in report["missing_keys"] if "pooler" not in name)


def name_of(folder: Path) -> str:
    """Return the name of a model in a folder: <model>-<task>-seed-<n> of one that was fine-tuned and kept."""
    kept = folder.name == "model" and folder.parent.name.startswith("seed-")
    return "-".join(folder.absolute().parts[-4:-1]) if kept else folder.name


def read_published_card(folder: Path) -> dict[str, Any]:
    """Return the front matter of a model's card, as far as there is one."""
    try:
        parts = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
        # Texts only: Norwegian's code is `no`, which YAML would otherwise take for false.
        matter = yaml.load(parts[1], Loader=yaml.BaseLoader) if len(parts) == 3 and not parts[0].strip() else {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return matter if isinstance(matter, dict) else {}


def read_inherited(folders: Sequence[Path]) -> dict[str, Any]:
    """Return what a card takes over of the models that its model is made from, as fields of `smelt.card.Card`.

    Returns:
        base_models: those of the hub that the models' cards name. licence: the one that all of them share; None where
        one has none or they differ.
    """
    cards = [read_published_card(folder) for folder in folders]
    bases = [str(base) for card in cards for base in _as_list(card.get("base_model"))]
    licence = shared_licence([licence_of_card(card) for card in cards])
    return {"base_models": list(dict.fromkeys(bases)), "licence": licence}


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def read_citation(folder: Path) -> str | None:
    """Return the BibTeX entries of a model's card; None where it has none."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    blocks = re.findall(r"^```[^\n`]*\n(\s*@\w+\s*\{.*?)\n\s*```", text, re.DOTALL | re.MULTILINE)
    return "\n\n".join(block.strip() for block in blocks) or None


def count_shared_pieces(folder: Path) -> int | None:
    """Return how many of a model's first pieces were there before others were added behind them; None where none were.

    Weights of added pieces have learnt nothing until the model is trained, so its predictions for them are
    meaningless. Models that are made from it without training keep the number in their own records.
    """
    record = record_of(folder)
    return None if record is None else int(read_json(record)["shared"])


def record_of(folder: Path) -> Path | None:
    """Return the file of a model's folder that says how many it shares; None where nothing was added to it."""
    records = (folder / name for name in (AMPLIFICATION, REDUCTION))
    return next((path for path in records if path.is_file() and read_json(path).get("shared") is not None), None)


def read_tokenizer(
    folder: Path, where: str | Path | None = None, special_as_text: bool = True, configuration: Any = None
) -> Any:
    """Return the tokenizer that AutoTokenizer makes of a folder.

    Args:
        folder: tokenizer files, with config.json where these do not name their class.
        where: the model's name, for messages; the folder by default.
        special_as_text: whether a special piece that a text spells out, "[MASK]" or "<s>", is text, as it is in corpora
            and tasks: whatever encodes texts here loads its tokenizer so. Folders leave the choice at transformers'
            default, because people write prompts in which it is that piece.
        configuration: the model's, for a folder that has no config.json yet.

    Raises:
        SmeltError: no tokenizer loads.
    """
    from transformers import AutoTokenizer

    where = folder if where is None else where
    if not folder.is_dir():
        raise not_found(where, "folder", "a tokenizer")
    refuse_files_elsewhere(folder, where)
    options: dict[str, Any] = {}
    if special_as_text:
        options["split_special_tokens"] = True
    if configuration is not None:
        options["config"] = configuration
    try:
        return AutoTokenizer.from_pretrained(folder, **TERMS, **options)
    except Exception as error:
        refuse_without_tokenizer(folder, where)
        raise unreadable(folder, where, "its tokenizer cannot be read", error) from None


def load_published_tokenizer(folder: Path, where: str) -> Any:
    """Return the tokenizer of a published model, which takes a special piece in a text for that piece.

    Raises:
        SmeltError: it cannot be read, or has no pieces but special ones.
    """
    tokenizer = read_tokenizer(folder, where, special_as_text=False)
    if len(tokenizer) <= len(tokenizer.all_special_ids):
        raise SmeltError(where, "its tokenizer has special tokens only: the file of its vocabulary is missing or empty")
    return tokenizer


def publish_tokenizer(folder: Path, max_length: int | None) -> None:
    """Prepare the tokenizer of a model's folder for pipelines: it truncates at the model's length and knows its mask.

    Settings that do so already stay as they are, byte for byte: a published model may cut texts shorter. Names of
    classes in files of its first folder go, because those files stay behind.

    Args:
        folder: the model's, with its tokenizer's files.
        max_length: tokens that the model reads at once; None where there is no limit.
    """
    path = folder / "tokenizer_config.json"
    settings = read_json(path) if path.is_file() else {}
    written = dict(settings)
    if settings.get("split_special_tokens"):
        del written["split_special_tokens"]
    written.pop(CLASSES, None)
    if max_length is not None:
        written["model_max_length"] = min(settings.get("model_max_length") or max_length, max_length)
    if written != settings:
        write_json(path, written, exact=True)


def files_of(folder: Path, patterns: Sequence[str]) -> list[Path]:
    """Return the files of a folder whose names fit a pattern, sorted."""
    return sorted({file for pattern in patterns for file in folder.glob(pattern) if file.is_file()})


def sentencepiece_files(folder: Path) -> list[Path]:
    """Return the files of a folder that are named as SentencePiece's models are."""
    return files_of(folder, ["*.model"])


def copy_tokenizer(source: Path, output: Path, patterns: Sequence[str] = TOKENIZER_FILES) -> None:
    """Copy the tokenizer files of a folder into another one as they are."""
    for file in files_of(source, patterns):
        shutil.copy(file, output / file.name)


def count_parameters(path: Path) -> int:
    """Return how many numbers a safetensors file holds; tied weights, which are stored once, count once.

    Raises:
        SmeltError: as `read_tensor_headers` does.
    """
    headers, _ = read_tensor_headers(path)
    return sum(math.prod(tensor["shape"]) for tensor in headers.values())


def read_tensor_headers(path: Path) -> tuple[dict[str, dict[str, Any]], int]:
    """Return dtype, shape and offsets of each tensor of a safetensors file, and where the offsets are counted from.

    The file opens with the header's length as 8 little-endian bytes, then the header as JSON.

    Raises:
        SmeltError: the file is missing, or is no safetensors file.
    """
    try:
        with path.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header: dict[str, dict[str, Any]] = json.loads(stream.read(length))
    except FileNotFoundError:
        raise not_found(path) from None
    except (struct.error, ValueError, OverflowError, MemoryError):
        raise SmeltError(path, "is not a safetensors file") from None
    return {name: tensor for name, tensor in header.items() if name != "__metadata__"}, 8 + length
