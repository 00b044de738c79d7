"""`smelt compare A B`: two studies that have run: which settings differ, the scores of both, and which scores differ.

A model and a task count as the same in both studies if they have the same name. Scores are compared as the page's are:
over seeds, on the test split, by the study's own test, corrected over all that is compared here.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jinja2
from rich.console import Console
from rich.table import Table

from smelt.cli import add_examples
from smelt.errors import SmeltError, shorten_text
from smelt.files import json_text, read_json, whole_file
from smelt.report.column_help import column_help
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, html, number, p_value, percent
from smelt.report.scores import Scores, read_scores
from smelt.report.significance import Significance
from smelt.statistics.comparison import Comparison, compare
from smelt.statistics.p_values import family_size
from smelt.statistics.scores import Summary
from smelt.statistics.tests import TestResult
from smelt.study.paths import Paths
from smelt.study.schema import Study, check_study, load_study

UNCOMPARED = ("study", "title", "tables", "efficiency", "country")
"""Keys that change no score."""
TEMPLATES = Path(__file__).parent / "report/page"
WIDTH = 120  # columns that the tables need at least


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Take the two studies."""
    for name in ("a", "b"):
        parser.add_argument(name, metavar=name.upper(), type=Path, help="a study file, or its folder of results")
    parser.add_argument("--output", type=Path, help="HTML page to write as well")
    parser.add_argument("--directory", type=Path, default=Path(), help="the folder that Snakemake runs in, if not this")
    add_examples(
        parser,
        "before.yaml after.yaml",
        "results/before results/after --output compared.html",
        "results/mine /home/somebody/smelt/results/mine  # the same study, made twice",
    )


@dataclass(frozen=True)
class Side:
    """One of the two studies."""

    label: str
    study: Study
    results: Path
    scores: Scores | None
    """None where it has no scores yet."""


def run(arguments: argparse.Namespace) -> None:
    """Print both tables, and write them as a page.

    Raises:
        SmeltError: what is named is neither a study file nor a folder of results, or both are one.
    """
    places = [path.resolve() for path in (arguments.a, arguments.b)]
    if places[0] == places[1]:
        raise SmeltError(arguments.b, "is the study that it is compared with: expected two")
    a, b = (_read(path, arguments.directory) for path in (arguments.a, arguments.b))
    if a.label == b.label:
        a, b = (
            replace(side, label=f"{side.label} ({part})")
            for side, part in zip((a, b), differing_parts(*places), strict=True)
        )
    tables = [settings_table(a, b), scores_table(a, b)]
    console = Console(width=max(Console().width, WIDTH), soft_wrap=True, markup=False, emoji=False, highlight=False)
    for table in tables:
        _print(console, table)
    if arguments.output:
        loader = jinja2.FileSystemLoader(TEMPLATES)
        template = jinja2.Environment(loader=loader, autoescape=True).get_template("comparison.html")
        with whole_file(arguments.output) as draft:
            draft.write_text(template.render(a=a.label, b=b.label, tables=map(html, tables)), encoding="utf-8")
        print(f"{arguments.output} is written")


def differing_parts(a: Path, b: Path) -> tuple[str, str]:
    """Return the last parts in which two resolved paths differ: as much as labels need, and no more of a machine."""
    return next((one, other) for one, other in zip(reversed(a.parts), reversed(b.parts), strict=False) if one != other)


def _read(path: Path, folder: Path) -> Side:
    """Return the study of a file, or of a folder of results, which keeps it as it was written."""
    if path.is_dir():
        written, results = path / ".run/study.json", path
        if not written.is_file():
            raise SmeltError(path, "is no folder of results: expected .run/study.json in it, which a run writes")
        study = check_study(read_json(written), written)
    else:
        study = load_study(path)
        results = folder / Paths(study.study).results
    scores = results / "scores.csv"
    return Side(study.study, study, results, read_scores(scores) if scores.is_file() else None)


# ---- Settings


def settings_table(a: Side, b: Side) -> PaperTable:
    """Return a row for each key that differs; a part that only one study has is one row."""
    old, new = (side.study.model_dump(mode="json", exclude=set(UNCOMPARED)) for side in (a, b))
    rows = [Row(key, [Cell(_shown(one)), Cell(_shown(other))]) for key, one, other in differences(old, new)]
    notes = [] if rows else ["No setting differs."]
    left_out = f"Defaults count as written. Not compared: {', '.join(UNCOMPARED)}."
    grid = Grid("key", [a.label, b.label], [Group(rows)], numeric=False)
    return PaperTable("settings", f"Settings that differ: {len(rows)}", [grid] if rows else [], [*notes, left_out])


