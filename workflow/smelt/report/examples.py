"""Test the differences of models on one task over its test examples: statistics/examples/<task>.csv.

Whatever the number of seeds, so that models that are evaluated as they are can be tested, too. A model's score is the
mean over its runs, on the same resampled examples. The score of a run is computed again from its predictions: where
that is not the score that was written, the file is refused.
"""

import argparse
import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smelt.cli import KeyValues, add_examples
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.parquet import read_columns
from smelt.report.csv_files import write_csv
from smelt.report.no_worse import NOT_TESTED, add_no_worse, columns_of, over_examples
from smelt.report.scores import own_metric, whole_of
from smelt.report.significance import Significance
from smelt.statistics.examples import bootstrap_interval, bootstrap_p, resample_scores
from smelt.statistics.intervals import few_values_note
from smelt.statistics.p_values import family_size
from smelt.statistics.tests import join_notes
from smelt.tasks.kinds import KINDS, METRICS_BY_KEY
from smelt.tasks.metrics import Metric

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from smelt.statistics.examples import WeightedScorer
    from smelt.statistics.scores import Floats

TESTS_TOGETHER = 8
"""Tests of two models on tasks, corrected together, that resamples suffice for whatever a study sets."""
COLUMNS = (
    *("task", "metric", "model_a", "model_b", "examples", "contexts", "runs_a", "runs_b", "difference"),
    *("low", "high", "level", "p", "p_corrected", "correction", "family", "alpha", "significant", "resamples", "note"),
)
"""`contexts` are what is drawn, each with all of its examples; empty where examples themselves are. `difference` is a
minus b; `low` and `high` are its interval at `level`, which is alpha or what Holm's correction over all pairs of the
task leaves of it at the pair's step: they leave out 0 exactly where the pair is significant. Each interval is for its
own pair: that all of a task hold at once is less likely. A margin of the study adds NO_WORSE_COLUMNS."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the files read and written."""
    parser.add_argument("--task", type=Path, required=True, help="task.json of the task")
    parser.add_argument(
        "--metrics", type=Path, nargs="+", required=True, help="metrics.json of each run, with its predictions"
    )
    parser.add_argument(
        "--settings", action=KeyValues, kind=Significance, required=True, help="the study's `significance`"
    )
    parser.add_argument("--output", type=Path, required=True, help="CSV to write: a row a pair of models")
    add_examples(parser, "--task task.json --metrics a/metrics.json b/metrics.json --settings seed=1 --output sst2.csv")


def run(arguments: argparse.Namespace) -> None:
    """Write the file."""
    task = read_json(arguments.task)
    runs = [read_run(path, task) for path in arguments.metrics]
    contexts = read_contexts(arguments.task, task["kind"])
    rows = pair_rows(task["name"], runs, arguments.settings, contexts)
    write_csv(arguments.output, rows, columns_of(arguments.settings, COLUMNS))
    print(f"{len(rows)} pairs of models: {sum(row.get('significant') is True for row in rows)} differ over examples")


@dataclass(frozen=True)
class TestedRun:
    """The predictions of a run on the test set, as what scores weighted examples."""

    __test__ = False  # the name starts with Test, but pytest has nothing to collect here

    path: Path
    model: str
    metric: str
    examples: tuple[tuple[str, int], ...]
    """Language and number of each example."""
    scorer: "WeightedScorer | None"
    """None where the metric needs more than predictions hold."""
    score: float
    """As written."""


