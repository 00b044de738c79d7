"""The demo installs what it needs, tests install the rest, and either may come first."""

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


def installs(checkout: Path, target: str) -> list[str]:
    """Return what `make <target>` would install now, in order."""
    planned = subprocess.run(["make", "-n", target], cwd=checkout, text=True, capture_output=True, check=True).stdout
    return [line.split(INSTALL)[1] for line in planned.splitlines() if INSTALL in line]


def test_the_demo_installs_no_tools_of_development(checkout: Path) -> None:
    assert installs(checkout, "demo") == ["."]


@pytest.mark.parametrize("target", ["test", "lint", "test-cluster", "bench"])
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
