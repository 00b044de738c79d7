"""What a job adds to its log: the log of an attempt that did not finish is kept."""

import subprocess
import sys
from pathlib import Path

import pytest

from smelt.logs import OF_WORKFLOW

PACKAGE = Path(__file__).parents[2] / "workflow"


def run(log: Path, of_workflow: bool = True) -> None:
    """Run a command that lacks its flags, as rules do."""
    marks = {OF_WORKFLOW: "yes"} if of_workflow else {}
    with log.open("a") as stream:
        words = [sys.executable, "-m", "smelt", "scores"]
        subprocess.run(words, env={"PYTHONPATH": str(PACKAGE)} | marks, stdout=stream, stderr=stream)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "a [b]" / "wide.log"


def test_each_attempt_has_its_own_log_until_one_has_finished(log: Path) -> None:
    log.parent.mkdir()
    log.write_text("cd / && python -m smelt scores\nkilled in its first attempt\n")
    run(log)
    second = log.read_text()
    assert second.count(" -m smelt scores\n") == 1
    assert second.splitlines()[-1].split("  ")[1].startswith("ended with exit code 1 after")
    run(log)
    assert (log.parent / "wide.log.1").read_text().endswith("killed in its first attempt\n")
    assert (log.parent / "wide.log.2").read_text() == second
    log.write_text(log.read_text().replace("ended with exit code 1", "finished"))
    run(log)
    assert [path.name for path in log.parent.iterdir()] == ["wide.log"]
    assert log.read_text().count(" -m smelt scores\n") == 1


def test_a_file_that_is_no_log_of_a_workflow_is_added_to(log: Path) -> None:
    log.parent.mkdir()
    log.write_text("notes\n")
    run(log, of_workflow=False)
    assert log.read_text().startswith("notes\n")
    assert log.read_text().count(" -m smelt scores\n") == 1
