"""A table in LaTeX: a float of the packages booktabs and graphicx, or several where it is too long for a page."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from smelt.report.render import Cell, Grid, PaperTable, Row

# The characters that LaTeX reads as commands. SentencePiece's word mark and the dot between pieces become signs that
# every font has.
_SIGNS = {
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
_ESCAPES = str.maketrans(_SIGNS)
# A grid with more columns, or wider, is shrunk to the width of the text; one that would be shrunk below half is set in
# parts.
_WIDE = 8
_LINE = 90  # characters in the width of a page's text, where a gap is as wide as two of them
_GAP = 2  # characters between columns
_PAGE = 40  # lines of grids on a page, with room for caption and notes


def latex(table: PaperTable) -> str:
    """Return the table as a LaTeX float: caption, label, grids, notes; the last of several floats has the notes."""
    lines, floats = _packages(table), _floats(table)
    for number, grids in enumerate(floats):
        lines += [r"\begin{table*}[t]", r"  \centering"]
        if number:
            lines += [r"  \addtocounter{table}{-1}", rf"  \caption{{{_text(table.caption)} (continued)}}"]
        else:
            lines += [rf"  \caption{{{_text(table.caption)}}}", rf"  \label{{tab:{table.name}}}"]
        for place, grid in enumerate(grids):
            lines += [r"  \par\smallskip"] if place else []  # small ones would stand side by side
            lines += [f"  {line}" for line in _tabular(grid)]
        if number == len(floats) - 1:
            lines += [rf"  \par\smallskip{{\footnotesize {_text(note)}}}" for note in table.notes]
        lines.append(r"\end{table*}")
    return "\n".join(lines) + "\n"


def _floats(table: PaperTable) -> list[list[Grid]]:
    """Return the grids of each float: whole ones where they fit, and parts of those that are too wide or too long."""
    floats, used = list[list[Grid]]([[]]), 0
    wide = [part for grid in table.grids for part in _fitting(grid)]
    for part in (part for grid in wide for part in split_long(grid, _PAGE)):
        if floats[-1] and used + height_of(part) > _PAGE:
            floats.append([])
            used = 0
        floats[-1].append(part)
        used += height_of(part)
    return floats


def _packages(table: PaperTable) -> list[str]:
    lines = [r"% \usepackage[T1]{fontenc} \usepackage{booktabs,graphicx}"]
    texts = [cell.text for grid in table.grids for row in grid.rows for cell in row.cells]
    texts += [column for grid in table.grids for column in grid.columns]
    if any(ord(character) > 0x24F and character not in _SIGNS for character in set("".join(texts))):
        lines.append("% holds other scripts than Latin: set it with XeLaTeX or LuaLaTeX and a font that has them")
    return lines


def _fitting(grid: Grid) -> Iterable[Grid]:
    return split_wide(grid, _LINE) if width_of(grid) > 2 * _LINE else [grid]


def _tabular(grid: Grid) -> list[str]:
    tabular = [rf"\begin{{tabular}}{{l{('r' if grid.numeric else 'l') * len(grid.columns)}}}", r"  \toprule"]
    tabular += [f"  {_row([_text(text) for text in [grid.corner, *grid.columns]])}"]
    for group in grid.groups:
        tabular.append(r"  \midrule")
        if group.title:
            title = rf"\textit{{{_text(group.title)}}}"
            tabular.append(rf"  \multicolumn{{{len(grid.columns) + 1}}}{{l}}{{{title}}} \\")
        tabular += [f"  {_row([_text(row.head), *map(_cell, row.cells)])}" for row in group.rows]
    tabular += [r"  \bottomrule", r"\end{tabular}"]
    if len(grid.columns) > _WIDE or width_of(grid) > _LINE:
        return [r"\resizebox{\textwidth}{!}{%", *tabular[:-1], rf"{tabular[-1]}}}"]
    return tabular


def _row(cells: list[str]) -> str:
    # LaTeX would read a bracket at the start of a row as the option of the line break before it.
    return " & ".join("{[}" + cell[1:] if cell.startswith("[") else cell for cell in cells) + r" \\"


def _cell(cell: Cell) -> str:
    text = _text(cell.text)
    if cell.bold and text:
        text = rf"\textbf{{{text}}}"
    mark = rf"\textsuperscript{{{_text(cell.mark)}}}" if cell.mark else ""
    return text + mark + (f" {_text(cell.detail)}" if cell.detail else "")


def _text(text: str) -> str:
    """Return text that LaTeX sets as it stands, in one line."""
    return " ".join(text.split()).translate(_ESCAPES)


# ---- Grids in parts


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


def height_of(grid: Grid) -> int:
    """Return the lines of a grid: its head, its rows and the titles of their groups."""
    return 1 + sum(len(group.rows) + bool(group.title) for group in grid.groups)


def split_long(grid: Grid, most: int) -> Iterator[Grid]:
    """Yield the rows of a grid in parts as high as `most` lines at most, each with the heads of the columns."""
    if height_of(grid) <= most:
        yield grid
        return
    part = replace(grid, groups=[])
    for group in grid.groups:
        rows = group.rows
        while rows:
            room = most - height_of(part) - bool(group.title)
            if room > 0:
                part = replace(part, groups=[*part.groups, replace(group, rows=rows[:room])])
                rows = rows[room:]
            if rows:
                yield part
                part = replace(grid, groups=[])
    yield part
