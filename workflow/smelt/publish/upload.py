"""Send a folder to a repository of the Hugging Face hub, with the token of the environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from smelt.environment import hide_secrets
from smelt.errors import IO_ERROR, SmeltError

TOKEN = "HF_TOKEN"
"""The environment variable that holds the hub's token; stored logins are not read."""
OWN = {".gitattributes"}
"""Files that the hub makes by itself."""


@dataclass(frozen=True)
class Destination:
    """Where a folder goes."""

    repository: str
    """owner/name."""
    revision: str | None = None
    """A branch; by default the main one."""
    public: bool = False
    update: bool = False
    """Whether files may take the place of those that are there."""
    message: str = "Published with smelt"


class HubUnreachable(SmeltError):
    """The hub did not answer."""

    exit_code = IO_ERROR


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
    """Return the hub's token.

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
        SmeltError: the hub refuses the token or the name, the repository holds something else or is public, or the hub
            cannot be reached. Nothing is changed then, but that an empty repository may be left.
    """
    from huggingface_hub import HfApi, errors

    api = HfApi(token=token, library_name="smelt")
    sent = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    with _hub_errors(to.repository):
        try:
            found = api.model_info(to.repository)
        except errors.RepositoryNotFoundError:
            found = None
        if found is not None:
            names = {each.rfilename for each in found.siblings or []} - OWN
            _refuse_other(names, sent, to)
            if not found.private and not to.public:
                raise SmeltError(to.repository, "is public already: `--public` publishes there")
        api.create_repo(to.repository, private=not to.public, exist_ok=True)
        if to.revision:
            api.create_branch(to.repository, branch=to.revision, exist_ok=True)
        done = api.upload_folder(
            repo_id=to.repository, folder_path=folder, commit_message=to.message, revision=to.revision
        )
    return str(done.commit_url)


def _refuse_other(names: set[str], sent: set[str], to: Destination) -> None:
    if names and not to.update:
        listed = ", ".join(sorted(names)[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
        raise SmeltError(to.repository, f"holds files already ({listed}): `--update` replaces those of the same names")
    for name in sorted(names - sent):
        print(f"stays in the repository: {name}")


@contextmanager
def _hub_errors(repository: str) -> Iterator[None]:
    """Turn what the hub's client raises into one line.

    Raises:
        SmeltError: the hub refused, or did not answer.
    """
    from huggingface_hub.errors import HfHubHTTPError

    try:
        yield
    except SmeltError:
        raise
    except HfHubHTTPError as error:
        status = error.response.status_code
        reasons = {
            401: f"the hub does not accept the token of {TOKEN}",
            403: f"the token of {TOKEN} may not write there: expected one with write access to {repository}",
        }
        said = " ".join(hide_secrets(str(error.server_message or error)).split())[:200]
        raise SmeltError(repository, reasons.get(status, f"the hub refused with status {status}: {said}")) from None
    except Exception as error:  # without a network it is one of the client's HTTP library
        reason = " ".join(hide_secrets(str(error.__cause__ or error)).split())[:200]
        found = f"the hub cannot be reached ({reason}): check the network and run again"
        raise HubUnreachable(repository, found) from None
