"""Test which differences between models are significant: scores.csv in, summary.csv, pairs.csv and across.csv out.

Everything rests on the test split and on each task's own metric, with one score a run that stands for all languages.
The columns of the three files are SUMMARY_COLUMNS, PAIRS_COLUMNS and ACROSS_COLUMNS; an empty cell is a value that does
not exist, and the `note` of its row says why.
"""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from smelt.entry import check
from smelt.flags import json_object
from smelt.report.compared_across import ACROSS_COLUMNS, across_rows
from smelt.report.compared_pairs import PAIRS_COLUMNS, pairs_rows
from smelt.report.compared_scores import Scores, compared_scores
from smelt.report.reading import write_csv
from smelt.statistics.scores import summarise
from smelt.study.schema import Significance

SUMMARY_COLUMNS = ("task", "metric", "model", "languages", "n", "mean", "standard_deviation")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the files read and written."""
    parser.add_argument("--scores", type=Path, required=True, help="scores.csv")
    parser.add_argument("--settings", type=json_object(), required=True, help="the study's `significance`, as JSON")
    parser.add_argument("--summary", type=Path, required=True, help="CSV to write: mean and deviation over seeds")
    parser.add_argument("--pairs", type=Path, required=True, help="CSV to write: a row a task and pair of models")
    parser.add_argument("--across", type=Path, required=True, help="CSV to write: a row a pair of models, over tasks")


def run(arguments: argparse.Namespace) -> None:
    """Write the three files, once all three are computed."""
    settings = check(Significance, arguments.settings, "--settings")
    scores = compared_scores(arguments.scores)
    pairs = _table(pairs_rows(scores, settings), PAIRS_COLUMNS)
    across = _table(across_rows(scores, settings), ACROSS_COLUMNS)
    write_csv(arguments.summary, _table(summary_rows(scores), SUMMARY_COLUMNS))
    write_csv(arguments.pairs, pairs)
    write_csv(arguments.across, across)
    different = sum(value is True for value in pairs["significant"])
    print(f"{len(pairs)} pairs of models within tasks: {different} differ ({settings.test}, p < {settings.alpha:g})")


def summary_rows(scores: Scores) -> list[dict[str, Any]]:
    """Return number, mean and standard deviation over seeds of each model on each task that it was run on.

    `languages` are those that it was tested in: only means over the same ones can be compared.
    """
    rows = []
    for (task, model), by_seed in scores.runs.items():
        languages = " ".join(sorted(scores.languages[task, model]))
        row = {"task": task, "metric": scores.metrics[task], "model": model, "languages": languages}
        rows.append(row | vars(summarise(list(by_seed.values()))))
    return rows


def _table(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    """Return rows as a table whose counts stay whole numbers beside empty cells."""
    table = pd.DataFrame(rows, columns=list(columns))
    counts = [column for column in columns if column.endswith("_n")]
    return table.astype(dict.fromkeys(counts, "Int64"))
