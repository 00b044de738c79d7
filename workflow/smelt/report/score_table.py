"""Tables of scores: a row a model, a column a task, and marks of significance (mALBERT, Tables 1 and 2).

A mark means: on this task, this model differs from every other model of the table, by the test and correction that
the note names. The paper's stars name no test and cannot be recovered from its means and deviations, so ours are
defined here.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Protocol

import pandas as pd

from smelt.report.grid import NOT_RUN, Cell, Grid, Group, PaperTable, Row
from smelt.report.score_notes import MARK, score_notes

PValues = Mapping[tuple[str, str, str], float]


class Figures(Protocol):
    """What a cell shows: figures over seeds, whether they are the column's best, and whether they are marked."""

    @property
    def n(self) -> int:
        """Seeds; 0 where nothing was run."""

    @property
    def mean(self) -> float:
        """Their mean, as a share."""

    @property
    def standard_deviation(self) -> float:
        """Their deviation, with n - 1."""

    @property
    def best(self) -> bool:
        """Whether no mean of the column is higher."""

    @property
    def marked(self) -> bool:
        """Whether it differs from every other of the column."""


@dataclass(frozen=True)
class Score:
    """What one model does on one task: figures over seeds, and the largest corrected p against the other models."""

    model: str
    task: str
    metric: str = ""
    n: int = 0
    mean: float = math.nan
    standard_deviation: float = math.nan
    largest_p: float = math.nan
    best: bool = False
    marked: bool = False


def score_rows(settings: Mapping[str, Any], alpha: float, summary: pd.DataFrame, p_values: PValues) -> list[Score]:
    """Return a score for each model and task of the table, with n = 0 where the model was not run.

    Args:
        settings: the table's models and tasks.
        alpha: level below which a corrected p is significant.
        summary: columns task, metric, model, n, mean, standard_deviation.
        p_values: corrected p of each (task, model, other model), in both orders.
    """
    scores = []
    for task in settings["tasks"]:
        chosen = summary[(summary["task"] == task) & summary["model"].isin(settings["models"])]
        found = {str(entry["model"]): entry for entry in chosen.to_dict("records")}
        best = max((entry["mean"] for entry in found.values()), default=math.nan)
        for model in settings["models"]:
            others = [p_values.get((task, model, other), math.nan) for other in found if other != model]
            scores.append(_score(found[model], others, alpha, best) if model in found else Score(model, task))
    return scores


def _score(entry: Mapping[str, Any], p_values: list[float], alpha: float, best: float) -> Score:
    tested = bool(p_values) and not any(math.isnan(p) for p in p_values)
    largest = max(p_values) if tested else math.nan
    figures = {field.name: entry[field.name] for field in fields(Score) if field.name in entry}
    return Score(**figures, largest_p=largest, best=entry["mean"] == best, marked=tested and largest < alpha)


def p_values_of(pairs: pd.DataFrame) -> dict[tuple[str, str, str], float]:
    """Return the corrected p of each pair of models on each task, under both orders; untested pairs are nan."""
    found = {}
    for task, first, second, p in pairs[["task", "model_a", "model_b", "p_corrected"]].itertuples(index=False):
        found[task, first, second] = found[task, second, first] = float(p)
    return found


def score_frame(scores: list[Score]) -> pd.DataFrame:
    """Return the numbers behind the table: a row for each model and task."""
    return pd.DataFrame([asdict(score) for score in scores], columns=[field.name for field in fields(Score)])


def score_table(
    name: str, settings: Mapping[str, Any], significance: Mapping[str, Any], scores: list[Score]
) -> PaperTable:
    """Return the table as a paper prints it: percentages, best in bold, marks, and notes that define all of these."""
    averaged = len(settings["tasks"]) > 1
    rows = []
    for model in settings["models"]:
        own = [score for score in scores if score.model == model]
        rows.append(Row(model, [*map(score_cell, own), *([_average(own)] if averaged else [])]))
    grid = Grid("Model", [*settings["tasks"], *(["Average"] if averaged else [])], [Group(rows)])
    caption = settings.get("caption") or f"Scores on {', '.join(settings['tasks'])}"
    metrics = {score.task: score.metric for score in scores if score.n}
    counts = [score.n for score in scores if score.n]
    compared = any(count > 1 for count in Counter(score.task for score in scores if score.n).values())
    notes = score_notes(significance, metrics, counts, compared, any(score.marked for score in scores))
    notes += ["Average: mean of the tasks' means, for models that ran on all of them."] if averaged else []
    notes += [f"{NOT_RUN}: the study does not run the model on the task."] if len(counts) < len(scores) else []
    return PaperTable(name, caption, [grid], [*notes, *_titles(settings)])


def percent(value: float) -> str:
    """Return a share as a percentage with two decimals."""
    return f"{100 * value:.2f}"


def score_cell(score: Figures) -> Cell:
    """Return a mean with its deviation, in percent; best in bold, marked where it differs from all others."""
    if not score.n:
        return Cell(NOT_RUN)
    detail = f"({percent(score.standard_deviation)})" if score.n > 1 else ""
    return Cell(percent(score.mean), MARK if score.marked else "", detail, score.best)


def _average(scores: list[Score]) -> Cell:
    if not all(score.n for score in scores):
        return Cell(NOT_RUN)
    return Cell(percent(sum(score.mean for score in scores) / len(scores)))


def _titles(settings: Mapping[str, Any]) -> list[str]:
    titles = settings.get("titles", {})
    named = [f"{task}: {titles[task]}" for task in settings["tasks"] if titles.get(task)]
    return [f"Tasks: {'; '.join(named)}."] if named else []
