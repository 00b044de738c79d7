"""Instant jobs on a real SLURM: none is lost, and what each costs Snakemake, beside the build of before.

The workflow is smelt's own, under profiles/slurm as it stands: the demo with as many seeds as that takes, whose
commands write their outputs at once (`bench.instant_jobs`). The controller and its two nodes are those of
the tests (`tests/cluster/slurm-local.sh`). Times are of the processor: of the driver with all commands of SLURM that it
calls, and of each Snakemake within a job.
"""

import contextlib
import io
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil
import yaml

from bench.commands import own_environment
from bench.instant_jobs import PROCESSOR_TIMES
from bench.measure import BenchmarkOutcome, Figures, SkippedBenchmark, Unequal, machine, ratio, write
from bench.planning import CHECKOUT, PARTS
from bench.workers import Ended

SCRIPT = CHECKOUT / "tests/cluster/slurm-local.sh"
BEFORE = "89e2e1b"  # each job starts a Snakemake that starts a second one
ROUNDS = 2
CELLS = 6  # models times tasks of the demo: jobs of a seed
LIMIT = 1 / 0.6  # jobs in a second that the profile submits at most
INSTANT = "from bench.instant_jobs import make_instant\n\nmake_instant()\n"


class JobCosts(NamedTuple):
    """What the jobs of a workflow took."""

    jobs: int
    wall_seconds: float
    of_driver: float
    """Seconds of the processor for each job."""
    in_job: float
    """The same."""

    @property
    def each(self) -> float:
        """Seconds of the processor that Snakemake takes for each job."""
        return self.of_driver + self.in_job


def all_jobs(name: str) -> BenchmarkOutcome | SkippedBenchmark:
    """Jobs in a second of a long workflow, beside what the profile allows; the name has how many there are at least."""
    if reason := _lacks():
        return SkippedBenchmark(name, reason)
    with tempfile.TemporaryDirectory(prefix="slurm-jobs-") as folder, _cluster(Path(folder)):
        run = _run(_checkout(Path(folder) / "ours", int(name.split("-")[1])))
    speed = run.jobs / run.wall_seconds
    further = _figures("ours", [run]) | {"jobs lost": 0}  # or it has ended with an error
    outcome = BenchmarkOutcome(
        name, "jobs/s", speed, LIMIT, "the profile's limit", speed / LIMIT, 1, machine(), further
    )
    write(outcome)
    return outcome


def cost(name: str) -> BenchmarkOutcome | SkippedBenchmark:
    """Jobs for a second of the processor, beside the build of before; the name has how many jobs there are at least."""
    if reason := _lacks():
        return SkippedBenchmark(name, reason)
    runs: dict[str, list[JobCosts]] = {"ours": [], "peer": []}
    for number in range(ROUNDS):
        for way, builds in runs.items():
            with tempfile.TemporaryDirectory(prefix="slurm-jobs-") as folder, _cluster(Path(folder)):
                commit = BEFORE if way == "peer" else ""
                builds.append(_run(_checkout(Path(folder) / f"{way}-{number}", int(name.split("-")[1]), commit)))
    speeds = {way: [1 / run.each for run in builds] for way, builds in runs.items()}
    outcome = BenchmarkOutcome(
        name, "jobs/processor s", statistics.median(speeds["ours"]), statistics.median(speeds["peer"]), BEFORE,
        ratio(speeds["ours"], speeds["peer"]), ROUNDS, machine(),
        {key: value for way, builds in runs.items() for key, value in _figures(way, builds).items()}, speeds,
    )  # fmt: skip
    write(outcome)
    return outcome


def _figures(way: str, runs: list[JobCosts]) -> Figures:
    def median(name: str) -> float:
        return statistics.median(getattr(run, name) for run in runs)

    return {
        f"{way}: jobs": runs[0].jobs,
        f"{way}: driver, processor s a job": median("of_driver"),
        f"{way}: in the job, processor s": median("in_job"),
        f"{way}: minutes": median("wall_seconds") / 60,
    }


def _lacks() -> str:
    """Return what a SLURM of one's own needs and this machine does not have."""
    if os.geteuid() or not Path("/etc/debian_version").exists():
        return "needs root on Debian to start a SLURM"
    running = any(process.info["name"] == "slurmctld" for process in psutil.process_iter(["name"]))
    return "a SLURM runs here already" if running else ""