def read_run(path: Path, task: Mapping[str, Any]) -> TestedRun:
    """Return a run of a task from its metrics.json and the predictions.parquet beside it.

    Raises:
        SmeltError: a file is missing or holds something else, or its scores are not those of its predictions.
    """
    metrics = read_json(path)
    rows = [row for row in metrics["scores"] if row["split"] == "test"]
    key = own_metric({row["metric"] for row in rows})
    if key is None or metrics["task"] != task["name"]:
        raise SmeltError(path, f"has no scores of {task['name']}: expected metrics of a model on this task")
    score = whole_of(path, task["name"], {row["language"]: row["value"] for row in rows if row["metric"] == key})
    predictions = path.with_name("predictions.parquet")
    table = read_columns(predictions, ["example", "language", "gold", "predicted"]).to_pydict()
    examples = tuple(zip(table["language"], table["example"], strict=True))
    metric = METRICS_BY_KEY[key]
    if metric.of_pieces:
        return TestedRun(path, metrics["model"], key, examples, None, score)
    gold, predicted = KINDS[task["kind"]].read_predictions(table["gold"], table["predicted"])
    by_language = task.get("average", "examples") == "languages"
    scorer = _scorer(metric, gold, predicted, table["language"], by_language)
    again = float(scorer(np.ones((1, len(examples))))[0])
    if not math.isclose(again, score, abs_tol=1e-6):
        raise SmeltError(predictions, f"gives {key} {again:.6f}; {path.name} has {score:.6f}: run the model again")
    return TestedRun(path, metrics["model"], key, examples, scorer, score)


def _scorer(
    metric: Metric, gold: Sequence[Any], predicted: Sequence[Any], languages: Sequence[str], by_language: bool
) -> "WeightedScorer":
    """Return what scores weighted examples: over all of them, or as the mean over languages."""
    if not by_language:
        return metric.weighted(gold, predicted, languages)
    parts = []
    for language in sorted(set(languages)):
        rows = [row for row, other in enumerate(languages) if other == language]
        own = [[values[row] for row in rows] for values in (gold, predicted, languages)]
        parts.append((np.array(rows), metric.weighted(*own)))

    def mean(weights: "Floats") -> "Floats":
        found: Floats = np.mean([scorer(weights[:, rows]) for rows, scorer in parts], axis=0)
        return found

    return mean


def read_contexts(path: Path, kind: str) -> dict[tuple[str, int], str] | None:
    """Return the context of each test example, by language and number; None where no two examples share one.

    Args:
        path: task.json, beside test.parquet.
        kind: of the task.
    """
    column = KINDS[kind].context_column
    if not column:
        return None
    table = read_columns(path.with_name("test.parquet"), ["language", "example", column]).to_pydict()
    found = [KINDS[kind].context_in(value) for value in table[column]]
    contexts = dict(zip(zip(table["language"], table["example"], strict=True), found, strict=True))
    drawn = {(language, context) for (language, _), context in contexts.items()}
    return contexts if len(drawn) < len(contexts) else None


def pair_rows(
    task: str,
    runs: Sequence[TestedRun],
    settings: Significance,
    contexts: Mapping[tuple[str, int], str] | None = None,
) -> list[dict[str, Any]]:
    """Return a row for each pair of models, in the order of their runs; all pairs are corrected together.

    Raises:
        SmeltError: two runs of a model were tested on different examples, or a run on others than those of the task.
    """
    by_model: dict[str, list[TestedRun]] = {}
    for each in runs:
        by_model.setdefault(each.model, []).append(each)
    scores = _resampled(by_model, settings, _resamples(math.comb(len(by_model), 2), settings), contexts)
    family, resampled = list[dict[str, Any]](), list["Floats | None"]()
    for a, b in itertools.combinations(by_model, 2):
        first, second = by_model[a][0], by_model[b][0]
        drawn: Floats | None = None
        row: dict[str, Any] = {
            "task": task,
            "metric": first.metric,
            "model_a": a,
            "model_b": b,
            "examples": len(first.examples),
        }
        if contexts:
            row["contexts"] = len({(example[0], contexts[example]) for example in first.examples})
        row |= {"runs_a": len(by_model[a]), "runs_b": len(by_model[b])}
        if first.scorer is None or second.scorer is None:
            row["note"] = "cannot be tested: predictions hold no labels of pieces"
        elif first.examples != second.examples:
            row["note"] = "cannot be tested: the two were tested on different examples"
        else:
            difference = scores[a] - scores[b]
            drawn = difference[1:]
            row |= {"difference": float(difference[0]), "p": bootstrap_p(drawn)}
        family.append(row)
        resampled.append(drawn)
    p_values = [row.get("p") for row in family]
    corrected = settings.correct(p_values)
    for row, p, level, own in zip(family, corrected, settings.levels(p_values), resampled, strict=True):
        row |= {"correction": settings.correction, "family": family_size(corrected), "alpha": settings.alpha}
        if p is not None and level is not None and own is not None:
            row |= _conclusion(p, level, own, settings.alpha)
            row["note"] = join_notes(row["note"], _few_contexts(by_model[row["model_a"]][0], contexts))
    if settings.margin:
        tests = [NOT_TESTED if own is None else over_examples(own, settings) for own in resampled]
        add_no_worse(family, tests, settings)
    return family


