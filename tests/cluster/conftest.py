"""A real SLURM, and projects that run on it: needs root on Debian, and installs what it needs."""

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from smelt.entry import merge
from tests.workflow.conftest import Project, new_project

SCRIPT = Path(__file__).with_name("slurm-local.sh")
DRIVERS: list["subprocess.Popen[str]"] = []
MODEL = "results/small/models/wide"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    without = pytest.mark.skipif(
        os.geteuid() != 0 or not Path("/etc/debian_version").exists(), reason="needs root on Debian to start a SLURM"
    )
    for item in items:
        if item.path.parent == SCRIPT.parent:
            item.add_marker(pytest.mark.slow)
            item.add_marker(without)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A controller and two nodes with a GPU each, for as long as a worker of the tests runs."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "slurm"
    folder.mkdir(exist_ok=True)
    environment = os.environ | {"CPUS": "8", "MEMORY": "64000"}
    with (folder / "workers.lock").open("w") as workers, (folder / "start.lock").open("w") as start:
        fcntl.flock(start, fcntl.LOCK_EX)
        if alone(workers):
            subprocess.run([SCRIPT, "start", folder], env=environment, check=True)
        fcntl.flock(workers, fcntl.LOCK_SH)
        fcntl.flock(start, fcntl.LOCK_UN)
        yield folder
        fcntl.flock(start, fcntl.LOCK_EX)
        if alone(workers):
            subprocess.run([SCRIPT, "stop", folder], check=True)


def alone(workers: IO[str]) -> bool:
    """Return whether no other worker holds the file."""
    try:
        fcntl.flock(workers, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@pytest.fixture(autouse=True)
def cluster_lock(cluster: Path, request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep other workers from the cluster while a test breaks it."""
    kind = fcntl.LOCK_EX if request.node.get_closest_marker("breaks_cluster") else fcntl.LOCK_SH
    with (cluster / "tests.lock").open("w") as stream:
        fcntl.flock(stream, kind)
        yield


@pytest.fixture(scope="session")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The small study up to the blocks that its models are trained on."""
    project = new_project(tmp_path_factory.mktemp("packed") / "project")
    project.snakemake("--until", "blocks", "--", MODEL)
    return project


@pytest.fixture
def project_with(packed: Project, tmp_path: Path) -> Iterator[Callable[..., Project]]:
    """A maker of projects in which the model `wide` has yet to be trained; what runs on ends with the test."""
    made: list[Project] = []

    def make(steps: int, folder: str = "project") -> Project:
        shutil.copytree(packed.folder, tmp_path / folder, symlinks=True)
        project = Project(tmp_path / folder)
        train(project, steps)
        made.append(project)
        return project

    yield make
    while DRIVERS:
        DRIVERS.pop().kill()
    for job in (job for project in made for job in jobs_of(project)):
        subprocess.run(["scancel", number_of(job)])  # no error if it has ended


def train(project: Project, steps: int) -> None:
    """Have the study train `wide` for a number of steps."""
    study: dict[str, Any] = project.study
    often = {"schedule": {"steps": steps}, "validation": {"every": steps // 2}, "checkpoints": {"every": 100}}
    study["models"]["wide"]["settings"] = merge(study["models"]["wide"]["settings"], often)
    project.write(study)


def slurm_command(*words: str) -> list[str]:
    """Return the one command that an operator types, with the states of jobs asked for every second."""
    often = ["--seconds-between-status-checks", "1", "--latency-wait", "5"]
    return [sys.executable, "-m", "smelt", "run", "study.yaml", "--profile", "slurm", "--", *often, *words]


def on_slurm(project: Project, *words: str) -> "subprocess.CompletedProcess[str]":
    """Type the command, and wait for its end."""
    return subprocess.run(
        slurm_command(*words), cwd=project.folder, env=environment(project), text=True, capture_output=True
    )


def start_on_slurm(project: Project, *words: str, before: Sequence[str] = ()) -> "subprocess.Popen[str]":
    """Type the command, behind words that change its user or machine; what it prints goes to `printed.txt`."""
    command = ["env", "--default-signal=INT", *before, *slurm_command(*words)]  # tests in the background ignore Ctrl-C
    with (project.folder / "printed.txt").open("a") as printed:
        driver = subprocess.Popen(
            command, cwd=project.folder, env=environment(project), text=True, stdout=printed, stderr=printed
        )
    DRIVERS.append(driver)
    return driver


def kill_driver_of_training(project: Project) -> str:
    """Start a run, and kill its driver once its job trains, which goes on; return the job's id."""
    driver = start_on_slurm(project, MODEL)
    wait_until(lambda: has_checkpoint(project), driver)
    driver.kill()
    driver.wait()
    return running(project)


def running(project: Project) -> str:
    """Return the id of the project's running job."""
    (job,) = [job for job in jobs_of(project) if "JobState=RUNNING" in job]
    return number_of(job)


def environment(project: Project) -> dict[str, str]:
    """Return the environment, in which the executor is that of the project's checkout."""
    return project.environment() | {"PYTHONPATH": str(project.folder / "workflow")}


def wait_until(true: Callable[[], object], process: "subprocess.Popen[Any] | None" = None) -> None:
    """Wait until something is true, while a process runs."""
    deadline = time.monotonic() + 300
    while not true():
        assert process is None or process.poll() is None, "it ended before"
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def has_checkpoint(project: Project) -> bool:
    return bool(list(project.folder.glob("checkpoints/**/step-*[0-9]/manifest.json")))


def jobs_of(project: Project) -> list[str]:
    """Return what SLURM knows of the jobs of a project, the oldest first."""
    return jobs_in(project.folder)


def jobs_in(folder: Path) -> list[str]:
    """Return what SLURM knows of the jobs that were submitted in a folder, the oldest first."""
    jobs = subprocess.run(["scontrol", "show", "jobs"], text=True, capture_output=True, check=True).stdout
    return [job for job in jobs.split("\n\n") if f"WorkDir={folder}\n" in job]


def number_of(job: str) -> str:
    return job.split()[0].removeprefix("JobId=")
