"""scores.csv: written from the metrics of all fine-tuned models, and read by all tables of scores.

It has a row for each model, task, language, seed, split and metric. The runs to read are those the study names, not
those that lie in the folder: a run left over from an earlier version of the study stays out of the tables.

A task is judged by one metric. Where it tests several languages, one score of each run stands for all of them: the
score over the examples of all (`all`) or, for tasks that average over languages, the mean of the languages' scores
(`mean`). It is compared alone: with the languages' own scores, the same predictions would count twice.
"""

import argparse
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from smelt.cli import KeyValues, add_examples
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.csv_files import read_csv, write_csv
from smelt.report.lost_blanks import refuse_lost_blanks
from smelt.tasks.kinds import METRICS_BY_KEY

COLUMNS = ("model", "task", "language", "setting", "seed", "split", "metric", "value")
STANDARD = "standard"
"""The setting of fine-tuning and testing on the same languages; a task file names others, such as transfer."""
WHOLE = ("all", "mean")
"""Values in the column of languages that mean several languages, in the order of preference."""
AGGREGATES = (*WHOLE, "deviation")
"""Values in the column of languages that are no language."""

# ---- The command that writes it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_runs(parser)
    parser.add_argument("--output", type=Path, required=True, help="scores.csv")
    add_examples(
        parser,
        "--finetuned results/my-study/finetuned --settings runs.mbert=[sst2] seeds=[1,2] --output scores.csv",
    )


def add_runs(parser: argparse.ArgumentParser) -> None:
    """Declare where fine-tuned models lie, and which of them are read (`expected_runs`)."""
    parser.add_argument("--finetuned", type=Path, required=True, help="folder of the fine-tuned models")
    parser.add_argument(
        "--settings",
        action=KeyValues,
        keys=("runs", "seeds"),
        required=True,
        help='{"runs": {model: [task, ...]}, "seeds": [seed, ...]}; "once" lists what has the first seed alone',
    )


def run(arguments: argparse.Namespace) -> None:
    """Write scores.csv."""
    scores = collect(arguments.finetuned, arguments.settings)
    write_csv(arguments.output, scores, COLUMNS)
    print(f"{len(scores)} scores of {len({(model, task, seed) for model, task, _, _, seed, *_ in scores})} runs")


