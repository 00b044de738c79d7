"""Read and write the frame of a job's log: the command that wrote it, the progress, and how it ended.

The first line of a log is the job's command, ready to paste; the last one says how it ended. Snakemake's screen and
`smelt watch` read both, on any machine that sees the file.
"""

import glob
import os
import re
import shlex
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.environment import hide_secrets, paths_of
from smelt.errors import RESUMABLE

if TYPE_CHECKING:
    from smelt.training.progress import Position

QUIET = 120.0  # seconds without a line after which a training, which prints one every few seconds, may be stuck
HALF_A_DAY = 12 * 3600.0  # seconds
COMMAND = 2**22  # bytes of a command at most: twice what Linux allows
TAIL = 16_384  # bytes that are read of a log's end
EXIT_CODES = "SMELT_EXIT_CODES"  # names the file to which the commands of a job on a cluster add their exit codes
LOGS_KEPT = 20  # of attempts of one job
MOST_AFTER_END = 20  # lines that libraries print as Python ends
STATE = 200  # characters of a line that show how far a job is

_CLOCK = r"\d\d:\d\d:\d\d  "
_COMMAND = re.compile(r" -m smelt (?:job )?(\S+)")
_END = re.compile(rf"{_CLOCK}(finished|ended with exit code \d+) after (.+)")


def is_log() -> bool:
    """Return whether all that this process prints goes into one file or pipe, and torchrun or srun did not start it."""
    try:
        output, errors = os.fstat(1), os.fstat(2)
    except OSError:  # closed
        return False
    together = (output.st_dev, output.st_ino) == (errors.st_dev, errors.st_ino) and not os.isatty(1)
    # What torchrun and srun start (smelt.training.launch) writes into the log of the process that started it.
    return together and not {"TORCHELASTIC_RUN_ID", "SMELT_RENDEZVOUS"} & os.environ.keys()


def command_line(words: list[str], variables: Iterable[str] = ()) -> str:
    """Return a command of smelt as a line of shell that does the same from any folder, in any environment.

    Jobs write paths relative to the folder that they run in, import smelt from a checkout that
    need not be installed, and learn the study's country from the environment.

    Args:
        words: the command and its flags.
        variables: names of environment variables that the command fills in from files; the line sets them, and those
            in its words, where they are paths of this machine, and so no secrets.
    """
    package = str(Path(__file__).parents[1])
    environment = []
    if package in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        environment.append(f"PYTHONPATH={shlex.quote(package)}")
    paths = paths_of(" ".join([*words, *(f"${{{name}}}" for name in variables)]))
    for name in ("SMELT_COUNTRY", *paths):
        if value := os.environ.get(name):
            environment.append(f"{name}={shlex.quote(value)}")
    command = shlex.join([sys.executable, "-m", "smelt", *map(hide_secrets, words)])
    return " ".join([f"cd {shlex.quote(str(Path.cwd()))} &&", *environment, command])


def ending(code: int, seconds: float) -> str:
    """Return the last line of a job's log."""
    how = f"ended with exit code {code}" if code else "finished"
    return f"{time.strftime('%H:%M:%S')}  {how} after {duration(seconds)}"


def keep_earlier(log: Path) -> None:
    """Move the log of an attempt that did not finish to `<log>.<n>`; remove those of attempts before one that did.

    Attempts are counted from 1, and the logs of the last 20 are kept.
    """
    with suppress(FileNotFoundError):
        last = log.read_text(errors="replace").splitlines()[-MOST_AFTER_END:]
        found = (path.suffix[1:] for path in log.parent.glob(f"{glob.escape(log.name)}.*"))
        earlier = sorted(int(number) for number in found if number.isdecimal())
        if any(end and end[1] == "finished" for end in map(_END.fullmatch, last)):
            unwanted = earlier
        else:
            log.replace(f"{log}.{max(earlier, default=0) + 1}")
            unwanted = earlier[: 1 - LOGS_KEPT]
        for number in unwanted:
            Path(f"{log}.{number}").unlink(missing_ok=True)


