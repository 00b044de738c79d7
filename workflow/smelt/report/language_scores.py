"""Scores by language: what each row of a table has in each language's column, seed by seed.

A row is a model, or a family of models (`mbert-en-{language}`), of which the column of a language shows the member of
that language. Where a family has no member of a column's language but its members were tested in it, as bilingual
models are in English, the column shows their mean.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from smelt.errors import SmeltError
from smelt.families import is_family, member_of
from smelt.report.compared_scores import AGGREGATES, own_metric
from smelt.report.reading import read_csv

AVERAGE = "average"
BySeed = dict[int, float]

_COLUMNS = ["model", "task", "language", "seed", "split", "metric", "value"]


@dataclass(frozen=True)
class Entry:
    """What a row has in one column: a value by seed, and the models that gave it."""

    row: str
    column: str
    values: BySeed
    models: tuple[str, ...] = ()


class LanguageScores:
    """The scores of every model, task and language on one split, each by the task's own metric."""

    def __init__(self, path: Path, split: str = "test") -> None:
        """Read scores.csv.

        Raises:
            SmeltError: a column is missing, or a task has none of the metrics that tasks are judged by.
        """
        table = read_csv(path, _COLUMNS)
        rows = table[table["split"] == split]
        self.metrics = {str(task): _metric(path, str(task), own) for task, own in rows.groupby("task", sort=False)}
        rows = rows[rows["metric"] == rows["task"].map(self.metrics)]
        self._values: dict[tuple[str, str, str], BySeed] = {}
        for model, task, language, seed, value in rows[["model", "task", "language", "seed", "value"]].itertuples(
            index=False
        ):
            self._values.setdefault((model, task, language), {})[int(seed)] = float(value)

    def of(self, model: str, task: str, language: str) -> BySeed:
        """Return the values by seed of a model on a task in a language; none where it was not tested in it."""
        return self._values.get((model, task, language), {})

    def languages(self, model: str, task: str) -> dict[str, BySeed]:
        """Return the values by seed of each language that a model was tested in on a task."""
        return {
            language: values
            for (other, of_task, language), values in self._values.items()
            if (other, of_task) == (model, task) and language not in AGGREGATES
        }

    def entries(self, section: Mapping[str, Any], languages: Sequence[str], members: Sequence[str]) -> list[Entry]:
        """Return the entries of a section: for each row, one a language and their average.

        Args:
            section: its `task` and its rows, `models`; both may be patterns.
            languages: the columns.
            members: the study's models, among which the members of families are.
        """
        entries = []
        for row in section["models"]:
            own = [self._entry(row, section["task"], language, languages, members) for language in languages]
            entries += [*own, Entry(row, AVERAGE, over_entries([entry.values for entry in own]), _models(own))]
        return entries

    def _entry(self, row: str, task: str, language: str, languages: Sequence[str], members: Sequence[str]) -> Entry:
        named = member_of(row, language)
        if named in members or not is_family(row):
            found = self.of(named, member_of(task, language), language)
            return Entry(row, language, found, (named,) if found else ())
        others = [name for other in languages if (name := member_of(row, other)) in members]
        tested = {name: values for name in others if (values := self.of(name, member_of(task, language), language))}
        return Entry(row, language, over_entries(list(tested.values())) if tested else {}, tuple(tested))


def over_entries(entries: Sequence[BySeed]) -> BySeed:
    """Return the mean over several entries for each seed that all of them have; nothing where one has no value."""
    seeds = set.intersection(*map(set, entries))
    return {seed: fmean(entry[seed] for entry in entries) for seed in sorted(seeds)}


def _models(entries: Sequence[Entry]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(model for entry in entries for model in entry.models))


def _metric(path: Path, task: str, rows: pd.DataFrame) -> str:
    metric = own_metric(set(rows["metric"]))
    if metric is None:
        raise SmeltError(path, f"task {task} has no f1, accuracy or macro_f1 on {rows['split'].iloc[0]}")
    return metric
