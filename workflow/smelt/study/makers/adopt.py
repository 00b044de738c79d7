"""The maker `adopt`: a published model, from the Hugging Face hub or a folder."""

import json
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from smelt.entry import SourcePath, refuse_idle
from smelt.study.makers.base import Definitions, FinetuningRuns, Maker, MakerRules
from smelt.study.paths import Paths, outside_sources

PINNED = "pinned"
"""The revision of a model whose commit stands in a file beside the study (`study/revisions.py`)."""


class Adopt(Maker):
    """A published model, from the Hugging Face hub or a folder."""

    command: ClassVar = ("smelt.models.adopt", "bring in a published model")

    maker: Literal["adopt"]
    """The model is taken as it was published."""
    hub: str | None = None
    """Name on the Hugging Face hub: organisation/model; this or `folder`."""
    revision: str | None = None
    """Commit of the hub's repository, so that the study means the same model tomorrow; or `pinned`: it stands in
    `revisions.yaml` beside the study, where `smelt pin <study>` writes it."""
    folder: SourcePath | None = None
    """Local folder that `from_pretrained` loads."""
    tokenizer: Literal["published", "faithful"] = "published"
    """The tokenizer's files as they are (`published`), or a `tokenizer.json` that cuts text as the folder's own
    SentencePiece model does (`faithful`)."""

    publishes_vocabulary: ClassVar[bool] = True

    @model_validator(mode="after")
    def _has_one_pinned_source(self) -> Self:
        if (self.hub is None) == (self.folder is None):
            raise ValueError("expected either hub (with revision) or folder")
        if self.hub is not None and self.revision is None:
            raise ValueError("expected a revision: the commit of the hub's repository to pin, or pinned")
        if self.folder is not None:
            refuse_idle("", self, {"revision": "on a folder; it belongs to hub"})
        return self

    @classmethod
    def rules(cls, study: Definitions, paths: Paths, runs: FinetuningRuns) -> "AdoptRules":
        """Return what its rule asks."""
        return AdoptRules(cls, study, paths, runs)

    @property
    def local_folders(self) -> dict[str, str]:
        """The folder that it is adopted from, if it is not on the hub."""
        return {"folder": self.folder} if self.folder else {}

    def chosen(self) -> dict[str, str]:
        """Return what decides the model; a default is left out, so that models adopted before it was there stay."""
        keys = {"hub", "revision", "folder", "tokenizer"}
        return self.model_dump(include=keys, exclude_none=True, exclude_defaults=True)

    def describe(self, study: Definitions) -> tuple[str, str]:  # noqa: ARG002 - models made from others need it
        """Return where it is adopted from."""
        revision = "not pinned yet" if self.revision == PINNED else f"at {self.revision}"
        return f"{self.hub} {revision}" if self.hub else str(self.folder), ""


class AdoptRules(MakerRules[Adopt]):
    """Answers to `rules/adopt.smk`."""

    @property
    def needs_network(self) -> bool:
        """Whether a model comes from the hub."""
        return any(model.hub for model in self.models.values())

    def published(self, wildcards: Any) -> str:
        """Return where {model} is adopted from, as JSON: hub and revision, or folder; and how, where it was chosen."""
        return json.dumps(self.entry(wildcards).chosen())

    def folder(self, wildcards: Any) -> list[str]:
        """Return the local folder that {model} is adopted from, if it is one."""
        return outside_sources(self.entry(wildcards).local_folders.values(), self.paths.model(wildcards.model))
