"""The scores that models are compared by: those of the test split, by each task's own metric, one a run.

Where a task tests several languages, that one is the score over the examples of all of them (`all`) or, for tasks that
average over languages, the mean of the languages' scores (`mean`). The languages' own scores are never compared beside
it: they would count the same predictions twice.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from smelt.errors import SmeltError
from smelt.report.reading import read_csv

_COLUMNS = ["model", "task", "language", "setting", "seed", "split", "metric", "value"]
STANDARD = "standard"
WHOLE = ("all", "mean")
"""What stands for several languages, the first that there is."""
AGGREGATES = (*WHOLE, "deviation")
"""What stands in the column of languages and is none."""


@dataclass(frozen=True)
class Scores:
    """What is compared; the lists keep the order of scores.csv, which is that of the study."""

    models: list[str]
    tasks: list[str]
    metrics: dict[str, str]
    """The own metric of each task."""
    runs: dict[tuple[str, str], dict[int, float]]
    """Value by seed of each (task, model) that was run."""
    languages: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    """Languages that each (task, model) was tested on: a model without some of them has a mean of its own."""
    units: dict[str, list[str]] = field(default_factory=dict)
    """Tasks by what they count as where tasks are counted: those that one setting makes for each language are one."""

    def of(self, task: str, model: str) -> dict[int, float]:
        """Return the values by seed of a model on a task; none where it was not run."""
        return self.runs.get((task, model), {})

    def alike(self, task: str, models: tuple[str, str]) -> bool:
        """Whether two models that ran on a task were tested on the same languages."""
        first, second = (self.languages.get((task, model)) for model in models)
        return first == second


def compared_scores(path: Path, split: str = "test") -> Scores:
    """Return the scores to compare, of the test split; those of validation are for choosing what to compare.

    Raises:
        SmeltError: a column is missing, a value is no number, a score stands twice, or a task has no own metric or
            several languages and no score over all of them.
    """
    table = read_csv(path, _COLUMNS)
    rows = table[table["split"] == split]
    scores = Scores(list(dict.fromkeys(rows["model"])), list(dict.fromkeys(rows["task"])), {}, {})
    for task in scores.tasks:
        own = rows[rows["task"] == task]
        _add_task(path, scores, task, own)
        scores.units.setdefault(unit_of(task, str(own["setting"].iloc[0])), []).append(task)
    return scores


def own_metric(metrics: set[str]) -> str | None:
    """Return the metric that a task is judged by: f1 where there is one (seqeval's), else accuracy, else macro_f1.

    Only tasks whose labels are spans have a metric of the plain name f1. Classification has macro_f1 beside accuracy,
    and where macro F1 is the task's own, accuracy stands beside it as micro_f1.
    """
    return next((metric for metric in ("f1", "accuracy", "macro_f1") if metric in metrics), None)


def unit_of(task: str, setting: str) -> str:
    """Return what a task counts as: itself, or for `xnli.translate-train.fr` its setting, `xnli.translate-train`."""
    stem, found, language = task.rpartition(f".{setting}.")
    return f"{stem}.{setting}" if setting != STANDARD and found and language else task


def _add_task(path: Path, scores: Scores, task: str, rows: pd.DataFrame) -> None:
    metric = own_metric(set(rows["metric"]))
    if metric is None:
        where, found = rows["split"].iloc[0], ", ".join(set(rows["metric"]))
        raise SmeltError(path, f"task {task} has no f1, accuracy or macro_f1 on {where}: found {found}")
    scores.metrics[task] = metric
    for (model, seed), run in rows[rows["metric"] == metric].groupby(["model", "seed"], sort=False):
        what = f"{metric} of {model} on {task}, seed {seed}"
        scores.runs.setdefault((task, str(model)), {})[int(str(seed))] = _value(path, task, what, run)
        scores.languages[task, str(model)] = frozenset(run["language"]) - {*AGGREGATES}


def _value(path: Path, task: str, what: str, run: pd.DataFrame) -> float:
    """Return the one score of a run that stands for all its languages."""
    languages = list(dict.fromkeys(run["language"]))
    whole = next((name for name in WHOLE if name in languages), languages[0])
    if len(languages) > 1 and whole not in WHOLE:
        raise SmeltError(path, f"task {task} has scores of {', '.join(languages)} but none over all (language: all)")
    values = pd.to_numeric(run[run["language"] == whole]["value"], errors="coerce")
    if len(values) > 1:
        raise SmeltError(path, f"{what}, stands twice")
    if not np.isfinite(values).all():
        raise SmeltError(path, f"{what}, is no number")
    return float(values.iloc[0])
