"""A second study of a name that has results is refused before anything is written, by each command that runs it."""

import subprocess
from pathlib import Path

import pytest

from tests.workflow.conftest import new_project

pytestmark = pytest.mark.slow


def test_a_second_study_of_a_name_that_has_results_is_refused_until_the_user_hands_them_over(tmp_path: Path) -> None:
    project = new_project(tmp_path / "project")
    target = "resources/demo/dumps/qaawiki/20260101"
    project.snakemake(target)
    (project.folder / "other.yaml").write_text((project.folder / "study.yaml").read_text() + "title: Another\n")

    def run(command: list[str], *words: str) -> subprocess.CompletedProcess[str]:
        command = [word.replace("study.yaml", "other.yaml") for word in command]
        return subprocess.run(
            [*command[:4], *words, *command[4:]],
            cwd=project.folder,
            env=project.environment(),
            text=True,
            capture_output=True,
        )

    before = sorted(path for path in project.folder.rglob("*") if ".snakemake" not in path.parts)
    for command in (project.command(target), project.command("--dry-run", target), project.run_command(target)):
        done = run(command)
        assert done.returncode == 1
        (line,) = [line for line in done.stderr.splitlines() if line.startswith("smelt: ")]
        assert line.startswith("smelt: other.yaml: the study small has results here that were made from study.yaml")
        assert "Traceback" not in done.stderr
    assert sorted(path for path in project.folder.rglob("*") if ".snakemake" not in path.parts) == before

    assert run(project.run_command(target), "--same-study").returncode == 0
    assert run(project.command(target)).returncode == 0
