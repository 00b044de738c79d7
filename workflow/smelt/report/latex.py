"""A table in LaTeX, for pdfLaTeX with the packages booktabs and graphicx: a float, or several where it is too long.

Widths are estimated in characters to choose the layout: one column or the width of the page, heads on several lines,
columns in parts. What is still too wide on a page is shrunk by LaTeX itself, which alone knows its fonts.
"""

import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from smelt.report.render import Cell, Grid, Group, PaperTable, Row

# The characters that LaTeX reads as commands, and signs of reports that pdfLaTeX lacks. SentencePiece's word mark and
# the dot between pieces become signs that every font has. Control characters, usual in badly decoded text, stop LaTeX:
# their codes are shown.
_CONTROLS = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - set("\t\n\v\f\r")
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
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≈": r"$\approx$",
    "→": r"$\rightarrow$",
    "…": r"\ldots{}",
    "₂": r"\textsubscript{2}",
    **{sign: rf"\textsuperscript{{{digit}}}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{sign: rf"\textless{{}}U+{ord(sign):04X}\textgreater{{}}\allowbreak{{}}" for sign in _CONTROLS},
}
_ESCAPES = str.maketrans(_SIGNS)
_LIGATURES = re.compile("[-–](?=-)|,(?=,)|[`‘!?](?=[`‘])|['’](?=['’])")  # with the next sign, they would be set as one
_OF_PDFLATEX = {sign for sign in map(chr, range(0x180)) if sign.isprintable()} - set("ĦħĸĿŀŉŦŧſ")
_OF_PDFLATEX |= set("\N{SOFT HYPHEN}ƒȘșȚț–—‘’‚“”„•‰€™") | set(_SIGNS)
"""What pdfLaTeX sets with the font encoding T1."""
_MOST_NAMED = 12
_BREAK = "\u2028"
"""Between the lines of one text; a newline in a text is a blank."""

# Characters of small type in a column of two, in the width of a page, and in a grid that is shrunk to it. A gap between
# columns is as wide as two of them.
_COLUMN = 44
_LINE = 100
_SHRUNK = 116
_NARROW_PAGE = 75  # characters of notes in a line of the class article
_GAP = 2
_ROOMS = (40, 28, 18)
"""Characters that a line of a long text has in a cell, the first that fits."""
_NARROWEST = 9  # characters in a line of a head, and below
_ROW_HEAD = 28
_HEAD_LINES = 3
# Lines of small type: on a page of the class article without the caption, and what rules take.
_PAGE = 44.0
_RULES = 2.0  # of a grid, with the gap above it
_RULE = 0.5  # between groups
_NOTE = 0.9  # a line of notes, in smaller type


@dataclass
class _Float:
    """What stands in one float."""

    grids: list[Grid] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def height(self) -> float:
        """Its lines without the caption, over the width of the page."""
        return sum(map(height_of, self.grids)) + _lines_of(self.notes, _NARROW_PAGE)


def latex(table: PaperTable) -> str:
    """Return the table as a LaTeX float: caption, label, grids, notes; the last of several floats has the notes."""
    grids = _of_one_column(table)
    kind = "table" if grids else "table*"
    lines = _packages(table)
    for number, each in enumerate([_Float(grids, table.notes)] if grids else _floats(table)):
        lines += [rf"\begin{{{kind}}}[tp]", r"  \centering\small\setlength{\tabcolsep}{4pt}"]
        if number:
            lines += [r"  \addtocounter{table}{-1}", rf"  \caption{{{_text(table.caption)} (continued)}}"]
        else:
            lines += [rf"  \caption{{{_text(table.caption)}}}", rf"  \label{{tab:{table.name}}}"]
        for grid in each.grids:  # classes leave no room between a caption and what follows it
            lines += [r"  \par\medskip", *(f"  {line}" for line in _tabular(grid))]
        if each.notes:
            lines += [r"  \par\medskip", r"  \begin{minipage}{\linewidth}\footnotesize\raggedright"]
            lines += [rf"    {_text(note)}\par" for note in each.notes]
            lines.append(r"  \end{minipage}")
        lines.append(rf"\end{{{kind}}}")
    return "\n".join(lines) + "\n"


def _packages(table: PaperTable) -> list[str]:
    """Return the comments on what the table needs."""
    lines = [r"% Needs \usepackage[T1]{fontenc} and \usepackage{booktabs,graphicx}."]
    cells = [cell for grid in table.grids for row in grid.rows for cell in row.cells]
    texts = [table.caption, *table.notes, *(part for cell in cells for part in (cell.text, cell.mark, cell.detail))]
    for grid in table.grids:
        texts += [grid.corner, *grid.columns, *(row.head for row in grid.rows), *(group.title for group in grid.groups)]
    if others := missing_in_pdflatex("".join(texts)):
        shown = [sign if sign.isprintable() else f"U+{ord(sign):04X}" for sign in others[:_MOST_NAMED]]
        named = " ".join(shown) + (" ..." if len(others) > _MOST_NAMED else "")
        lines.append(f"% Holds letters that pdfLaTeX lacks: {named}")
        lines.append("% Use LuaLaTeX or XeLaTeX, fontspec in place of fontenc, and a font that has them.")
    return lines


