"""Which models are fine-tuned on which tasks, how, and where the results stand."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from smelt.entry import Entry, refuse_idle
from smelt.errors import SmeltError
from smelt.study.finetuning import EMBEDDING_KEYS, LEARNING, FinetuningGrid, FinetuningSettings, TaskOptions
from smelt.study.makers.base import FinetuningRuns
from smelt.study.model_shapes import ModelShapes
from smelt.study.paths import Paths, run_of
from smelt.study.resources import examples, gpus_for, libraries_for, megabytes, parameters_in, passages
from smelt.study.schema import Study
from smelt.tasks.kinds import kind_of
from smelt.tasks.task_file import TaskFile

# Part of the fine-tuning rule's params: raise it when the same settings come to mean other scores,
# and everything is fine-tuned again. Comments and refactorings leave it alone.
FINETUNING_VERSION = 1

TYPICAL_EXAMPLES = 10_000  # of a language in a training set without a limit
MOST_CELLS = 1_000  # of a grid
MOST_RUNS = 100_000  # of a study
LONGEST_JOB = 1200  # minutes that several runs ask for at most: a job that needs more goes on in another


class FinetuneRules:
    """Answers to `rules/finetune.smk`."""

    def __init__(self, study: Study, paths: Paths, runs: FinetuningRuns, shapes: ModelShapes) -> None:
        """Take a checked study, and the shapes of its models.

        Raises:
            SmeltError: a model is tested on a language that none of its tasks tests, or fine-tuned on a task that tests
                none of its languages; a limit counts examples of each label where an example has many labels; settings
                of embeddings are none of these tasks', or nothing is learnt where a classifier is needed; there are
                more runs than can be planned.
        """
        self.study = study
        self.paths = paths
        self.runs = runs
        self.shapes = shapes
        self._check_number()
        for model in study.models:
            self._check_tested(model)
        for task in study.tasks:
            self._check_draw(task)
        self._check_embeddings()

    def _check_number(self) -> None:
        """Refuse more runs than can be planned, before a grid is multiplied out."""
        where, seeds = self.paths.where, len(self.study.seeds)
        runs = len(self.tuned()) * seeds
        if runs <= MOST_RUNS:
            sizes = {pair: self.grid(*pair).runs for pair in self.tuned()}
            for (model, task), size in sizes.items():
                if size > MOST_CELLS:
                    found = f"the grid of {model} on {task} has {size:,} runs: expected at most {MOST_CELLS:,}"
                    raise SmeltError(where, f"finetuning: {found}")
            runs = sum(sizes.values()) * seeds
        if runs > MOST_RUNS:
            found = f"models, tasks, seeds and grids make {runs:,} runs: expected at most {MOST_RUNS:,}"
            raise SmeltError(where, f"finetuning: {found}")

    def _check_draw(self, task: str) -> None:
        """Refuse a limit of each label where an example has many."""
        if self.study.options(task).per == "label" and not kind_of(self.runs.tasks[task]).labels_examples:
            expected = "label is for tasks whose texts have one label each; expected language"
            raise SmeltError(self.paths.where, f"tasks.{task}.per: {expected}")

    def _check_embeddings(self) -> None:
        """Refuse settings of embeddings without a task of these, and of learning where nothing is learnt or predicted.

        Raises:
            SmeltError: there are such.
        """
        embedding = {task for task, definition in self.runs.tasks.items() if kind_of(definition).embeds}
        settings: dict[str, tuple[Entry | None, list[tuple[str, str]]]] = {
            "finetuning": (self.study.finetuning, self.runs.pairs())
        }
        for name, model in self.study.models.items():
            settings[f"models.{name}.finetuning"] = (model.finetuning, self.runs.pairs(model=name))
        for task in self.study.tasks:
            options = self.study.options(task)
            pairs = self.runs.pairs(task=task)
            settings[f"tasks.{task}.finetuning"] = (options.finetuning, pairs)
            if options.limit and pairs and not any(self.study.learns(*pair) for pair in pairs):
                found = "has no effect where nothing is learnt (epochs: 0); leave it out"
                raise SmeltError(self.paths.where, f"tasks.{task}.limit: {found}")
        for key, (entry, pairs) in settings.items():
            if entry is not None and not any(task in embedding for _, task in pairs):
                self._refuse_idle(key, entry, EMBEDDING_KEYS, "where no task is of embeddings")
            if entry is not None and key != "finetuning" and dict(entry)["epochs"] == 0:
                self._refuse_idle(key, entry, LEARNING, "where nothing is learnt (epochs: 0)")
        for name, task in self.tuned():
            grid = self.grid(name, task)
            where = f"{name} on {task}"
            if task not in embedding and not grid.learns:
                found = "a classifier has to be learnt; epochs: 0 is for tasks of embeddings"
                raise SmeltError(self.paths.where, f"finetuning.epochs ({where}): {found}")
            if grid.learns and not self.runs.tasks[task].learns:
                found = f"the task {task} has a test split alone: expected epochs: 0"
                raise SmeltError(self.paths.where, f"finetuning.epochs ({where}): {found}")
            if task in embedding and grid.choose == "loss":
                found = "expected metric: no loss of embeddings is measured on validation"
                raise SmeltError(self.paths.where, f"finetuning.choose ({where}): {found}")

    def _refuse_idle(self, key: str, entry: Entry, idle: Collection[str], why: str) -> None:
        try:
            refuse_idle(f"{key}.", entry, dict.fromkeys(idle, why))
        except ValueError as error:
            raise SmeltError(self.paths.where, str(error)) from None

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
            for seed in self.runs.seeds_of(name, of_task)
        ]

    def teacher_metrics(self) -> list[str]:
        """Return the metrics of the fine-tunings that make teachers."""
        return [f"{self.paths.finetuned(run)}/metrics.json" for run in self.runs.teachers]

    def results(self) -> set[str]:
        """Return the metrics of all fine-tunings, those of teachers included."""
        return {*self.files(), *self.teacher_metrics()}

    def predictions(self, wildcards: Any) -> list[str]:
        """Return the predictions of {model} on {task}, one file a seed."""
        return self.files(wildcards.task, wildcards.model, "predictions.parquet")

    def memory(self, wildcards: Any, input: Any) -> int:
        """Return the MB that a fine-tuning takes in main memory: the model and libraries, and its examples."""
        libraries = libraries_for(parameters_in([input.model]))
        texts = examples(input) + passages(input)
        of_examples = kind_of(self.runs.tasks[wildcards.task]).megabytes_an_example * texts
        return int(libraries + 2 * megabytes([input.model]) + of_examples)

    def gpus(self, wildcards: Any, input: Any) -> int:  # noqa: ARG002 - Snakemake passes its wildcards
        """Return how many GPUs a fine-tuning asks for."""
        return gpus_for(parameters_in([input.model]))

    def minutes(self, wildcards: Any, input: Any, runs: int = 1) -> int:
        """Return the minutes that some fine-tunings may take: 4 hours, and more where there are many examples.

        100 examples a second are what a base model manages on an older GPU in fp32.
        """
        epochs = max(cell.epochs for cell in self.grid(wildcards.model, wildcards.task).cells.values())
        learning = epochs * examples(input, "train") / 100 / 60
        return int(240 + max(learning, min(runs * learning, LONGEST_JOB)))

    def grid(self, model: str, task: str) -> FinetuningGrid:
        """Return how a model is fine-tuned on a task."""
        return self.study.grid(model, task)

    def settings(self, model: str, task: str, kept: bool = False) -> str:
        """Return how a model is fine-tuned on a task, as JSON with the version; with lists where it has a grid.

        `keep` is only where weights are kept, and `tested_on` only where languages are left out: other runs are what
        they were before there was a choice.
        """
        grid = self.grid(model, task)
        settings: dict[str, Any] = grid.model_dump(include=self._keys(task))
        settings |= {"version": FINETUNING_VERSION} | ({"keep": True} if kept else {})
        chosen = self.runs.limit_languages(model, task)
        return json.dumps(settings | ({"tested_on": chosen} if chosen is not None else {}))

    def _keys(self, task: str) -> set[str]:
        """Return the settings that decide the results of a task."""
        keys = set(FinetuningSettings.model_fields)
        return keys if kind_of(self.runs.tasks[task]).embeds else keys - set(EMBEDDING_KEYS)

    def cell_identity(self, wildcards: Any) -> str:
        """Return what Snakemake compares of a run of a grid, as JSON: not what other runs there are."""
        tried = {"batch", "learning_rate", "epochs"}
        settings = self.grid(wildcards.model, wildcards.task).model_dump(include=self._keys(wildcards.task) - tried)
        return json.dumps(settings | {"version": FINETUNING_VERSION})

    def grids(self) -> dict[str, list[str]]:
        """Return the names of the runs of each grid, by <model>/<task>/seed-<n>; those of teachers too."""
        runs = [(pair, run_of(*pair, seed)) for pair in self.tuned() for seed in self.runs.seeds_of(*pair)]
        runs += [((run.split("/")[0], run.split("/")[1]), run) for run in self.teachers_alone()]
        cells = {pair: list(self.grid(*pair).cells) for pair in dict(runs)}
        return {run: cells[pair] for pair, run in runs if len(cells[pair]) > 1}

    def tried(self) -> list[str]:
        """Return the runs of all grids of the study: <model>/<task>/seed-<n>/<cell>."""
        return [f"{run}/{cell}" for run, cells in self.grids().items() for cell in cells]

    def cell_folders(self, wildcards: Any) -> list[str]:
        """Return the folders of the grid's runs of {model} on {task}; none without a grid."""
        cells = list(self.grid(wildcards.model, wildcards.task).cells)
        if len(cells) == 1:
            return []
        return [f"{self.paths.grid(run_of(wildcards.model, wildcards.task, wildcards.seed))}/{cell}" for cell in cells]

    def cells(self, wildcards: Any) -> list[str]:
        """Return the metrics of the grid's runs of {model} on {task}, to choose one by; none without a grid."""
        return [f"{folder}/metrics.json" for folder in self.cell_folders(wildcards)]

    def tuned(self) -> list[tuple[str, str]]:
        """Return the (model, task) pairs that are fine-tuned, apart from those that their own maker makes."""
        return [pair for pair in self.runs.pairs() if not self.study.models[pair[0]].makes_finetuned]

    def teachers_alone(self) -> list[str]:
        """Return the runs that are teachers of others, and no results of the study themselves."""
        results = {run_of(*pair, seed) for pair in self.tuned() for seed in self.runs.seeds_of(*pair)}
        return [run for run in self.runs.teachers if run not in results]

    def students(self) -> list[str]:
        """Return the runs that their own maker makes."""
        own = [pair for pair in self.runs.pairs() if self.study.models[pair[0]].makes_finetuned]
        return [run_of(*pair, seed) for pair in own for seed in self.runs.seeds]

    def keeps(self, model: str, task: str, run: str) -> bool:
        """Return whether a run's weights are kept.

        A compression needs those of its teachers alone, so that one more fine-tunes nothing again but these.
        """
        grid = self.grid(model, task)
        return run in self.runs.teachers or (grid.keep == "best" and grid.learns)

    def exists(self, run: str, kept: bool) -> bool:
        """Return whether the results of a run exist."""
        folder = Path(self.paths.finetuned(run))
        return (folder / "metrics.json").exists() and (not kept or (folder / "model").exists())


def training_examples(options: TaskOptions, task: TaskFile) -> int:
    """Return how many training examples a task may have, before it is prepared."""
    if options.limit:
        return options.limit * (len(task.languages) if options.per else 1)
    return TYPICAL_EXAMPLES * len(task.languages_of("train"))
