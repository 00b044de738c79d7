"""What every part of the catalogue stands on: the study, its task files, and where its folders are."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from smelt.study.schema import Study
from smelt.tasks.task_file import TaskFile, load_task
from smelt.training.recipes import BESIDE_THE_MODEL

GENERATED = "resources/demo/"  # what lies here is made by the project itself
PACKAGE = Path(__file__).parents[2]
# Keys of models' entries that make no other result, by the part of the entry that they stand in.
BESIDE_RESULTS = {"settings": BESIDE_THE_MODEL, "transfer": {"signals", "most_gigabytes"}}
_SOURCES = {".py", ".html", ".css"}

FEW_PARAMETERS = 2_000_000  # models of fewer are trained on a CPU in minutes, and ask for no GPU
WITHOUT_GPU_MB = 1_000  # libraries of a process on a CPU (measured: 370 to 530)
WITH_GPU_MB = 4_000  # the same with those of CUDA
BYTES = 4  # of a weight in fp32
STATES = 5  # copies of the weights that training holds: they, their gradient, two moments, and room for an update


def megabytes(paths: Iterable[str]) -> float:
    """Return the 10^6 bytes of files, and of all files in folders: Snakemake's `input.size_mb` weighs a folder as none.

    Raises:
        FileNotFoundError: one is not there yet, so that Snakemake asks again when it is.
    """
    total = 0
    for path in paths:
        total += Path(path).stat().st_size
        total += sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
    return total / 1e6


def gpus_for(parameters: float) -> int:
    """Return how many GPUs a job asks for, by its model's parameters: none for a small one."""
    return int(parameters >= FEW_PARAMETERS)


def libraries_for(parameters: float) -> int:
    """Return the MB that libraries take in a job, by its model's parameters."""
    return WITH_GPU_MB if gpus_for(parameters) else WITHOUT_GPU_MB


def parameters_in(folders: Iterable[str]) -> float:
    """Return how many parameters the models in some folders have, at the most: their bytes are 4 for each.

    Raises:
        FileNotFoundError: one is not there yet, so that Snakemake asks again when it is.
    """
    return megabytes(folders) * 1e6 / BYTES


class Base:
    """The study, and the folders of all that it makes."""

    def __init__(self, study: Study, *task_folders: Path) -> None:
        """Take a checked study, and read its task files.

        Args:
            study: the study.
            task_folders: folders of its own task files, which are searched before those that come with smelt.

        Raises:
            SmeltError: a task file is missing or wrong.
        """
        self.study = study
        self.task_folders = task_folders
        self.results = f"results/{study.study}"
        self.logs = f"logs/{study.study}"
        self.benchmarks = f"benchmarks/{study.study}"
        self.checkpoints = f"checkpoints/{study.study}"
        self.tasks: dict[str, TaskFile] = {
            name: load_task(study.task_file(name), *task_folders) for name in study.tasks
        }

    def as_written(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - so that it is not compared
        """Return the study as its author wrote it, without defaults, as JSON.

        Snakemake compares no param whose function takes `input`; `shown_identity` stands for this one.
        """
        return self.study.model_dump_json(exclude_unset=True)

    def shown_identity(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the study as written but for what makes no other result: what the page is compared by."""
        study = self.study.model_dump(mode="json", exclude_unset=True)
        for model in study["models"].values():
            for part, beside in BESIDE_RESULTS.items():
                if part in model and not (left := {key: model[part][key] for key in model[part] if key not in beside}):
                    del model[part]
                elif part in model:
                    model[part] = left
        return json.dumps(study)

    def sources(self, files: Iterable[str], made: str) -> list[str]:
        """Return those of a job's sources from outside the study that Snakemake may know of.

        Snakemake plans nothing at all where an input is missing. So a missing source is no input, and the job itself
        fails with a line that names it. Where the job's output is there already, the source stays an input: Snakemake
        then takes the output as it is, while for another set of inputs it would delete and try to make it again.

        Args:
            files: the sources: files and folders.
            made: an output of the job.
        """
        stays = Path(made).exists()
        kept = [file for file in files if stays or Path(file).exists() or file.startswith(GENERATED)]
        # A path under a variable that is not set has braces, in which Snakemake sees a wildcard.
        return [file.replace("${", "$(").replace("}", ")") for file in kept]

    def modules(self, *stages: str) -> list[str]:
        """Return the source files of cheap stages: as inputs, they make an edited statistic recompute its tables."""
        files = [path for stage in stages for path in (PACKAGE / stage).rglob("*") if path.suffix in _SOURCES]
        return sorted(os.path.relpath(path) for path in files)
