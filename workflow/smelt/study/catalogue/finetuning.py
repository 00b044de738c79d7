"""Which models are fine-tuned on which tasks, and where the results stand."""

import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.study.catalogue.base import gpus_for, libraries_for, megabytes, parameters_in
from smelt.study.catalogue.distillation import Distilled
from smelt.study.makers import Compress
from smelt.study.schema import Study
from smelt.tasks.kinds import kind_of

BESIDE_EXAMPLES = {"title", "licence", "cite"}  # keys of a task file that decide nothing of its examples and scores

# Part of the fine-tuning rule's params: raise it when the same settings come to mean other scores,
# and everything is fine-tuned again. Comments and refactorings leave it alone.
FINETUNING_VERSION = 1


class Finetuned(Distilled):
    """Tasks, and the models fine-tuned on them."""

    def __init__(self, study: Study, *task_folders: Path) -> None:
        """Take a checked study.

        Raises:
            SmeltError: besides what a wrong task file raises: a model is tested on a language that none of its tasks
                tests, or fine-tuned on a task that tests none of its languages; a limit is of labels that are none of
                examples.
        """
        super().__init__(study, *task_folders)
        for model in study.models:
            self._check_tested(model)
        for task in study.tasks:
            self._check_draw(task)

    def _check_draw(self, task: str) -> None:
        """Refuse a limit of each label where an example has many."""
        if self.study.options(task).per == "label" and not kind_of(self.tasks[task]).labels_examples:
            expected = "label is for tasks whose texts have one label each; expected language"
            raise SmeltError(f"study {self.study.study}", f"tasks.{task}.per: {expected}")

    def _check_tested(self, model: str) -> None:
        """Refuse languages that a model would never be tested on."""
        where, key = f"study {self.study.study}", f"models.{model}.tested_on"
        tests = {task: self.tasks[task].languages_of("test") for _, task in self.runs(model=model)}
        for task, languages in tests.items():
            if not self.tested_languages(model, task):
                expected = f"none of its languages is one that task {task!r} tests: {', '.join(languages)}"
                raise SmeltError(where, f"{key}: {expected}")
        known = list(dict.fromkeys(language for languages in tests.values() for language in languages))
        for language in self.study.models[model].tested_on or []:
            if tests and language not in known:
                expected = f"expected some of {', '.join(known)}"
                raise SmeltError(where, f"{key}: {language!r} is a language that none of its tasks tests: {expected}")

    def task_definition(self, wildcards: Any) -> str:
        """Return what {task} is, as JSON: its file under its setting, without its title and terms of use.

        It stands for the file among what a prepared task depends on, for one file is that of many tasks: a further
        setting or language of it, a better title, or a comment, must not prepare and fine-tune all of them again.
        """
        return self.tasks[wildcards.task].model_dump_json(by_alias=True, exclude_defaults=True, exclude=BESIDE_EXAMPLES)

    def task_sources(self, wildcards: Any) -> list[str]:
        """Return the local files of {task}; the job itself names missing ones."""
        files = self.tasks[wildcards.task].local_files()
        return self.sources(files, f"{self.task_folder(wildcards)}/task.json")

    def task_folder(self, wildcards: Any) -> str:
        """Return the folder of the prepared {task}."""
        return f"{self.results}/tasks/{wildcards.task}"

    def task_limit(self, wildcards: Any) -> int:
        """Return how many training examples {task} keeps; 0 for all."""
        return self.study.options(wildcards.task).limit or 0

    def task_per(self, wildcards: Any) -> str:
        """Return what the limit of {task} is of: all examples, or those of each language or label."""
        return self.study.options(wildcards.task).per or "all"

    def task_of(self, wildcards: Any) -> str:
        """Return the task file, with its setting, that {task} is."""
        return self.study.task_file(wildcards.task)

    def own_task_folders(self, wildcards: Any, input: Any) -> list[str]:  # noqa: ARG002 - see below
        """Return the folders of the study's own task files that are there.

        It takes `input` so that Snakemake does not compare it: where task files lie changes no task.
        """
        return [os.path.relpath(folder) for folder in self.task_folders if folder.is_dir()]

    def runs(self, task: str | None = None, model: str | None = None) -> list[tuple[str, str]]:
        """Return the (model, task) pairs that are fine-tuned."""
        return [
            (name, entry_task)
            for name, entry in self.study.models.items()
            for entry_task in self.study.tasks
            if (task is None or entry_task == task)
            and (model is None or name == model)
            and entry.runs_on(entry_task, self.tasks[entry_task].languages_of("test"))
        ]

    def tested_languages(self, model: str, task: str) -> list[str]:
        """Return the languages that a model is tested on in a task."""
        own = self.study.models[model].tested_on
        return [language for language in self.tasks[task].languages_of("test") if own is None or language in own]

    @cached_property
    def teachers(self) -> list[str]:
        """Fine-tunings that others are compressed from, whose weights alone are kept: <model>/<task>/seed-<n>."""
        found = [
            f"{model.teacher}/{task}/seed-{model.seed_of_teacher(seed)}"
            for name, model in self.study.models.items()
            if isinstance(model, Compress) and model.needs_finetuned_teacher
            for _, task in self.runs(model=name)
            for seed in self.seeds
        ]
        return list(dict.fromkeys(found))

    def finetuned_models(self) -> list[str]:
        """Return the models that are fine-tuned, if any task is theirs, rather than compressed."""
        compressed = self.made_by("compress")
        return [name for name in self.study.models if name not in compressed]

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

    def finetuning_memory(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the MB that a fine-tuning takes beside a GPU: the model and libraries, and its examples.

        A pair of XNLI was seen to take 1.8 kB as texts and windows of ids.
        """
        libraries = libraries_for(parameters_in([input.model]))
        return int(libraries + 2 * megabytes([input.model]) + 0.0025 * examples(input))

    def finetuning_gpus(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how many GPUs a fine-tuning asks for."""
        return gpus_for(parameters_in([input.model]))

    def finetuning_minutes(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return the minutes that a fine-tuning may take: 4 hours, and more where there is much to learn.

        100 examples a second are what a base model manages on an older GPU in fp32.
        """
        assert self.study.finetuning is not None
        return int(240 + self.study.finetuning.epochs * examples(input, "train") / 100 / 60)

    def finetuning_settings(self, wildcards: Any) -> str:
        """Return how {model} is fine-tuned on {task}, as JSON with the version; the seeds stand in the paths.

        That weights are kept is said of teachers alone: a further compression must fine-tune nothing again but these.
        """
        assert self.study.finetuning is not None
        settings = self.study.finetuning.model_dump(exclude={"seeds"}) | {"version": FINETUNING_VERSION}
        settings |= {"length": length} if (length := self.study.options(wildcards.task).length) else {}
        run = f"{wildcards.model}/{wildcards.task}/seed-{wildcards.seed}"
        settings |= {"keep": True} if run in self.teachers else {}
        chosen = self.tested_languages(wildcards.model, wildcards.task)
        # Only where languages are left out: a run on all of them is what it was before there was a choice.
        left_out = chosen != self.tasks[wildcards.task].languages_of("test")
        return json.dumps(settings | ({"tested_on": chosen} if left_out else {}))


def examples(input: Any, *splits: str) -> int:
    """Return how many examples a prepared task has in some splits, or in all three, as its task.json says."""
    description = next(path for path in input.task if path.endswith("task.json"))
    found = json.loads(Path(description).read_text(encoding="utf-8"))["splits"]
    return sum(int(found[split]["examples"]) for split in splits or ("train", "validation", "test"))
