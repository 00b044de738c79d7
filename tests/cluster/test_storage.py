"""Storage that breaks: a disk that is full, and files that are seen seconds after the job that wrote them has ended."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.conftest import MODEL, has_checkpoint, jobs_of, on_slurm, start_on_slurm, wait_until
from tests.workflow.conftest import Project

LOG = "logs/small/models/wide.log"
Make = Callable[..., Project]
Mount = Callable[[Path, int], Path]


@pytest.fixture
def small_disk() -> Iterator[Mount]:
    """A maker of small file systems at a folder, whose files move there."""
    mounted: list[Path] = []

    def mount(folder: Path, megabytes: int) -> Path:
        folder.mkdir(exist_ok=True)
        aside = folder.rename(folder.with_name("aside"))
        folder.mkdir()
        size = f"size={megabytes}m"
        if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "small", folder], check=False).returncode:
            pytest.skip("needs to mount a small file system")
        mounted.append(folder)
        shutil.copytree(aside, folder, symlinks=True, dirs_exist_ok=True)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path, left: int = 0) -> Path:
    """Fill a file system but for some bytes; return the file that does."""
    filler = folder / "filler"
    with suppress(OSError), filler.open("wb", buffering=0) as stream:
        while stream.write(bytes(4096)):
            pass
    os.truncate(filler, filler.stat().st_size - left)
    return filler


def test_a_disk_that_is_full_for_a_checkpoint_costs_nothing(project_with: Make, small_disk: Mount) -> None:
    project, undisturbed = project_with(1000), project_with(1000, "undisturbed")
    disk = small_disk(project.folder / "checkpoints", 4)
    drivers = start_on_slurm(project, MODEL, "--retries", "1"), start_on_slurm(undisturbed, MODEL)
    wait_until(lambda: has_checkpoint(project), drivers[0])
    filler = fill(disk)
    assert drivers[0].wait(300) == 1
    printed = (project.folder / "printed.txt").read_text()
    assert "checkpoint of step" in printed
    assert "No space left on device" in printed
    log = (project.folder / LOG).read_text()
    assert log.count("smelt: ") == 1, log
    assert "Traceback" not in printed + log
    filler.unlink()
    done = on_slurm(project, MODEL)
    assert done.returncode == 0, done.stderr
    assert "going on from the checkpoint of step" in (project.folder / LOG).read_text()
    assert drivers[1].wait(300) == 0
    weights = [(each.folder / MODEL / "model.safetensors").read_bytes() for each in (project, undisturbed)]
    assert weights[0] == weights[1]


def test_a_disk_that_is_full_for_a_table_leaves_no_part_of_it(project_with: Make, small_disk: Mount) -> None:
    project = project_with(100)
    project.write(project.study | {"tables": {"texts": {"kind": "corpora", "corpus": "wiki"}}})
    table = "results/small/tables/texts.md"
    disk = small_disk(project.folder / "results", 16)
    fill(disk, left=4 * 4096)  # for what a run keeps of itself, and for one or two of the table's four files
    done = on_slurm(project, table, "--retries", "0")
    assert done.returncode == 1
    assert "results/small/tables/texts." in done.stderr
    assert "No space left on device" in done.stderr
    log = (project.folder / "logs/small/tables/texts.log").read_text()
    assert log.count("smelt: ") == 1, log
    assert "Traceback" not in done.stderr + log
    assert list(disk.glob("small/tables/*")) == []
    filler = fill(disk)
    full = on_slurm(project, table)
    assert full.returncode == 1
    (line,) = [line for line in full.stderr.splitlines() if line.startswith("smelt: ")]
    assert "No space left on device" in line
    filler.unlink()
    done = on_slurm(project, table)
    assert done.returncode == 0, done.stderr
    assert (project.folder / table).is_file()


LATE = """#!/bin/sh
"{python}" "$@" || exit
case "$*" in "-m smelt job pretrain "*)
    late() {{
        until grep -q ^job "$SMELT_EXIT_CODES"; do sleep 0.01; done
        mv {model} {model}.late
        sleep 4
        mv {model}.late {model}
        date +%s.%N > seen
    }}
    late < /dev/null > /dev/null 2>&1 &
esac
"""


def test_a_model_that_is_seen_seconds_after_its_job_has_ended_is_waited_for(project_with: Make) -> None:
    project = project_with(20)
    python = project.folder / "late/python"
    python.parent.mkdir()
    python.write_text(LATE.format(python=sys.executable, model=MODEL))
    python.chmod(0o755)
    environment = project.environment()
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"
    # `smelt run` has jobs run the interpreter that it runs in.
    snakemake = [project.command()[0], "--configfile", "study.yaml", "--workflow-profile", "profiles/slurm"]
    done = subprocess.run(
        [*snakemake, "--latency-wait", "20", "--retries", "0", MODEL],
        cwd=project.folder, env=environment, text=True, capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (project.folder / "seen").exists()
    assert (project.folder / MODEL / "model.safetensors").exists()
    assert len(jobs_of(project)) == 1
    assert project.planned(MODEL) == {}
