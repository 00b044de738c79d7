"""What every part of the catalogue stands on: the study, its task files, and where its folders are."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from smelt.study.schema import Study
from smelt.study.tasks import TaskFile, load_task

PACKAGE = Path(__file__).parents[2]
_SOURCES = {".py", ".html", ".css"}


def megabytes(paths: Iterable[str]) -> float:
    """Return the 10^6 bytes of files, and of all files in folders: Snakemake's `input.size_mb` weighs a folder as none.

    Raises:
        FileNotFoundError: one is not there yet, which tells Snakemake to ask again when it is.
    """
    total = 0
    for path in paths:
        total += Path(path).stat().st_size
        total += sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
    return total / 1e6


class Base:
    """The study, and the folders of all that it makes."""

    def __init__(self, study: Study) -> None:
        """Take a checked study, and read its task files.

        Raises:
            SmeltError: a task file is missing or wrong.
        """
        self.study = study
        self.results = f"results/{study.study}"
        self.logs = f"logs/{study.study}"
        self.benchmarks = f"benchmarks/{study.study}"
        self.checkpoints = f"checkpoints/{study.study}"
        self.tasks: dict[str, TaskFile] = {name: load_task(study.task_file(name)) for name in study.tasks}

    def as_written(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the study as its author wrote it, without defaults, as JSON."""
        return self.study.model_dump_json(exclude_unset=True)

    def modules(self, *stages: str) -> list[str]:
        """Return the source files of cheap stages: as inputs, they make an edited statistic recompute its tables."""
        files = [path for stage in stages for path in (PACKAGE / stage).rglob("*") if path.suffix in _SOURCES]
        return sorted(os.path.relpath(path) for path in files)
