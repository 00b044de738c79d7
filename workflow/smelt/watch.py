"""`smelt watch [study.yaml]`: the running jobs of a study from their logs, on a laptop or a cluster.

It reads files only, so it runs beside Snakemake or without it, on any machine that sees the logs.
"""

import argparse
import time
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from smelt.logs import JobLog, read_log
from smelt.study.catalogue import Catalogue

DEMO = Path("config/config.yaml")
SECONDS = 2.0  # between two looks
NEWEST = 5  # finished jobs that are named
SHARED = ("logs/dumps", "logs/resources")
"""Folders of logs of what all studies share; jobs of them are shown while they run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the study file."""
    parser.add_argument("study", type=Path, nargs="?", default=DEMO, help="a study file; by default the demo's")
    parser.add_argument("--once", action="store_true", help="print the present state and end")


def run(arguments: argparse.Namespace) -> None:
    """Show the jobs until Ctrl-C; once, where asked to or where there is no terminal."""
    folder = Path(Catalogue.load(arguments.study).logs)
    console = Console(highlight=False)
    if arguments.once or not console.is_interactive:
        console.print(view(folder, time.time(), None))
        return
    with Live(console=console, auto_refresh=False) as live:
        try:
            while True:
                live.update(view(folder, time.time(), max(console.height - 12, 5)), refresh=True)
                time.sleep(SECONDS)
        except KeyboardInterrupt:
            pass


def view(folder: Path, now: float, most: int | None) -> RenderableType:
    """Return what the logs under a folder show.

    Args:
        folder: of the study's logs.
        now: seconds since 1970.
        most: how many running jobs, and how many failed ones, there is room for; None for all.
    """
    logs = read_logs([folder])
    shared = {path: log for path, log in read_logs(map(Path, SHARED)).items() if log.end is None}
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


def read_logs(folders: Iterable[Path]) -> dict[Path, JobLog]:
    """Return the logs under some folders that open with a command of smelt, by path."""
    paths = [path for folder in folders for path in sorted(folder.rglob("*.log"))]
    read = {path: read_log(path) for path in paths}
    return {path: log for path, log in read.items() if log and log.command}


def newest_first(logs: dict[Path, JobLog]) -> list[tuple[Path, JobLog]]:
    """Return logs by the time when they last changed."""
    return sorted(logs.items(), key=lambda item: -item[1].changed)


def table(title: str, logs: dict[Path, JobLog], shown: dict[Path, str], most: int | None) -> Table:
    """Return a row for each log: command, path, and what is shown of it."""
    rows = Table(title=title, title_justify="left", box=None, show_header=False, pad_edge=False, title_style="bold")
    rows.add_column(no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_column()
    for path in list(shown)[:most]:
        rows.add_row(logs[path].command, str(path), Text(shown[path]))
    if most is not None and len(shown) > most:
        rows.add_row("", f"and {len(shown) - most} more", "")
    return rows
