"""Send a folder to a repository of the Hugging Face hub, with the token of the environment."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.errors import SmeltError
from smelt.hub_errors import TOKEN, hub_errors

if TYPE_CHECKING:
    from huggingface_hub import HfApi, ModelInfo

OWN = {".gitattributes"}
"""Files that the hub makes by itself."""


@dataclass(frozen=True)
class Destination:
    """Where a folder goes."""

    repository: str
    """owner/name."""
    revision: str | None = None
    """A branch; by default the main one. A new one begins with what the main one holds."""
    public: bool = False
    update: bool = False
    """Whether files may take the place of those that are there."""
    message: str = "Published with smelt"


def check_repository(name: str) -> str:
    """Return the name of a repository.

    Raises:
        SmeltError: it is none.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(name)
        valid = name.count("/") == 1
    except HFValidationError:
        valid = False
    if not valid:
        raise SmeltError("--to", f"expected owner/name, a repository on the hub; found {name!r}")
    return name


def token_of_environment() -> str:
    """Return the hub's token; stored logins are not read.

    Raises:
        SmeltError: there is none, or the hub is not to be asked.
    """
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        raise SmeltError("--upload", "HF_HUB_OFFLINE forbids to ask the hub: unset it")
    token = os.environ.get(TOKEN, "").strip()
    if not token:
        raise SmeltError("--upload", f"{TOKEN} is not set: expected a token with write access, from the hub's settings")
    return token


def upload(folder: Path, to: Destination, token: str) -> str:
    """Send a folder in one commit, and return the address of the commit.

    Raises:
        SmeltError: the hub refuses the token or the name, the branch holds files, the repository is public or private
            where the other was asked for, or the hub cannot be reached. Nothing is changed then, but that an empty
            repository, or a new branch like the main one, may be left.
    """
    from huggingface_hub import HfApi

    api = HfApi(token=token, library_name="smelt")
    sent = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    with hub_errors(to.repository, writes=True):
        api.create_repo(to.repository, private=not to.public, exist_ok=True)  # one that is there stays as it is
        head = api.model_info(to.repository)
        _check_visibility(bool(head.private), to)
        branch = _find_branch(api, to) if to.revision else head
        if branch is not None:
            _refuse_to_replace(_files_of(branch), to)
        elif to.revision:
            api.create_branch(to.repository, branch=to.revision, revision=head.sha)
        begins = branch or head
        for name in sorted(_files_of(begins) - sent):
            print(f"stays in the repository: {name}")
        done = api.upload_folder(
            repo_id=to.repository,
            folder_path=folder,
            commit_message=to.message,
            revision=to.revision,
            parent_commit=begins.sha,  # else the hub would replace what came in between
        )
    return str(done.commit_url)


def _check_visibility(private: bool, to: Destination) -> None:
    if private and to.public:
        raise SmeltError(
            to.repository,
            "is private, and `--public` does not change that: make it public on its page, or leave it out",
        )
    if not private and not to.public:
        raise SmeltError(to.repository, "is public already: `--public` publishes there")


def _find_branch(api: "HfApi", to: Destination) -> "ModelInfo | None":
    """Return what the branch holds; None where it is new."""
    from huggingface_hub.errors import RevisionNotFoundError

    try:
        return api.model_info(to.repository, revision=to.revision)
    except RevisionNotFoundError:
        return None


def _files_of(branch: "ModelInfo") -> set[str]:
    return {each.rfilename for each in branch.siblings or []} - OWN


def _refuse_to_replace(names: set[str], to: Destination) -> None:
    if names and not to.update:
        listed = ", ".join(sorted(names)[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        place = f"{to.repository}, branch {to.revision}" if to.revision else to.repository
        raise SmeltError(place, f"holds files already ({listed}): `--update` replaces those of the same names")
