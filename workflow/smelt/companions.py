"""The files of a model's folder beside its configuration, weights and tokenizer, which a changed model takes along.

A folder of sentence-transformers names its modules in `modules.json`; without that file, or without the module's own,
the library loads the folder with another pooling and says nothing. Prompts and chat templates are texts that the model
is given each time, so that a reduced vocabulary has to spell them as before.
"""

import fnmatch
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, first_line
from smelt.files import read_json

MODULES = "modules.json"
PROMPTS = "config_sentence_transformers.json"
ADAPTER = "adapter_config.json"
CHAT_TEMPLATES = ("chat_template.jinja", "additional_chat_templates/*.jinja")
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
"""Weights that can run code as they are read: neither fetched nor copied, as BGE-M3's colbert_linear.pt."""
# What stands beside a model and holds neither pieces nor their ids.
_COPIED = (
    MODULES,
    PROMPTS,
    "sentence_*_config.json",
    *CHAT_TEMPLATES,
    "chat_template.json",
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "LICENSE*",
    "NOTICE*",
    "USE_POLICY*",
)
_MODEL = "Transformer"
"""The module that is the model itself, by the last part of its type."""
_WITHOUT_PIECES = ("Pooling", "Dense", "Normalize", "Dropout", "LayerNorm", "WeightedLayerPooling", "CNN", "LSTM")
"""Modules that read the model's states, whatever its pieces are."""
_WITHOUT_FILES = "Normalize"
"""A module without settings, whose empty folder git and the hub leave out."""
_WITHOUT_WEIGHTS = ("Pooling", "Normalize", "Dropout")
_LIBRARY = "sentence_transformers."
_GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
# What whatever changes a model writes itself; pickles and shards become one file.
_WRITTEN = (
    *("config.json", "generation_config.json", "*.safetensors", "*.safetensors.index.json", "pytorch_model*"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.txt", "vocab.json", "merges.txt", "*.model", "README.md"),
    *("provenance.json", "reduction.json", "amplification.json"),
)


@dataclass(frozen=True)
class Companions:
    """What a changed model takes along."""

    folder: Path
    files: tuple[str, ...]
    """Paths within the folder, sorted."""
    left: tuple[str, ...]
    """Files and folders that stay behind: they may hold all pieces, or are of no known use."""

    def copy(self, output: Path) -> None:
        """Copy the files, byte for byte."""
        for name in self.files:
            (output / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.folder / name, output / name)

    def check(self, output: Path, where: str) -> None:
        """Check that another folder has the same files.

        Raises:
            SmeltError: one is missing, or differs.
        """
        for name in self.files:
            if not (output / name).is_file():
                raise SmeltError(where, f"is not exact: it lacks {name} of its source")
            if (output / name).read_bytes() != (self.folder / name).read_bytes():
                raise SmeltError(where, f"is not exact: its {name} differs from the source's")

    def texts(self) -> dict[str, list[str]]:
        """Return the texts that the model is given again and again, by where they stand: prompts, chat templates.

        Raises:
            SmeltError: a chat template is none.
        """
        found: dict[str, list[str]] = {}
        if prompts := prompts_of(self.folder):
            found["prompts"] = [prompt for prompt in prompts.values() if prompt]
        if templates := [words for template in _templates(self.folder) for words in _words(template, self.folder)]:
            found["chat template"] = templates
        return {name: texts for name, texts in found.items() if texts}


def find_companions(folder: Path, where: str) -> Companions:
    """Return what a model's folder has beside the model; `where` is its name in messages.

    Raises:
        SmeltError: it is an adapter, or has a module that holds pieces of its own or that smelt does not know.
    """
    refuse_adapter(folder, where)
    modules = whole_modules(folder, where)
    files = {
        path.relative_to(folder).as_posix()
        for pattern in (*_COPIED, *(f"{module}/**/*" for module in modules))
        for path in folder.glob(pattern)
        if path.is_file()
    }
    pickles = {name for name in files if _fits(name, PICKLES)}
    files -= pickles
    behind = {path.name for path in folder.iterdir()} - {name.split("/")[0] for name in files}
    left = pickles | {name for name in behind if not _fits(name, _WRITTEN)}
    return Companions(folder, tuple(sorted(files)), tuple(sorted(name for name in left if not name.startswith("."))))


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)


def refuse_adapter(folder: Path, where: str | Path) -> None:
    """Refuse a folder of a LoRA adapter, whose weights are differences to those of another model.

    Raises:
        SmeltError: it is one.
    """
    if (folder / ADAPTER).is_file():
        base = read_json(folder / ADAPTER).get("base_model_name_or_path") or "its base model"
        raise SmeltError(
            where,
            f"is an adapter (LoRA) of {base}, not a model: merge it first (merge_and_unload of peft)",
        )


