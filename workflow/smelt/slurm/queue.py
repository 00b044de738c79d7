"""Ask SLURM's controller about jobs: one `squeue` for all of them, `scontrol show job` for why one ended.

Accounting (`sacct`) is never asked: many clusters have none, and then it may wait for ever.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from smelt.errors import SmeltError

ANSWER = 60.0  # seconds that a command may take
UNANSWERED = re.compile(
    r"[Uu]nable to contact slurm controller|[Ss]ocket timed out|Connection (refused|timed out|reset)|Zero Bytes"
    r"|Unexpected message|[Cc]ommunication (connection failure|shutdown)|[Tt]emporarily (unable|unavailable)"
    r"|[Cc]ontroller not responding|Network is unreachable|No route to host|in standby mode|munge"
    r"|[Cc]ould not establish a configuration source|I/O error writing script"
)
"""Errors that pass when the controller answers again."""
COMPLAINT = re.compile(r"(?:(\w+): (?:error|fatal): )?(.*\S.*)")
"""A line of errors: the command, and what it says."""
ENDED = frozenset(
    {"COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "BOOT_FAIL", "DEADLINE", "PREEMPTED"}
)
"""States of jobs that have ended; SLURM has a dozen of others."""


class NoAnswer(SmeltError):
    """The controller does not answer."""


class Refused(SmeltError):
    """The controller answers that it will not do what it was asked, in SLURM's own words; or no command can ask it."""


class NoCommand(Refused):
    """SLURM is not on this machine."""


@dataclass(frozen=True)
class Listed:
    """A job as `squeue` lists it."""

    state: str
    comment: str

    @property
    def active(self) -> bool:
        """Whether it waits, runs or is about to end."""
        return self.state not in ENDED


def ask(command: Sequence[str], script: str | None = None) -> str:
    """Return what a command of SLURM prints.

    Args:
        command: the command and its flags.
        script: its standard input.

    Raises:
        NoAnswer: the controller does not answer.
        Refused: it answers with an error.
    """
    try:
        done = subprocess.run(
            command, input=script, stdin=None if script else subprocess.DEVNULL, text=True, capture_output=True,
            timeout=ANSWER, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise NoAnswer(command[0], f"no answer in {ANSWER:.0f} s: is the controller up?") from None
    except FileNotFoundError:
        mend = "run it where SLURM's commands are, such as a login node"
        raise NoCommand(command[0], f"no such command: {mend}") from None
    if done.returncode:
        found = [match.groups() for line in done.stderr.splitlines() if (match := COMPLAINT.fullmatch(line))]
        where = next((name for name, _ in found if name), command[0])
        said = [words for _, words in found]
        if UNANSWERED.search(done.stderr):
            raise NoAnswer(where, said[-1])
        raise Refused(where, "; ".join(said) or f"exit code {done.returncode}")
    return done.stdout


def listed(others: Iterable[str] = ()) -> dict[str, Listed]:
    """Return this user's jobs by id: those that wait or run, and those that SLURM has not yet forgotten.

    Args:
        others: users whose jobs are listed, too, where SLURM shows them.

    Raises:
        NoAnswer: the controller does not answer.
        Refused: it answers with an error.
    """
    jobs, users = {}, ",".join([str(os.getuid()), *sorted(others)])
    for line in ask(["squeue", "--noheader", f"--user={users}", "--states=all", "--format=%i %T %k"]).splitlines():
        number, state, comment = [*line.split(" ", 2), "", ""][:3]
        jobs[number] = Listed(state, comment.strip())
    return jobs


def of_others() -> list[tuple[str, str]]:
    """Return the user and the comment of each job of others that waits or runs, where SLURM shows them.

    Raises:
        NoAnswer: the controller does not answer.
        Refused: it answers with an error.
    """
    lines = ask(["squeue", "--noheader", "--format=%U %k"]).splitlines()
    jobs = [(user, comment.strip()) for user, _, comment in (line.partition(" ") for line in lines)]
    return [(user, comment) for user, comment in jobs if user != str(os.getuid())]


def hides_others() -> bool:
    """Return whether SLURM shows a user no jobs of others.

    Raises:
        NoAnswer: the controller does not answer.
        Refused: it answers with an error.
    """
    return re.search(r"^PrivateData\s*=.*\bjobs\b", ask(["scontrol", "show", "config"]), re.MULTILINE) is not None


def details(job: str) -> dict[str, str]:
    """Return the facts that `scontrol show job` prints: `ExitCode`, `Reason`, `NodeList` and more; empty if forgotten.

    Raises:
        NoAnswer: the controller does not answer.
    """
    try:
        answer = ask(["scontrol", "--oneliner", "show", "job", job])
    except Refused:
        return {}
    return dict(re.findall(r"(\w+)=(\S*)", answer))


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs. SLURM sends them SIGTERM first, so that trainings keep a checkpoint.

    Raises:
        NoAnswer: the controller does not answer.
        Refused: it answers with an error.
    """
    if jobs:
        ask(["scancel", *jobs])
