"""Run a command to its end, and say what it and all that it started used, or kill it with all of that."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from bench.workers import Ended

SECONDS_BETWEEN_LOOKS = 0.05


class Used(NamedTuple):
    """What a command used."""

    wall_seconds: float
    processor_seconds: float
    """Of user and system, of all its processes."""
    memory: float
    """MiB at the peak: the processes' sum at one moment, memory that they share counted once (PSS)."""


def run_command(command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> Used:
    """Run a command.

    Raises:
        Ended: it fails; the last of what it said.
    """
    began, peak = time.perf_counter(), 0.0
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, cwd=folder, env=os.environ | dict(environment or {}), stdout=said, stderr=subprocess.STDOUT
        )
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            peak = max(peak, _memory(process.pid))
            time.sleep(SECONDS_BETWEEN_LOOKS)
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        if process.returncode:
            said.seek(0)
            words = " ".join(command[:4])
            raise Ended(f"{words} ended with exit code {process.returncode}: {said.read().strip()[-300:]}")
    return Used(time.perf_counter() - began, ended[2].ru_utime + ended[2].ru_stime, peak)


def _memory(identity: int) -> float:
    """Return the memory of a process and its descendants, in MiB."""
    total = 0
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(identity)
        for process in (root, *root.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
    return total / 2**20


def smelt(*words: object) -> list[str]:
    """Return the words of one of smelt's commands."""
    return [sys.executable, "-m", "smelt", *map(str, words)]


def own_environment() -> dict[str, str]:
    """Return this process's environment, with the package to be found as this process finds it."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "HF_HUB_OFFLINE": "1"}


def kill_all(process: psutil.Process) -> None:
    """Kill a process and all that it has started, as a scheduler does that ends a job; no error if they have ended."""
    family = [process]
    with contextlib.suppress(psutil.NoSuchProcess):
        family += process.children(recursive=True)
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(signal.SIGKILL)
    psutil.wait_procs(family)
