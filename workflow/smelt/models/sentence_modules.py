"""The modules that sentence-transformers runs after a model: pooling, dense layers, normalisation."""

from pathlib import Path
from typing import Any

from smelt.companions import MODULES, module_folders
from smelt.errors import SmeltError, first_line

_NEEDS_LAYERS = "WeightedLayerPooling"


def load_modules(source: Path) -> tuple[Any, ...]:
    """Return what turns a model's states into sentence embeddings, in evaluation mode; nothing for other models.

    Raises:
        SmeltError: a module does not load, or needs more than the last states and the mask.
    """
    folders = module_folders(source, str(source))
    if not any(kind.endswith(".Pooling") for kind in folders.values()):
        if folders:
            raise SmeltError(
                source, f"{MODULES} has no Pooling: expected pooling: false, which exports the states alone"
            )
        return ()
    return tuple(_load(source, folder, kind) for folder, kind in folders.items())


def _load(source: Path, folder: str, kind: str) -> Any:
    from sentence_transformers.util import import_from_string

    if kind.endswith(_NEEDS_LAYERS):
        raise SmeltError(
            source / folder, "pools the states of all layers: expected pooling: false, which leaves it out"
        )
    try:
        module: Any = import_from_string(kind)
        loaded = module.load(str(source), subfolder=folder, local_files_only=True).eval()
    except Exception as error:  # the library's errors have no base of their own
        raise SmeltError(source / folder, f"{kind} cannot be loaded ({first_line(error)})") from None
    if not getattr(loaded, "include_prompt", True):
        why = "pools without the prompt (include_prompt: false), whose length ids and mask do not say"
        raise SmeltError(
            source / folder, f"{why}: expected pooling: false, which leaves pooling to sentence-transformers"
        )
    return loaded
