"""Values of the environment are filled in where a source is opened, and shown by name everywhere else."""

from pathlib import Path

import pytest

from smelt import environment
from smelt.environment import as_written, fill_in, has_credentials, hide_secrets
from smelt.errors import SmeltError
from smelt.logs import command_line


@pytest.fixture(autouse=True)
def nothing_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_filled_in", {})


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
