"""The requests of every rule, as the profile sets them, are compared with the cluster before a job is submitted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.unit.preflight.conftest import Cluster
from tests.workflow.conftest import new_project

pytestmark = pytest.mark.slow


def test_a_profile_is_mended_by_what_the_table_says(tmp_path: Path) -> None:
    project = new_project(tmp_path / "project")
    cluster = Cluster(tmp_path / "bin")
    cluster.program("sinfo", "echo 'n1|cpu|4|7900|gpu:2|(null)|idle'")
    environment = project.environment()
    environment["PATH"] = f"{cluster.folder}{os.pathsep}{environment['PATH']}"

    def preflight() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "smelt", "preflight", "study.yaml", "--profile", "slurm", "--no-job"]
        return subprocess.run(command, cwd=project.folder, env=environment, text=True, capture_output=True)

    before = sorted(project.folder.rglob("results/*"))
    done = preflight()
    assert done.returncode == 1
    problems = [line.split()[1] for line in done.stdout.splitlines() if " problem " in line]
    assert sorted(problems) == ["distil", "documents", "pretrain", "reduce"], done.stdout
    assert "set-threads: pretrain" in done.stdout
    assert "set-resources: documents: mem_mb" in done.stdout
    assert done.stderr.startswith("smelt: study small: 4 problems (see above)")
    assert sorted(project.folder.rglob("results/*")) == before

    profile = project.folder / "profiles/slurm/config.yaml"
    memory = {rule: {"mem_mb": 7000} for rule in ("documents", "reduce")}
    mended = {"set-threads": {"pretrain": 4, "distil": 4}, "set-resources": memory}
    profile.write_text(profile.read_text() + yaml.safe_dump(mended))
    done = preflight()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ask for at most 4 CPUs, 7,000 MB, 0 GPUs, 1,440 min" in done.stdout
