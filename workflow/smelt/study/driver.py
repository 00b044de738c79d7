"""The lock of the process that drives a study's workflow, and what it clears up after a run that was killed.

Snakemake's own lock names no owner: after a kill nobody can see whether it still counts, and `--unlock` is left to the
user. This one takes its place. It lies in the study's results, so that it also keeps apart two users or checkouts that
share them. Files that several studies use, such as dumps, are compared with those of other runs in the same folder.
"""

import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.files import read_json, write_json
from smelt.study.paths import Paths
from smelt.training.lock import Holder, InUse, Lock

MARK = "SMELT_RUN"
"""Variable in the environment of a driver and of its jobs: the run that they belong to."""
LOCK, FILES = "lock", "files.json"
GRACE = 60.0  # seconds in which jobs that outlived their driver keep a checkpoint and end


@dataclass(frozen=True)
class StudyRun:
    """A run of a study, by which its driver's jobs are known."""

    job: str
    """The SLURM job that the driver runs in; `-` if none."""
    folder: str
    """The folder of the study's lock, absolute; empty where nobody holds a lock (`--nolock`)."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "StudyRun":
        """Return the run that a process belongs to, from its environment."""
        job, _, folder = environment.get(MARK, "").partition(" ")
        return cls(job, folder)

    def __str__(self) -> str:
        """The value of the variable."""
        return f"{self.job} {self.folder}"

    def successor(self) -> Holder | None:
        """Return the process that drives the study in the place of this one; None where none is seen."""
        with suppress(OSError):
            if self.folder and (holder := Lock(Path(self.folder) / LOCK).living_holder()) and not holder.is_me:
                return holder
        return None


class Driver:
    """The process that drives the workflow of one study."""

    def __init__(self, paths: Paths) -> None:
        """Take the study's folders."""
        self.paths = paths
        self.folder = Path(paths.run)
        self.lock = Lock(self.folder / LOCK, where=paths.where, lost=self._stop)

    @contextmanager
    def drive(self, dag: Any) -> Iterator[None]:
        """Hold the study's lock; clear up first what a killed run left.

        Args:
            dag: Snakemake's jobs.

        Raises:
            SmeltError: another run of the study goes on, or one of another study that makes or reads the same files.
            OSError: the results cannot be written to.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self.lock.acquire()
        except InUse as error:
            raise SmeltError(
                self.paths.where, f"{_describe(error.holder)} is going on. Wait for it, or end it there"
            ) from None
        try:
            self._claim_shared(dag)
            self._end_orphans()
            if self.lock.predecessor:
                self._report_incomplete(dag)
            os.environ[MARK] = str(StudyRun(os.environ.get("SLURM_JOB_ID", "-"), str(self.folder.resolve())))
            yield
        finally:
            if self.lock.is_held():  # else the files are those of another run
                (self.folder / FILES).unlink(missing_ok=True)
            self.lock.release()

    def _stop(self, fate: str) -> None:
        """Start no further job: a machine that slept, or was cut off, may find that another one goes on."""
        self._report(f"the lock of this run was {fate}: it starts no further jobs")
        os.kill(os.getpid(), signal.SIGTERM)

    def _claim_shared(self, dag: Any) -> None:
        """Record which files outside the study's own folders this run makes and reads.

        Raises:
            SmeltError: another run makes one of them, or reads one that this run makes.
        """
        jobs = list(dag.needrun_jobs())
        made = {str(file) for job in jobs for file in job.output if not self._is_own(str(file))}
        read = {str(file) for job in jobs for file in job.input if not self._is_own(str(file))}
        write_json(self.folder / FILES, {"made": sorted(made), "read": sorted(read)})
        for other in {*self.folder.parents[1].glob(f"*/{self.folder.name}")} - {self.folder}:
            holder, theirs = Lock(other / LOCK).living_holder(), other / FILES
            if holder is None or not theirs.exists():  # it begins only now, and will find the files of this run
                continue
            files = read_json(theirs)
            if common := (made | read) & {*files["made"]} | made & {*files["read"]}:
                raise SmeltError(
                    min(common), f"in use by study {other.parent.name}: {_describe(holder)} is going on. Wait for it"
                )

    def _is_own(self, file: str) -> bool:
        folders = (self.paths.results, self.paths.logs, self.paths.benchmarks, self.paths.checkpoints)
        return file.startswith(tuple(f"{folder}/" for folder in folders))

    def _end_orphans(self) -> None:
        """End the jobs of an earlier run on this machine: they would write beside those of this run.

        What they make would be made again in any case, because nobody records what it was made from; trainings keep a
        checkpoint first. Another user's jobs cannot be ended, and without /proc none is seen: there only the locks of
        trainings keep two apart.
        """
        if not (found := self._orphans()):
            return
        self._report(f"ending jobs that outlived the run before: processes {_list(found)}")
        for process in found:
            for number in (signal.SIGTERM, signal.SIGCONT):  # a stopped process would not end
                with suppress(ProcessLookupError):
                    os.kill(process, number)
        until = time.monotonic() + GRACE
        while (found := self._orphans()) and time.monotonic() < until:
            time.sleep(0.1)
        if found:
            self._report(f"processes {_list(found)} have not ended in {GRACE:.0f} s; this run does not wait for them")

    def _orphans(self) -> list[int]:
        """Return the processes that a run of the study started on this machine, and not as SLURM jobs of their own."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # another user's, or gone
                words = (folder / "environ").read_bytes().decode(errors="surrogateescape").split("\0")
                environment = dict(word.partition("=")[::2] for word in words)
                run = StudyRun.read(environment)
                submitted = environment.get("SLURM_JOB_ID", run.job) != run.job
                if run.folder == str(self.folder.resolve()) and not submitted and int(folder.name) != os.getpid():
                    found.append(int(folder.name))
        return sorted(found)

    def _report_incomplete(self, dag: Any) -> None:
        """Report what the killed run left incomplete."""
        incomplete = dag.workflow.persistence.incomplete
        if number := sum(bool(dag.workflow.async_run(incomplete(job))) for job in dag.needrun_jobs()):
            jobs = "1 interrupted job goes on or runs" if number == 1 else f"{number} interrupted jobs go on or run"
            self._report(f"{jobs} again")

    def _report(self, line: str) -> None:
        print(f"smelt: {self.paths.where}: {line}", file=sys.stderr, flush=True)


def _describe(holder: Holder) -> str:
    began = holder.fields.get("started")
    at = f" at {datetime.fromtimestamp(began / 1e9):%Y-%m-%d %H:%M:%S}" if isinstance(began, int) else ""
    return f"a run that {holder} began{at}"


def _list(processes: Iterable[int]) -> str:
    return ", ".join(map(str, processes))
