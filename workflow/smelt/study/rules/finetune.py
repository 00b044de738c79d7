"""Which models are fine-tuned on which tasks, how, and where the results stand."""

import json
from typing import Any

from smelt.errors import SmeltError
from smelt.study.finetuning import FinetuningSettings
from smelt.study.makers.base import FinetuningRuns
from smelt.study.paths import Paths, run_of
from smelt.study.resources import examples, gpus_for, libraries_for, megabytes, parameters_in
from smelt.study.schema import Study
from smelt.tasks.kinds import kind_of

# Part of the fine-tuning rule's params: raise it when the same settings come to mean other scores,
# and everything is fine-tuned again. Comments and refactorings leave it alone.
FINETUNING_VERSION = 1


class FinetuneRules:
    """Answers to `rules/finetune.smk`."""

    def __init__(self, study: Study, paths: Paths, runs: FinetuningRuns) -> None:
        """Take a checked study.

        Raises:
            SmeltError: a model is tested on a language that none of its tasks tests, or fine-tuned on a task that tests
                none of its languages; a limit counts examples of each label where an example has many labels.
        """
        self.study = study
        self.paths = paths
        self.runs = runs
        for model in study.models:
            self._check_tested(model)
        for task in study.tasks:
            self._check_draw(task)

    def _check_draw(self, task: str) -> None:
        """Refuse a limit of each label where an example has many."""
        if self.study.options(task).per == "label" and not kind_of(self.runs.tasks[task]).labels_examples:
            expected = "label is for tasks whose texts have one label each; expected language"
            raise SmeltError(self.paths.where, f"tasks.{task}.per: {expected}")

    def _check_tested(self, model: str) -> None:
        """Refuse languages that a model would never be tested on."""
        where, key = self.paths.where, f"models.{model}.tested_on"
        tests = {task: self.runs.tasks[task].languages_of("test") for _, task in self.runs.pairs(model=model)}
        for task, languages in tests.items():
            if not self.runs.tested_languages(model, task):
                expected = f"none of its languages is one that task {task!r} tests: {', '.join(languages)}"
                raise SmeltError(where, f"{key}: {expected}")
        known = list(dict.fromkeys(language for languages in tests.values() for language in languages))
        for language in self.study.models[model].tested_on or []:
            if tests and language not in known:
                expected = f"expected some of {', '.join(known)}"
                raise SmeltError(where, f"{key}: {language!r} is a language that none of its tasks tests: {expected}")

    def models(self) -> list[str]:
        """Return the models that are fine-tuned, if they have tasks, and not made for each task by their own maker."""
        return [name for name, model in self.study.models.items() if not model.makes_finetuned]

    def files(self, task: str | None = None, model: str | None = None, file: str = "metrics.json") -> list[str]:
        """Return a file of every fine-tuned model, or of those of one task or model."""
        return [
            f"{self.paths.finetuned(run_of(name, of_task, seed))}/{file}"
            for name, of_task in self.runs.pairs(task, model)
            for seed in self.runs.seeds
        ]

    def teacher_metrics(self) -> list[str]:
        """Return the metrics of the fine-tunings that make teachers."""
        return [f"{self.paths.finetuned(run)}/metrics.json" for run in self.runs.teachers]

    def predictions(self, wildcards: Any) -> list[str]:
        """Return the predictions of {model} on {task}, one file a seed."""
        return self.files(wildcards.task, wildcards.model, "predictions.parquet")

    def memory(self, wildcards: Any, input: Any) -> int:
        """Return the MB that a fine-tuning takes in main memory: the model and libraries, and its examples."""
        libraries = libraries_for(parameters_in([input.model]))
        of_examples = kind_of(self.runs.tasks[wildcards.task]).megabytes_an_example * examples(input)
        return int(libraries + 2 * megabytes([input.model]) + of_examples)

    def gpus(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how many GPUs a fine-tuning asks for."""
        return gpus_for(parameters_in([input.model]))

    def minutes(self, wildcards: Any, input: Any) -> int:
        """Return the minutes that a fine-tuning may take: 4 hours, and more where there are many examples.

        100 examples a second are what a base model manages on an older GPU in fp32.
        """
        epochs = max(cell.epochs for cell in self.grid(wildcards.model, wildcards.task).values())
        return int(240 + epochs * examples(input, "train") / 100 / 60)

    def grid(self, model: str, task: str) -> dict[str, FinetuningSettings]:
        """Return the settings of each run of a model on a task, by its name; one where nothing is tried."""
        assert self.study.finetuning is not None
        options = self.study.options(task)
        grid = self.study.finetuning.named(options.finetuned_as).override(options.finetuning)
        grid = grid.model_copy(update={"length": options.length}) if options.length else grid
        return grid.override(self.study.models[model].finetuning).cells

    def cell_folders(self, wildcards: Any) -> list[str]:
        """Return the folders of the grid's runs of {model} on {task}; none without a grid."""
        run = run_of(wildcards.model, wildcards.task, wildcards.seed)
        names = self.grid(wildcards.model, wildcards.task)
        return [f"{self.paths.grid(run)}/{name}" for name in names] if len(names) > 1 else []

    def cells(self, wildcards: Any) -> list[str]:
        """Return the metrics of the grid's runs of {model} on {task}, to choose one by; none without a grid."""
        return [f"{folder}/metrics.json" for folder in self.cell_folders(wildcards)]

    def tried(self) -> list[str]:
        """Return the runs of all grids of the study: <model>/<task>/seed-<n>/<cell>."""
        return [
            f"{run_of(model, task, seed)}/{cell}"
            for model, task in self.runs.pairs()
            if not self.study.models[model].makes_finetuned
            for cells in [self.grid(model, task)]
            for cell in (cells if len(cells) > 1 else [])
            for seed in self.runs.seeds
        ]

    def settings(self, wildcards: Any) -> str:
        """Return how {model} is fine-tuned on {task}, as JSON with the version; the seeds stand in the paths.

        Of a grid these are the settings of all its runs. Only teachers keep their weights: a further compression must
        fine-tune nothing again but these.
        """
        cells = list(self.grid(wildcards.model, wildcards.task).values())
        settings = cells[0].model_dump() if len(cells) == 1 else {"grid": [cell.model_dump() for cell in cells]}
        settings |= {"version": FINETUNING_VERSION}
        run = run_of(wildcards.model, wildcards.task, wildcards.seed)
        settings |= {"keep": True} if run in self.runs.teachers else {}
        # Only where languages are left out: a run on all of them is what it was before there was a choice.
        chosen = self.runs.limit_languages(wildcards.model, wildcards.task)
        return json.dumps(settings | ({"tested_on": chosen} if chosen is not None else {}))

    def cell_settings(self, wildcards: Any) -> str:
        """Return the settings of {cell}, as JSON with the version."""
        settings = self.grid(wildcards.model, wildcards.task)[wildcards.cell]
        return json.dumps(settings.model_dump() | {"version": FINETUNING_VERSION})
