"""The figures of a report: a figure is one file, and one line here."""

import re

from smelt.report.figures import (
    by_language,
    differences,
    drops,
    language_distribution,
    language_shares,
    learning_curves,
    ranks,
    reductions,
    score_by_cost,
    score_by_vocabulary,
    scripts,
    splitting_and_errors,
    tradeoff,
)
from smelt.report.figures.base import StudyFigure, TableFigure
from smelt.report.tables.base import StudyOfTables, TableEntry

FIGURES: dict[str, StudyFigure] = {
    figure.name: figure
    for figure in (
        score_by_cost.FIGURE,
        differences.FIGURE,
        ranks.FIGURE,
        score_by_vocabulary.FIGURE,
        learning_curves.FIGURE,
        splitting_and_errors.FIGURE,
        language_distribution.FIGURE,
        language_shares.FIGURE,
    )
}
"""Figures of the study, in the order of the page."""
TABLE_FIGURES: dict[str, TableFigure] = {
    figure.name: figure
    for figure in (by_language.FIGURE, drops.FIGURE, reductions.FIGURE, scripts.FIGURE, tradeoff.FIGURE)
}
"""Figures of tables."""


def figure_of(name: str) -> StudyFigure | TableFigure | None:
    """Return the figure of a name: its own or that of a part of it, or that of its kind and a table."""
    own = FIGURES.get(re.sub(r"-\d+$", "", name))
    return own or next((kind for key, kind in TABLE_FIGURES.items() if name.startswith(f"{key}-")), None)


def is_further_part(name: str) -> bool:
    """Return whether it is a part of a figure of the study that is not the first one."""
    return isinstance(figure_of(name), StudyFigure) and name not in FIGURES


def caption_of(name: str) -> tuple[str, str]:
    """Return the title and caption of a figure; the title names the table that it belongs to, or which part it is."""
    figure = figure_of(name)
    if figure is None:
        return name, ""
    further = name.removeprefix(figure.name).removeprefix("-")
    sign = ", part " if is_further_part(name) else ": "
    return (f"{figure.title}{sign}{further}" if further else figure.title), figure.caption


def of_table(name: str, table: TableEntry, study: StudyOfTables) -> tuple[str, TableFigure] | None:
    """Return the figure that a table has, under its name, if it has one."""
    return next(
        ((f"{figure.name}-{name}", figure) for figure in TABLE_FIGURES.values() if figure.belongs_to(table, study)),
        None,
    )