def _few_contexts(run: TestedRun, contexts: Mapping[tuple[str, int], str] | None) -> str:
    """Return what to beware of in the language with the fewest contexts, since each language's are drawn by itself."""
    if not contexts:
        return ""
    drawn = Counter(language for language, _ in {(example[0], contexts[example]) for example in run.examples})
    language, fewest = min(drawn.items(), key=lambda item: (item[1], item[0]))
    return few_values_note(fewest, f"contexts in {language}")


def _conclusion(corrected: float, level: float, drawn: "Floats", alpha: float) -> dict[str, Any]:
    """Return the cells that follow from a corrected p, and from the level that the correction leaves to the pair."""
    interval = bootstrap_interval(drawn, level)
    cells = {"low": interval.low, "high": interval.high, "level": level, "p_corrected": corrected}
    significant = corrected < alpha and not math.isclose(corrected, alpha)  # p is a fraction that can be alpha itself
    return cells | {"significant": significant, "resamples": len(drawn), "note": interval.note}


def _resamples(pairs: int, settings: Significance) -> int:
    """Return how many resamples to draw: those of the study, or more where the pairs of models need them.

    The smallest p of R resamples, 2 / (R + 1), has to fall below alpha after correction over the pairs of the task, and
    over some tests on other tasks.
    """
    family = pairs if settings.correction == "holm" else 1
    return max(settings.resamples, math.ceil(2 * family * TESTS_TOGETHER / settings.alpha))


def _resampled(
    by_model: Mapping[str, Sequence[TestedRun]],
    settings: Significance,
    resamples: int,
    contexts: Mapping[tuple[str, int], str] | None,
) -> dict[str, "Floats"]:
    """Return the scores of each model, mean over its runs, on the examples and on each resample of them.

    Models that were tested on the same examples share resamples. Where examples share contexts, these are drawn.

    Raises:
        SmeltError: two runs of a model were tested on different examples, or a run on others than those of the task.
    """
    by_examples: dict[tuple[tuple[str, int], ...], list[TestedRun]] = {}
    for model, runs in by_model.items():
        for each in runs:
            if each.examples != runs[0].examples:
                raise SmeltError(each.path, f"was tested on other examples than {runs[0].path}, a run of {model}, too")
            by_examples.setdefault(each.examples, []).append(each)
    found: dict[str, Floats] = {}
    for examples, runs in by_examples.items():
        scorers = {each.path: each.scorer for each in runs if each.scorer}
        strata = np.unique([language for language, _ in examples], return_inverse=True)[1]
        clusters = _clusters(runs[0], contexts) if contexts else None
        scores = resample_scores(scorers, strata, resamples, settings.seed, clusters)
        for model in dict.fromkeys(each.model for each in runs if each.scorer):
            found[model] = np.mean([scores[each.path] for each in by_model[model]], axis=0)
    return found


def _clusters(run: TestedRun, contexts: Mapping[tuple[str, int], str]) -> "NDArray[np.int64]":
    """Return the number of each example's context."""
    if unknown := [example for example in run.examples if example not in contexts]:
        language, number = unknown[0]
        raise SmeltError(run.path, f"was tested on example {number} ({language}), which the task lacks: run it again")
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(contexts[example], len(numbers)) for example in run.examples])
