"""Scores by language of a table's rows, and how many training examples there are in each (XtremeDistil, Figure 2)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

from smelt.entry import entry_of
from smelt.families import member_of
from smelt.files import read_json
from smelt.report.grid_scores import GridScores
from smelt.report.language_scores import BySeed, LanguageScores
from smelt.study.grids import GridTable

Trained = Mapping[str, Mapping[str, int]]
"""Training examples in each language, by task."""


@dataclass(frozen=True)
class Compared:
    """What is compared in one place of a table, a column or a section of it."""

    title: str
    rows: dict[str, dict[str, float]]
    """Mean score over seeds, as a share, of each row and language that it was tested in."""
    examples: dict[str, int] = field(default_factory=dict)
    """Training examples in each language; empty where rows differ in them."""

    @property
    def languages(self) -> list[str]:
        """The languages of all rows: those with the fewest training examples first, where these are known."""
        found = list(dict.fromkeys(code for values in self.rows.values() for code in values))
        return sorted(found, key=lambda code: self.examples.get(code, 0))


def read_compared(sources: Sequence[Path], settings: Mapping[str, Any]) -> list[Compared]:
    """Return what stands in a table of kind `grid` or `languages`, by language.

    Args:
        sources: scores.csv, and the task.json of each of the table's tasks.
        settings: the table's.

    Raises:
        SmeltError: a file is missing, or not what its name says.
    """
    trained = dict(_trained(path) for path in sources[1:])
    if settings["kind"] == "grid":
        return _of_grid(GridScores(sources[0], entry_of(GridTable, settings)), trained)
    return _of_sections(LanguageScores(sources[0]), settings, trained)


def _trained(path: Path) -> tuple[str, dict[str, int]]:
    task = read_json(path)
    return str(task["name"]), dict(task["splits"]["train"]["languages"])


def _of_grid(scores: GridScores, trained: Trained) -> list[Compared]:
    table, found = scores.table, []
    for line in table.lines:
        rows, tasks = {}, set[tuple[str, str]]()
        for place in scores.line(line):
            values = scores.languages(place)
            if len(values) > 1:
                rows[place.column if table.by_row else place.row] = _means(values)
                tasks |= {(code, place.run(code)[1]) for code in values}
        found.append(Compared(line, rows, _examples(tasks, trained)))
    return [each for each in found if each.rows]


def _of_sections(scores: LanguageScores, settings: Mapping[str, Any], trained: Trained) -> list[Compared]:
    found = []
    for section in settings["sections"]:
        entries = scores.entries(section, settings["languages"], settings["models"])
        rows: dict[str, dict[str, BySeed]] = {}
        for entry in entries:
            if entry.values and entry.column in settings["languages"]:
                rows.setdefault(entry.row, {})[entry.column] = entry.values
        tasks = {(code, member_of(section["task"], code)) for values in rows.values() for code in values}
        means = {row: _means(values) for row, values in rows.items()}
        found.append(Compared(section["title"] or section["task"], means, _examples(tasks, trained)))
    return [each for each in found if each.rows]


def _means(values: Mapping[str, BySeed]) -> dict[str, float]:
    return {code: fmean(by_seed.values()) for code, by_seed in values.items()}


def _examples(tasks: set[tuple[str, str]], trained: Trained) -> dict[str, int]:
    """Return the training examples of each (language, task); nothing where a language has two numbers of them."""
    found: dict[str, int] = {}
    for code, task in sorted(tasks):
        if task not in trained or found.setdefault(code, trained[task].get(code, 0)) != trained[task].get(code, 0):
            return {}
    return found
