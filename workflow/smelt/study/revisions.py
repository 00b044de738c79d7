"""Commits of models on the hub that a study adopts with `revision: pinned`: they stand in a file beside the study.

A study of many published models names them, and `smelt pin` (`study/pin.py`) looks their commits up once. The file is
part of the study: with it, the study means the same models on any machine.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.strict_yaml import read_yaml
from smelt.study.makers.adopt import PINNED, Adopt
from smelt.study.makers.base import Maker

REVISIONS = "revisions.yaml"
"""The file beside a study: the name of a model on the hub → the commit."""
COMMIT = re.compile(r"[0-9a-f]{40}")


def read_revisions(folders: Iterable[Path]) -> dict[str, str]:
    """Return the commits that files in some folders pin, by the name on the hub; the first folder's count first.

    Raises:
        SmeltError: a file holds something else.
    """
    found: dict[str, str] = {}
    for path in (folder / REVISIONS for folder in folders):
        content = read_yaml(path) if path.is_file() else {}
        if content is not None and not isinstance(content, Mapping):
            raise SmeltError(path, f"expected `organisation/model: commit` lines, found {type(content).__name__}")
        for name, commit in (content or {}).items():
            if not COMMIT.fullmatch(str(commit)):
                raise SmeltError(
                    path, f"{name}: expected a whole commit, 40 digits and letters a to f; found {commit!r}"
                )
            found.setdefault(str(name), str(commit))
    return found


def fill_in_revisions(study: Any, revisions: Mapping[str, str]) -> Any:
    """Return a study, as its file holds it, with the commits of its pinned models that are known."""
    models = study.get("models") if isinstance(study, Mapping) else None
    if not isinstance(models, Mapping):
        return study
    known = {
        name: entry | {"revision": revisions[str(entry["hub"])]}
        for name, entry in models.items()
        if isinstance(entry, dict) and entry.get("revision") == PINNED and str(entry.get("hub")) in revisions
    }
    return {**study, "models": {**models, **known}}


def unpinned(models: Mapping[str, Maker]) -> list[str]:
    """Return the names on the hub, each once, of models whose commit is not known yet."""
    names = [model.hub for model in models.values() if isinstance(model, Adopt) and model.revision == PINNED]
    return list(dict.fromkeys(name for name in names if name is not None))
