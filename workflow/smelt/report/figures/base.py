"""The base of all figures: a figure declares its caption, the part of the study that it belongs to, and its sources.

A figure is one file of this folder, which declares itself as `FIGURE`, and one line in `smelt.report.figures`. The
study imports these modules for every job, so they load no matplotlib or pandas when they are imported.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from smelt.errors import SmeltError
from smelt.report.figures.chart import Chart
from smelt.report.tables import table_of
from smelt.report.tables.base import StudyOfTables

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class FigureForms(NamedTuple):
    """What makes a figure from its files: as a picture, and as the chart of the page."""

    draw: Callable[[list[Path]], "Figure"]
    chart: Callable[[list[Path]], Chart]


@dataclass(frozen=True)
class FigureKind:
    """The title of a figure, and the sentence under it, which also replaces it where it cannot be seen."""

    name: str
    title: str
    caption: str


@dataclass(frozen=True)
class StudyFigure(FigureKind):
    """A figure of the study as a whole."""

    sources: Callable[[StudyOfTables], list[str]]
    """Its files; none where the study has no such figure."""
    draw: Callable[..., "Figure"]
    """Draws it from its files and facts."""
    chart: Callable[..., Chart] = lambda *_, **__: Chart()
    """Returns its interactive form from the same; by default it has none."""
    facts: Callable[[StudyOfTables], Mapping[str, Any]] = lambda _: {}
    """What no file says: further arguments of `draw`, by name."""
    parts: Callable[[StudyOfTables], Sequence[Mapping[str, Any]]] = lambda _: [{}]
    """Further arguments of `draw` for each part, where one drawing of a large study would outgrow a page."""

    def settings(self, study: StudyOfTables) -> dict[str, dict[str, Any]]:
        """Return the arguments of `draw` for each part of it by its name: its own, and from the second on a number."""
        return {
            f"{self.name}-{number}" if number > 1 else self.name: {**self.facts(study), **part}
            for number, part in enumerate(self.parts(study), 1)
        }

    def forms(self, settings: Mapping[str, Any]) -> FigureForms:
        """Return the functions that make its forms with its facts.

        Raises:
            SmeltError: the facts are not those that it takes.
        """
        try:
            inspect.signature(self.draw).bind([], **settings)
        except TypeError as error:
            raise SmeltError("--settings", f"{error}: expected the facts of the figure {self.name}") from None
        return FigureForms(
            lambda sources: self.draw(sources, **settings), lambda sources: self.chart(sources, **settings)
        )


@dataclass(frozen=True)
class TableFigure(FigureKind):
    """A figure of each table of some kinds, named after both: drops-table-6."""

    tables: Mapping[str, Callable[[Any, StudyOfTables], bool]]
    """Whether a table has the figure, for each kind of table that may."""
    sources: Callable[[Any, StudyOfTables], list[str]]
    """Its files."""
    needed: tuple[str, ...]
    """Keys of the table without which it cannot be drawn."""
    draw: Callable[[list[Path], Any, Sequence[str]], "Figure"]
    """Draws it from its files, the entry of a table of these kinds, and the models that the table shows."""
    chart: Callable[[list[Path], Any, Sequence[str]], Chart] = lambda *_: Chart()
    """Returns its interactive form from the same; by default it has none."""

    def belongs_to(self, table: Any, study: StudyOfTables) -> bool:
        """Return whether a table has the figure."""
        return table.kind in self.tables and self.tables[table.kind](table, study)

    def forms(self, settings: Mapping[str, Any]) -> FigureForms:
        """Return the functions that make its forms for a table.

        Raises:
            SmeltError: the table lacks what it needs, or is of a kind without this figure.
        """
        expected = f"expected a table of kind {' or '.join(self.tables)}"
        if missing := [key for key in self.needed if not settings.get(key)]:
            raise SmeltError("--settings", f"lacks {', '.join(missing)}: {expected}")
        if settings.get("kind") not in self.tables:
            raise SmeltError("--settings", f"kind is {settings.get('kind')!r}: {expected}")
        table, models = table_of(settings), settings.get("models", [])
        return FigureForms(
            lambda sources: self.draw(sources, table, models), lambda sources: self.chart(sources, table, models)
        )
