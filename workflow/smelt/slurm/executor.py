"""Snakemake's executor `smelt-slurm`: that of snakemake-executor-plugin-slurm, made to outlive what breaks around it.

The plugin writes the requests of a job. What differs:

- A job runs one Snakemake, which runs the job's command itself; the plugin's has a second one started by `srun`.
- One `squeue` asks for all jobs, and a controller that does not answer is waited for.
- A job that SLURM has forgotten is decided by the record that it left (`records`).
- A job that stopped at its time limit and kept a new checkpoint is submitted again; that is no attempt.
- An error that cannot change is not tried again.
- A job that outlived the Snakemake that submitted it is taken over, or cancelled where it is not wanted (`orphans`).
"""

import asyncio
import os
import re
import shlex
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from snakemake_executor_plugin_slurm import Executor as SlurmExecutor
from snakemake_executor_plugin_slurm.submit_string import get_submit_command
from snakemake_executor_plugin_slurm.utils import delete_slurm_environment, get_job_wildcards, set_gres_string
from snakemake_executor_plugin_slurm.validation import validate_or_get_slurm_job_id, validate_slurm_extra
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.settings import ExecutorSettingsBase

from smelt.logs import duration, read_log
from smelt.slurm import job_script, queue, records
from smelt.slurm.endings import Ending, Next, ending
from smelt.slurm.orphans import Orphans, OutOfSight, Tag, last_checkpoint, name_of, tag_of
from smelt.slurm.queue import Listed, NoAnswer, NoCommand, Refused
from smelt.study.driver import StudyRun

SAME = 3  # ends of a job in a row with the same message, after which it is not submitted again
PATIENCE = 15.0  # seconds between two attempts to submit while the controller does not answer
BUSY = re.compile("(Max|Grp)Submit")
"""In SLURM's answers that a user or group has as many jobs as allowed: it takes more when some have ended."""


class _RunEnds(Exception):
    """No further job is submitted."""


def _flag(text: str) -> dict[str, Any]:
    return {"help": text, "env_var": False, "required": False}


@dataclass
class ExecutorSettings(ExecutorSettingsBase):  # type: ignore[misc]
    """The flags of the executor, `--smelt-slurm-...`."""

    partition: str = field(default="", metadata=_flag("Partition of jobs without a GPU; by default SLURM's own."))
    gpu_partition: str = field(
        default="", metadata=_flag("Partition of jobs with GPUs; by default that of the others.")
    )
    gpu_type: str = field(default="", metadata=_flag("Type of the GPUs, as SLURM names it (its GRES)."))
    growth: float = field(
        default=2.0,
        metadata=_flag("By how much a request grows with an attempt: memory after a kill, time after a time limit."),
    )
    seconds_between_submissions: float = field(
        default=0.6,
        metadata=_flag("Seconds at least between two submissions, so that the controller can keep up."),
    )
    qos: str = field(default="", metadata=_flag("Quality of service of all jobs."))
    reservation: str = field(default="", metadata=_flag("Reservation of all jobs."))
    partition_config: str = field(
        default="", metadata=_flag("YAML file of partitions and limits, from which each job gets one that it fits.")
    )
    logdir: str = field(default="", metadata=_flag("Folder of SLURM's own logs; by default .snakemake/slurm_logs."))
    keep_successful_logs: bool = field(
        default=False, metadata=_flag("Keep SLURM's own logs of jobs that succeeded, too.")
    )
    delete_logfiles_older_than: int = field(
        default=10, metadata=_flag("Days after which SLURM's own logs are deleted; 0 keeps them.")
    )
    exclude_failed_nodes: str = field(default="", metadata=_flag("Nodes that jobs avoid, with commas between them."))

    # What the plugin asks of its own settings, and is no choice here.
    array_jobs: ClassVar[None] = None  # tasks of arrays delete each other's outputs
    array_limit: ClassVar[int] = 1000
    requeue: ClassVar[bool] = False  # Snakemake owns the attempts
    no_requeue: ClassVar[bool] = True
    jobname_prefix: ClassVar[str] = ""
    efficiency_report: ClassVar[bool] = False  # asks sacct
    pass_command_as_script: ClassVar[bool] = False
    status_command: ClassVar[None] = None


