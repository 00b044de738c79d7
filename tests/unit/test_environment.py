"""Values of the environment are filled in where a source is opened, and shown by name everywhere else."""

from pathlib import Path

import pytest

from smelt import environment
from smelt.environment import as_written, fill_in, has_credentials, hide_secrets
from smelt.errors import SmeltError, first_line
from smelt.logs import command_line


@pytest.fixture(autouse=True)
def nothing_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_filled_in", {})
    monkeypatch.setattr(environment, "_words", set())


def test_what_was_filled_in_is_written_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTS", str(tmp_path))
    assert fill_in("${TEXTS}/sw.txt") == f"{tmp_path}/sw.txt"
    assert as_written(f"{tmp_path}/sw.txt") == "${TEXTS}/sw.txt"
    assert as_written(f"{tmp_path}2/sw.txt") == f"{tmp_path}2/sw.txt"
    assert fill_in("${NOT_SET}/sw.txt") == "${NOT_SET}/sw.txt"


def test_messages_name_paths_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTS", str(tmp_path))
    monkeypatch.setenv("WORD", "a+b/c=d")
    fill_in("${TEXTS} ${WORD}")
    assert hide_secrets(f"{tmp_path}/x of a+b/c=d and a%2Bb%2Fc%3Dd") == f"{tmp_path}/x of ${{WORD}} and ${{WORD}}"
    error = SmeltError("https://me:a+b/c=d@host", "refused a+b/c=d")
    assert "a+b" not in str(error) + repr(error)


def test_credentials_are_never_shown() -> None:
    assert hide_secrets("get https://me:word@host/x of ftp://me@there") == "get https://…@host/x of ftp://…@there"
    assert hide_secrets("https://${ME}:${WORD}@host, me@host") == "https://${ME}:${WORD}@host, me@host"
    assert has_credentials("https://me:${WORD}@host")
    assert not has_credentials("https://${ME}:${WORD}@host")
    assert "word" not in command_line(["download", "--mirror", "https://me:word@host"])


def test_the_line_of_a_log_sets_paths_and_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTS", str(tmp_path))
    monkeypatch.setenv("WORD", "a secret")
    line = command_line(["download", "--mirror", "${TEXTS}/dumps", "https://${WORD}@host"])
    assert f"TEXTS={tmp_path} " in line
    assert "a secret" not in line


def test_words_and_paths_are_written_back_as_whole_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SET", "data")
    monkeypatch.setenv("TEXTS", str(tmp_path))
    assert fill_in("resources/${SET}/${TEXTS}") == f"resources/data/{tmp_path}"
    assert as_written("resources/data/metadata/data_x") == "resources/${SET}/metadata/data_x"
    assert as_written(f"/mnt{tmp_path}/x {tmp_path}-2/x") == f"/mnt{tmp_path}/x {tmp_path}-2/x"
    assert as_written(f"file://{tmp_path}/x, qaa={tmp_path}") == "file://${TEXTS}/x, qaa=${TEXTS}"
    message = "datasets: no such data in resources/metadata"
    assert hide_secrets(message) == message


@pytest.mark.parametrize(
    ("name", "value", "source"),
    [
        ("WORD", "hunter", "https://me:${WORD}@host"),
        ("WORD", "hunter2", "${WORD}/x"),
        ("MY_TOKEN", "hunter", "${MY_TOKEN}/x"),
    ],
)
def test_secrets_are_hidden_within_words_too(
    name: str, value: str, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    fill_in(source)
    assert hide_secrets(f"key_{value}s of x%3A{value}%40host") == f"key_${{{name}}}s of x%3A${{{name}}}%40host"
    monkeypatch.setenv("SET", value)
    fill_in("resources/${SET}")  # what was a secret once stays one
    assert value not in hide_secrets(f"key_{value}s")


def test_signed_addresses_are_cut_however_many_marks_stand_in_a_word() -> None:
    assert hide_secrets("?" * 40_000) == "?" * 40_000
    signed = "https://host/x?a=1&X-Amz-Signature=abc?y"
    assert hide_secrets(f"get '{signed}' and y?z=1 token=1") == "get 'https://host/x?…' and y?z=1 token=1"


@pytest.mark.parametrize("secret", ["https://host/x?id=me&signature=abc", "https://me:word@host", "a long secret"])
def test_no_cut_of_a_long_message_lets_a_part_of_a_secret_through(secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORD", "a long secret")
    fill_in("https://host/${WORD}")
    text = f"{'https://host/?token=x ' * 20}{secret} and more"
    shown = set()
    for most in range(1, len(text) + 1):
        monkeypatch.setattr(environment, "LONGEST_SEARCHED", most)
        shown.add(first_line(ValueError(text)))
    parts = ("id=", "me:", "a lo", "token")
    assert [line for line in shown if any(part in line for part in parts)] == []
    assert len(shown) > 10