def collect(finetuned: Path, settings: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the scores of the runs that `settings` names, under COLUMNS.

    Raises:
        SmeltError: a run is missing, is not the one its folder names, or gives a score twice or not as a number; or
            earlier versions cut its words wrongly.
    """
    runs = expected_runs(settings)
    paths = {run: finetuned / run[0] / run[1] / f"seed-{run[2]}" / "metrics.json" for run in runs}
    metrics = {run: read_json(path) for run, path in paths.items()}
    rows = [row for run in runs for row in _scores_of(paths[run], metrics[run], run)]
    refuse_lost_blanks(finetuned, ((model, task, found) for (model, task, _), found in metrics.items()))
    return rows


def expected_runs(settings: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Return the (model, task, seed) that a study runs: `runs` by `seeds`, and the first seed alone of those `once`."""
    seeds, once = settings["seeds"], settings.get("once", [])
    return [
        (model, task, seed)
        for model, tasks in settings["runs"].items()
        for task in tasks
        for seed in (seeds[:1] if f"{model}/{task}" in once else seeds)
    ]


def _scores_of(path: Path, metrics: dict[str, Any], expected: tuple[str, str, int]) -> Iterator[tuple[Any, ...]]:
    _check_run(path, metrics, expected)
    model, task, seed = expected
    setting = metrics.get("setting", STANDARD)
    seen: set[tuple[str, str, str]] = set()
    for score in metrics["scores"]:
        key = _key(path, score)
        if key in seen:
            raise SmeltError(path, f"gives a score twice: {' '.join(key)}")
        seen.add(key)
        split, language, metric = key
        yield model, task, language, setting, seed, split, metric, _number(path, key, score.get("value"))


def _check_run(path: Path, metrics: dict[str, Any], expected: tuple[str, str, int]) -> None:
    for part in ("model", "task", "seed", "scores"):
        if part not in metrics:
            raise SmeltError(path, f"has no {part!r}: expected the metrics of a fine-tuned model")
    found = (metrics["model"], metrics["task"], metrics["seed"])
    if found != expected:
        names = [f"{model} on {task} with seed {seed}" for model, task, seed in (found, expected)]
        raise SmeltError(path, f"holds the scores of {names[0]}; expected {names[1]}. Delete it and run again")
    scores = metrics["scores"]
    if not isinstance(scores, list) or not scores or not all(isinstance(score, dict) for score in scores):
        raise SmeltError(path, "gives no scores: expected a list of split, language, metric and value")


def _key(path: Path, score: dict[str, Any]) -> tuple[str, str, str]:
    for part in ("split", "language", "metric"):
        if not isinstance(score.get(part), str):
            raise SmeltError(path, f"a score has no {part!r}: {json.dumps(score)}")
    return score["split"], score["language"], score["metric"]


def _number(path: Path, key: tuple[str, str, str], value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SmeltError(path, f"{' '.join(key)} is {value!r}: expected a number")
    return float(value)


# ---- The scores of one split, each by its task's own metric


@dataclass
class Scores:
    """The scores of a split; lists and mappings keep the order of scores.csv, which is that of the study."""

    models: list[str] = field(default_factory=list)
    metrics: dict[str, str] = field(default_factory=dict)
    """The own metric of each task."""
    units: dict[str, list[str]] = field(default_factory=dict)
    """Tasks by the unit that they count as: the tasks that one setting makes for each language are one unit."""
    runs: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    """The score over all languages of each (task, model) that was run, by seed."""
    by_language: dict[tuple[str, str], dict[str, dict[int, float]]] = field(default_factory=dict)
    """The scores in each language of each (task, model), by seed: a model without some has a mean of its own."""

    @property
    def tasks(self) -> list[str]:
        """The tasks."""
        return list(self.metrics)

    def of(self, task: str, model: str, language: str | None = None) -> dict[int, float]:
        """Return the values by seed of a model on a task, or in one language of it; none where it was not run."""
        if language is None:
            return self.runs.get((task, model), {})
        return self.languages(task, model).get(language, {})

    def languages(self, task: str, model: str) -> dict[str, dict[int, float]]:
        """Return the values by seed of each language that a model was tested in on a task."""
        return self.by_language.get((task, model), {})

    def alike(self, task: str, models: tuple[str, str]) -> bool:
        """Return whether two models that ran on a task were tested on the same languages."""
        first, second = (set(self.languages(task, model)) for model in models)
        return first == second


def read_scores(path: Path, split: str = "test", beside: bool = False) -> Scores:
    """Return the scores of the test split; those of validation only choose what to compare.

    Args:
        path: scores.csv.
        split: test or validation.
        beside: whether to read the metrics that stand beside the tasks' own ones, of tasks that have such.

    Raises:
        SmeltError: a column is missing, a value is no number, a score stands twice, or a task has no own metric or
            several languages and no score over all of them.
    """
    table = read_csv(path, COLUMNS)
    rows = table[table["split"] == split]
    scores = Scores(list(dict.fromkeys(rows["model"])))
    for task, own in rows.groupby("task", sort=False):
        metric = own_metric(set(own["metric"]))
        if metric is None:
            found = ", ".join(sorted(set(own["metric"])))
            *others, last = METRICS_BY_KEY
            raise SmeltError(path, f"task {task} has no {', '.join(others)} or {last} on {split}: found {found}")
        if beside:
            metric = METRICS_BY_KEY[metric].beside
        if not metric:
            continue
        scores.metrics[str(task)] = metric
        scores.units.setdefault(unit_of(str(task), str(own["setting"].iloc[0])), []).append(str(task))
        chosen = own[own["metric"] == metric][["model", "seed", "language", "value"]]
        _add_task(path, scores, str(task), chosen.itertuples(index=False))
    return scores


def own_metric(metrics: set[str]) -> str | None:
    """Return the metric that a task is judged by: the first of METRICS_BY_KEY that it has, f1 where there is one.

    Only tasks of spans have a metric named f1. Classification has accuracy and macro_f1; where macro F1 is the task's
    own metric, accuracy is named micro_f1.
    """
    return next((key for key in METRICS_BY_KEY if key in metrics), None)


def unit_of(task: str, setting: str) -> str:
    """Return the unit of a task: itself, or for `xnli.translate-train.fr` its setting, `xnli.translate-train`."""
    stem, found, language = task.rpartition(f".{setting}.")
    return f"{stem}.{setting}" if setting != STANDARD and found and language else task


def _add_task(path: Path, scores: Scores, task: str, rows: Iterator[tuple[str, int, str, Any]]) -> None:
    found: dict[tuple[str, int], dict[str, float]] = {}
    for model, seed, language, value in rows:
        run, what = (
            found.setdefault((model, int(seed)), {}),
            f"{scores.metrics[task]} of {model} on {task}, seed {seed}",
        )
        if language in run:
            raise SmeltError(path, f"{what}, stands twice")
        run[language] = _finite(path, what, value)
    for (model, seed), run in found.items():
        scores.runs.setdefault((task, model), {})[seed] = whole_of(path, f"task {task}", run)
        by_language = scores.by_language.setdefault((task, model), {})
        for language, value in run.items():
            if language not in AGGREGATES:
                by_language.setdefault(language, {})[seed] = value


def whole_of(path: Path, what: str, run: Mapping[str, float]) -> float:
    """Return the one score of a run that stands for all its languages.

    Raises:
        SmeltError: there are several and none over all.
    """
    name = next((name for name in WHOLE if name in run), None)
    if name is None and len(run) > 1:
        raise SmeltError(path, f"{what} has scores of {', '.join(run)} but none over all (language: all)")
    return run[name] if name else next(iter(run.values()))


def _finite(path: Path, what: str, value: Any) -> float:
    """Return a value that is a finite number; in a column that also holds text, numbers come as text."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SmeltError(path, f"{what}, is no number")
    return number
