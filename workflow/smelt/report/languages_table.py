"""Tables of scores by language: sections of settings, rows of models or families (Smaller multilingual BERT, Table 2).

A mark means: in this column, this row differs from every other row of its section, by the study's test over seeds,
corrected over all pairs of rows in the section's column. Each column is a family of tests of its own, the average too.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import pandas as pd

from smelt.families import is_family, member_of
from smelt.report.grid import NOT_RUN, Cell, Grid, Group, PaperTable, Row
from smelt.report.language_scores import AVERAGE, Entry, LanguageScores
from smelt.report.score_notes import MARK, TESTS, in_words, seqeval_note
from smelt.report.score_table import score_cell
from smelt.report.seed_tests import p_over_seeds
from smelt.statistics.corrections import holm
from smelt.statistics.scores import summarise


@dataclass(frozen=True)
class LanguageScore:
    """What one row has in one column: figures over seeds, and the largest corrected p against the other rows."""

    section: int
    row: str
    language: str
    models: str
    n: int = 0
    mean: float = math.nan
    standard_deviation: float = math.nan
    largest_p: float = math.nan
    best: bool = False
    marked: bool = False


def language_rows(
    settings: Mapping[str, Any], significance: Mapping[str, Any], scores: LanguageScores
) -> list[LanguageScore]:
    """Return a score for each section, row and column (languages, then their average)."""
    found = []
    for number, section in enumerate(settings["sections"]):
        entries = scores.entries(section, settings["languages"], settings["models"])
        for column in [*settings["languages"], AVERAGE]:
            found += _column(number, [entry for entry in entries if entry.column == column], significance)
    return found


def language_frame(scores: Sequence[LanguageScore]) -> pd.DataFrame:
    """Return the numbers behind the table: a row for each section, row and column."""
    columns = [field.name for field in fields(LanguageScore)]
    return pd.DataFrame([asdict(score) for score in scores], columns=columns)


def language_table(
    name: str,
    settings: Mapping[str, Any],
    significance: Mapping[str, Any],
    scores: LanguageScores,
    parameters: Mapping[str, int],
) -> PaperTable:
    """Return the table as a paper prints it: percentages, best of each section's column in bold, marks and notes.

    Args:
        name: the table's name.
        settings: languages, sections and models of the table.
        significance: the study's test, level and correction.
        scores: of every model.
        parameters: of every model that the table shows.
    """
    found = language_rows(settings, significance, scores)
    columns = [*settings["languages"], AVERAGE]
    groups = []
    for number, section in enumerate(settings["sections"]):
        rows = []
        for row in section["models"]:
            own = {score.language: score for score in found if (score.section, score.row) == (number, row)}
            size = Cell(_size(own[AVERAGE].models.split() or own_models(own.values()), parameters))
            rows.append(Row(_head(row), [size, *(score_cell(own[column]) for column in columns)]))
        groups.append(Group(rows, section["title"] or section["task"]))
    grid = Grid("Model", ["Parameters", *settings["languages"], "Average"], groups)
    caption = settings.get("caption") or "Scores by language"
    return PaperTable(name, caption, [grid], _notes(settings, significance, scores, found))


def own_models(scores: Any) -> list[str]:
    """Return the models that gave any of a row's scores, each once."""
    return list(dict.fromkeys(model for score in scores for model in score.models.split()))


def _column(number: int, entries: list[Entry], significance: Mapping[str, Any]) -> list[LanguageScore]:
    """Return the scores of one column of a section, with the best and the marked among them."""
    largest = _largest_p(entries, significance)
    means = [summarise(list(entry.values.values())).mean if entry.values else math.nan for entry in entries]
    best = max((mean for mean in means if not math.isnan(mean)), default=math.nan)
    found = []
    for entry, mean, p in zip(entries, means, largest, strict=True):
        score = LanguageScore(number, entry.row, entry.column, " ".join(entry.models))
        if entry.values:
            spread = summarise(list(entry.values.values())).standard_deviation
            figures = {
                "n": len(entry.values),
                "mean": mean,
                "standard_deviation": math.nan if spread is None else spread,
            }
            marked = p < significance["alpha"]  # a p that does not exist is nan, and below nothing
            score = LanguageScore(**asdict(score) | figures | {"largest_p": p, "best": mean == best, "marked": marked})
        found.append(score)
    return found