class Executor(SlurmExecutor):  # type: ignore[misc]
    """Submits jobs, watches them, and reports how they ended."""

    def __init__(self, workflow: Any, logger: Any) -> None:
        """Start without jobs; inside of a SLURM job, forget that job's settings."""
        self.stopping = threading.Event()
        self.silent_since: float | None = None
        self.pacing, self.turn = threading.Lock(), 0.0  # when the next job may be submitted, of the monotonic clock
        self.messages: dict[str, Counter[str]] = {}  # of jobs that were stopped: how often in a row
        self.lacked: dict[str, Counter[str]] = {}  # of failed jobs: how many attempts ended for want of memory, of time
        delete_slurm_environment()
        super().__init__(workflow, logger)

    def __post_init__(self, test_mode: bool = False) -> None:
        """Make the folder of records, and look for jobs that earlier runs left: perhaps nothing is submitted now."""
        super().__post_init__(test_mode)
        self.records = records.FOLDER.absolute()
        self.records.mkdir(parents=True, exist_ok=True)
        self.orphans: Orphans | None = None
        self.looking = threading.Lock()
        with suppress(NoCommand):  # an error once a job is to be submitted
            self._look()

    # ---- submission

    def run_job(self, job: Any) -> None:
        """Submit a job, however long that takes; a request that SLURM refuses is the job's error."""
        try:
            submitted = self._submit(job)
            self._report_job_submission_threadsafe(submitted)
            if self.stopping.is_set():  # too late for `cancel`
                self.cancel_jobs([submitted])
        except _RunEnds:
            if not self._is_succeeded():  # Snakemake would remove what another run makes
                _last_attempt(job)
                self._report_job_error_threadsafe(SubmittedJobInfo(job), "not submitted: this run ends")
        except OutOfSight as error:
            _last_attempt(job)
            self._report_job_error_threadsafe(SubmittedJobInfo(job), str(error))
        except (Refused, WorkflowError) as error:
            _last_attempt(job)  # it would be refused again
            self._report_job_error_threadsafe(SubmittedJobInfo(job), f"SLURM did not take it: {error}")
        except Exception as error:
            self.logger.error(f"cannot submit {name_of(job)}: {error}", exc_info=True)
            self._report_job_error_threadsafe(SubmittedJobInfo(job), f"cannot be submitted: {error}")

    def _submit(self, job: Any) -> SubmittedJobInfo:
        validate_slurm_extra(job)
        wildcards = get_job_wildcards(job)
        kind = f"group_{job.name}" if job.is_group() else f"rule_{job.name}"
        log = self.slurm_logdir / kind / wildcards / "%j.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        tag = tag_of(job, self._study)
        number, ending = self._claim(job, tag)
        before = last_checkpoint(job)
        if number is None:
            number = self._sbatch(self._request(job, str(tag), log, ending), self._script(job, tag), tag, name_of(job))
        log = log.with_name(f"{number}.log")
        self.logger.info(f"Job {job.jobid} has been submitted with SLURM jobid {number} (log: {log}).")
        return SubmittedJobInfo(job, external_jobid=number, aux={"slurm_logfile": log, "before": before})

    @property
    def _study(self) -> str:
        """Names the study and the folder that it runs in: its jobs are known by that."""
        return f"{Path.cwd()} {StudyRun.read(os.environ).folder or self.run_uuid}"  # without a lock, this run alone

    def _look(self) -> Orphans | None:
        """Look once for the jobs that earlier runs left. Return them; None if SLURM does not list its jobs now.

        Raises:
            NoCommand: SLURM is not on this machine.
        """
        with self.looking:
            if self.orphans is None:
                found = Orphans(self.records, self._study, lambda line: self.logger.info(f"smelt: {line}"))
                asked = self.workflow.dag_settings
                whole = not (asked.targets or asked.until or asked.omit_from)
                try:
                    found.find(list(self.dag.jobs), list(self.dag.needrun_jobs()), whole)
                    self.orphans = found
                except NoCommand:
                    raise
                except (NoAnswer, Refused) as error:
                    self.logger.info(f"smelt: nothing is submitted before SLURM lists its jobs: {error}")
            return self.orphans

    def _claim(self, job: Any, tag: Tag) -> tuple[str | None, list[str]]:
        """Return what `Orphans.claim` does, however long SLURM does not answer."""
        while not self._is_ending():
            try:
                if left := self._look():
                    return left.claim(job, tag)
            except NoAnswer as error:
                self.logger.info(f"smelt: {name_of(job)} waits to be submitted: {error}")
            self.stopping.wait(PATIENCE)
        raise _RunEnds

    def _is_ending(self) -> bool:
        """Return whether no further job is to be submitted: the run was asked to end, or another drives the study."""
        signalled = getattr(self.workflow.scheduler, "_user_kill", None) is not None
        return signalled or self.stopping.is_set() or self._is_succeeded()

    def _is_succeeded(self) -> bool:
        """Return whether another process drives the study now.

        If so, end this run and report no end of a job: all jobs are the other's, and Snakemake would remove the results
        of those that count as failed here.
        """
        if (successor := StudyRun.read(os.environ).successor()) is None:
            return False
        line = f"smelt: {successor} drives the study now. This run ends; its jobs on SLURM go on for that one"
        self.workflow.scheduler.executor_error_callback(WorkflowError(line))
        return True

    def _script(self, job: Any, tag: Tag) -> str:
        factor, minutes = self._growth(job, "time"), job.resources.get("runtime")
        grown = int(minutes * factor) if minutes and factor > 1 and not job.is_group() else None
        return job_script.script(self.records, str(tag), self.format_job_exec(job), grown)

    def format_job_exec(self, job: Any) -> str:
        """Return the command of a job: a Snakemake that runs the rule's command, as a step of the job."""
        python = self.get_python_executable()
        command = super().format_job_exec(job)
        return str(command.replace(f"{python} -m snakemake", f"{job_script.step(job)}{python} -m smelt.slurm", 1))

    def additional_general_args(self) -> str:
        """Return no arguments: without any, the job's Snakemake has its local executor."""
        return ""

    @property
    def cores(self) -> str:
        """How many cores the job's Snakemake may use: those of the node that SLURM lets it see."""
        return "all"

    def _request(self, job: Any, comment: str, log: Path, ending: list[str]) -> str:
        """Return the command that submits a job: after the end of others that are cancelled and make the same."""
        params = {
            "run_uuid": self.run_uuid,
            "slurm_logfile": log,
            "comment_str": comment,
            "account": self._account(job),
            "partition": self.get_partition_arg(job),
            "workdir": self.workflow.workdir_init,
        }
        command = get_submit_command(job, params, self.workflow.executor_settings, self._failed_nodes)
        after = f" --dependency=afterany:{':'.join(ending)}" if ending else ""
        return f"{self._grown(command, job)}{self._gres(job)}{after} /dev/stdin"

    def _grown(self, command: str, job: Any) -> str:
        """Return the request of a job, with more of what earlier attempts lacked."""
        for flag, what in ((" --mem", "memory"), (" --mem-per-cpu", "memory"), (" -t", "time")):
            if found := re.search(rf"(?<={flag} )\d+", command):
                more = str(int(int(found[0]) * self._growth(job, what)))
                command = command[: found.start()] + more + command[found.end() :]
        return command

    def _growth(self, job: Any, what: str) -> float:
        """Return how many times what its rule asks for a job gets, of memory or time."""
        lacked = self.lacked.get(name_of(job), Counter())
        return float(self.workflow.executor_settings.growth ** lacked[what])

    def _gres(self, job: Any) -> str:
        """Return the flags of GPUs."""
        flags, kind = str(set_gres_string(job)), self.workflow.executor_settings.gpu_type
        return re.sub(r"--gpus=(?=\d)", f"--gpus={shlex.quote(kind)}:", flags) if kind else flags

    def _sbatch(self, command: str, script: str, tag: Tag, name: str) -> str:
        """Return the id of a submitted job. Wait while the controller does not answer or lets the user wait.

        Raises:
            Refused: SLURM does not take the job.
            _RunEnds: this run ends first.
        """
        unsure = False
        with self.pacing:
            turn = max(self.turn, now := time.monotonic())
            self.turn = turn + self.workflow.executor_settings.seconds_between_submissions
        if turn > now:
            self.stopping.wait(turn - now)
        while not self._is_ending():
            try:
                if unsure and (known := _with_comment(queue.listed(), tag)):
                    return known  # it was taken, and the answer got lost
                answer = queue.ask(["sh", "-c", command], script)
                return str(validate_or_get_slurm_job_id(answer.strip().split(";")[0], answer))
            except NoAnswer as error:
                unsure = True
                self.logger.info(f"smelt: {name} waits to be submitted: {error}")
            except Refused as error:
                if not BUSY.search(str(error)):
                    raise
                self.logger.info(f"smelt: {name} waits to be submitted: {error}")
            self.stopping.wait(PATIENCE)
        raise _RunEnds

    def _account(self, job: Any) -> str:
        """Return the flag of the account; without one SLURM takes the user's own."""
        return next(self.get_account_arg(job)) if job.resources.get("slurm_account") else ""

    def get_account_arg(self, job: Any) -> Iterator[str]:
        """Yield the flag of the account that a job names, which SLURM itself checks."""
        yield f" -A {shlex.quote(str(job.resources.slurm_account))}"

    def get_partition_arg(self, job: Any) -> str:
        """Return the flag of the partition: the job's own, or the profile's; without one SLURM takes its default."""
        if job.resources.get("slurm_partition") or self._partitions:
            return str(super().get_partition_arg(job))
        settings = self.workflow.executor_settings
        chosen = (job.resources.get("gpu") and settings.gpu_partition) or settings.partition
        return f" -p {shlex.quote(chosen)}" if chosen else ""

    # ---- what becomes of jobs

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Report the jobs that have ended, and yield the others: all while the controller is silent."""
        if not active_jobs:
            return
        async with self.status_rate_limiter:
            known = None if self._is_succeeded() else await self._listed()
        for job in active_jobs:
            if known is None or not await self._has_ended(job, known.get(job.external_jobid)):
                yield job

    async def _listed(self) -> dict[str, Listed] | None:
        """Return the jobs that SLURM knows; None if the controller does not answer."""
        try:
            known = await asyncio.to_thread(queue.listed, self.orphans.others if self.orphans else ())
        except (NoAnswer, Refused) as error:
            if self.silent_since is None:
                self.silent_since = time.time()
                since = time.strftime("%H:%M:%S")
                self.logger.warning(f"smelt: SLURM's controller has not answered since {since}, waiting ({error})")
            return None
        if self.silent_since is not None:
            away = duration(time.time() - self.silent_since)
            self.logger.warning(f"smelt: SLURM's controller answers again, after {away}")
            self.silent_since = None
        return known

    async def _has_ended(self, job: SubmittedJobInfo, found: Listed | None) -> bool:
        """Report a job that has ended, and return whether it has.

        Records may arrive late on a shared file system: a job that failed or is forgotten is decided when its record
        is whole, or has had its time.
        """
        if found and found.active:
            job.aux.pop("ended", None)  # it was missing from one answer
            return False
        record = records.read(self.records, job.external_jobid)
        since = job.aux.setdefault("ended", time.monotonic())
        late = time.monotonic() - since < self.workflow.execution_settings.latency_wait
        if not (found and found.state == "COMPLETED") and (record is None or record.end is None) and late:
            return False
        facts, said = dict[str, str](), records.end_of(job.aux["slurm_logfile"])
        if found and found.state != "COMPLETED":
            try:
                facts = await asyncio.to_thread(queue.details, job.external_jobid)
            except NoAnswer:
                return False
        last = last_checkpoint(job.job)
        kept = last if last != job.aux["before"] else ""
        end = ending(found.state if found else None, facts, record, kept, said)
        if end.next is Next.RESUBMIT and self._is_ending():  # its record and log are left to the next run
            _last_attempt(job.job)
            self.report_job_error(job, msg="stopped: the next run goes on with it")
            return True
        self._act(job, end)
        records.forget(self.records, job.external_jobid)
        return True

    def _act(self, info: SubmittedJobInfo, end: Ending) -> None:
        """Do what the end of a job asks for."""
        job, log = info.job, info.aux["slurm_logfile"]
        if end.next is Next.RESUBMIT:
            end = self._going_on(job, end.why)
        match end.next:
            case Next.DONE:
                self._forget(job)
                if not self.workflow.executor_settings.keep_successful_logs:
                    log.unlink(missing_ok=True)
                self.report_job_success(info)
            case Next.RESUBMIT:
                self.logger.info(f"smelt: {name_of(job)} was stopped and goes on: submitted again ({end.why})")
                self._job_submission_executor.submit(self.run_job, job)
            case Next.RETRY | Next.FAIL:
                self.lacked.setdefault(name_of(job), Counter())[end.lacked] += 1
                if end.next is Next.FAIL:
                    _last_attempt(job)
                self.report_job_error(info, msg=end.why, aux_logs=[str(log)])

    def _forget(self, job: Any) -> None:
        for known in (self.messages, self.lacked):
            known.pop(name_of(job), None)

    def _going_on(self, job: Any, why: str) -> Ending:
        """Return what becomes of a job that was stopped: it goes on unless it stays where it is."""
        read = [found for log in job.log if (found := read_log(Path(log)))]
        said = " ".join(line for found in read if found.resumes for line in found.complaint()[:1]) or why
        before = self.messages.setdefault(name_of(job), Counter())
        times = before[said] + 1
        before.clear()
        before[said] = times
        if said and times >= SAME:
            self._forget(job)
            mend = "mend what its log names, or give it more time (runtime)"
            return Ending(Next.FAIL, f"stopped {times} times at the same place: {mend}")
        return Ending(Next.RESUBMIT, said.removeprefix("smelt: ").removesuffix(". Run again to go on") or "preempted")

    def print_job_error(self, job_info: SubmittedJobInfo, msg: str | None = None, **words: Any) -> None:
        """Hand on why a job failed, and its id; the base class would add where to look for more."""
        if job_info.external_jobid is not None:
            words["external_jobid"] = job_info.external_jobid
        job_info.job.log_error(msg, **words)

    # ---- the end

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancel the jobs of this run, those too that are being looked at."""
        try:
            queue.cancel([f"--name={self.run_uuid}"])
            queue.cancel([job.external_jobid for job in active_jobs if job.external_jobid])
        except (NoAnswer, Refused) as error:
            self.logger.error(f"smelt: the jobs could not be cancelled and go on: {error}")

    def cancel(self) -> None:
        """Cancel the jobs, and stop."""
        self.stopping.set()
        super().cancel()

    def shutdown(self) -> None:
        """Stop."""
        self.stopping.set()
        super().shutdown()


def _last_attempt(job: Any) -> None:
    """Leave a job no further attempt.

    The scheduler compares its number with the attempts that are left. The setter of the number would also change what
    the job gives back of the scheduler's resources.
    """
    job._attempt = max(job.attempt, job.restart_times + 1)


def _with_comment(jobs: dict[str, Listed], tag: Tag) -> str | None:
    return next((number for number, job in jobs.items() if job.comment == str(tag)), None)
