"""Snakemake's screen on one page: a line for each job that ends, and the progress of running ones.

The Snakefile replaces Snakemake's own screen by it. It is not a logger plugin (`logger:` in a profile), because
Snakemake would refuse to start where this package is not installed; the Snakefile imports it from its checkout.
"""

import itertools
import logging
import re
import shlex
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text
from snakemake_interface_logger_plugins.common import LogEvent

from smelt.logs import JobLog, duration, read_log

SECONDS_BETWEEN_LINES = (60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0)
"""Between two looks at the running jobs, where there is no terminal to refresh; the last one repeats."""
MOST_SHOWN = 12  # running jobs
MOST_PLANNED = 4  # jobs of one rule that a dry run names
CHATTER = re.compile(
    r"Using (workflow specific )?profile|Using shell: |Conda environments: ignored|Assuming unrestricted|host: "
    r"|Building DAG|Select jobs|Execute \d+|\s*$"
    r"|Job \S+ has been submitted|Cleaning up SLURM log files|Removing temporary output|Group jobs: inactive|\[.*\]$"
    r"|RuleException:\nCalledProcessError|DAG of jobs will be updated|Would remove temporary|Reasons:"
    r"|.*\(check individual jobs above"
)
"""Messages of Snakemake that users need not read."""
SILENT = {
    LogEvent.WORKFLOW_STARTED,
    LogEvent.RESOURCES_INFO,
    LogEvent.JOB_STARTED,
    LogEvent.GROUP_INFO,  # an event for each job of the group follows
    LogEvent.SHELLCMD,
    LogEvent.DEBUG_DAG,
    LogEvent.RULEGRAPH,
}

ANOTHER = "input files updated by another job"
PARAMS = re.compile(r"(Params have changed since last execution): .*?(; Software environment [^;]*)?$", re.DOTALL)
"""The values of params may contain the marks that separate reasons."""


@dataclass
class RunningJob:
    """A job that Snakemake has started or submitted."""

    rule: str
    log: Path | None
    began: float

    @property
    def name(self) -> str:
        """The job's name: its log's path, without the parts that all logs share."""
        return str(self.log).removeprefix("logs/").removesuffix(".log") if self.log else ""

    def read(self) -> JobLog | None:
        """Return what the log shows; None where there is none yet, or one of an earlier attempt."""
        read = read_log(self.log) if self.log else None
        return read if read and read.changed >= self.began - 2 else None  # seconds between the clocks of two machines


def attach(workflow: Any, studies: Iterable[str | Path]) -> None:
    """Replace the handler that prints Snakemake's messages.

    Do nothing where the user asks for more (`--printshellcmds`, `--verbose`, `--debug-dag`) or for another logger,
    in Snakemake's own processes on a cluster, and in a Snakemake that has no such handler.

    Args:
        workflow: of the Snakefile.
        studies: the study files.
    """
    try:
        manager = workflow.logger_manager
        settings = manager.settings
        if settings.skip_plugin_handlers or settings.printshellcmds or settings.verbose or settings.debug_dag:
            return
        own = next(handler for handler in manager.logger.handlers if handler.name == "DefaultStreamHandler")
        screen = Screen(own, settings, watch_command(studies, bool(workflow.overwrite_workdir)))
    except (AttributeError, StopIteration):  # the screen uses parts of Snakemake that may change
        return
    manager.logger.removeHandler(own)
    manager.logger.addHandler(screen)


def watch_command(studies: Iterable[str | Path], moved: bool) -> str:
    """Return the command that shows the jobs in another window, opened in the folder that Snakemake was started in.

    Args:
        studies: the study files.
        moved: whether Snakemake runs in another folder than it was started in (`--directory`).
    """
    here = Path.cwd()
    paths = [Path(study) for study in studies]
    if moved:
        return shlex.join(["smelt", "watch", *map(str, paths), "--directory", str(here)])
    return shlex.join(
        ["smelt", "watch", *(str(path.relative_to(here) if path.is_relative_to(here) else path) for path in paths)]
    )


class OpenConsole(Console):
    """A console that stops printing when its reader has gone; rich's own ends the program."""

    def on_broken_pipe(self) -> None:
        """Print nothing more."""
        self.quiet = True


