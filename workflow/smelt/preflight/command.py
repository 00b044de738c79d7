"""`smelt preflight my-study.yaml --profile slurm`: one table of what a study needs and what is here.

A check that cannot be made is a problem of its own and hides no other. Nothing is submitted but one tiny job, and
nothing is written to the results but the licences that the user has read (`--licences-read`).
"""

import argparse
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from smelt.cli import DEMO, add_examples
from smelt.errors import SmeltError
from smelt.preflight import cluster, sources
from smelt.preflight.findings import Finding, findings_of
from smelt.preflight.partitions import JobRequest, read_partitions
from smelt.preflight.requests import requested
from smelt.run import checkout_here, profile_folder, snakemake
from smelt.strict_yaml import read_yaml
from smelt.study.catalogue import Catalogue
from smelt.study.plan import StagePlan, planned_stages, total
from smelt.study.workflow import catalogue_of

COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
WIDTH = 120  # columns that the table needs at least
ROOM = 1.2  # free bytes to those that are planned


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the study files and the profile."""
    parser.add_argument("studies", metavar="study", type=Path, nargs="*", help=f"a study file; by default {DEMO}")
    parser.add_argument(
        "--profile", default="default", help="a folder of profiles/, such as slurm, or a path; by default: this machine"
    )
    parser.add_argument("--no-job", action="store_true", help="run no tiny job on a node, and import nothing here")
    parser.add_argument(
        "--licences-read",
        action="store_true",
        help="say, once, that you have read the licences that the table names: noted with the study's results",
    )
    add_examples(
        parser,
        "my-study.yaml",
        "my-study.yaml --profile slurm",
        "my-study.yaml --profile slurm --no-job",
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the table.

    Raises:
        SmeltError: the study or the profile is not as it should be; or, after the table, something has to be mended.
    """
    catalogue = catalogue_of(arguments.studies, {})
    rows = list(look(catalogue, arguments))
    show(f"{catalogue.study.study}, profile {arguments.profile}", rows)
    if problems := sum(row.state == "problem" for row in rows):
        mend = f"{problems} problem{'' if problems == 1 else 's'} (see above): mend what the last column says"
        raise SmeltError(catalogue.paths.where, mend)


def look(catalogue: Catalogue, arguments: argparse.Namespace) -> Iterator[Finding]:
    """Yield a row for each thing that was looked at.

    Raises:
        SmeltError: there is no such profile.
    """
    profile = read_profile(arguments.profile)
    command, environment = snakemake(arguments.studies, arguments.profile)
    stages = planned_stages(catalogue)
    yield from sources.files(catalogue)
    yield from sources.licences(catalogue, arguments.licences_read)
    yield from findings_of("dumps", lambda: sources.dumps(catalogue))
    yield from findings_of("hub", lambda: sources.hub(catalogue))
    yield from disk(catalogue, stages)
    asked: Counter[JobRequest] = Counter()
    try:
        asked = requested(command, environment, profile)
    except SmeltError as error:
        yield Finding("plan", "problem", str(error), "mend the study or the profile")
    if "slurm" in str(profile.get("executor", "")):
        yield from on_slurm(asked, stages)
        largest = max(asked, key=lambda request: request.gpus or 0, default=JobRequest("", 1, None, None, 0))
        where, prefix, gpus = "compute node", cluster.srun(largest), bool(largest.gpus)
    else:
        yield from here(stages)
        where, prefix, gpus = "environment", [], False
    if not arguments.no_job:
        yield from cluster.environment(where, prefix, environment, gpus)


def read_profile(name: str) -> dict[str, Any]:
    """Return the keys of a profile.

    Raises:
        SmeltError: there is none of this name, or it is no mapping.
    """
    folder = profile_folder(name, checkout_here())
    file = next(path for path in (folder / "profile.yaml", folder / "config.yaml") if path.exists())
    content = read_yaml(file)
    if not isinstance(content, dict):
        raise SmeltError(file, f"expected a mapping of keys, found {type(content).__name__}")
    return content


def on_slurm(asked: Counter[JobRequest], stages: list[StagePlan]) -> Iterator[Finding]:
    """Yield what the cluster has and allows, against what is asked for."""
    try:
        partitions = read_partitions()
    except SmeltError as error:
        yield Finding("partitions", "problem", str(error), "ask the site, or run it on a login node")
        return
    yield from cluster.requests(asked, partitions)
    yield from cluster.memory(stages, partitions)
    yield from cluster.account(asked, partitions)
    yield from findings_of("MinJobAge", cluster.configuration)


def here(stages: list[StagePlan]) -> Iterator[Finding]:
    """Yield what this machine has, against what the stages take by estimate."""
    cpus = len(os.sched_getaffinity(0))
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    large = [stage for stage in stages if stage.memory > memory]
    seen = f"{cpus} CPUs, {memory / 1e3:,.1f} GB"
    if large:
        most = max(large, key=lambda stage: stage.memory)
        seen += f"; by estimate a job of {most.name} takes {most.memory / 1e3:,.1f} GB"
        yield Finding("machine", "warning", seen, "smaller batches, or a larger machine")
    else:
        yield Finding("machine", "ok", seen)


def disk(catalogue: Catalogue, stages: list[StagePlan]) -> Iterator[Finding]:
    """Yield the free disk of each file system that the study writes to, against what it takes by estimate."""
    if not stages:
        seen = "what the study takes is not known: the size of a source is not"
        yield Finding("disk", "warning", seen, "smelt plan <study> --text says it")
        return
    downloads = sum(stage.disk for stage in stages if stage.name == "downloads")
    needed = {
        "resources": downloads,
        catalogue.paths.results: total(stages).disk - downloads,
        catalogue.paths.checkpoints: total(stages).checkpoints,
    }
    systems: dict[int, list[str]] = {}
    for folder in needed:
        systems.setdefault(_existing(folder).stat().st_dev, []).append(folder)
    for folders in systems.values():
        takes, free = sum(needed[folder] for folder in folders), shutil.disk_usage(_existing(folders[0])).free
        seen = f"{', '.join(folders)}: {free / 1e9:,.1f} GB free; {takes / 1e9:,.1f} GB from nothing to the report"
        seen += ", by estimate"
        if free > ROOM * takes:
            yield Finding("disk", "ok", seen)
        elif Path(catalogue.paths.results).exists():
            yield Finding("disk", "warning", seen, "free some, unless most of it is made already")
        else:
            yield Finding("disk", "problem", seen, "free some, or link the folder to a larger disk")


def _existing(folder: str) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    path = Path(folder).absolute()
    return next(each for each in (path, *path.parents) if each.exists())


def show(title: str, rows: list[Finding]) -> None:
    """Print the table."""
    console = Console(highlight=False, width=max(Console().width, WIDTH))
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("check", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("what was seen", ratio=3, overflow="fold")
    table.add_column("what to do", ratio=2, overflow="fold")
    for row in rows:
        table.add_row(row.check, Text(row.state, COLOURS[row.state]), Text(row.seen), Text(row.mend))
    console.print(table)
