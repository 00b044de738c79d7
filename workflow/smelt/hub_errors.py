"""What the client of the Hugging Face hub raises, for models and data sets, as one line that says what to do."""

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from smelt.disk import disk_errno
from smelt.environment import hide_secrets
from smelt.errors import IO_ERROR, SmeltError, first_line

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

TOKEN = "HF_TOKEN"
"""The environment variable that holds the hub's token."""
WITHOUT_XET = "check the network and run again. HF_HUB_DISABLE_XET=1 does without Xet, for a server that has none"
_XET_SENDING = ("Network error: ", "Server error: ")
"""How hf_xet's ConnectionError begins; those of sockets and of `datasets` do not."""
_ABSENT_NETWORK = {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH}


class Unreachable(SmeltError):
    """The hub does not answer, or asks to come back later; it would not answer for anything else either."""

    exit_code = IO_ERROR


class Offline(Unreachable):
    """The hub may not be asked, and its cache lacks what was asked for: the same command meets that again."""

    exit_code = SmeltError.exit_code


@contextmanager
def hub_errors(where: str, what: str = "model", address: str = "", writes: bool = False) -> Iterator[None]:
    """Turn what the hub's client raises into one line.

    Args:
        where: names what is fetched or sent, or what asks for it.
        what: kind of repository: model, data set.
        address: names what is fetched, if `where` names what asks for it.
        writes: whether something is sent, with the token of TOKEN.

    Raises:
        SmeltError: the hub does not give or take what it was asked to.
        OSError: the disk is full, or may not be written to.
    """
    at = f"{address}: " if address else ""
    try:
        yield
    except (SmeltError, BrokenPipeError):  # the second is of our own output: the client's is of its HTTP library
        raise
    except Exception as error:
        causes = list(_causes(error))
        for cause in causes:
            if found := _known(cause, what, writes):
                kind, message = found
                raise kind(where, f"{at}{message}") from None
        if disk_errno(error, Path.cwd()) is not None:
            raise
        kind, message = _unknown(error, writes)
        raise kind(where, f"{at}{message}") from None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and those that it was raised from: libraries wrap the client's, and the client its own."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        yield error
        seen.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _known(error: BaseException, what: str, writes: bool) -> tuple[type[SmeltError], str] | None:
    """Return the class and the message for an error that says by itself what is wrong; None for another one."""
    from huggingface_hub import errors

    if isinstance(error, errors.OfflineModeIsEnabled):
        found = "is not whole in the hub's cache, and HF_HUB_OFFLINE forbids to ask the hub"
        return Offline, f"{found}: unset it, or fetch it elsewhere into the same cache (HF_HOME)"
    if isinstance(error, errors.HFValidationError):
        expected = f"organisation/{what.replace(' ', '-')}"
        return SmeltError, f"is no name of a {what} on the hub: expected {expected}"
    if isinstance(error, errors.HfHubHTTPError):
        return _refusal(error, what, writes)
    if isinstance(error, errors.FileMetadataError):  # of a proxy's page, say
        mend = "check HF_ENDPOINT, proxy and firewall"
        return Unreachable, f"what answers is not the Hugging Face hub ({_flat(error)}): {mend}"
    if _is_of_xet(error):
        return Unreachable, f"Xet, the storage of the hub, cannot be reached ({_flat(error)}): {WITHOUT_XET}"
    if not _is_of_network(error):
        return None
    if writes:
        return Unreachable, f"the hub cannot be reached ({_flat(error)}): check the network and run again"
    found = f"cannot be fetched from the hub and is not whole in its cache ({_flat(error)})"
    return Unreachable, f"{found}. Check the network and run again"


def _is_of_xet(error: BaseException) -> bool:
    """Return whether hf_xet raised an error: it has no class of its own for them, but begins their texts alike."""
    if isinstance(error, RuntimeError):  # while it fetches
        return "CAS Client Error: " in str(error)
    return isinstance(error, ConnectionError) and str(error).startswith(_XET_SENDING)


def _is_of_network(error: BaseException) -> bool:
    import httpx2

    answers_nothing = (httpx2.NetworkError, httpx2.TimeoutException, httpx2.ProxyError, httpx2.RemoteProtocolError)
    if isinstance(error, (*answers_nothing, ConnectionError, TimeoutError, socket.gaierror)):
        return True
    return isinstance(error, OSError) and error.errno in _ABSENT_NETWORK


def _refusal(error: "HfHubHTTPError", what: str, writes: bool) -> tuple[type[SmeltError], str]:
    """Return the class and the message for an answer of the hub that is a refusal."""
    from huggingface_hub import errors

    status = error.response.status_code
    if isinstance(error, errors.GatedRepoError):
        if writes:
            return SmeltError, f"is gated, and the token of {TOKEN} has no access: ask for it on the repository's page"
        return SmeltError, "is gated: accept its terms on the hub, log in (`hf auth login`) and run again"
    if isinstance(error, errors.DisabledRepoError):
        return SmeltError, f"the hub has disabled this {what}: its page says why"
    if isinstance(error, errors.RevisionNotFoundError):
        return SmeltError, f"the hub has the {what} but no such revision: expected a commit of its history"
    if isinstance(error, errors.RepositoryNotFoundError) and not (writes and status == 401):
        return SmeltError, f"the hub has no such {what}, or it is private: check the name, or log in"
    if isinstance(error, errors.RemoteEntryNotFoundError):
        return SmeltError, f"the hub has the {what} but no such file"
    said = _flat(error.server_message or error)
    if "/xet-" in str(error.response.url):  # it gives the word to Xet, as a mirror of the hub may not
        return Unreachable, f"Xet, the storage of the hub, cannot be asked ({said}): {WITHOUT_XET}"
    if status == 429:
        more = "" if writes else "; who is logged in (`hf auth login`) may ask more often"
        return Unreachable, f"the hub was asked too often ({said}): wait, and run again{more}"
    if status >= 500 or status == 408:
        return Unreachable, f"the hub fails with status {status} ({said}): run again later"
    read = {
        401: f"the hub does not accept the login: log in again (`hf auth login`), or mend or unset {TOKEN}",
        403: f"the hub does not let you read it ({said}): ask for access on its page, or log in (`hf auth login`)",
    }
    changed = "was changed by somebody else in the meantime: look at it, and run again"
    written = {
        401: f"the hub does not accept the token of {TOKEN}",
        403: f"the token of {TOKEN} may not write there: expected one with write access to it ({said})",
        409: changed,
        412: changed,
    }
    return SmeltError, (written if writes else read).get(status, f"the hub refused with status {status}: {said}")


def _unknown(error: Exception, writes: bool) -> tuple[type[SmeltError], str]:
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError):
        return SmeltError, f"is not whole in the hub's cache ({_flat(error)}). Check the network and run again"
    verb = "sent to" if writes else "fetched from"
    return SmeltError, f"cannot be {verb} the hub: {type(error).__name__}: {first_line(error)}"


def _flat(error: object) -> str:
    return " ".join(hide_secrets(str(error)).split())[:200]