def missing_in_pdflatex(text: str) -> list[str]:
    """Return the signs of a text that pdfLaTeX does not set, each once."""
    return sorted(sign for sign in set(text) - _OF_PDFLATEX if not sign.isspace())


def _tabular(grid: Grid) -> list[str]:
    """Return the grid, which LaTeX shrinks where it is wider than the page or column."""
    side = "r" if grid.numeric else "l"
    heads = [_stack(grid.corner, "b", "l"), *(_stack(head, "b", side) for head in grid.columns)]
    lines = [r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%"]
    lines += [rf"\begin{{tabular}}{{l{side * len(grid.columns)}}}", r"  \toprule", f"  {_row(heads)}"]
    for group in grid.groups:
        lines.append(r"  \midrule")
        if group.title:
            title = rf"\textit{{{_text(group.title)}}}"
            lines.append(rf"  \multicolumn{{{len(grid.columns) + 1}}}{{l}}{{{title}}} \\")
        for row in group.rows:
            cells = [_stack(row.head, "t", "l"), *(_cell(cell, side) for cell in row.cells)]
            lines.append(f"  {_row(cells)}")
    return [*lines, r"  \bottomrule", r"\end{tabular}}"]


def _row(cells: list[str]) -> str:
    return _line_start(" & ".join(cells)) + r" \\"


def _line_start(line: str) -> str:
    """Return a line as it can follow a line break or a rule, which take a star or bracket behind them as an option."""
    return "{}" + line if line.startswith(("[", "*")) else line


def _cell(cell: Cell, side: str) -> str:
    text = _stack(cell.text, "t", side, bold=cell.bold)
    mark = rf"\textsuperscript{{{_text(cell.mark)}}}" if cell.mark else ""
    return text + mark + (f" {_text(cell.detail)}" if cell.detail else "")


@lru_cache(4096)  # of thousands of cells, few differ
def _stack(text: str, place: str, side: str, bold: bool = False) -> str:
    """Return the lines of a text below each other."""
    lines = [_text(line) for line in text.split(_BREAK)]
    lines = [rf"\textbf{{{line}}}" if bold and line else line for line in lines]
    if len(lines) == 1:
        return lines[0]
    stacked = r" \\ ".join(map(_line_start, lines))
    return rf"\begin{{tabular}}[{place}]{{@{{}}{side}@{{}}}}{stacked}\end{{tabular}}"


@lru_cache(4096)
def _text(text: str) -> str:
    """Return text that LaTeX sets as it stands, in one line."""
    # Some control characters count as blanks: their codes are put in first.
    return _LIGATURES.sub(r"\g<0>{}", " ".join(text.translate(_ESCAPES).split()))


# ---- Which layout


def _of_one_column(table: PaperTable) -> list[Grid]:
    """Return the grids as they fit in a column of two; nothing where they do not."""
    if sum(len(grid.rows) for grid in table.grids) > _PAGE:
        return []
    for grids in (table.grids, [wrapped(grid, _COLUMN) for grid in table.grids]):
        if all(width_of(grid) <= _COLUMN for grid in grids):
            lines = sum(map(height_of, grids)) + _lines_of(table.notes, _COLUMN)
            return grids if lines <= _PAGE else []
    return []


def _floats(table: PaperTable) -> list[_Float]:
    """Return the floats over the width of the page: grids in parts where they are too wide or too long, then notes."""
    wide = [part for grid in table.grids for part in _fitting(grid)]
    floats = [_Float()]
    for part in (part for grid in wide for part in split_long(grid, _PAGE)):
        if floats[-1].grids and floats[-1].height + height_of(part) > _PAGE:
            floats.append(_Float())
        floats[-1].grids.append(part)
    last = floats[-1]
    if last.height + _lines_of(table.notes, _NARROW_PAGE) > _PAGE and len(last.grids) > 1:  # rather than notes alone
        floats.append(_Float([last.grids.pop()]))
    for note in table.notes:
        if floats[-1].height + _lines_of([note], _NARROW_PAGE) > _PAGE:
            floats.append(_Float())
        floats[-1].notes.append(note)
    return floats


def _lines_of(notes: Sequence[str], width: int) -> float:
    """Return the height of notes; `width` is that of the lines of grids."""
    return _NOTE * sum(math.ceil(len(note) / width) for note in notes)


def _fitting(grid: Grid) -> list[Grid]:
    """Return a grid, or its parts, as wide as a page; heads and long texts stand on several lines where that helps."""
    if width_of(grid) <= _LINE:
        return [grid]
    for room in _ROOMS:
        narrower = wrapped(grid, room)
        if width_of(narrower) <= _SHRUNK:
            return [narrower]
    whole = wrapped(grid, _ROOMS[0])  # its parts have room
    head, *widths = _widths(whole)
    parts = len(_cuts(head, widths, _LINE))
    even = range(_LINE // 2, _LINE)  # parts of about one width
    return list(split_wide(whole, next((most for most in even if len(_cuts(head, widths, most)) == parts), _LINE)))


def wrapped(grid: Grid, room: int) -> Grid:
    """Return a grid with line breaks in heads of columns, and in texts longer than `room` characters."""
    shown = [
        Row(_wrap(row.head, max(room, _ROW_HEAD)), [_wrap_cell(cell, grid, room) for cell in row.cells])
        for row in grid.rows
    ]
    rows = iter(shown)
    groups = [Group([next(rows) for _ in group.rows], group.title) for group in grid.groups]
    widths = [max((_cell_width(row.cells[place]) for row in shown), default=0) for place in range(len(grid.columns))]
    heads = [_wrap_head(head, width) for head, width in zip(grid.columns, widths, strict=True)]
    corner = _wrap_head(grid.corner, max((_width(row.head) for row in shown), default=0))
    return replace(grid, corner=corner, columns=heads, groups=groups)


def _wrap_cell(cell: Cell, grid: Grid, room: int) -> Cell:
    return cell if grid.numeric else replace(cell, text=_wrap(cell.text, room))


def _wrap(text: str, room: int) -> str:
    return _BREAK.join(textwrap.wrap(text, room, break_long_words=False)) if len(text) > room else text


def _wrap_head(head: str, width: int) -> str:
    """Return a head on as many lines as make it no wider than its column, but not on more than a few."""
    for most in range(max(width, _NARROWEST), len(head)):
        lines = textwrap.wrap(head, most, break_long_words=False)
        if len(lines) <= _HEAD_LINES and max(map(len, lines)) <= most:
            return _BREAK.join(lines)
    return head


# ---- Grids in parts


def width_of(grid: Grid) -> int:
    """Return the characters of a grid's widest row, by the widest text of each column, or of a title."""
    return max([sum(_widths(grid)), *(len(group.title) for group in grid.groups)])


def split_wide(grid: Grid, most: int) -> Iterator[Grid]:
    """Yield the columns of a grid in parts as wide as `most` characters at most, each with the heads of the rows."""
    head, *widths = _widths(grid)
    for first, last in _cuts(head, widths, most):
        yield _columns(grid, first, last)


def _cuts(head: int, widths: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Return the first column of each part and the one behind its last, from the widths of row heads and columns."""
    starts, used = [0], head
    for place, width in enumerate(widths):
        if used + width > most and place > starts[-1]:
            starts.append(place)
            used = head
        used += width
    return list(zip(starts, [*starts[1:], len(widths)], strict=True))


def _columns(grid: Grid, first: int, last: int) -> Grid:
    groups = [
        replace(group, rows=[Row(row.head, row.cells[first:last]) for row in group.rows]) for group in grid.groups
    ]
    return replace(grid, columns=grid.columns[first:last], groups=groups)


def _widths(grid: Grid) -> list[int]:
    """Return the characters of the heads of rows and of each column, with the gap behind it."""
    rows = grid.rows
    widths = [max(map(_width, [grid.corner, *(row.head for row in rows)]))]
    for place, column in enumerate(grid.columns):
        widths.append(max([_width(column), *(_cell_width(row.cells[place]) for row in rows)]))
    return [width + _GAP for width in widths]


def _cell_width(cell: Cell) -> int:
    return _width(cell.text) + len(cell.mark) + (len(cell.detail) + 1 if cell.detail else 0)


def _width(text: str) -> int:
    return max(map(len, text.split(_BREAK))) if _BREAK in text else len(text)


def height_of(grid: Grid) -> float:
    """Return the lines of a grid: its head, its rows, the titles of their groups, and rules."""
    head = 1 + max(text.count(_BREAK) for text in [grid.corner, *grid.columns])
    return _RULES + head + sum(_title_height(group) + sum(map(_row_height, group.rows)) for group in grid.groups)


def _title_height(group: Group) -> float:
    return _RULE + bool(group.title)


def _row_height(row: Row) -> int:
    return 1 + max([row.head.count(_BREAK), *[cell.text.count(_BREAK) for cell in row.cells]])


def split_long(grid: Grid, most: float) -> Iterator[Grid]:
    """Yield the rows of a grid in parts as high as `most` lines at most, each with the heads of the columns."""
    parts = list[list[Group]]([[]])
    empty = used = height_of(replace(grid, groups=[]))
    for group in grid.groups:
        if used + _title_height(group) + sum(map(_row_height, group.rows[:1])) > most and parts[-1]:
            parts.append([])
            used = empty
        parts[-1].append(replace(group, rows=[]))
        used += _title_height(group)
        for row in group.rows:
            if used + _row_height(row) > most and parts[-1][-1].rows:
                parts.append([replace(group, rows=[])])
                used = empty + _title_height(group)
            parts[-1][-1].rows.append(row)
            used += _row_height(row)
    for groups in parts:
        yield replace(grid, groups=groups)
