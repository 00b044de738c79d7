"""Which models are fine-tuned on which tasks, and where the results stand."""

import json
from pathlib import Path
from typing import Any

from smelt.study.catalogue.models import Models

GENERATED = "resources/demo/"  # what lies here is made by the project itself

# Part of the fine-tuning rule's params: raise it when the same settings come to mean other scores,
# and everything is fine-tuned again. Comments and refactorings leave it alone.
FINETUNING_VERSION = 1


class Finetuned(Models):
    """Tasks, and the models fine-tuned on them."""

    def task_sources(self, wildcards: Any) -> list[str]:
        """Return the local files of {task} that exist or will be generated; the job itself names missing ones."""
        files = self.tasks[wildcards.task].local_files()
        return [file for file in files if Path(file).exists() or file.startswith(GENERATED)]

    def task_folder(self, wildcards: Any) -> str:
        """Return the folder of the prepared {task}."""
        return f"{self.results}/tasks/{wildcards.task}"

    def task_limit(self, wildcards: Any) -> int:
        """Return how many training examples {task} keeps; 0 for all."""
        return self.study.options(wildcards.task).limit or 0

    def runs(self, task: str | None = None, model: str | None = None) -> list[tuple[str, str]]:
        """Return the (model, task) pairs that are fine-tuned."""
        return [
            (name, entry_task)
            for name, entry in self.study.models.items()
            for entry_task in self.study.tasks
            if (entry.tasks is None or entry_task in entry.tasks)
            and (task is None or entry_task == task)
            and (model is None or name == model)
        ]

    @property
    def seeds(self) -> list[int]:
        """The seeds of fine-tuning."""
        return self.study.finetuning.seeds if self.study.finetuning else []

    def finetuned(self, task: str | None = None, model: str | None = None, file: str = "metrics.json") -> list[str]:
        """Return a file of every fine-tuned model, or of those of one task or model."""
        return [
            f"{self.results}/finetuned/{name}/{of_task}/seed-{seed}/{file}"
            for name, of_task in self.runs(task, model)
            for seed in self.seeds
        ]

    def finetuning_settings(self, wildcards: Any) -> str:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how models are fine-tuned, as JSON with the version; the seeds stand in the paths."""
        assert self.study.finetuning is not None
        return json.dumps(self.study.finetuning.model_dump(exclude={"seeds"}) | {"version": FINETUNING_VERSION})