def keeping_logs(remove: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
    """Return what Snakemake calls before a job runs, to remove what it made before: its log of a failed attempt stays.

    Args:
        remove: what Snakemake calls itself; it removes logs, too.
    """

    async def keep_and_remove(job: Any) -> None:
        for log in job.log:
            keep_earlier(Path(log))
        await remove(job)

    return keep_and_remove


def record_exit(code: int) -> None:
    """Add a command's exit code to the file that a job on a cluster keeps for that (`smelt.slurm.records`)."""
    if path := os.environ.get(EXIT_CODES):
        with Path(path).open("a") as stream:
            stream.write(f"{code}\n")


def duration(seconds: float) -> str:
    """Return a time in hours, minutes and seconds."""
    return str(timedelta(seconds=round(seconds)))


@dataclass(frozen=True)
class JobLog:
    """The content of a log at one time."""

    command: str
    """The command of smelt; empty where the log does not open with one."""
    position: "Position | None"
    """The progress, where the job prints it."""
    lines: list[str]
    """The last lines, without the command and the end."""
    end: str | None
    """`finished` or `ended with exit code <n>`; None where the job runs, or was killed."""
    took: str | None
    changed: float
    """When the file was last written, in seconds since 1970."""
    size: int
    """Of the file, in bytes."""

    @property
    def finished(self) -> bool:
        """Whether the job reached its end."""
        return self.end == "finished"

    @property
    def resumes(self) -> bool:
        """Whether the job was stopped, and continues from there when it is run again."""
        return self.end == f"ended with exit code {RESUMABLE}"

    @property
    def failed(self) -> bool:
        """Whether the job ended with an error."""
        return self.end is not None and not self.finished

    def is_of(self, path: Path) -> bool:
        """Return whether the file is still as it was when it was read."""
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_mtime, status.st_size) == (self.changed, self.size)

    def state(self, now: float) -> str:
        """Return the progress of a running job, in words."""
        said = self.position.words() if self.position else self.lines[-1] if self.lines else ""
        said = re.sub(rf"^{_CLOCK}", "", said)
        said = said if len(said) <= STATE else f"{said[: STATE - 1]}…"
        if now - self.changed < QUIET:
            return said
        form = "%H:%M" if now - self.changed < HALF_A_DAY else "%Y-%m-%d %H:%M"
        since = time.strftime(form, time.localtime(self.changed))
        return "  ".join(filter(None, [said, f"no line since {since}"]))

    def complaint(self) -> list[str]:
        """Return the lines that explain why a job failed: smelt's own message, or else the last lines of the log."""
        for first in range(len(self.lines) - 1, -1, -1):
            if self.lines[first].startswith("smelt: ") and not self.lines[first].startswith("smelt: warning"):
                rest = self.lines[first + 1 :]
                more = next((number for number, line in enumerate(rest) if not line.startswith("    ")), len(rest))
                return [self.lines[first], *rest[:more]]
        return self.lines[-3:]


def read_log(path: Path) -> JobLog | None:
    """Return the present content of a log; None where there is none."""
    from smelt.training.progress import Position  # here, because it loads torch

    try:
        with path.open("rb") as stream:
            first = stream.readline(COMMAND)
            command = _COMMAND.search(first.decode(errors="replace"))
            status = os.fstat(stream.fileno())
            start = max(status.st_size - TAIL, len(first) if command else 0)
            stream.seek(max(start - 1, 0))
            tail = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return None
    # Before what begins at `start` stands the end of a line, or of a part of one.
    lines = [line for line in tail[1 if start else 0 :] if line.strip()]
    ends = [_END.fullmatch(line) for line in lines]  # libraries may still print something as Python ends
    lines = [line for line, end in zip(lines, ends, strict=True) if not end]
    end = next(filter(None, reversed(ends)), None)
    found = (Position.read(line) for line in reversed(lines))
    position = next((position for position in found if position), None)
    return JobLog(
        command=command[1] if command else "",
        position=position,
        lines=lines,
        end=end[1] if end else None,
        took=end[2] if end else None,
        changed=status.st_mtime,
        size=status.st_size,
    )