def differences(a: Mapping[str, Any], b: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted keys whose values differ, with both values; None where a key is missing or empty."""
    for key in dict.fromkeys([*a, *b]):
        old, new = (None if side.get(key) in ({}, []) else side.get(key) for side in (a, b))
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, f"{place}{key}.")
        elif old != new:
            yield f"{place}{key}", old, new


def _shown(value: Any) -> str:
    """Return the beginning of a value as a study file has it."""
    left = _without_nothing(value)
    return NONE if left is None else shorten_text(json_text(left).strip('"').replace('"', ""))


def _without_nothing(value: Any) -> Any:
    """Return a value without parts that are not set; None where nothing is."""
    if isinstance(value, Mapping):
        kept = {key: part for key, inner in value.items() if (part := _without_nothing(inner)) is not None}
        return kept or None
    return None if value == [] else value


# ---- Scores


def scores_table(a: Side, b: Side) -> PaperTable:
    """Return a row for each model and task that both studies have scores of, with the test of their difference."""
    missing = [side.label for side in (a, b) if side.scores is None]
    if a.scores is None or b.scores is None:
        return PaperTable("scores", "Scores", [], [f"No scores yet: {', '.join(missing)}. `smelt run` makes them."])
    if a.results.resolve() == b.results.resolve():
        return PaperTable("scores", "Scores", [], [f"Both have the same scores, those of {a.study.study}."])
    settings = a.study.significance
    shared = [
        (task, model)
        for task in a.scores.tasks
        for model in a.scores.models
        if _comparable(a.scores, b.scores, task, model)
    ]
    found = {place: _compare(a.scores.of(*place), b.scores.of(*place), settings) for place in shared}
    corrected = settings.correct([test.p for _, test in found.values()])
    groups: dict[str, list[Row]] = {}
    for (task, model), p, (comparison, _) in zip(shared, corrected, found.values(), strict=True):
        groups.setdefault(task, []).append(Row(model, _cells(comparison, p, settings)))
    p_name = "p" if settings.correction == "none" else "corrected p"
    columns = [a.label, b.label, "difference", f"{settings.confidence:.0%} interval", p_name, "verdict"]
    titled = [Group(rows, f"{task}, {a.scores.metrics[task]}") for task, rows in groups.items()]
    family = family_size([test.p for _, test in found.values()])
    significant = sum(p is not None and p < settings.alpha for p in corrected)
    caption = f"{len(shared)} scores that both studies have; {significant} of them differ"
    notes = _notes(a, b, settings, family, [test for _, test in found.values()])
    explained = {
        "difference": f"Score of {b.label} minus that of {a.label}, in points.",
        "corrected p": column_help("p corrected"),
    }
    grids = [Grid("model", columns, titled, help=explained)] if shared else []
    return PaperTable("scores", caption, grids, notes)


def _comparable(a: Scores, b: Scores, task: str, model: str) -> bool:
    """Return whether both have runs of a model on a task, by one metric and on the same languages."""
    both = a.of(task, model) and b.of(task, model) and a.metrics[task] == b.metrics[task]
    return bool(both) and set(a.languages(task, model)) == set(b.languages(task, model))


def _compare(a: dict[int, float], b: dict[int, float], settings: Significance) -> tuple[Comparison, TestResult]:
    """Return b - a, and what the test finds."""
    options = settings.model_dump(include={"alpha", "confidence", "resamples", "seed"})
    return compare(b, a, **options), settings.over_seeds(b, a)


def _cells(found: Comparison, p: float | None, settings: Significance) -> list[Cell]:
    low, high = found.interval.low, found.interval.high
    interval = NONE if low is None or high is None else f"{number(100 * low)} to {number(100 * high)}"
    verdict = "not tested" if p is None else "differs" if p < settings.alpha else "no difference shown"
    means = [Cell(percent(side.mean), detail=_spread(side)) for side in (found.b, found.a)]
    others = [number(100 * found.difference, "+.2f"), interval, NONE if p is None else p_value(p), verdict]
    return [*means, *map(Cell, others)]


def _spread(summary: Summary) -> str:
    deviation = summary.standard_deviation
    shown = NONE if deviation is None else percent(deviation)
    return f"({shown}; n = {summary.n})"


def _notes(a: Side, b: Side, settings: Significance, family: int, tests: list[TestResult]) -> list[str]:
    """Return what the numbers are, how they were tested, and what was left out."""
    assert a.scores is not None
    assert b.scores is not None
    tested = settings.in_words(f"over the {family} comparisons of this table")
    notes = [
        f"Mean (standard deviation over seeds; n seeds) in percent on the test split; difference: {b.label} minus"
        f" {a.label}. {tested[0].upper()}{tested[1:]}. Intervals: bootstrap over seeds,"
        " not corrected, and too narrow with few seeds: they may leave out 0 where the test shows no difference.",
        "A verdict of no difference is none of equality: with few seeds only large differences are found.",
    ]
    if settings != b.study.significance:
        notes.append(f"The studies set other tests: those of {a.label} count here.")
    notes += dict.fromkeys(test.note for test in tests if test.note)
    for what, in_a, in_b in (
        ("models", a.scores.models, b.scores.models),
        ("tasks", a.scores.tasks, b.scores.tasks),
    ):
        for label, own, other in ((a.label, in_a, in_b), (b.label, in_b, in_a)):
            if only := [name for name in own if name not in other]:
                notes.append(f"Only in {label}, {what}: {', '.join(only)}.")
    return notes


def _print(console: Console, table: PaperTable) -> None:
    console.print(table.caption, style="bold")
    for grid in table.grids:
        shown = Table(box=None, pad_edge=False)
        for column in [grid.corner, *grid.columns]:
            shown.add_column(column, overflow="fold", justify="left")
        for group in grid.groups:
            if group.title:
                shown.add_row(group.title, style="italic")
            for row in group.rows:
                shown.add_row(row.head, *(f"{cell.text} {cell.detail}".strip() for cell in row.cells))
        console.print(shown)
    for note in table.notes:
        console.print(note, style="dim")
    console.print()
