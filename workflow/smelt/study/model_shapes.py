"""How large the models of a study are before any is made; what nothing says is as BERT-base has it.

The shape of an adopted model is read where a config.json of it is here: in its folder, in the hub's cache, or among the
results. One that is not here yet is assumed, and `smelt plan` says so.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from smelt.environment import as_written, fill_in
from smelt.errors import SmeltError
from smelt.model_families import GATED, PLAIN
from smelt.study.architectures import FamilyName, PublishedShape, Shape, read_published_shape
from smelt.study.makers.adopt import PINNED, Adopt
from smelt.study.makers.amplify import Amplify
from smelt.study.makers.base import Definitions
from smelt.study.makers.reduce import Reduce
from smelt.study.paths import Paths
from smelt.study.resources import BASE
from smelt.study.schema import Study

PUBLISHED_PIECES = 119_547  # assumed of adopted models: mBERT's
CONFIGURATION = "config.json"
NOT_HERE = "not here yet"


class ModelShapes:
    """The shapes of a study's models."""

    def __init__(self, study: Study, paths: Paths) -> None:
        """Take a checked study; files are read once, when the first shape is asked for."""
        self.study, self.paths = study, paths

    @cached_property
    def assumed(self) -> dict[str, str]:
        """Adopted models that are assumed to be as large as BERT-base, each with the reason."""
        return {name: found for name, found in self._found.items() if isinstance(found, str)}

    def assumptions(self) -> Iterator[str]:
        """Yield what `smelt plan` and `smelt check` print of them: a line for all that are not here, one for others."""
        absent = [name for name, reason in self.assumed.items() if reason == NOT_HERE]
        size = f"as large as BERT-base, with {PUBLISHED_PIECES:,} pieces"
        if absent:
            yield f"Assumed to be {size}, until they are adopted or in the hub's cache: {', '.join(absent)}."
        for name, reason in self.assumed.items():
            if name not in absent:
                yield f"Assumed to be {size}: {name} ({reason})."
        for name, shape in self._definitions.published.items():
            if shape.family not in PLAIN | GATED:
                yield f"Estimated as if its layers were BERT's, which may be far off: {name} ({shape.family})."

    def shape(self, model: str) -> Shape:
        """Return a model's shape."""
        return self._shapes[model]

    def pieces(self, model: str) -> int:
        """Return how many pieces a model has; at most, where the study gives no number."""
        return self.pieces_of_vocabulary(self._definitions.vocabulary(model))

    def pieces_of_vocabulary(self, vocabulary: str) -> int:
        """Return how many pieces a vocabulary has: that of a tokenizer, or of the model that owns it."""
        if vocabulary in self.study.tokenizers:
            return self.study.tokenizers[vocabulary].vocabulary
        owner = self.study.models[vocabulary]
        before = self.pieces(owner.sources[0]) if owner.sources else self._published_pieces(vocabulary)
        if isinstance(owner, Reduce):
            return owner.size or before
        return before + owner.pieces if isinstance(owner, Amplify) else before

    def parameters(self, model: str) -> int:
        """Return how many parameters a model has."""
        return self.shape(model).parameters(self.pieces(model))

    @cached_property
    def _shapes(self) -> dict[str, Shape]:
        return {name: self._shape(name) for name in self.study.models}

    def _shape(self, model: str) -> Shape:
        numbers: dict[str, Any] = BASE | self._definitions.numbers(model)
        family = self._definitions.family(model)
        numbers["family"] = family if family in get_args(FamilyName) else "bert"
        numbers["embedding"] = self._definitions.embedding_width(model) or numbers["hidden"]
        return Shape.model_construct(**numbers)

    def _published_pieces(self, model: str) -> int:
        published = self._definitions.published
        return published[model].pieces if model in published else PUBLISHED_PIECES

    @cached_property
    def _definitions(self) -> Definitions:
        known = {name: found for name, found in self._found.items() if isinstance(found, PublishedShape)}
        return replace(self.study.definitions, published=known)

    @cached_property
    def _found(self) -> dict[str, PublishedShape | str]:
        """The shape of each adopted model, or why it is assumed."""
        models = self.study.models.items()
        return {name: self._find(name, model) for name, model in models if isinstance(model, Adopt)}

    def _find(self, name: str, model: Adopt) -> PublishedShape | str:
        """Return a model's shape by the first configuration that is here, the one that it is adopted from before all.

        Its own among the results may still be that of another model, which the study named before.
        """
        try:
            for file in (*_sources(model), Path(self.paths.model(name), CONFIGURATION)):
                if file.is_file():
                    return read_published_shape(file)
        except (SmeltError, OSError) as error:
            return as_written(" ".join(str(error).split()))
        return NOT_HERE


def _sources(model: Adopt) -> Iterator[Path]:
    """Yield where the configuration lies that a model is adopted with, as far as that is known."""
    if model.folder is not None:
        yield Path(fill_in(model.folder), CONFIGURATION)
    elif model.hub is not None and model.revision is not None and model.revision != PINNED:
        yield cached_configuration(model.hub, model.revision)


def cached_configuration(hub: str, revision: str) -> Path:
    """Return where the hub's cache keeps the configuration of a model, whether or not it is there.

    The hub's own function for it takes an eighth of a second to load; a test compares the two.

    Args:
        hub: the model's name on the hub.
        revision: a commit, or a branch or tag that was fetched.
    """
    from huggingface_hub import constants

    repository = Path(constants.HF_HUB_CACHE, "--".join(("models", *hub.split("/"))))
    branch = repository / "refs" / revision
    commit = branch.read_text(encoding="utf-8", errors="replace") if branch.is_file() else revision
    return repository / "snapshots" / commit / CONFIGURATION