def _largest_p(entries: list[Entry], significance: Mapping[str, Any]) -> list[float]:
    """Return each entry's largest corrected p against the others that have values; nan where one is untested."""
    filled = [place for place, entry in enumerate(entries) if entry.values]
    pairs = list(itertools.combinations(filled, 2))
    p_values = [p_over_seeds(entries[a].values, entries[b].values, significance) for a, b in pairs]
    corrected = holm(p_values) if significance["correction"] == "holm" else p_values
    largest = []
    for place in range(len(entries)):
        own = [p for pair, p in zip(pairs, corrected, strict=True) if place in pair]
        largest.append(max(p for p in own if p is not None) if own and None not in own else math.nan)
    return largest


def _head(row: str) -> str:
    return row.replace("{language}", "xx") if is_family(row) else row


def _size(models: Sequence[str], parameters: Mapping[str, int]) -> str:
    """Return the parameters of a model, or from the smallest to the largest member of a family, in millions."""
    sizes = [parameters[model] / 1e6 for model in models if model in parameters]
    if not sizes:
        return NOT_RUN
    ends = dict.fromkeys(f"{size:.0f}" if size >= 10 else f"{size:.1f}" for size in (min(sizes), max(sizes)))
    return f"{'–'.join(ends)} M"


def _notes(
    settings: Mapping[str, Any],
    significance: Mapping[str, Any],
    scores: LanguageScores,
    found: Sequence[LanguageScore],
) -> list[str]:
    counts = [score.n for score in found if score.n]
    if not counts:
        return ["No model of the table ran on any of its tasks."]
    metrics = _metrics(settings, scores)
    notes = [f"{in_words(metrics)}; test sets, in percent. {_spread(counts)}", *seqeval_note(metrics.values())]
    notes.append(_test(significance, found))
    notes.append(
        "Average: mean of the languages' scores, computed for each seed, where a row has a score in every language."
        " Parameters: those of the encoder."
    )
    if any(is_family(row) for section in settings["sections"] for row in section["models"]):
        notes.append(
            "xx: a family with a model for each language. A column shows the family's model of that language; where"
            " there is none, the mean of the family's models that were tested in it."
        )
    return notes + ([f"{NOT_RUN}: not run, or not tested in the language."] if any(not s.n for s in found) else [])


def _metrics(settings: Mapping[str, Any], scores: LanguageScores) -> dict[str, str]:
    """Return the metric of each section of the table, by its title; other tasks of the study have metrics of theirs."""
    found = {}
    for section in settings["sections"]:
        for language in settings["languages"]:
            if (task := member_of(section["task"], language)) in scores.metrics:
                found[section["title"] or section["task"]] = scores.metrics[task]
    return found


def _spread(counts: Sequence[int]) -> str:
    fewest, most = min(counts), max(counts)
    if most == 1:
        return "A single seed: no spread. Best score of a section's column in bold."
    seeds = str(most) if fewest == most else f"{fewest} to {most}"
    return f"Mean (standard deviation) over {seeds} seeds. Best mean of a section's column in bold."


def _test(significance: Mapping[str, Any], found: Sequence[LanguageScore]) -> str:
    if max(score.n for score in found) == 1:
        return "With a single seed nothing can be tested, so nothing is marked."
    correction = "Holm's correction over all pairs of rows" if significance["correction"] == "holm" else "no correction"
    test = (
        f"{TESTS[significance['test']]}, two-sided, p < {significance['alpha']:g}, {correction} in the section's column"
    )
    if any(score.marked for score in found):
        return f"{MARK} differs from every other row of its section in this column: {test}."
    return f"None is marked: in no column does one row differ from every other row of its section ({test})."
