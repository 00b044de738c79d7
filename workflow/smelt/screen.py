"""Snakemake's screen, in a page: a line for each job that ends, and how far those are that run.

The Snakefile puts it in the place of Snakemake's own. It is no logger plugin that a profile names (`logger:`), because
Snakemake then refuses to start wherever this package is not installed, while the Snakefile finds it in its checkout.
"""

import logging
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text
from snakemake_interface_logger_plugins.common import LogEvent

from smelt.logs import JobLog, duration, read_log

SECONDS_BETWEEN_LINES = 60.0  # about jobs that run, where there is no terminal to refresh
MOST_SHOWN = 12  # running jobs
MOST_PLANNED = 4  # jobs of one rule that a dry run names
CHATTER = re.compile(
    r"Using (workflow specific )?profile|Using shell: |Conda environments: ignored|Assuming unrestricted|host: "
    r"|Building DAG|Select jobs|Execute \d+|\s*$"
    r"|Job \d+ has been submitted|Will exit after|Removing temporary output|Group jobs: inactive|\[.*\]$"
    r"|RuleException:\nCalledProcessError|DAG of jobs will be updated|Would remove temporary|Reasons:"
    r"|.*\(check individual jobs above"
)
"""What Snakemake prints beside its events, and users need not read."""

ANOTHER = "input files updated by another job"


@dataclass
class RunningJob:
    """A job that Snakemake has started or submitted."""

    rule: str
    log: Path | None
    began: float

    @property
    def name(self) -> str:
        """What the job makes: its log's path, without what all logs have."""
        return str(self.log).removeprefix("logs/").removesuffix(".log") if self.log else ""

    def read(self) -> JobLog | None:
        """Return what the log shows, unless it is of an earlier attempt."""
        read = read_log(self.log) if self.log else None
        return read if read and read.changed >= self.began - 2 else None  # seconds between the clocks of two machines


def attach(manager: Any) -> None:
    """Take the place of the handler that prints what Snakemake says; its filter, for `--quiet`, stays.

    Nothing is done where the user asks for more (`--printshellcmds`, `--verbose`, `--debug-dag`) or for another logger,
    and nothing in Snakemake's own processes on a cluster.

    Args:
        manager: `workflow.logger_manager` of a Snakefile.
    """
    settings = manager.settings
    if settings.skip_plugin_handlers or settings.printshellcmds or settings.verbose or settings.debug_dag:
        return
    for handler in manager.logger.handlers:
        if handler.name == "DefaultStreamHandler":
            screen = Screen(handler.stream, settings.dryrun, settings.nocolor)
            for each in handler.filters:
                screen.addFilter(each)
            manager.logger.removeHandler(handler)
            manager.logger.addHandler(screen)
            return


