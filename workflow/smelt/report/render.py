"""A table of a paper, and the forms that it is written in: Markdown and HTML, and LaTeX in a module of its own."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

from smelt.report.column_help import column_help

NOT_RUN = "N/A"
NONE = "–"
"""Stands for a value that does not exist; a note says why."""


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a mark of significance that follows it, and a detail such as a spread."""

    text: str
    mark: str = ""
    detail: str = ""
    bold: bool = False


class Link(NamedTuple):
    """A link: what it says, and where it leads."""

    text: str
    address: str


@dataclass(frozen=True)
class Row:
    """A row: its head and its cells, one a column."""

    head: str
    cells: list[Cell]
    links: Sequence[Link] = ()
    """As HTML, its head leads where the first one does, and the others stand behind it."""


@dataclass(frozen=True)
class Group:
    """Rows that belong together, under a title of their own where there is one."""

    rows: list[Row]
    title: str = ""


@dataclass(frozen=True)
class Grid:
    """A corner, the column heads, and groups of rows; `numeric` cells are set to the right."""

    corner: str
    columns: list[str]
    groups: list[Group]
    numeric: bool = True
    help: Mapping[str, str] = field(default_factory=dict)
    """What heads mean here, where this is not what they mean elsewhere (`column_help`)."""

    def __post_init__(self) -> None:
        """Refuse a row that does not fill the grid."""
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"row {row.head!r} has {len(row.cells)} cells for {len(self.columns)} columns")

    @property
    def rows(self) -> list[Row]:
        """The rows of all groups."""
        return [row for group in self.groups for row in group.rows]


@dataclass(frozen=True)
class PaperTable:
    """One table of a paper: grids that share a caption, and the notes under them."""

    name: str
    caption: str
    grids: list[Grid]
    notes: list[str] = field(default_factory=list)


def transpose(grid: Grid, corner: str) -> Grid:
    """Return a grid without groups with its columns as rows, under another corner."""
    (group,) = grid.groups
    rows = [Row(head, [row.cells[place] for row in group.rows]) for place, head in enumerate(grid.columns)]
    return Grid(corner, [row.head for row in group.rows], [Group(rows)], grid.numeric)


# ---- Numbers, as papers print them


def percent(value: float) -> str:
    """Return a share as a percentage with two decimals."""
    return f"{100 * value:.2f}"


def number(value: float | None, form: str = ".2f") -> str:
    """Return a number in a form, or the sign for one that does not exist."""
    return NONE if value is None or math.isnan(value) else format(value, form).replace("-", "−")


