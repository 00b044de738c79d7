"""The demo installs what it needs, tests install the rest, and either may come first."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
INSTALL = "pip install --quiet --constraint constraints.txt --editable "


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder in which nothing is installed."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def planned(checkout: Path, target: str) -> list[str]:
    """Return the commands that `make <target>` would run now, in order.

    The tests may have been started by `make` themselves: its flags and its level would reach this one, which then
    prints the folders that it enters.
    """
    environment = {
        name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
    }
    command = ["make", "-n", target]
    done = subprocess.run(command, cwd=checkout, env=environment, text=True, capture_output=True, check=True)
    return done.stdout.splitlines()


def installs(checkout: Path, target: str) -> list[str]:
    """Return what `make <target>` would install now, in order."""
    return [line.split(INSTALL)[1] for line in planned(checkout, target) if INSTALL in line]


def test_the_demo_installs_no_tools_of_development(checkout: Path) -> None:
    assert installs(checkout, "demo") == ["."]


@pytest.mark.parametrize("target", ["check", "test", "lint", "test-cluster", "docs", "bench"])
def test_all_else_installs_them_too(checkout: Path, target: str) -> None:
    assert installs(checkout, target) == [".", "'.[development]'"]


def test_demo_and_test_may_come_in_either_order(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv/installed").touch()
    assert installs(checkout, "demo") == []
    assert installs(checkout, "test") == ["'.[development]'"]
    (checkout / ".venv/development").touch()
    assert installs(checkout, "test") == []
    assert installs(checkout, "demo") == []


def test_check_is_test_without_what_is_slow(checkout: Path) -> None:
    *checks, fast = planned(checkout, "check")
    *others, whole = planned(checkout, "test")
    assert checks == others
    assert {"mypy", "ruff check .", "snakemake --lint"} <= set(checks)
    assert fast == f"{whole} -m 'not slow'"
    assert " pytest --numprocesses " in whole


def test_continuous_integration_runs_the_whole(checkout: Path) -> None:
    assert (ROOT / ".ci/run").read_text().splitlines().count("make test") == 1
    assert "slow" not in "".join(planned(checkout, "test"))
