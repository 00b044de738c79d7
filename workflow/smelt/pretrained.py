"""The terms on which the libraries load what others made: files of this machine, safetensors, no code of a folder.

Left without a word about code, transformers asks on the terminal whether to run what a folder brings along, and a yes
runs it. Every call of a loader names these terms; a test reads the source for one that does not.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError, first_line

TERMS: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""For configurations, tokenizers and processors."""
WEIGHTS: dict[str, Any] = TERMS | {"use_safetensors": True}
"""For models."""
CLASSES = "auto_map"
"""The key under which a folder names classes of its own."""
_NAMING = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")


def naming_code(folder: Path) -> list[str]:
    """Return the files of a model's folder that name classes of its own, which are never run."""
    return [name for name in _NAMING if _read(folder / name).get(CLASSES)]


def unreadable(folder: Path, where: str | Path, problem: str, error: Exception) -> SmeltError:
    """Return the error that a library cannot read a folder: it needs code of its own, or else has the problem named."""
    if "trust_remote_code" in str(error) and (naming := naming_code(folder)):
        found = f"loads only with code of its own ({CLASSES} in {' and '.join(naming)}), which is never run"
        return SmeltError(where, f"{found}: expected a model whose classes transformers has")
    return SmeltError(where, f"{problem} ({first_line(error)})")


def say_code_is_left(folder: Path, where: str | Path) -> None:
    """Print that a folder which transformers reads with its own classes names others, where it does."""
    if naming := naming_code(folder):
        print(f"{where}: {' and '.join(naming)} name code of its own, which is not run: transformers' classes read it")


def refuse_files_elsewhere(folder: Path, where: str | Path) -> None:
    """Refuse a model's folder with a link, or a list of shards, to files elsewhere: they would pass for the model's.

    In the hub's own cache the files of a commit are links to those of its repository.

    Raises:
        SmeltError: it has one.
    """
    inside = folder.resolve()
    places = [inside, inside.parents[1] / "blobs"] if inside.parent.name == "snapshots" else [inside]
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() and not any(path.resolve().is_relative_to(place) for place in places):
            name = path.relative_to(folder)
            raise SmeltError(where, f"its {name} is a link to {path.resolve()}, out of the folder: put the file there")
    for index in folder.glob("*.index.json"):
        shards = _read(index).get("weight_map")
        for shard in shards.values() if isinstance(shards, dict) else []:
            if Path(str(shard)).name != shard:
                raise SmeltError(where, f"its {index.name} names {shard!r}: expected a file of the folder itself")


def _read(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        value = json.loads(path.read_text(encoding="utf-8"))
        return value if isinstance(value, dict) else {}
    return {}
