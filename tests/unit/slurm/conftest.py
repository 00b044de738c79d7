"""Commands of SLURM that answer from files, on the PATH."""

import os
from pathlib import Path
from typing import Any

import pytest
from fake_slurm import Job, Slurm, Watched
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    made = Slurm(tmp_path)
    monkeypatch.setenv("PATH", f"{made.programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def executor(tmp_path: Path, slurm: Slurm) -> Watched:  # noqa: ARG001 - on the PATH
    return Watched(tmp_path)


@pytest.fixture
def submitted(tmp_path: Path) -> Any:
    """A maker of submitted jobs."""

    def make(number: str, job: Job | None = None) -> SubmittedJobInfo:
        return SubmittedJobInfo(job or Job(), number, {"slurm_logfile": tmp_path / f"{number}.log", "before": ""})

    return make
