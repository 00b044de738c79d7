"""Draw one figure of the study as SVG and PNG."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from smelt.errors import SmeltError
from smelt.flags import json_object
from smelt.report.captions import kind_of
from smelt.report.figures import (
    by_language,
    drops,
    language_distribution,
    learning_curves,
    score_by_vocabulary,
    splitting_and_errors,
    tradeoff,
)
from smelt.report.figures.style import save, style

FIGURES: dict[str, Callable[[list[Path]], Figure]] = {
    "language-distribution": language_distribution.draw,
    "learning-curves": learning_curves.draw,
    "score-by-vocabulary": score_by_vocabulary.draw,
    "splitting-and-errors": splitting_and_errors.draw,
}
OF_TABLES: dict[str, Callable[[list[Path], dict[str, Any]], Figure]] = {
    "by-language": by_language.draw,
    "drops": drops.draw,
    "tradeoff": tradeoff.draw,
}
"""Figures of a table, called after both: drops-table-6."""
NEEDED = {
    "by-language": (("kind", "models"), "grid or languages"),
    "drops": (("columns", "rows", "baseline"), "monolingual"),
    "tradeoff": (("task", "models", "length", "batches"), "tradeoff"),
}
"""What settings they need, and the kind of the table that has it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--name",
        required=True,
        help=f"one of {', '.join(FIGURES)}, or one of {', '.join(f'{kind}-<table>' for kind in OF_TABLES)}",
    )
    parser.add_argument(
        "--sources",
        type=Path,
        nargs="+",
        required=True,
        help="statistics of corpora; curves; summary.csv and folders of pretrained models; tokenisation studies; or "
        "scores.csv, with the task.json of tasks (by-language) or the ruler's figures (tradeoff)",
    )
    parser.add_argument(
        "--settings",
        type=json_object(),
        default={},
        help="JSON: of a figure of a table, the table's entry in the study",
    )
    parser.add_argument("--svg", type=Path, required=True)
    parser.add_argument("--png", type=Path, required=True)


def run(arguments: argparse.Namespace) -> None:
    """Write the figure in its two forms."""
    missing = [path for path in arguments.sources if not path.exists()]
    if missing:
        raise SmeltError(missing[0], "no such file")
    draw = _drawer(arguments.name, arguments.settings)
    with style():
        save(draw(arguments.sources), arguments.svg, arguments.png)


def _drawer(name: str, settings: dict[str, Any]) -> Callable[[list[Path]], Figure]:
    """Return what draws the figure of that name."""
    kind = kind_of(name)
    if kind in OF_TABLES:
        keys, table = NEEDED[kind]
        if missing := [key for key in keys if not settings.get(key)]:
            raise SmeltError("--settings", f"lacks {', '.join(missing)}: expected a table of kind {table}")
        return lambda sources: OF_TABLES[kind](sources, settings)
    if name not in FIGURES:
        raise SmeltError("--name", f"{name!r} is no figure: expected one of {', '.join([*FIGURES, *OF_TABLES])}")
    return FIGURES[name]
