"""A table of a paper, and the forms that it is written in: Markdown, LaTeX and HTML."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape

NOT_RUN = "N/A"
NONE = "–"
"""Stands for a value that does not exist; a note says why."""
_GAP = 2  # characters between columns


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a mark of significance that follows it, and a detail such as a spread."""

    text: str
    mark: str = ""
    detail: str = ""
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """A row: its head and its cells, one a column."""

    head: str
    cells: list[Cell]


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


def width_of(grid: Grid) -> int:
    """Return the characters of a grid's widest row, by the widest text of each column."""
    return sum(_widths(grid))


def split_wide(grid: Grid, most: int) -> Iterator[Grid]:
    """Yield the columns of a grid in parts as wide as `most` characters at most, each with the heads of the rows."""
    head, *widths = _widths(grid)
    first, used = 0, head
    for place, width in enumerate(widths):
        if used + width > most and place > first:
            yield _columns(grid, first, place)
            first, used = place, head
        used += width
    yield _columns(grid, first, len(widths))


def _columns(grid: Grid, first: int, last: int) -> Grid:
    groups = [
        replace(group, rows=[Row(row.head, row.cells[first:last]) for row in group.rows]) for group in grid.groups
    ]
    return replace(grid, columns=grid.columns[first:last], groups=groups)


def _widths(grid: Grid) -> list[int]:
    """Return the characters of the heads of rows and of each column, with the gap behind it."""
    texts = [[grid.corner, *(row.head for row in grid.rows)]]
    for place, column in enumerate(grid.columns):
        cells = [row.cells[place] for row in grid.rows]
        texts.append([column, *(f"{cell.text}{cell.mark} {cell.detail}".rstrip() for cell in cells)])
    return [max(map(len, of_column)) + _GAP for of_column in texts]


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
    return re.sub(r"([\\`*_{}\[\]<>#|~])", r"\\\1", " ".join(text.split()))


# ---- LaTeX, for the packages booktabs and, where a grid is wide, graphicx

# The characters that LaTeX reads as commands. SentencePiece's word mark and the dot between pieces become signs that
# every font has.
_LATEX_SIGNS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "_": r"\_",
    "%": r"\%",
    "&": r"\&",
    "#": r"\#",
    "$": r"\$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "▁": r"\textvisiblespace{}",
    "·": r"\textperiodcentered{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "–": "--",
    "…": r"\ldots{}",
}
# A grid with more columns, or wider, is shrunk to the width of the text; one that would be shrunk below half is set in
# parts.
_WIDE = 8
_LINE = 90  # characters in the width of a page's text, where a gap is as wide as two of them


def latex(table: PaperTable) -> str:
    """Return the table as a LaTeX float: caption, label, grids, notes."""
    lines = [*_latex_packages(table), r"\begin{table*}[t]", r"  \centering"]
    lines += [rf"  \caption{{{_latex_text(table.caption)}}}", rf"  \label{{tab:{table.name}}}"]
    parts = [part for grid in table.grids for part in _latex_parts(grid)]
    for number, part in enumerate(parts):
        lines += [r"  \par\smallskip"] if number else []  # small ones would stand side by side
        lines += [f"  {line}" for line in _latex_grid(part)]
    lines += [rf"  \par\smallskip{{\footnotesize {_latex_text(note)}}}" for note in table.notes]
    return "\n".join([*lines, r"\end{table*}"]) + "\n"


def _latex_packages(table: PaperTable) -> list[str]:
    lines = [r"% \usepackage[T1]{fontenc} \usepackage{booktabs,graphicx}"]
    texts = [cell.text for grid in table.grids for row in grid.rows for cell in row.cells]
    texts += [column for grid in table.grids for column in grid.columns]
    if any(ord(character) > 0x24F and character not in _LATEX_SIGNS for text in texts for character in text):
        lines.append("% holds other scripts than Latin: set it with XeLaTeX or LuaLaTeX and a font that has them")
    return lines


def _latex_parts(grid: Grid) -> Iterable[Grid]:
    return split_wide(grid, _LINE) if width_of(grid) > 2 * _LINE else [grid]


def _latex_grid(grid: Grid) -> list[str]:
    tabular = [rf"\begin{{tabular}}{{l{('r' if grid.numeric else 'l') * len(grid.columns)}}}", r"  \toprule"]
    tabular += [f"  {_latex_row([_latex_text(text) for text in [grid.corner, *grid.columns]])}"]
    for group in grid.groups:
        tabular.append(r"  \midrule")
        if group.title:
            title = rf"\textit{{{_latex_text(group.title)}}}"
            tabular.append(rf"  \multicolumn{{{len(grid.columns) + 1}}}{{l}}{{{title}}} \\")
        tabular += [f"  {_latex_row([_latex_text(row.head), *map(_latex_cell, row.cells)])}" for row in group.rows]
    tabular += [r"  \bottomrule", r"\end{tabular}"]
    if len(grid.columns) > _WIDE or width_of(grid) > _LINE:
        return [r"\resizebox{\textwidth}{!}{%", *tabular[:-1], rf"{tabular[-1]}}}"]
    return tabular


def _latex_row(cells: list[str]) -> str:
    # LaTeX would read a bracket at the start of a row as the option of the line break before it.
    return " & ".join("{[}" + cell[1:] if cell.startswith("[") else cell for cell in cells) + r" \\"


def _latex_cell(cell: Cell) -> str:
    text = _latex_text(cell.text)
    if cell.bold and text:
        text = rf"\textbf{{{text}}}"
    mark = rf"\textsuperscript{{{_latex_text(cell.mark)}}}" if cell.mark else ""
    return text + mark + (f" {_latex_text(cell.detail)}" if cell.detail else "")


def _latex_text(text: str) -> str:
    """Return text that LaTeX sets as it stands, in one line."""
    return "".join(_LATEX_SIGNS.get(character, character) for character in " ".join(text.split()))


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
    heads = "".join(f'<th scope="col">{escape(column)}</th>' for column in [grid.corner, *grid.columns])
    bodies = "\n".join(_html_group(group, len(grid.columns)) for group in grid.groups)
    kind = "numeric" if grid.numeric else "text"
    # Keyboards can scroll the region only if it has a name and a place in the tab order.
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escape(caption)}">\n'
        f'<table class="{kind}">\n<thead><tr>{heads}</tr></thead>\n{bodies}\n</table>\n</div>'
    )


def _html_group(group: Group, columns: int) -> str:
    title = f'<tr><th class="group" scope="rowgroup" colspan="{columns + 1}">{escape(group.title)}</th></tr>\n'
    rows = "\n".join(map(_html_row, group.rows))
    return f"<tbody>\n{title if group.title else ''}{rows}\n</tbody>"


def _html_row(row: Row) -> str:
    return f'<tr><th scope="row">{escape(row.head)}</th>{"".join(map(_html_cell, row.cells))}</tr>'


def _html_cell(cell: Cell) -> str:
    text = escape(cell.text)
    if cell.bold and text:
        text = f"<strong>{text}</strong>"
    mark = f"<sup>{escape(cell.mark)}</sup>" if cell.mark else ""
    detail = f' <span class="detail">{escape(cell.detail)}</span>' if cell.detail else ""
    return f"<td>{text}{mark}{detail}</td>"