def whole_modules(folder: Path, where: str) -> dict[str, str]:
    """Return the folders of a model's modules, as `module_folders`; all of them have to be there.

    Raises:
        SmeltError: as `module_folders` does, or a folder is missing.
    """
    found = module_folders(folder, where)
    for path, kind in found.items():
        if kind.rpartition(".")[2] != _WITHOUT_FILES and not (folder / path).is_dir():
            raise SmeltError(where, f"{MODULES} names the module {kind} in {path}, which is missing")
        weights = folder / path / "model.safetensors"
        if kind.rpartition(".")[2] not in _WITHOUT_WEIGHTS and not weights.is_file():
            pickles = "pickles such as pytorch_model.bin can run code, and are neither fetched nor read"
            mend = "load the model where you trust it, and save it again"
            raise SmeltError(where, f"{path} has no {weights.name}; {pickles}: {mend}")
    return found


def module_folders(folder: Path, where: str) -> dict[str, str]:
    """Return the types of a sentence-transformers model's modules other than the model, by their folders, in order.

    Without modules.json there are none.

    Raises:
        SmeltError: the file lists no modules, or one that holds pieces of its own or is unknown, or the model does not
            lie in the folder itself.
    """
    if not (folder / MODULES).is_file():
        return {}
    try:
        listed = json.loads((folder / MODULES).read_text(encoding="utf-8"))
    except ValueError as error:
        raise SmeltError(folder / MODULES, f"is not JSON ({error})") from None
    if not isinstance(listed, list) or not all(isinstance(part, dict) and "type" in part for part in listed):
        raise SmeltError(where, f"{MODULES} lists no modules: expected each with its type and path")
    found = {}
    for module in listed:
        kind, path = str(module["type"]), str(module.get("path", "")).strip("/")
        name = kind.rpartition(".")[2]
        if not kind.startswith(_LIBRARY) or name not in (_MODEL, *_WITHOUT_PIECES):
            known = ", ".join((_MODEL, *_WITHOUT_PIECES))
            raise SmeltError(where, f"{MODULES} has a module {kind}: expected sentence-transformers' {known}")
        if name == _MODEL and path:
            raise SmeltError(
                where,
                f"its model lies in {path}, as early versions of sentence-transformers wrote it: load it there and save"
                " it again",
            )
        if name != _MODEL and (not path or ".." in path.split("/")):
            raise SmeltError(where, f"{MODULES}: the module {kind} has the path {path!r}: expected a folder of its own")
        if name != _MODEL:
            found[path] = kind
    return found


def is_sentence_model(folder: Path) -> bool:
    """Return whether sentence-transformers wrote a folder."""
    return (folder / MODULES).is_file()


def prompts_of(folder: Path) -> Mapping[str, str]:
    """Return the prompts of a sentence-transformers model by their names."""
    if not (folder / PROMPTS).is_file():
        return {}
    return read_json(folder / PROMPTS).get("prompts") or {}


def _templates(folder: Path) -> Iterator[str]:
    """Yield the chat templates of a folder, of its files and of its tokenizer's settings."""
    for pattern in CHAT_TEMPLATES:
        for path in sorted(folder.glob(pattern)):
            yield path.read_text(encoding="utf-8")
    for name in ("tokenizer_config.json", "chat_template.json"):
        path = folder / name
        held = read_json(path).get("chat_template") if path.is_file() else None
        for template in held if isinstance(held, list) else [held]:
            text: Any = template.get("template") if isinstance(template, dict) else template
            if isinstance(text, str):
                yield text


def _words(template: str, folder: Path) -> Iterator[str]:
    """Yield what a template may write by itself: the text outside its commands, and the texts within them."""
    from jinja2 import Environment, TemplateSyntaxError, nodes

    environment = Environment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    environment.add_extension("jinja2.ext.do")
    try:
        # transformers' own marker for what an assistant says; it changes nothing that is written.
        parsed = environment.parse(_GENERATION.sub("", template))
    except TemplateSyntaxError as error:
        raise SmeltError(folder, f"has a chat template that cannot be read ({first_line(error)})") from None
    outside = [str(node.data) for node in parsed.find_all(nodes.TemplateData)]
    within = [str(node.value) for node in parsed.find_all(nodes.Const) if isinstance(node.value, str)]
    yield from (text for text in (*outside, *within) if text.strip())
