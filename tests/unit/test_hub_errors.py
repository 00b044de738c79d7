"""What the hub's client raises becomes one line, for models and data sets, whether they are fetched or sent."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from hf_xet import XetConfig, XetFileInfo, XetSession
from huggingface_hub import errors
from huggingface_hub.utils import hf_raise_for_status  # type: ignore[attr-defined]

from smelt.errors import ERROR, IO_ERROR, SmeltError
from smelt.hub_errors import Offline, Unreachable, hub_errors

PAGE = "https://huggingface.co/api/models/org/name/revision/main"


def raised(error: Exception, what: str = "model", address: str = "", writes: bool = False) -> SmeltError:
    with pytest.raises(SmeltError) as caught, hub_errors("sample.yaml", what, address, writes):
        raise error
    assert "\n" not in str(caught.value)
    return caught.value


def refusal(status: int, code: str = "", message: str = "", page: str = PAGE) -> errors.HfHubHTTPError:
    """Return what the client itself raises for an answer of the hub."""
    headers = {key: value for key, value in (("X-Error-Code", code), ("X-Error-Message", message)) if value}
    with pytest.raises(errors.HfHubHTTPError) as caught:
        hf_raise_for_status(httpx2.Response(status, headers=headers, request=httpx2.Request("GET", page)))
    return caught.value


def wrapped(cause: Exception) -> errors.LocalEntryNotFoundError:
    """Return what the client raises where neither the hub nor its cache gives a file."""
    error = errors.LocalEntryNotFoundError("we cannot find the requested files")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("status", "code", "message", "read", "written"),
    [
        (403, "GatedRepo", "", "is gated: accept its terms on the hub", "is gated, and the token of HF_TOKEN has no"),
        (404, "RevisionNotFound", "", "but no such revision: expected a commit", "but no such revision: expected"),
        (404, "RepoNotFound", "", "the hub has no such data set, or it is private", "the hub has no such data set"),
        (404, "EntryNotFound", "", "the hub has the data set but no such file", "but no such file"),
        (401, "", "", "the hub has no such data set, or it is private", "does not accept the token of HF_TOKEN"),
        (401, "", "Invalid credentials in Authorization header", "not accept the login: log in again", "the token"),
        (403, "", "Ask first", "does not let you read it (Ask first): ask for", "HF_TOKEN may not write there"),
        (403, "", "Access to this resource is disabled.", "the hub has disabled this data set", "has disabled this"),
        (400, "", "Bad word", "the hub refused with status 400: ", "the hub refused with status 400: "),
        (409, "", "", "the hub refused with status 409", "was changed by somebody else in the meantime"),
        (412, "", "", "the hub refused with status 412", "was changed by somebody else in the meantime"),
    ],
)
def test_each_refusal_has_its_own_mend(status: int, code: str, message: str, read: str, written: str) -> None:
    for writes, expected in ((False, read), (True, written)):
        found = raised(refusal(status, code, message), "data set", "source.hub: org/name at main", writes)
        assert str(found).startswith("sample.yaml: source.hub: org/name at main: ")
        assert expected in str(found)
        assert (isinstance(found, Unreachable), found.exit_code) == (False, ERROR)
    assert "source.hub" not in str(raised(refusal(status, code, message)))


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (429, "the hub was asked too often ("),
        (500, "the hub fails with status 500 ("),
        (503, "the hub fails with status 503 ("),
        (504, "run again later"),
    ],
)
def test_a_hub_that_asks_to_come_back_later_is_asked_again(status: int, expected: str, writes: bool) -> None:
    for error in (refusal(status), wrapped(refusal(status))):
        found = raised(error, writes=writes)
        assert expected in str(found)
        assert (type(found), found.exit_code) == (Unreachable, IO_ERROR)


@pytest.mark.parametrize(
    "error",
    [
        httpx2.ConnectError("refused\nby all"),
        httpx2.ReadTimeout("refused by all"),
        httpx2.ProxyError("refused by all"),
        httpx2.RemoteProtocolError("refused by all"),
        TimeoutError("refused by all"),
        ConnectionError("refused by all"),  # as datasets raises, and fsspec
        ConnectionResetError(errno.ECONNRESET, "refused by all"),
        OSError(errno.ENETUNREACH, "refused by all"),
    ],
)
def test_a_network_that_is_not_there_is_named_so(error: Exception) -> None:
    for each in (error, wrapped(error)):
        found = raised(each)
        assert "cannot be fetched from the hub and is not whole in its cache (" in str(found)
        assert "refused by all). Check the network and run again" in str(found)
        assert (type(found), found.exit_code) == (Unreachable, IO_ERROR)
    assert "the hub cannot be reached (" in str(raised(error, writes=True))


def test_the_storage_is_named_apart_from_the_hub() -> None:
    found = raised(ConnectionError("Network error: HTTP status client error (404 Not Found)"), writes=True)
    assert "Xet, the storage of the hub, cannot be reached (Network error: HTTP" in str(found)
    mirror = raised(refusal(404, page=PAGE.replace("revision", "xet-read-token")))
    assert "Xet, the storage of the hub, cannot be asked (Client error '404 Not Found'" in str(mirror)
    fetching = raised(RuntimeError("Task error: File reconstruction error: CAS Client Error: error sending request"))
    for each in (found, mirror, fetching):
        assert isinstance(each, Unreachable)
        assert "HF_HUB_DISABLE_XET=1" in str(each)


def send(session: XetSession, path: Path, server: dict[str, Any]) -> None:
    path.write_bytes(bytes(1000))
    with session.new_upload_commit(**server) as commit:
        commit.start_upload_file(str(path))


def fetch(session: XetSession, path: Path, server: dict[str, Any]) -> None:
    with session.new_file_download_group(**server) as group:
        group.start_download_file(XetFileInfo("a" * 64, 10), str(path))


@pytest.mark.parametrize("transfer", [send, fetch])
def test_what_hf_xet_itself_raises_is_taken_for_the_storage(
    transfer: Callable[[XetSession, Path, dict[str, Any]], None], tmp_path: Path
) -> None:
    session = XetSession(XetConfig().with_config({"client.retry_max_attempts": 0}))
    server = {"endpoint": "http://127.0.0.1:9", "token": "any", "token_expiry_unix_secs": 2**40}  # nobody listens
    with pytest.raises((RuntimeError, ConnectionError)) as caught:
        transfer(session, tmp_path / "file", server)
    found = raised(caught.value, writes=transfer is send)
    assert "Xet, the storage of the hub, cannot be reached (" in str(found)
    assert isinstance(found, Unreachable)


def test_a_hub_that_may_not_be_asked_is_final() -> None:
    for error in (errors.OfflineModeIsEnabled("offline"), wrapped(errors.OfflineModeIsEnabled("offline"))):
        found = raised(error)
        assert (type(found), found.exit_code) == (Offline, ERROR)
        assert "is not whole in the hub's cache, and HF_HUB_OFFLINE forbids to ask the hub" in str(found)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.HFValidationError("a b"), "is no name of a data set on the hub: expected organisation/data-set"),
        (wrapped(errors.FileMetadataError("no header")), "what answers is not the Hugging Face hub (no header)"),
        (errors.LocalEntryNotFoundError("no cause"), "is not whole in the hub's cache (no cause). Check the network"),
        (KeyError("oid"), "cannot be fetched from the hub: KeyError: 'oid'"),
        (ValueError("LFS batch\nof two"), "cannot be fetched from the hub: ValueError: LFS batch"),
        (OSError("odd"), "cannot be fetched from the hub: OSError: odd"),
        (httpx2.UnsupportedProtocol("lacks https://"), "fetched from the hub: UnsupportedProtocol: lacks https://"),
        (httpx2.DecodingError("not gzip"), "cannot be fetched from the hub: DecodingError: not gzip"),
        (errors.XetDownloadError("hash"), "cannot be fetched from the hub: XetDownloadError: hash"),
    ],
)
def test_no_other_error_is_taken_for_one_of_the_network(error: Exception, expected: str) -> None:
    assert expected in str(raised(error, "data set"))
    found = raised(error, "data set", writes=True)
    assert expected.replace("fetched from", "sent to") in str(found)
    assert "cannot be reached" not in str(found)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "blobs/1"), BrokenPipeError("our own output")]
)
def test_a_full_disk_and_a_reader_that_has_gone_are_not_of_the_hub(error: OSError) -> None:
    with pytest.raises(type(error)) as caught, hub_errors("sample.yaml"):
        raise error
    assert caught.value is error


def test_an_error_of_ones_own_stays_as_it_is() -> None:
    assert str(raised(SmeltError("task.json", "lacks a name"), "data set", "org/name")) == "task.json: lacks a name"


def test_neither_a_token_nor_a_signed_address_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    token, other = "hf_" + "invented" * 4, "hf_" + "another" * 4
    monkeypatch.setenv("HF_TOKEN", token)
    signed = "https://cdn.example/file?Expires=9&X-Amz-Credential=me&X-Amz-Signature=abc123"
    for kind in (ConnectionError, httpx2.ConnectError, ValueError):
        found = str(raised(kind(f"{'no ' * 50}answer of {signed} to Bearer {token}, {other}")))
        assert "answer of https://cdn.example/file?… to Bearer" in found
        for secret in (token[:12], other[:12], "abc123", "Credential"):
            assert secret not in found
