"""`smelt run` becomes Snakemake with the Snakefile and a profile of a checkout."""

import subprocess
import sys
from pathlib import Path

import pytest

from smelt.__main__ import main
from smelt.errors import SmeltError
from smelt.run import checkout_here, profile_folder, snakemake

ROOT = Path(__file__).parents[2]


def test_the_checkout_is_this_folder_or_that_of_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checkout_here() == ROOT
    Path("workflow").mkdir()
    Path("workflow/Snakefile").touch()
    assert checkout_here() == ROOT, "another workflow's"
    Path("workflow/smelt").mkdir()
    assert checkout_here() == tmp_path


def test_a_profile_is_a_name_or_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert profile_folder("slurm", ROOT) == ROOT / "profiles/slurm"
    assert profile_folder("profiles/slurm", ROOT) == ROOT / "profiles/slurm"
    Path("mine").mkdir()
    Path("mine/config.yaml").touch()
    assert profile_folder("mine", ROOT) == Path("mine")
    with pytest.raises(SmeltError, match=r"no such profile as slrum: expected one of .*did you mean slurm\?"):
        profile_folder("slrum", ROOT)


def test_jobs_find_the_python_and_the_executor_of_this_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    monkeypatch.delenv("PYTHONPATH", raising=False)
    _, environment = snakemake([], "default")
    assert environment["PATH"] == f"{Path(sys.executable).parent}:/usr/bin"
    assert environment["PYTHONPATH"] == str(ROOT / "workflow")


def test_options_behind_two_dashes_are_snakemakes_and_its_exit_code_is_ours() -> None:
    command = [sys.executable, "-m", "smelt", "run", "config/config.yaml", "--profile", "default", "--"]
    done = subprocess.run([*command, "--version"], cwd=ROOT, text=True, capture_output=True)
    assert (done.returncode, done.stdout[:2]) == (0, "9.")
    done = subprocess.run([*command, "--no-such-option"], cwd=ROOT, text=True, capture_output=True)
    assert done.returncode == 2
    assert "--no-such-option" in done.stderr


def test_options_without_two_dashes_are_refused_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "study.yaml", "-n", "--quiet"]) == 1
    assert "unrecognized arguments: -n --quiet; Snakemake's own stand behind `--`: `smelt run ... -- -n --quiet` (" in (
        capsys.readouterr().err
    )
    assert main(["check", "study.yaml", "-n"]) == 1
    assert "Snakemake" not in capsys.readouterr().err, "no other command passes them on"