class Screen(logging.Handler):
    """Prints the events of one run of Snakemake."""

    def __init__(self, stream: TextIO, dryrun: bool = False, nocolor: bool = False) -> None:
        """Begin with no job."""
        super().__init__()
        self.dryrun = dryrun
        self.console = Console(file=stream, no_color=nocolor or None, highlight=False, soft_wrap=True)
        self.running: dict[int, RunningJob] = {}
        self.failed: list[int] = []
        self.stats: dict[str, int] = {}
        self.planned: Counter[str] = Counter()
        self.done = self.total = 0
        self.live: Live | None = None
        self.ended = threading.Event()
        self.printer: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Print what a record says, or take note of it."""
        try:
            self._show(record)
        except Exception:
            self.handleError(record)

    def close(self) -> None:
        """Give the terminal back."""
        self.ended.set()
        if self.live:
            self.live.stop()
            self.live = None
        super().close()

    def _show(self, record: logging.LogRecord) -> None:
        fields = record.__dict__
        match fields.get("event"):
            case LogEvent.RUN_INFO:
                self._show_plan(fields["stats"])
            case LogEvent.JOB_INFO:
                self._show_start(fields)
            case LogEvent.JOB_FINISHED:
                self._show_end(fields["job_id"])
            case LogEvent.JOB_ERROR:
                self._show_failure(fields)
            case LogEvent.PROGRESS:
                self.done, self.total = fields["done"], fields["total"]
            case None | LogEvent.ERROR:
                message = str(record.msg or "")
                if not CHATTER.match(message):
                    self._print(message, "red" if record.levelno >= logging.ERROR else "")

    def _show_plan(self, stats: dict[str, int]) -> None:
        if self.dryrun:
            if not self.total:
                width = max(map(len, stats))
                table = [f"{rule:{width}}  {count:>5}" for rule, count in stats.items()]
                self._print("\n".join(["Job stats:", f"{'job':{width}}  count", "-" * (width + 7), *table, ""]))
        else:
            counts = ", ".join(f"{count} {rule}" for rule, count in stats.items() if rule not in ("all", "total"))
            self._print(f"{stats['total']} jobs: {counts}")
            self._print("A job's log is logs/<its name below>.log. `smelt watch` shows what runs in another window.")
        self.stats, self.total = stats, stats["total"]

    def _show_start(self, fields: dict[str, Any]) -> None:
        log = Path(fields["log"][0]) if fields["log"] else None
        job = RunningJob(fields["rule_name"], log, fields["created"])
        if self.dryrun:
            self.planned[job.rule] += 1
            if log and self.planned[job.rule] <= MOST_PLANNED:
                self._print(f"{job.rule:12}  {job.name}  ({reason(fields['reason'])})")
            elif self.planned[job.rule] == MOST_PLANNED + 1:
                self._print(f"{job.rule:12}  and {self.stats[job.rule] - MOST_PLANNED} more")
            return
        self.running[fields["jobid"]] = job
        if self.console.is_interactive:
            if self.live is None:
                self.live = Live(console=self.console, get_renderable=self._view, refresh_per_second=1, transient=True)
                self.live.start()
        elif self.printer is None:
            self.printer = threading.Thread(target=self._print_now_and_then, daemon=True)
            self.printer.start()

    def _show_end(self, jobid: int) -> None:
        job = self.running.pop(jobid, None)
        self.done += 1
        if job:
            read = job.read()
            took = read.took if read and read.took else duration(time.time() - job.began)
            self._print(self._ended(job, took))

    def _show_failure(self, fields: dict[str, Any]) -> None:
        jobid = fields["jobid"]
        job = self.running.pop(jobid, None)
        if job is None and jobid in self.failed:  # Snakemake repeats its errors at the end
            return
        self.failed.append(jobid)
        log = Path(fields["log"][0]) if fields["log"] else None
        job = job or RunningJob(fields["rule_name"], log, 0.0)
        read = job.read()
        took = duration(time.time() - job.began) if job.began else ""
        self._print(f"{self._ended(job, took)}  FAILED", "red")
        said = str(fields["rule_msg"] or "").splitlines()  # by a scheduler: the job's state, or why it was not taken
        for line in [*said, *(read.complaint() if read else [])]:
            self._print(f"    {line}", "red")
        places = {"log": ", ".join(fields["log"])} | {str(key): str(value) for key, value in fields["aux"].items()}
        for name, value in places.items():
            if value:
                self._print(f"    {name}: {value}")

    def _ended(self, job: RunningJob, took: str) -> str:
        """Return the line of a job that has ended."""
        count = f"{self.done:{len(str(self.total))}} of {self.total}"
        return f"{time.strftime('%H:%M:%S')}  {count}  {took:>8}  {job.rule:12}  {job.name}".rstrip()

    def _view(self) -> RenderableType:
        """Return a line for each running job; a thread of the display calls it."""
        now = time.time()
        jobs = [job for job in list(self.running.values()) if job.log]
        lines = [f"{len(jobs)} running, {self.done} of {self.total} done"]
        for job in jobs[:MOST_SHOWN]:
            read = job.read()
            state = read.state(now) if read else ""
            lines.append(f"{duration(now - job.began):>8}  {job.rule:12}  {job.name}  {state}".rstrip())
        return Group(*(Text(line, style="cyan", no_wrap=True, overflow="ellipsis") for line in lines))

    def _print_now_and_then(self) -> None:
        """Print how far the running jobs are, until the end."""
        while not self.ended.wait(SECONDS_BETWEEN_LINES):
            for job in list(self.running.values())[:MOST_SHOWN]:
                if (read := job.read()) and read.position:
                    self._print(f"{time.strftime('%H:%M:%S')}  {job.rule}  {job.name}  {read.state(time.time())}")

    def _print(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style=style), soft_wrap=True)


def reason(text: str) -> str:
    """Return why a job runs, in short: without the names of files."""
    heads = dict.fromkeys(part.split(":")[0].strip().lower() for part in text.split(";"))
    own = [head for head in heads if head and head != ANOTHER]
    return "; ".join(own) or ANOTHER
