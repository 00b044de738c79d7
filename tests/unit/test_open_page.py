"""`smelt open` opens a study's page, or says where it is, how to copy it, and what it waits for."""

import webbrowser
from pathlib import Path

import pytest
import yaml

from smelt.__main__ import main

STUDY = {
    "study": "small",
    "corpora": {"wiki": {"text": {"sw": "sw.txt"}}},
    "tokenizers": {"unigram": {"algorithm": "unigram", "vocabulary": 300, "corpus": "wiki"}},
    "models": {"mbert": {"maker": "adopt", "folder": "mbert"}},
}


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the page of a study, which is not there yet; the machine has a screen."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    Path("study.yaml").write_text(yaml.safe_dump(STUDY))
    return tmp_path / "results/small/report.html"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a browser is given."""
    given: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: given.append(address) or True)  # type: ignore[func-returns-value]
    return given


def write(page: Path) -> None:
    page.parent.mkdir(parents=True)
    page.write_text("a page")


def test_the_page_is_opened_and_its_path_printed(
    page: Path, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    write(page)
    assert main(["open", "study.yaml"]) == 0
    assert opened == [page.as_uri()]
    assert capsys.readouterr().out == f"{page}\n"


def test_over_ssh_nothing_is_opened_and_the_command_that_copies_is_printed(
    page: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(page)
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 1 10.0.0.2 22")
    assert main(["open", "study.yaml"]) == 0
    assert opened == []
    first, second = capsys.readouterr().out.splitlines()
    assert first == str(page)
    assert ": scp " in second
    assert f":{page} ." in second


def test_without_a_screen_nothing_is_opened(
    page: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(page)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main(["open", "study.yaml"]) == 0
    assert opened == []
    assert "No browser starts here." in capsys.readouterr().out


def test_a_page_that_is_not_there_is_one_line_that_counts_what_is_made(
    page: Path, opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["open", "study.yaml"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"smelt: {page}: no page yet: 0 of 1 models, ")
    assert error.endswith("`smelt run study.yaml` makes the rest\n")
    Path("results/small/models").mkdir(parents=True)
    Path("results/small/models/mbert").mkdir()
    assert main(["open", "study.yaml"]) == 1
    assert "no page yet: 1 of 1 models" in capsys.readouterr().err
    assert opened == []
