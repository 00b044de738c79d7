"""Which tasks a study prepares, and from what."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smelt.study.paths import Paths, outside_sources
from smelt.study.schema import Study
from smelt.tasks.task_file import TaskFile, load_task

BESIDE_EXAMPLES = {"title", "licence", "cite"}  # keys of a task file that change neither its examples nor its scores


class TaskRules:
    """Answers to `rules/tasks.smk`."""

    def __init__(self, study: Study, paths: Paths, folders: Sequence[Path]) -> None:
        """Take a checked study, and read its task files.

        Args:
            study: the study.
            paths: its paths.
            folders: folders of its own task files, which are searched before those that come with smelt.

        Raises:
            SmeltError: a task file is missing or wrong.
        """
        self.study = study
        self.paths = paths
        self.own_folders = folders
        read = {name: load_task(name, *folders) for name in {study.task_file(name): None for name in study.tasks}}
        self.files: dict[str, TaskFile] = {name: read[study.task_file(name)] for name in study.tasks}

    @property
    def needs_network(self) -> bool:
        """Whether a task comes from the hub."""
        return any(task.source.hub for task in self.files.values())

    def definition(self, wildcards: Any) -> str:
        """Return the definition of {task} as JSON: its file under its setting, without title and terms of use.

        A prepared task depends on this text instead of the file, because many tasks may share one file: a new setting
        or language in it, a better title or a comment must not prepare and fine-tune all of them again.
        """
        return self.files[wildcards.task].model_dump_json(by_alias=True, exclude_defaults=True, exclude=BESIDE_EXAMPLES)

    def sources(self, wildcards: Any) -> list[str]:
        """Return the local files of {task}; the job itself names missing ones."""
        return outside_sources(self.files[wildcards.task].local_files(), f"{self.folder(wildcards)}/task.json")

    def folder(self, wildcards: Any) -> str:
        """Return the folder of the prepared {task}."""
        return self.paths.task(wildcards.task)

    def limit(self, wildcards: Any) -> int:
        """Return how many training examples {task} keeps; 0 for all."""
        return self.study.options(wildcards.task).limit or 0

    def validation_limit(self, wildcards: Any) -> int:
        """Return how many validation examples {task} keeps; 0 for all."""
        return self.study.options(wildcards.task).validation_limit or 0

    def per(self, wildcards: Any) -> str:
        """Return what the limit of {task} is of: all examples, or those of each language or label."""
        return self.study.options(wildcards.task).per or "all"

    def file(self, wildcards: Any) -> str:
        """Return the task file, with its setting, that {task} is."""
        return self.study.task_file(wildcards.task)

    def own(self, wildcards: Any, input: Any) -> list[str]:  # noqa: ARG002 - see below
        """Return the folders of the study's own task files that are there.

        It takes `input` so that Snakemake does not compare it: the place of task files does not change a task.
        """
        return [os.path.relpath(folder) for folder in self.own_folders if folder.is_dir()]
