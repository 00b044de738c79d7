"""Several who want the same: two drivers of one study, on one machine and on two, and two users of one folder."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.cluster.conftest import (
    MODEL,
    environment,
    has_checkpoint,
    jobs_of,
    number_of,
    slurm_command,
    start_on_slurm,
    train,
    wait_until,
)
from tests.workflow.conftest import Project

LOG = "logs/small/models/wide.log"
Make = Callable[..., Project]

OTHER_MACHINE = ["unshare", "--uts", "--pid", "--fork", "--mount-proc", "sh", "-c", 'hostname login2; exec "$@"', "sh"]
"""Runs a command as on another machine: with another host name, and where no process of this one is seen."""


def test_a_second_run_is_refused_on_each_machine_and_ctrl_c_ends_the_first(project_with: Make) -> None:
    project = project_with(100_000)
    first = start_on_slurm(project, MODEL)
    wait_until(lambda: has_checkpoint(project), first)
    for words in (slurm_command(MODEL), project.command(MODEL), [*OTHER_MACHINE, *slurm_command(MODEL)]):
        second = subprocess.run(words, cwd=project.folder, env=environment(project), text=True, capture_output=True)
        assert second.returncode == 1
        *_, line = [line for line in second.stderr.splitlines() if line.startswith("smelt: study small: ")]
        assert re.search(rf"a run that process {first.pid} on \S+ began at .* is going on\. Wait for it", line), line
        assert "Traceback" not in second.stderr
    assert len(jobs_of(project)) == 1
    first.send_signal(signal.SIGINT)
    assert first.wait(60) == 1
    assert not (project.folder / "results/small/.run/lock").exists()
    wait_until(lambda: "JobState=CANCELLED" in jobs_of(project)[0])


@pytest.fixture
def users() -> Iterator[list[str]]:
    """Two users of this machine who share a group, and can read the interpreter."""
    names = ["smelt-a", "smelt-b"]
    closed = [path for path in Path(sys.executable).resolve().parents if not path.stat().st_mode & 0o001]
    subprocess.run(["/usr/sbin/groupadd", "--force", "smelt"], check=True)
    for name in names:
        subprocess.run(["/usr/sbin/userdel", "--remove", name], stderr=subprocess.DEVNULL)  # of a killed run
        subprocess.run(["/usr/sbin/useradd", "--create-home", "--no-log-init", "--gid", "smelt", name], check=True)
    modes = {path: path.stat().st_mode for path in closed}
    for path, mode in modes.items():
        path.chmod(mode | 0o001)
    yield names
    for path, mode in modes.items():
        path.chmod(mode)
    for name in names:
        subprocess.run(["/usr/sbin/userdel", "--remove", name], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["/usr/sbin/groupdel", "smelt"], check=True)


@pytest.fixture
def shared(packed: Project, cluster: Path, users: list[str]) -> Iterator[Project]:
    """A project in a folder of the group, which the first user has begun."""
    for folder in (cluster, *cluster.parents[:2]):  # users must reach SLURM's files
        folder.chmod(0o755)
    folder = Path(tempfile.mkdtemp(prefix="smelt-shared-"))
    project = Project(folder / "project")
    shutil.copytree(packed.folder, project.folder, symlinks=True)
    train(project, 1500)
    subprocess.run(["chown", "-R", f"{users[0]}:smelt", folder], check=True)
    subprocess.run(["chmod", "-R", "g+rwX", folder], check=True)
    subprocess.run(["find", folder, "-type", "d", "-exec", "chmod", "g+s", "{}", "+"], check=True)
    yield project
    shutil.rmtree(folder)


def as_user(name: str) -> Sequence[str]:
    """Return words that run a command as another user, whose files the group may write."""
    words = [
        "setpriv",
        "--reuid",
        name,
        "--regid",
        "smelt",
        "--init-groups",
        "env",
        f"HOME=/home/{name}",
        f"USER={name}",
    ]
    return [*words, "sh", "-c", 'umask 002; exec "$@"', "sh"]


def test_another_user_of_the_group_goes_on_where_the_first_was_stopped(shared: Project, users: list[str]) -> None:
    first = start_on_slurm(shared, MODEL, before=as_user(users[0]))
    wait_until(lambda: has_checkpoint(shared), first)
    first.kill()
    subprocess.run(["scancel", *map(number_of, jobs_of(shared))], check=True)
    second = start_on_slurm(shared, MODEL, before=as_user(users[1]))
    assert second.wait(300) == 0, (shared.folder / "printed.txt").read_text()
    assert "is gone; taking over" in (shared.folder / "printed.txt").read_text()
    assert "going on from the checkpoint of step" in (shared.folder / LOG).read_text()
    assert (shared.folder / MODEL).owner() == users[1]
    third = start_on_slurm(shared, MODEL, before=as_user(users[0]))
    assert third.wait(60) == 0
    assert len(jobs_of(shared)) == 2, "it is done for the first user, too"

    os.chown(shared.folder / "results/small/.run", 0, 0)
    (shared.folder / "results/small/.run").chmod(0o755)
    (shared.folder / "printed.txt").unlink()
    refused = start_on_slurm(shared, MODEL, before=as_user(users[1]))
    assert refused.wait(60) == 1
    printed = (shared.folder / "printed.txt").read_text()
    assert re.search(r"^smelt: \S*results/small/.run\S*: Permission denied$", printed, re.MULTILINE), printed
    assert "Traceback" not in printed
