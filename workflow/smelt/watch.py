"""`smelt watch my-study.yaml`: the running jobs of a study from their logs, on a laptop or a cluster.

It reads files only, so it runs beside Snakemake or without it, on any machine that sees the logs.
"""

import argparse
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from smelt.cli import add_examples, add_studies
from smelt.logs import JobLog, read_log
from smelt.study.workflow import catalogue_of

SECONDS = 2.0  # between two looks
NEWEST = 5  # finished jobs that are named
SHARED = ("logs/dumps", "logs/resources")
"""Folders of logs that all studies share; their jobs are shown while they run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the study file, and the folder of the run."""
    add_studies(parser)
    parser.add_argument("--once", action="store_true", help="print the present state and end")
    add_examples(parser, "my-study.yaml", "my-study.yaml --once")


def run(arguments: argparse.Namespace) -> None:
    """Show the jobs until Ctrl-C; once with --once or without a terminal."""
    folder = arguments.directory / catalogue_of(arguments.studies, {}).paths.logs
    own, shared = Logs([folder]), Logs([arguments.directory / name for name in SHARED])
    console = Console(markup=False, emoji=False, highlight=False)
    if arguments.once or not console.is_interactive:
        console.print(view(folder.absolute(), own.read(), shared.read(), time.time(), None))
        return
    with Live(console=console, auto_refresh=False) as live:
        try:
            while True:
                most = max(console.height - 12, 5)
                live.update(view(folder.absolute(), own.read(), shared.read(), time.time(), most), refresh=True)
                time.sleep(SECONDS)
        except KeyboardInterrupt:
            pass


def view(
    folder: Path, logs: dict[Path, JobLog], shared: dict[Path, JobLog], now: float, most: int | None
) -> RenderableType:
    """Return the state of a study's jobs, from their logs.

    Args:
        folder: of the study's logs.
        logs: under it, by path.
        shared: logs that all studies share, by path.
        now: seconds since 1970.
        most: maximum number of running and of failed jobs to show; None for all.
    """
    running = {path: log for path, log in (shared | logs).items() if log.end is None}
    failed = {path: log for path, log in logs.items() if log.failed}
    finished = {path: log for path, log in logs.items() if log.finished}
    if not running | failed | finished:
        return Text(f"{folder}: no job has written a log yet")
    counts = f"{len(running)} running, {len(finished)} finished, {len(failed)} failed"
    parts: list[RenderableType] = [Text(f"{time.strftime('%H:%M:%S')}  {folder}: {counts}", style="bold")]
    if running:
        progress = {path: log.state(now) for path, log in newest_first(running)}
        parts.append(table("running", running, progress, most))
    if failed:
        parts.append(table("failed", failed, {path: "\n".join(log.complaint()) for path, log in failed.items()}, most))
    if finished:
        newest = dict(newest_first(finished)[:NEWEST])
        parts.append(table("finished last", newest, {path: str(log.took) for path, log in newest.items()}, None))
    return Group(*parts)


@dataclass
class Logs:
    """The logs under some folders; those of ended jobs are read again only where their file has changed."""

    folders: Iterable[Path]
    _ended: dict[Path, JobLog] = field(default_factory=dict)

    def read(self) -> dict[Path, JobLog]:
        """Return the logs that open with a command of smelt, by path."""
        paths = [path for folder in self.folders for path in sorted(folder.rglob("*.log"))]
        read = {path: self._read(path) for path in paths}
        logs = {path: log for path, log in read.items() if log and log.command}
        # Of thousands of ended jobs, only what is shown is kept.
        self._ended = {
            path: replace(log, lines=log.complaint() if log.failed else []) for path, log in logs.items() if log.end
        }
        return logs

    def _read(self, path: Path) -> JobLog | None:
        known = self._ended.get(path)
        return known if known and known.is_of(path) else read_log(path)


def newest_first(logs: dict[Path, JobLog]) -> list[tuple[Path, JobLog]]:
    """Return logs by the time when they last changed."""
    return sorted(logs.items(), key=lambda item: -item[1].changed)


def table(title: str, logs: dict[Path, JobLog], shown: dict[Path, str], most: int | None) -> Table:
    """Return a row for each log: command, path, and its state."""
    rows = Table(title=title, title_justify="left", box=None, show_header=False, pad_edge=False, title_style="bold")
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_column()
    for path in list(shown)[:most]:
        rows.add_row(logs[path].command, str(path), Text(shown[path]))
    if most is not None and len(shown) > most:
        rows.add_row("", f"and {len(shown) - most} more", "")
    return rows
