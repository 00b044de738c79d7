"""Commands of SLURM that answer from files, and an executor that asks them."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from smelt.slurm import job_script, records
from smelt.slurm.executor import Executor

COMMANDS = ("squeue", "scontrol", "sbatch", "scancel", "sinfo")


class Slurm:
    """Programs named as SLURM's, on the PATH: each prints a file, and notes its words."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in COMMANDS:
            program = self.programs / name
            program.write_text(
                f'#!/bin/sh\necho "$@" >> {folder}/{name}.asked\n[ -e {folder}/away ] && {{ echo "{name}: error: '
                f'$(cat {folder}/away)" >&2; exit 1; }}\ncat {folder}/{name}.answer\n'
            )
            program.chmod(0o755)
            self.answer(name, "")

    def answer(self, name: str, text: str) -> None:
        (self.folder / f"{name}.answer").write_text(text)

    def asked(self, name: str) -> list[str]:
        path = self.folder / f"{name}.asked"
        return path.read_text().splitlines() if path.exists() else []

    def away(self, is_away: bool, error: str = "Unable to contact slurm controller (connect failure)") -> None:
        path = self.folder / "away"
        path.write_text(error) if is_away else path.unlink()


class Watched(Executor):
    """The executor without Snakemake: it keeps what it would report."""

    def __init__(self, folder: Path) -> None:
        self.said: list[str] = []
        self.reported: list[tuple[str, str, str]] = []
        self.submitted: list[Any] = []
        say = self.said.append
        self.logger = SimpleNamespace(info=say, warning=say, error=say)
        self.silent_since = None
        self.messages, self.lacked = {}, {}
        self.pacing, self.turn = threading.Lock(), 0.0
        self.run_uuid = "of this run"
        self.stopping, self.looking, self.orphans = threading.Event(), threading.Lock(), None
        self.slurm_logdir = folder / "slurm_logs"
        self.dag = SimpleNamespace(jobs=[], needrun_jobs=list)
        self._main_event_loop = None
        self.ends: list[Exception] = []
        self.records = folder / records.FOLDER
        self.records.mkdir(parents=True)
        self.status_rate_limiter = _NoLimit()
        self.workflow = SimpleNamespace(
            execution_settings=SimpleNamespace(latency_wait=0),
            executor_settings=SimpleNamespace(keep_successful_logs=False, growth=2.0, seconds_between_submissions=0),
            dag_settings=SimpleNamespace(targets=set(), until=set(), omit_from=set()),
            scheduler=SimpleNamespace(_user_kill=None, executor_error_callback=self.ends.append),
        )
        self._job_submission_executor = SimpleNamespace(submit=lambda _, job: self.submitted.append(job))

    def _request(self, *_: object) -> str:
        return "sbatch"

    def format_job_exec(self, _: object) -> str:
        return f'echo "${job_script.MINUTES}"'

    def report_job_submission(self, job_info: SubmittedJobInfo, **_: object) -> None:
        self.submitted.append(job_info.external_jobid)

    def report_job_success(self, job_info: SubmittedJobInfo) -> None:
        self.reported.append((job_info.external_jobid, "done", ""))

    def report_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None, **_: object) -> None:
        tried = "to be tried again" if job_info.job.attempt <= job_info.job.restart_times else "failed"
        self.reported.append((job_info.external_jobid, tried, msg or ""))

    async def look(self, *jobs: SubmittedJobInfo) -> list[str]:
        """Look at jobs, and return the ids of those that have not ended."""
        return [job.external_jobid async for job in self.check_active_jobs(list(jobs))]


class _NoLimit:
    async def __aenter__(self) -> None: ...

    async def __aexit__(self, *_: object) -> None: ...


class Job:
    """What the executor asks of Snakemake's jobs."""

    def __init__(self, log: str = "logs/small/models/wide.log", attempt: int = 1) -> None:
        self.log, self.name, self.restart_times, self._attempt = [log], "pretrain", 2, attempt
        self.params: dict[str, str] = {}
        self.resources = {"runtime": 60}

    def is_group(self) -> bool:
        return False

    @property
    def attempt(self) -> int:
        return self._attempt