def p_value(p: float) -> str:
    """Return a p as papers print it."""
    if math.isnan(p):
        return NONE
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def digits(value: float) -> str:
    """Return a number with three digits, or all of those before its point."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def two_digits(value: float) -> str:
    """Return an estimate in two digits, or whole."""
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.{1 if value >= 1 else 2}f}" if value >= 0.01 else "<0.01" if value else "0"


def cut(value: float) -> str:
    """Return a number with the digits after its second one cut off, not rounded."""
    # 81.02 times 100 is a little less in binary; what lies beyond six digits is such noise.
    return f"{math.floor(round(100 * value, 6)) / 100:.2f}"


def scientific(value: float) -> str:
    """Return a number as papers print rates: up to four digits and, below a tenth, a power of ten: 1.25e-3, 5e-5."""
    if value == 0 or abs(value) >= 0.1:
        return f"{value:.4g}"
    mantissa, power = f"{value:.3e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(power)}"


def duration(hours: float) -> str:
    """Return a time in the unit that suits it: seconds, minutes, hours, or from two days on days."""
    if math.isnan(hours):
        return NONE
    units = ((48, 1 / 24, "days"), (1, 1, "h"), (1 / 60, 60, "min"), (0, 3600, "s"))
    times, unit = next((times, unit) for least, times, unit in units if hours >= least)
    return f"{digits(hours * times)} {unit}"


def quantity(counts: Sequence[int], what: str, plural: str = "") -> str:
    """Return how many there are, from the fewest to the most: 1 seed, 3 seeds, 2 to 5 seeds."""
    fewest, most = min(counts), max(counts)
    shown = str(most) if fewest == most else f"{fewest} to {most}"
    return f"{shown} {what if most == 1 else plural or f'{what}s'}"


# ---- Markdown, as GitHub reads it


def markdown(table: PaperTable) -> str:
    """Return the table as Markdown: caption, grids, notes."""
    parts = [f"**{_markdown_text(table.caption)}**", *map(_markdown_grid, table.grids)]
    parts += [_markdown_text(note) for note in table.notes]
    return "\n\n".join(parts) + "\n"


def _markdown_grid(grid: Grid) -> str:
    side = "---:" if grid.numeric else ":---"
    heads = map(_markdown_text, [grid.corner, *grid.columns])
    lines = [_markdown_line(heads), _markdown_line([":---", *[side] * len(grid.columns)])]
    for group in grid.groups:
        if group.title:
            lines.append(_markdown_line([f"*{_markdown_text(group.title)}*", *[""] * len(grid.columns)]))
        lines += [_markdown_line([_markdown_text(row.head), *map(_markdown_cell, row.cells)]) for row in group.rows]
    return "\n".join(lines)


def _markdown_line(texts: Iterable[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def _markdown_cell(cell: Cell) -> str:
    text = _markdown_text(cell.text)
    if cell.bold and text:
        text = f"**{text}**"
    return text + _markdown_text(cell.mark) + (f" {_markdown_text(cell.detail)}" if cell.detail else "")


def _markdown_text(text: str) -> str:
    """Return text that Markdown shows as it stands, in one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|~]|&(?=#?\w+;))", r"\\\1", " ".join(text.split()))


# ---- HTML: a fragment that the page includes, and that a browser shows alone


def html(table: PaperTable) -> str:
    """Return the table as one `<figure>`.

    Characters outside ASCII are written as references, so that the fragment reads the same in every encoding.
    """
    grids = "\n".join(_html_grid(grid, table.caption) for grid in table.grids)
    notes = "".join(f"<p>{escape(note)}</p>" for note in table.notes)
    text = f'<figure class="table" id="table-{escape(table.name)}">\n<figcaption>{escape(table.caption)}</figcaption>\n'
    text += f'{grids}\n<div class="notes">{notes}</div>\n</figure>\n'
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _html_grid(grid: Grid, caption: str) -> str:
    heads = "".join(_html_head(head, grid.help) for head in [grid.corner, *grid.columns])
    bodies = "\n".join(_html_group(group, len(grid.columns)) for group in grid.groups)
    kind = "numeric" if grid.numeric else "text"
    # Keyboards can scroll the region only if it has a name and a place in the tab order.
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">\n'
        f'<table class="{kind}">\n<thead><tr>{heads}</tr></thead>\n{bodies}\n</table>\n</div>'
    )


def _html_head(head: str, own: Mapping[str, str]) -> str:
    text = own.get(head) or column_help(head)
    explained = f' title="{escape(text)}"' if text else ""
    return f'<th scope="col"{explained}>{escape(head)}</th>'


def _html_group(group: Group, columns: int) -> str:
    title = f'<tr><th class="group" scope="rowgroup" colspan="{columns + 1}">{escape(group.title)}</th></tr>\n'
    rows = "\n".join(map(_html_row, group.rows))
    return f"<tbody>\n{title if group.title else ''}{rows}\n</tbody>"


def _html_row(row: Row) -> str:
    head = escape(row.head)
    if row.links:
        own, *others = row.links
        beside = " ".join(html_link(link.address, escape(link.text), f"{link.text} of {row.head}") for link in others)
        head = html_link(own.address, head) + (f' <span class="files">{beside}</span>' if others else "")
    return f'<tr><th scope="row">{head}</th>{"".join(map(_html_cell, row.cells))}</tr>'


def html_link(address: str, text: str, name: str = "") -> str:
    """Return a link as HTML, its text in HTML already; `name` says what it leads to where the text alone does not."""
    named = f' aria-label="{escape(name)}"' if name else ""
    return f'<a href="{escape(address)}"{named}>{text}</a>'


def _html_cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.bold and text:
        text = f"<strong>{text}</strong>"
    mark = f"<sup>{escape(cell.mark)}</sup>" if cell.mark else ""
    detail = f' <span class="detail">{escape(cell.detail)}</span>' if cell.detail else ""
    return f"<td>{text}{mark}{detail}</td>"
