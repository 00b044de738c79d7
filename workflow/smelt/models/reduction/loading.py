"""The fast tokenizer of a model's folder, or a refusal that names what the folder holds instead."""

import contextlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, first_line

TOKENIZER = "tokenizer.json"
VOCABULARY_FILES = (TOKENIZER, "vocab.txt", "vocab.json", "merges.txt")
"""Files of pieces that reduction rewrites, besides SentencePiece's protobufs (*.model)."""

Tree = dict[str, Any]
"""What `tokenizer.json` holds, as the tokenizers library itself writes it."""


def protobufs_of(folder: Path) -> list[Path]:
    """Return the files of a folder that are named as SentencePiece's models are."""
    return sorted(path for path in folder.glob("*.model") if path.is_file())


def load_fast(folder: Path, where: str, configuration: Any = None) -> Any:
    """Return the tokenizer that AutoTokenizer makes of a folder.

    Args:
        folder: tokenizer files, with config.json where the tokenizer's files do not name its class.
        where: the model's name, for messages.
        configuration: the model's configuration, for a folder that has no config.json yet.

    Raises:
        SmeltError: no tokenizer loads, it is a slow one, or it reads files that reduction does not rewrite.
    """
    from transformers import AutoTokenizer

    options = {"local_files_only": True, "trust_remote_code": False}  # else transformers asks on the terminal
    if configuration is not None:
        options["config"] = configuration
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **options)
    except Exception as error:
        if not any((folder / name).is_file() for name in VOCABULARY_FILES) and not protobufs_of(folder):
            raise SmeltError(
                where, f"no tokenizer is in {folder}: expected {_listed(VOCABULARY_FILES)}, *.model"
            ) from None
        raise SmeltError(where, f"its tokenizer cannot be read ({first_line(error)})") from None
    _refuse_slow(tokenizer, where)
    names = {TOKENIZER, *map(str, type(tokenizer).vocab_files_names.values())}
    read = sorted(name for name in names if (folder / name).is_file())
    if not read:  # transformers has made up a tokenizer of a handful of special pieces
        raise SmeltError(where, f"no tokenizer is in {folder}: {type(tokenizer).__name__} reads {_listed(names)}")
    others = [name for name in read if name not in VOCABULARY_FILES and not name.endswith(".model")]
    if others:
        problem = f"{type(tokenizer).__name__} also reads {_listed(others)}, which reduction does not rewrite"
        raise SmeltError(where, problem)
    return tokenizer


def configuration_of(folder: Path) -> Any:
    """Return the configuration that tells AutoTokenizer which class to take, or None where a folder has none."""
    from transformers import AutoConfig, PreTrainedConfig

    for kind in (AutoConfig, PreTrainedConfig):
        with contextlib.suppress(OSError, ValueError, KeyError):
            return kind.from_pretrained(folder, local_files_only=True)
    return None


def tree_of(backend: Any, where: str) -> Tree:
    """Return what a tokenizer of the tokenizers library consists of.

    Raises:
        SmeltError: a part of it is written in Python (Jieba's word splitter) and cannot be saved.
    """
    try:
        tree: Tree = json.loads(backend.to_str())
    except Exception as error:
        raise SmeltError(
            where, f"a part of its tokenizer cannot be saved ({first_line(error)}), so it cannot be reduced"
        ) from None
    return tree


def _refuse_slow(tokenizer: Any, where: str) -> None:
    if not getattr(tokenizer, "is_fast", False):
        raise SmeltError(
            where,
            f"{type(tokenizer).__name__} is a slow tokenizer, which reduction does not rewrite: expected WordPiece, "
            "Unigram or BPE in the tokenizers library's form",
        )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