@contextlib.contextmanager
def _cluster(folder: Path) -> Iterator[None]:
    """Run a controller and two nodes."""
    subprocess.run([SCRIPT, "start", folder / "slurm"], env=os.environ | {"CPUS": "8", "MEMORY": "64000"}, check=True)
    try:
        yield
    finally:
        subprocess.run([SCRIPT, "stop", folder / "slurm"], check=True)


def _checkout(folder: Path, jobs: int, commit: str = "") -> Path:
    """Make a checkout of this build, or of a commit, whose jobs are instant; return its folder."""
    folder.mkdir(parents=True)
    if commit:
        archive = subprocess.run(["git", "archive", commit], cwd=CHECKOUT, capture_output=True, check=True)
        with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
            tar.extractall(folder, filter="data")
        shutil.rmtree(folder / "bench", ignore_errors=True)  # ours makes the jobs instant
    else:
        for part in PARTS:
            source = CHECKOUT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    snakefile = next(path for path in (folder / "workflow/Snakefile", folder / "Snakefile") if path.exists())
    snakefile.write_text(INSTANT + snakefile.read_text())
    study = yaml.safe_load((folder / "config/config.yaml").read_text())
    study["finetuning"] |= {"seeds": list(range(1, -(-jobs // CELLS) + 1)), "runs_per_job": 1}
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder


def _run(folder: Path) -> JobCosts:
    """Run the workflow of a checkout.

    Raises:
        Ended: it fails.
        Unequal: Snakemake and SLURM have not made the same jobs, or Snakemake still has something to do.
    """
    times = folder / "times"
    times.mkdir()
    path = os.pathsep.join(map(str, (folder / "workflow", CHECKOUT)))
    environment = own_environment() | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "", PROCESSOR_TIMES: str(times)}
    words = ["--configfile", "study.yaml", "--workflow-profile", "profiles/slurm"]
    began = time.perf_counter()
    used = _used([sys.executable, "-m", "snakemake", *words], folder, environment)
    wall_seconds = time.perf_counter() - began
    submitted, ended = _submitted(folder), _ended(folder)
    if ended != dict.fromkeys(submitted, "COMPLETED"):
        odd = sorted(ended.items() ^ dict.fromkeys(submitted, "COMPLETED").items())
        raise Unequal(f"Snakemake submitted {len(submitted)} jobs, SLURM completed others: {odd[:10]}")
    again = [sys.executable, "-m", "snakemake", "--dry-run", *words[:2], "--cores", "1"]
    said = subprocess.run(again, cwd=folder, env=environment, text=True, capture_output=True, check=True)
    if "Nothing to be done" not in said.stdout + said.stderr:
        raise Unequal(f"Snakemake still has something to do: {said.stdout[-300:]}")
    in_jobs = sum(float(file.read_text()) for file in times.iterdir())
    return JobCosts(len(submitted), wall_seconds, used / len(submitted), in_jobs / len(submitted))


def _used(command: list[str], folder: Path, environment: Mapping[str, str]) -> float:
    """Run a command; return the seconds of the processor that it and the commands that it waited for took."""
    with (folder / "printed.txt").open("w") as printed:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=printed, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = (folder / "printed.txt").read_text()[-1000:]
        raise Ended(f"Snakemake ended with exit code {process.returncode}: {said}")
    return used.ru_utime + used.ru_stime


def _submitted(folder: Path) -> set[str]:
    """Return the ids of the jobs that Snakemake submitted."""
    logs = (log.read_text() for log in folder.glob(".snakemake/log/*.log"))
    return {number for log in logs for number in re.findall(r"has been submitted with SLURM jobid (\d+)", log)}


def _ended(folder: Path) -> dict[str, str]:
    """Return the states of a folder's jobs by id, as SLURM knows them."""
    jobs = subprocess.run(["scontrol", "show", "jobs"], text=True, capture_output=True, check=True).stdout
    own = [job for job in jobs.split("\n\n") if f"WorkDir={folder}\n" in job]
    return {job.split()[0].removeprefix("JobId="): job.split("JobState=")[1].split()[0] for job in own}
