"""Which runs of fine-tuning one job makes: where each is short by estimate, several of one model and task.

That is no part of a result, and nothing that Snakemake compares depends on it. Runs whose results exist are never in
one job with runs whose results do not, so that a further seed makes itself alone.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from functools import cache
from itertools import groupby, pairwise
from math import ceil
from pathlib import Path
from typing import Any

from smelt.errors import SmeltError
from smelt.provenance import digest
from smelt.study.paths import leading_to, names, not_leading_to, run_of
from smelt.study.rates import RATES, Rates, read_rates
from smelt.study.resources import gpus_for
from smelt.study.rules.finetune import FinetuneRules, training_examples
from smelt.tasks.kinds import kind_of

MAX_RUNS = 40  # of a job, unless the study asks for more
JOB_MINUTES = 5.0
"""By estimate: at least, where jobs get GPUs; at most, on processors, where jobs run side by side. Loading libraries,
model and task takes a quarter of a minute."""

Division = Callable[[int], int]
"""In how many jobs a number of runs is made."""


def stretches(keys: Sequence[Hashable], division: Division) -> Iterator[tuple[int, int]]:
    """Yield the first and the last place of each stretch of equal keys, divided into parts of alike length."""
    first = 0
    for _, equal in groupby(keys):
        length = len(list(equal))
        number = division(length)
        ends = [first + ceil(length * part / number) for part in range(number + 1)]
        yield from ((begin, end - 1) for begin, end in pairwise(ends))
        first += length


class FinetuneJobs:
    """The jobs of one rule, which make the same runs of several models and tasks."""

    def __init__(self, rules: FinetuneRules, seeds: Sequence[int], kept: bool, models: str) -> None:
        """Take the runs.

        Args:
            rules: of the study.
            seeds: of the runs that a job makes; none where it makes one, whose seed is in the wildcards.
            kept: whether the weights are kept.
            models: constraint of the wildcard.
        """
        self.rules, self.seeds, self.kept, self.models = rules, seeds, kept, models

    @property
    def rule(self) -> str:
        """The name of the rule."""
        seeds = self.rules.runs.seeds
        several = f"_{seeds.index(self.seeds[0]) + 1}_to_{seeds.index(self.seeds[-1]) + 1}" if self.seeds else ""
        return f"finetune{'_kept' if self.kept else ''}{several}"

    @property
    def runs(self) -> list[str]:
        """The folders of the runs that a job makes, below those of model and task."""
        return [f"seed-{seed}" for seed in self.seeds] or ["seed-{seed}"]

    @property
    def label(self) -> str:
        """The name of logs."""
        return f"seeds-{self.seeds[0]}-to-{self.seeds[-1]}" if self.seeds else "seed-{seed}"

    def numbers(self, wildcards: Any, input: Any) -> list[str]:  # noqa: ARG002 - so that it is not compared
        """Return the seeds of {model} on {task} that the job makes."""
        return [str(seed) for seed in self.seeds] or [wildcards.seed]

    def folders(self, wildcards: Any, input: Any) -> list[str]:
        """Return the folders that the job writes."""
        paths = self.rules.paths
        return [
            paths.finetuned(run_of(wildcards.model, wildcards.task, seed)) for seed in self.numbers(wildcards, input)
        ]

    def weights(self, wildcards: Any, input: Any) -> list[str]:
        """Return the folders where the runs of a grid keep their weights, or have left them where there was a grid."""
        paths = self.rules.paths
        return [
            paths.grid_weights(run_of(wildcards.model, wildcards.task, seed)) for seed in self.numbers(wildcards, input)
        ]

    def settings(self, wildcards: Any) -> str:
        """Return how {model} is fine-tuned on {task}, as JSON with the version; the seeds stand in the paths."""
        return self.rules.settings(wildcards.model, wildcards.task, self.kept)

    def minutes(self, wildcards: Any, input: Any) -> int:
        """Return the minutes that a job may take."""
        return self.rules.minutes(wildcards, input, len(self.runs))


class CellJobs:
    """The jobs of one rule, which make the same runs of the grids of several models and tasks."""

    def __init__(self, rules: FinetuneRules, cells: Sequence[str], name: str, models: str) -> None:
        """Take the runs.

        Args:
            rules: of the study.
            cells: names of the runs that a job makes; none where it makes one, whose name is in the wildcards.
            name: of the rule.
            models: constraint of the wildcard.
        """
        self.rules, self.cells, self.rule, self.models = rules, cells, name, models

    @property
    def runs(self) -> list[str]:
        """The folders of the runs that a job makes, below that of the seed."""
        return list(self.cells) or ["{cell}"]

    @property
    def label(self) -> str:
        """The name of logs."""
        return f"{self.cells[0]}_and_{len(self.cells) - 1}_more" if self.cells else "{cell}"

    def names(self, wildcards: Any, input: Any) -> list[str]:  # noqa: ARG002 - so that it is not compared
        """Return the names of the runs that the job makes."""
        return list(self.cells) or [wildcards.cell]

    def folders(self, wildcards: Any, input: Any) -> list[str]:
        """Return the folders that the job writes."""
        folder = self.rules.paths.grid(run_of(wildcards.model, wildcards.task, wildcards.seed))
        return [f"{folder}/{name}" for name in self.names(wildcards, input)]

    def settings(self, wildcards: Any, input: Any) -> str:  # noqa: ARG002 - so that it is not compared
        """Return the settings of the whole grid, as JSON with the version."""
        return self.rules.settings(wildcards.model, wildcards.task)

    def minutes(self, wildcards: Any, input: Any) -> int:
        """Return the minutes that a job may take."""
        return self.rules.minutes(wildcards, input, len(self.runs))


def jobs_of_seeds(rules: FinetuneRules, started: Collection[str] | None, gpus: bool = False) -> list[FinetuneJobs]:
    """Return the jobs that make results, one object for each rule.

    Args:
        rules: of the study.
        started: in the process of a job, the names of the rules that it may run: they stand, whatever exists by now.
        gpus: whether jobs that ask for a GPU get one.
    """
    every = names(rules.models())
    if started is not None:
        found = [re.fullmatch(r"finetune(_kept)?(?:_(\d+)_to_(\d+))?", name) for name in sorted(started)]
        return [
            FinetuneJobs(rules, _cut(rules.runs.seeds, match[2], match[3]), bool(match[1]), every)
            for match in found
            if match
        ]
    several = defaultdict[tuple[int, int, bool], list[str]](list)
    one_kept, not_one = rules.teachers_alone(), list[str]()
    for model, task in rules.tuned():
        runs = [run_of(model, task, seed) for seed in rules.runs.seeds_of(model, task)]
        for first, last in seeds_of_jobs(rules, model, task, gpus):
            kept = rules.keeps(model, task, runs[first])
            if last > first:
                several[first, last, kept].append(f"{model}/{task}")
                not_one += runs[first : last + 1]
            elif kept:
                one_kept.append(runs[first])
    seeds, models = rules.runs.seeds, rules.models()
    return [
        FinetuneJobs(rules, (), False, not_leading_to([*one_kept, *not_one], models)),
        *([FinetuneJobs(rules, (), True, leading_to(one_kept, models))] if one_kept else []),
        *(
            FinetuneJobs(rules, seeds[first : last + 1], keeps, leading_to(places, models))
            for (first, last, keeps), places in sorted(several.items())
        ),
    ]


def seeds_of_jobs(
    rules: FinetuneRules, model: str, task: str, gpus: bool, again: bool = False
) -> Iterator[tuple[int, int]]:
    """Yield the places of the first and the last seed of each job of a model on a task.

    Args:
        rules: of the study.
        model: fine-tuned on the task.
        task: its name.
        gpus: whether jobs that ask for a GPU get one.
        again: whether no result that exists counts.
    """
    runs = [run_of(model, task, seed) for seed in rules.runs.seeds_of(model, task)]
    kept = [rules.keeps(model, task, run) for run in runs]
    keys = [(keeps, not again and rules.exists(run, keeps)) for run, keeps in zip(runs, kept, strict=True)]
    # A choice among a grid's runs waits for those of its own seed alone.
    alone = len(rules.grid(model, task).cells) > 1
    yield from stretches(keys, at_most(1) if alone else division_of(rules, model, task, gpus))


def count_jobs(rules: FinetuneRules, gpus: bool = False) -> tuple[int, int]:
    """Return how many jobs make all results, and how many all runs of grids.

    gpus: whether jobs that ask for a GPU get one.
    """
    results = sum(1 for pair in rules.tuned() for _ in seeds_of_jobs(rules, *pair, gpus, again=True))
    results += len(rules.teachers_alone()) + len(rules.students())
    tried = 0
    for run, cells in rules.grids().items():
        model, task, _ = run.split("/")
        tried += division_of(rules, model, task, gpus)(len(cells))
    return results, tried


def jobs_of_cells(rules: FinetuneRules, started: Collection[str] | None, gpus: bool = False) -> list[CellJobs]:
    """Return the jobs that make runs of grids; arguments as for `jobs_of_seeds`."""
    grids = {grid_name(cells): list(cells) for cells in map(tuple, rules.grids().values())}
    if started is not None:
        every = names(rules.models())
        matches = [re.fullmatch(r"finetune_cells?(?:_(\w+)_(\d+)_to_(\d+))?", name) for name in sorted(started)]
        for match in filter(None, matches):
            if match[1] and match[1] not in grids:
                raise SmeltError(match[0], "no grid of the study has these runs any more: run snakemake again")
        return [
            CellJobs(rules, _cut(grids.get(match[1], []), match[2], match[3]), match[0], every)
            for match in matches
            if match
        ]
    several = defaultdict[tuple[str, int, int], list[str]](list)
    one = []
    for run, cells in rules.grids().items():
        model, task, _ = run.split("/")
        exist = [Path(f"{rules.paths.grid(run)}/{cell}/metrics.json").exists() for cell in cells]
        for first, last in stretches(exist, division_of(rules, model, task, gpus)):
            if last > first:
                several[grid_name(cells), first, last].append(run)
            else:
                one.append(f"{run}/{cells[first]}")
    models = rules.models()
    found = [CellJobs(rules, (), "finetune_cell", leading_to(one, models))] if one else []
    for (grid, first, last), places in sorted(several.items()):
        rule = f"finetune_cells_{grid}_{first + 1}_to_{last + 1}"
        found.append(CellJobs(rules, grids[grid][first : last + 1], rule, leading_to(places, models)))
    return found


def grid_name(cells: Sequence[str]) -> str:
    """Return a short name for the grids that have these runs."""
    return digest(list(cells))[:6]


def division_of(rules: FinetuneRules, model: str, task: str, gpus: bool) -> Division:
    """Return in how many jobs runs of a model on a task are made.

    Args:
        rules: of the study.
        model: fine-tuned on the task.
        task: its name.
        gpus: whether jobs that ask for a GPU get one.
    """
    grid = rules.grid(model, task)
    if grid.runs_per_job is not None:
        return at_most(grid.runs_per_job)
    minutes = minutes_of_run(rules, model, task, gpus)
    runs = min(MAX_RUNS, JOB_MINUTES / minutes) if minutes else 1
    return at_least(ceil(runs)) if gpus else at_most(max(1, int(runs)))


def at_most(runs: int) -> Division:
    """Return the division into jobs of no more runs than this."""
    return lambda number: ceil(number / runs)


def at_least(runs: int) -> Division:
    """Return the division into jobs of no fewer runs than this, or one job of all."""
    return lambda number: max(1, number // runs)


def minutes_of_run(rules: FinetuneRules, model: str, task: str, gpus: bool) -> float:
    """Return how long a fine-tuning takes by estimate; arguments as for `division_of`."""
    grid, rates = rules.grid(model, task), _rates()
    on_gpu = gpus and rates.gpu is not None and gpus_for(rules.shapes.parameters(model))
    device = rates.gpu if on_gpu and rates.gpu else rates.cpu
    number = training_examples(rules.study.options(task), rules.runs.tasks[task])
    epochs = max(cell.epochs for cell in grid.cells.values())
    tokens = min(grid.length, kind_of(rules.runs.tasks[task]).typical_tokens)
    shape = rules.shapes.shape(model)
    return number * epochs * seconds_of_example(dict(shape), tokens, getattr(device, grid.precision)) / 60


def seconds_of_example(shape: Mapping[str, int], tokens: int, speed: float) -> float:
    """Return how long a fine-tuning learns from an example, roughly.

    Args:
        shape: layers, hidden and feed_forward of the model.
        tokens: of the example.
        speed: floating-point operations of the device in a second.

    Measured: 4 layers of 312 and 1248 learn 2,000 sentences of CoNLL-2003 in 3 epochs in 0.8 minutes on one thread of a
    processor (estimated: 0.9).
    """
    layer = 4 * shape["hidden"] ** 2 + 2 * shape["hidden"] * shape["feed_forward"]
    return 6 * shape["layers"] * layer * tokens / speed + _rates().example


@cache
def _rates() -> Rates:
    return read_rates(RATES)


def _cut(every: Sequence[Any], first: str | None, last: str | None) -> Sequence[Any]:
    """Return the runs that a rule's name names; none for one run, which the wildcards name."""
    return every[int(first) - 1 : int(last)] if first and last else ()
