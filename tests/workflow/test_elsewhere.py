"""The workflow runs from any folder, and an installed package holds what it reads."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from smelt.__main__ import main
from smelt.tasks.task_file import LIBRARY

ROOT = Path(__file__).parents[2]
SNAKEMAKE = Path(sys.executable).with_name("snakemake")


def dry_run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Plan a run from a folder outside the checkout; the Snakefile finds its package itself."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [str(SNAKEMAKE), "--snakefile", str(ROOT / "workflow/Snakefile"), "--dry-run", "--cores", "1", *words]
    return subprocess.run(command, cwd=folder, env=environment, text=True, capture_output=True)


@pytest.mark.slow
def test_the_demo_is_planned_from_an_empty_folder(tmp_path: Path) -> None:
    done = dry_run(tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^finetune_1_to_3 +6$", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.slow
def test_a_study_elsewhere_has_task_files_of_its_own(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (there / "tasks").mkdir(parents=True)
    here.mkdir()
    task = (ROOT / "workflow/smelt/tasks/library/demo-ner.yaml").read_text()
    (there / "tasks/names.yaml").write_text(task)
    study = (ROOT / "config/config.yaml").read_text().replace("demo-ner", "names")
    (there / "study.yaml").write_text(study)
    done = dry_run(
        here, "--configfile", "../there/study.yaml", "--directory", str(tmp_path / "work"), "--printshellcmds"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "--folder ../there/tasks" in done.stdout


def test_check_finds_tasks_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", str(ROOT / "config/config.yaml")]) == 0


def test_an_unknown_task_names_near_ones_and_the_folders_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    study = (ROOT / "config/config.yaml").read_text().replace("demo-ner", "conll203")
    Path("study.yaml").write_text(study)
    assert main(["check", "study.yaml"]) == 1
    error = capsys.readouterr().err
    assert "task 'conll203': no such task: did you mean conll2003?" in error
    assert f"conll203.yaml in {tmp_path / 'tasks'}, {ROOT / 'workflow/smelt/tasks/library'}" in error


def test_a_built_package_holds_task_files_and_schemas(monkeypatch: pytest.MonkeyPatch) -> None:
    distribution = pytest.importorskip("setuptools").dist.Distribution({"script_name": "setup.py"})
    monkeypatch.chdir(ROOT)
    distribution.parse_config_files(["pyproject.toml"])
    distribution.set_defaults()
    build = distribution.get_command_obj("build_py")
    build.ensure_finalized()
    held = {f"{package}/{file}" for package, _, _, files in build.data_files for file in files}
    tasks = {f"smelt/tasks/library/{path.name}" for path in LIBRARY.iterdir()}
    assert {*tasks, "smelt.study/study.schema.json", "smelt.study/task.schema.json"} - held == set()
