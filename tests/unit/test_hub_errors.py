"""What the hub's client raises becomes one line, for models and data sets alike."""

from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import errors

from smelt.errors import SmeltError
from smelt.hub_errors import Unreachable, hub_errors

ANSWER: Any = SimpleNamespace(headers={}, request=None)


def line(error: Exception, what: str, address: str = "") -> str:
    with pytest.raises(SmeltError) as caught, hub_errors("sample.yaml", what, address):
        raise error
    assert isinstance(caught.value, Unreachable) == (not isinstance(error, errors.HfHubHTTPError | SmeltError))
    return str(caught.value)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.GatedRepoError("", response=ANSWER), "is gated: accept its terms on the hub"),
        (errors.RevisionNotFoundError("", response=ANSWER), "the hub has the data set but no such revision: expected"),
        (errors.RepositoryNotFoundError("", response=ANSWER), "the hub has no such data set, or it is private"),
        (errors.RemoteEntryNotFoundError("", response=ANSWER), "the hub has the data set but no such file"),
        (errors.LocalEntryNotFoundError("offline"), "is not whole in its cache (offline). Check the network"),
        (ConnectionError("refused\nby all"), "is not whole in its cache (refused by all). Check the network"),
    ],
)
def test_what_is_wrong_stands_behind_the_address(error: Exception, expected: str) -> None:
    found = line(error, "data set", "source.hub: org/name at main")
    assert found.startswith("sample.yaml: source.hub: org/name at main: ")
    assert expected in found
    assert "\n" not in found
    assert "source.hub" not in line(error, "model")


def test_an_error_of_ones_own_stays_as_it_is() -> None:
    assert line(SmeltError("task.json", "lacks a name"), "data set", "org/name") == "task.json: lacks a name"


def test_neither_a_token_nor_a_signed_address_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    token, other = "hf_" + "invented" * 4, "hf_" + "another" * 4
    monkeypatch.setenv("HF_TOKEN", token)
    signed = "https://cdn.example/file?Expires=9&X-Amz-Credential=me&X-Amz-Signature=abc123"
    found = line(ConnectionError(f"{'no ' * 50}answer of {signed} to Bearer {token}, {other}"), "model")
    assert "answer of https://cdn.example/file?… to Bearer" in found
    for secret in (token[:12], other[:12], "abc123", "Credential"):
        assert secret not in found