class Screen(logging.Handler):
    """Prints the events of one run of Snakemake."""

    def __init__(self, own: Any, settings: Any, watch: str) -> None:
        """Start without jobs.

        Args:
            own: Snakemake's handler, whose stream, filter (for `--quiet`) and format for other events are used.
            settings: Snakemake's OutputSettings.
            watch: the command that shows the jobs in another window.
        """
        super().__init__()
        self.own = own
        self.watch = watch
        self.dryrun = settings.dryrun
        self.whole_logs = settings.show_failed_logs
        self.console = OpenConsole(
            file=own.stream,
            no_color=settings.nocolor or None,
            highlight=False,
            markup=False,
            emoji=False,
            soft_wrap=True,
        )
        self.shows_progress = bool(own.filter(logging.makeLogRecord({"event": LogEvent.PROGRESS})))
        self.running: dict[int, RunningJob] = {}
        self.failed: set[int] = set()
        self.stats: dict[str, int] = {}
        self.planned: Counter[str] = Counter()
        self.done = self.total = 0
        self.live: Live | None = None
        self.ended = threading.Event()
        self.printer: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Handle a record, and print it unless the user asked for quiet."""
        try:
            lines = list(self._lines(record))
            if self.own.filter(record):
                for line in lines:
                    self._print(line)
        except Exception:  # an error of the screen must not end the run or hide an event
            with suppress(Exception):
                self.own.handle(record)

    def close(self) -> None:
        """Restore the terminal."""
        self.ended.set()
        if self.live:
            self.live.stop()
            self.live = None
        super().close()

    def _lines(self, record: logging.LogRecord) -> Iterator[Text]:
        fields = record.__dict__
        match fields.get("event"):
            case LogEvent.RUN_INFO:
                yield from self._plan(fields["stats"])
            case LogEvent.JOB_INFO:
                yield from self._start(fields)
            case LogEvent.JOB_FINISHED:
                yield from self._end(fields["job_id"])
            case LogEvent.JOB_ERROR:
                yield from self._failure(fields)
            case LogEvent.GROUP_ERROR:
                yield from self._group_failure(fields)
            case LogEvent.PROGRESS:
                # Of all jobs of the workflow, where only some are to be made (`--until`); RUN_INFO counts these.
                self.done, self.total = fields["done"], self.total or fields["total"]
            case None | LogEvent.ERROR:
                message = str(record.msg or "")
                if not CHATTER.match(message):
                    yield Text(message, "red" if record.levelno >= logging.ERROR else "")
            case event if event not in SILENT:
                yield Text(self.own.format(record))

    def _plan(self, stats: dict[str, int]) -> Iterator[Text]:
        total = stats.get("total", 0)
        if self.dryrun:
            if not self.total:
                width = max(map(len, stats))
                table = [f"{rule:{width}}  {count:>5}" for rule, count in stats.items()]
                yield Text("\n".join(["Job stats:", f"{'job':{width}}  count", "-" * (width + 7), *table, ""]))
        else:
            counts = ", ".join(f"{count} {rule}" for rule, count in stats.items() if rule not in ("all", "total"))
            yield Text(f"{total} jobs: {counts}")
            yield Text(f"A job's log is logs/<its name below>.log. In another window, `{self.watch}` shows what runs.")
        self.stats, self.total = stats, total

    def _start(self, fields: dict[str, Any]) -> Iterator[Text]:
        job = RunningJob(fields["rule_name"], _first_log(fields), fields["created"])
        if self.dryrun:
            self.planned[job.rule] += 1
            if job.log and self.planned[job.rule] <= MOST_PLANNED:
                yield Text(f"{job.rule:12}  {job.name}  ({reason(fields['reason'])})")
            elif self.planned[job.rule] == MOST_PLANNED + 1:
                yield Text(f"{job.rule:12}  and {self.stats.get(job.rule, 0) - MOST_PLANNED} more")
            return
        self.running[fields["jobid"]] = job
        if not self.shows_progress:
            return
        if self.console.is_interactive:
            if self.live is None:
                self.live = Live(console=self.console, get_renderable=self._view, refresh_per_second=1, transient=True)
                self.live.start()
        elif self.printer is None:
            self.printer = threading.Thread(target=self._print_now_and_then, daemon=True)
            self.printer.start()

    def _end(self, jobid: int) -> Iterator[Text]:
        job = self.running.pop(jobid, None)
        self.done += 1
        if job:
            yield Text(self._end_line(job, job.read()))

    def _failure(self, fields: dict[str, Any]) -> Iterator[Text]:
        jobid = fields["jobid"]
        job = self.running.pop(jobid, None)
        if job is None and jobid in self.failed:  # Snakemake repeats its errors at the end, and those of groups at once
            return
        self.failed.add(jobid)
        job = job or RunningJob(fields["rule_name"], _first_log(fields), 0.0)
        read = job.read()
        stopped = read is not None and read.resumes
        yield Text(f"{self._end_line(job, read)}  {'stopped' if stopped else 'FAILED'}", "yellow" if stopped else "red")
        said = str(fields["rule_msg"] or "").splitlines()  # by a scheduler: the job's state, or why it was not taken
        for line in [*said, *(self._complaint(job, read) if read else [])]:
            yield Text(f"    {line}", "red")
        yield from _places(fields["log"], fields["aux"])

    def _group_failure(self, fields: dict[str, Any]) -> Iterator[Text]:
        """Yield a line for a failed group of jobs, which a cluster ran as one, and its failed jobs."""
        jobs = fields["job_error_info"]
        ids = {job["jobid"] for job in jobs}
        if ids <= self.failed and not ids & self.running.keys():
            return
        read = {job["jobid"]: self.running[job["jobid"]].read() for job in jobs if job["jobid"] in self.running}
        finished = [jobid for jobid, log in read.items() if log and log.finished]
        begun = [job for job in jobs if read.get(job["jobid"]) and job["jobid"] not in finished]
        counts = f"{len(jobs)} jobs, {len(finished)} finished, {len(jobs) - len(finished) - len(begun)} not begun"
        yield Text(f"{time.strftime('%H:%M:%S')}  group {fields['groupid']}: {counts}  FAILED", "red")
        yield from _places(fields["aux_logs"], jobs[0]["aux"] if jobs else {})
        for job in begun:
            yield from self._failure(job | {"aux": {}})
        for jobid in ids:
            self.running.pop(jobid, None)
        self.failed |= ids

    def _complaint(self, job: RunningJob, read: JobLog) -> list[str]:
        """Return why a job failed: from its log, or where the user asked for that, the whole log."""
        if self.whole_logs and job.log:
            with suppress(OSError):
                return job.log.read_text(errors="replace").splitlines()
        return read.complaint()

    def _end_line(self, job: RunningJob, read: JobLog | None) -> str:
        """Return the line of a job that has ended."""
        count = f"{self.done:{len(str(self.total))}} of {self.total}"
        took = read.took if read and read.took else duration(time.time() - job.began) if job.began else ""
        return f"{time.strftime('%H:%M:%S')}  {count}  {took:>8}  {job.rule:12}  {job.name}".rstrip()

    def _view(self) -> RenderableType:
        """Return a line for each running job; a thread of the display calls it."""
        now = time.time()
        jobs = [(job, job.read()) for job in list(self.running.values()) if job.log]
        begun = [(job, read) for job, read in jobs if read]  # a cluster lets the others wait
        waiting = f"{len(jobs) - len(begun)} waiting, " if len(begun) < len(jobs) else ""
        lines = [f"{len(begun)} running, {waiting}{self.done} of {self.total} done"]
        for job, read in begun[:MOST_SHOWN]:
            lines.append(f"{duration(now - job.began):>8}  {job.rule:12}  {job.name}  {read.state(now)}".rstrip())
        return Group(*(Text(line, style="cyan", no_wrap=True, overflow="ellipsis") for line in lines))

    def _print_now_and_then(self) -> None:
        """Print the progress of running jobs until the end, less and less often: days of training fill one page."""
        for seconds in itertools.chain(SECONDS_BETWEEN_LINES, itertools.repeat(SECONDS_BETWEEN_LINES[-1])):
            if self.ended.wait(seconds):
                return
            now = time.time()
            read = [(job, log) for job in list(self.running.values()) if (log := job.read()) and log.position]
            for job, log in read[:MOST_SHOWN]:
                with suppress(OSError):
                    self._print(Text(f"{time.strftime('%H:%M:%S')}  {job.rule}  {job.name}  {log.state(now)}"))

    def _print(self, text: Text) -> None:
        self.console.print(text, soft_wrap=True)


def reason(text: str) -> str:
    """Return why a job runs, in short: without the names of files and the values of params."""
    parts = PARAMS.sub(r"\1\2", text).split("; ")
    heads = dict.fromkeys(part.split(":")[0].strip().lower() for part in parts)
    own = [head for head in heads if head and head != ANOTHER]
    return "; ".join(own) or ANOTHER


def _first_log(fields: dict[str, Any]) -> Path | None:
    return Path(fields["log"][0]) if fields["log"] else None


def _places(logs: list[str], others: dict[str, Any]) -> Iterator[Text]:
    """Yield where to look further: logs, and the scheduler's name of the job."""
    for name, value in ({"log": ", ".join(logs)} | {str(key): str(value) for key, value in others.items()}).items():
        if value:
            yield Text(f"    {name}: {value}")
