"""Read what a job on SLURM leaves behind: a file of exit codes, which lasts longer than SLURM's memory of the job.

The job's script (`job_script`) writes the file `.snakemake/slurm_jobs/<job id>`: its tag first, then the exit code of
each command of smelt (`smelt.logs.record_exit`), at last its own.
"""

from dataclasses import dataclass
from pathlib import Path

from smelt.logs import TAIL

FOLDER = Path(".snakemake/slurm_jobs")
END = "job"  # before the exit code of the job's script


@dataclass(frozen=True)
class JobRecord:
    """A job's file."""

    tag: str
    """The comment of the job in SLURM."""
    codes: tuple[int, ...]
    """Exit codes of commands of smelt, in the order in which they ended."""
    end: int | None
    """Exit code of the job's script; None if it was killed, or has not ended."""


def read(folder: Path, job: str) -> JobRecord | None:
    """Return the record of a job; None where there is none yet."""
    try:
        list(folder.iterdir())  # makes a network file system look again
        tag, *lines = (folder / job).read_text(errors="replace").splitlines()
    except (OSError, ValueError):
        return None
    words = [line.split() for line in lines]
    ends = [int(word[1]) for word in words if len(word) == 2 and word[0] == END and word[1].isdigit()]
    codes = [int(word[0]) for word in words if len(word) == 1 and word[0].isdigit()]
    return JobRecord(tag, tuple(codes), ends[-1] if ends else None)


def end_of(log: Path) -> str:
    """Return the end of SLURM's own log of a job; nothing where there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - TAIL))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""


def forget(folder: Path, job: str) -> None:
    """Remove the record of a job whose end has been reported."""
    (folder / job).unlink(missing_ok=True)
