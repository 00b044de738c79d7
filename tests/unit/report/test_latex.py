"""LaTeX of tables: it compiles, no table is wider or longer than its page, and every text stands as it is."""

import ast
import re
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from small_results import MODELS, Results
from test_averages import made as make_averages
from test_corpora_and_students import ABOUT, corpus, student
from test_correlations_table import SETTINGS as CORRELATIONS
from test_correlations_table import sources as correlation_sources
from test_efficiency_table import record
from test_published_table import table as make_published
from test_reductions_table import SETTINGS as REDUCTIONS
from test_reductions_table import sources as reduction_sources  # noqa: F401 - a fixture
from test_stages import SETTINGS as STAGES
from test_stages import sources as stage_sources  # noqa: F401 - a fixture
from test_tradeoff import SETTINGS as TRADEOFF
from test_tradeoff import write_sources
from test_training_tables import TABLE_2, albeto

import smelt.report
from smelt.report.latex import height_of, latex, missing_in_pdflatex, split_long, split_wide, width_of, wrapped
from smelt.report.render import Cell, Grid, Group, PaperTable, Row
from smelt.study.compression import STRATEGIES

PAGES = {
    # Margins and columns of the ACL's style, and LaTeX's own narrow page.
    "two columns": r"\documentclass[11pt,a4paper,twocolumn]{article}\setlength\textwidth{16cm}"
    r"\setlength\columnsep{0.6cm}\setlength\textheight{24.7cm}\setlength\topmargin{-1cm}\setlength\headheight{0pt}\setlength\headsep{0pt}",
    "one column": r"\documentclass{article}",
}
TROUBLE = ("!", "Overfull", "Missing character", "LaTeX Warning: Float too large", "LaTeX Font Warning: Font shape")


def compile_tables(folder: Path, page: str, tables: dict[str, str]) -> list[str]:
    """Return what pdfLaTeX complains of, each complaint with the table's name."""
    program = shutil.which("pdflatex")
    if program is None:
        pytest.skip("needs LaTeX: apt install texlive-latex-recommended lmodern")
    needs = {packages for text in tables.values() for packages in re.findall(r"% Needs (.*) and (.*)\.", text)}
    head = ["".join(packages) for packages in needs]
    body = [line for name, text in tables.items() for line in (rf"\typeout{{TABLE {name}}}", text, r"\clearpage")]
    lines = [PAGES[page], *head, r"\usepackage{lmodern}\begin{document}", *body, r"\end{document}"]
    (folder / "tables.tex").write_text("\n".join(lines), encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120)
    found, table = [], ""
    for line in (folder / "tables.log").read_text(encoding="utf-8", errors="replace").splitlines():
        table = line.removeprefix("TABLE ") if line.startswith("TABLE ") else table
        found += [f"{table}: {line}"] if line.startswith(TROUBLE) else []
    assert done.returncode == 0 or found
    return found


def embedded(page: str) -> dict[str, str]:
    """Return the LaTeX of all tables of a page."""
    texts = re.findall(r'<script type="text/plain" class="latex">(.*?)</script>', page, re.DOTALL)
    return {re.findall(r"\\label\{tab:(.*?)\}", text)[0]: text for text in texts}


@pytest.fixture
def of_every_kind(
    reported: Results,
    compared: Results,
    reduction_sources: list[Path],  # noqa: F811
    stage_sources: list[Path],  # noqa: F811
) -> dict[str, str]:
    """Tables of a study's page, and of the kinds that it lacks."""
    assert compared.table("reductions", REDUCTIONS, reduction_sources, test="paired-t") == 0
    assert compared.table("stages", STAGES, stage_sources) == 0
    make_averages(compared, {1: 0.0, 2: 0.1})
    make_published(compared)
    languages = corpus(compared, sw=(155_000, 1_000_000), fr=(12_318_000, 9_000_000))
    assert compared.table("corpora", {"kind": "corpora", "corpus": "wiki6", "about": ABOUT}, languages) == 0
    students = [student(compared, name.lower(), stages=stages) for name, stages in STRATEGIES.items()]
    settings = {"kind": "students", "models": [folder.name for folder in students]}
    assert compared.table("students", settings, students) == 0
    assert compared.table("training", {"kind": "training", "models": [*TABLE_2]}, albeto(compared)) == 0
    assert compared.table("splitting", CORRELATIONS, correlation_sources(compared)) == 0
    assert compared.table("tradeoff", TRADEOFF, write_sources(compared.folder)) == 0
    measured = [record("mbert", 1, 1), record("reduced", 0.55, 1.02)]
    paths = [compared.write(compared.path("measured", f"{each['model']}.json"), each) for each in measured]
    assert compared.table("efficiency", {"kind": "efficiency"}, paths) == 0
    return embedded(reported.page()) | {path.stem: path.read_text() for path in compared.path("tables").glob("*.tex")}


def test_tables_of_a_study_compile_and_fit_the_page(tmp_path: Path, of_every_kind: dict[str, str]) -> None:
    tables = {name: text for name, text in of_every_kind.items() if "pdfLaTeX lacks" not in text}
    assert {"table_1", "pairs-ner", "models", "reductions", "students", "published"} <= set(tables)
    assert set(of_every_kind) - set(tables) == {"table_3"}  # the example, with a Greek letter
    for page in PAGES:
        assert compile_tables(tmp_path, page, tables) == []


def words(count: int, length: int = 7) -> str:
    return " ".join(f"w{number}".ljust(length, "x") for number in range(count))


def grid_of(columns: int, rows: int, head: str = "task", groups: int = 1, cell: str = "") -> Grid:
    cells = [Cell(cell or f"{number}.00", "*", "" if cell else "(1.00)", bold=number == 1) for number in range(columns)]
    shown = [Group([Row(f"model-{number}", cells) for number in range(rows)], f"group {n}") for n in range(groups)]
    return Grid("Model", [f"{head} {number}" for number in range(columns)], shown, numeric=not cell)


SHAPES = {
    "small": [grid_of(1, 3)],
    "two": [grid_of(2, 3), grid_of(3, 3)],
    "wide": [grid_of(11, 3)],
    "widest": [grid_of(40, 5)],
    "long": [grid_of(3, 140, groups=2)],
    "heads": [grid_of(8, 3, head="xquad-retrieval-learnt: difference")],
    "texts": [grid_of(4, 5, cell=words(40))],
    "unbroken": [grid_of(2, 5, cell="x" * 200)],
    "title": [Grid("M", ["n"], [Group([Row("a", [Cell("1")])], title=words(20))])],
    "groups": [grid_of(4, 1, groups=30)],
    "brackets": [grid_of(4, 5, cell=" ".join(["[MASK]".ljust(30, "x")] * 3), head="[SEP]".ljust(20, "x"))],
    "stars": [grid_of(4, 5, cell=" ".join(["*".ljust(30, "x")] * 3), head="*".ljust(20, "x"))],
    "rows": [Grid(head, ["n"], [Group([Row(head, [Cell(head)])] * 2)] * 2) for head in ("[UNK]", "*")],
}


@pytest.mark.parametrize("page", PAGES)
def test_tables_of_any_shape_fit_the_page(tmp_path: Path, page: str) -> None:
    notes = [[], [words(10)], [words(60)] * 12]
    tables = {
        f"{name}-{n}": PaperTable(f"{name}-{n}", words(12), grids, each)
        for name, grids in SHAPES.items()
        for n, each in enumerate(notes)
    }
    texts = {name: latex(table) for name, table in tables.items()}
    assert compile_tables(tmp_path, page, texts) == []
    options = re.compile(r"\\(?:\\|toprule|midrule)\s*[*[]")  # LaTeX would take the sign as one
    assert [name for name, text in texts.items() if options.search(text)] == []


def test_what_latex_complains_of_is_found(tmp_path: Path) -> None:
    ends = latex(PaperTable("t", "A table", [grid_of(1, 1)]))
    for wrong, complaint in (
        (r"\nosuchcommand", "! Undefined control sequence"),
        ("\N{GREEK SMALL LETTER ALPHA}", "! LaTeX Error: Unicode character"),
        (r"\hbox to 2\linewidth{}", "Overfull"),
    ):
        found = compile_tables(tmp_path, "one column", {"bad": ends.replace(r"\end{table}", rf"{wrong}\end{{table}}")})
        assert found[0].startswith(f"bad: {complaint}")


def test_every_sign_of_a_report_is_one_that_pdflatex_sets(tmp_path: Path) -> None:
    """Texts of all kinds of tables and of the page, whatever the results."""
    texts = [
        (path.name, node.value)
        for path in sorted(Path(smelt.report.__file__).parent.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if path.name != "latex.py" and isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert len(texts) > 1000
    assert [(name, found) for name, text in texts if (found := missing_in_pdflatex(text))] == []
    latin = "".join(map(chr, range(0x180)))
    known = [sign for sign in latin + "▁±−×÷≤≥≈→–—…₂⁶‘’“”€" if not missing_in_pdflatex(sign)]
    assert len(known) > 390
    notes = ["".join(known[start : start + 20]) for start in range(0, len(known), 20)]
    table = PaperTable("signs", "A table", [Grid("Sign", ["n"], [Group([Row("\\ {}", [Cell("~^")])])])], notes)
    assert compile_tables(tmp_path, "one column", {"signs": latex(table)}) == []


def test_other_scripts_are_named_at_the_head_of_the_file() -> None:
    text = latex(PaperTable("t", "A ა table", [Grid("M", ["ħ"], [Group([Row("Ω", [Cell("1", detail="ط")])])])]))
    assert re.findall(r"^% Holds letters that pdfLaTeX lacks: (.*)$", text, re.MULTILINE) == ["ħ Ω ط ა"]
    assert "lacks" not in latex(PaperTable("t", "Ščė ▁…", [grid_of(1, 1)], ["10⁶ ≥ 2"]))
    assert "lacks: U+200B\n" in latex(PaperTable("t", "A\N{ZERO WIDTH SPACE}table", [grid_of(1, 1)]))


def test_control_characters_are_shown_by_their_codes() -> None:
    controls = [chr(code) for code in range(0x100) if unicodedata.category(chr(code)) == "Cc"]
    text = latex(PaperTable("t", "it\x92s", [grid_of(1, 1)], ["".join(controls)]))
    assert r"it\textless{}U+0092\textgreater{}\allowbreak{}s" in text
    assert set(text) & set(controls) == {"\n"}
    codes = {f"{ord(sign):04X}" for sign in controls if sign not in "\t\n\v\f\r"}  # these are blanks
    assert set(re.findall(r"U\+(\w{4})", text)) == codes


def check_form(text: str) -> None:
    """Braces are balanced, rows have equal numbers of cells, and nothing is left that LaTeX reads as a command."""
    body = re.sub(r"\\[{}]", "", text)
    assert body.count("{") == body.count("}")
    flat = re.sub(r"\\begin\{tabular\}\[[tb]\]\{@\{\}[lr]@\{\}\}(.*?)\\end\{tabular\}", "", text)  # lines of one cell
    for tabular in re.findall(r"\\begin\{tabular\}\{([lr]+)\}(.*?)\\end\{tabular\}", flat, re.DOTALL):
        rows = [line for line in tabular[1].splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        assert rows
        assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {len(tabular[0]) - 1}
    plain = re.sub(r"\\label\{[^}]*\}", "", "\n".join(line for line in text.splitlines() if not line.startswith("%")))
    assert not re.search(r"(?<!\\)[_#%]", plain.replace("{!}{%", ""))
    assert "▁" not in text


def test_latex_is_balanced_has_equal_columns_and_escapes_everything(reported: Results) -> None:
    tables = embedded(reported.page())
    for text in tables.values():
        check_form(text)
    example = tables["table_3"]
    assert r"R\&D\_50\%" in example
    assert r"\textvisiblespace{}Zo\textperiodcentered{}ë" in example
    assert r"small\_8k" in tables["table_1"]
    assert MODELS[0].replace("_", r"\_") in tables["pairs-ner"]


def test_signs_that_fonts_join_stay_apart(tmp_path: Path) -> None:
    text = latex(PaperTable("t", "--settings and ,, and ?` and '' and –", [grid_of(1, 1)]))
    assert r"\caption{-{}-settings and ,{}, and ?{}` and '{}' and –}" in text
    signs = [sign for sign in map(chr, range(0x21, 0x7F)) if not sign.isalnum()] + [*"‘’‚“”„–—«»¡¿"]
    pairs = [" ".join(first + second for second in signs) for first in signs]
    traced = r"\tracingoutput1 \showboxbreadth100000 \showboxdepth100 "  # what is set is listed in the log
    for notes, joined in (([*pairs], set()), (["office"], {"ffi"})):
        table = traced + latex(PaperTable("t", "A", [grid_of(1, 1)], notes))
        assert compile_tables(tmp_path, "one column", {"t": table}) == []
        log = (tmp_path / "tables.log").read_text(encoding="utf-8", errors="replace")
        assert set(re.findall(r"\(ligature (.*?)\)$", log, re.MULTILINE)) == joined


def test_a_narrow_table_stands_in_one_column_and_a_wide_one_over_both() -> None:
    long = [words(60)] * 12
    for grids, notes, form in (
        ([grid_of(2, 3)], [], "table"),
        ([grid_of(2, 3), grid_of(1, 3)], [words(40)], "table"),
        ([grid_of(2, 3, head="a-long-head-that-breaks")], [], "table"),
        ([grid_of(2, 3), grid_of(6, 3)], [], "table*"),
        ([grid_of(2, 3)], long, "table*"),  # the notes would fill the column
        ([grid_of(2, 50)], [], "table*"),
    ):
        text = latex(PaperTable("t", "A table", grids, notes))
        assert set(re.findall(r"\\(?:begin|end)\{(table\*?)\}", text)) == {form}


def test_a_caption_stands_apart_from_the_rule_below_it() -> None:
    lines = [line.strip() for line in latex(PaperTable("t", "A table", [grid_of(1, 1)])).splitlines()]
    start = lines.index(r"\caption{A table}")
    assert lines[start + 1 : start + 3] == [r"\label{tab:t}", r"\par\medskip"]
    assert lines.index(r"\toprule") > start + 2


@pytest.mark.parametrize(("columns", "parts"), [(4, 1), (6, 1), (7, 1), (11, 2), (30, 5)])
def test_a_grid_stands_in_parts_that_would_be_shrunk_too_far(columns: int, parts: int) -> None:
    text = latex(PaperTable("wide", "A table", [grid_of(columns, 1, groups=2)]))
    flat = re.sub(r"\\begin\{tabular\}\[b\]\{@\{\}r@\{\}\}(.*?) \\\\ (.*?)\\end\{tabular\}", r"\1 \2", text)
    tabulars = re.findall(r"\\begin\{tabular\}\{l(r+)\}(.*?)\\end\{tabular\}", flat, re.DOTALL)
    assert (len(tabulars), sum(len(form) for form, _ in tabulars)) == (parts, columns)
    assert max(len(form) for form, _ in tabulars) - min(len(form) for form, _ in tabulars) <= 2
    assert all(body.count("model-0 &") == body.count("multicolumn") == 2 for _, body in tabulars)
    assert re.findall(r"task (\d+)", flat) == list(map(str, range(columns)))
    assert text.count(r"\caption") == text.count(r"\label") == 1


def test_parts_are_no_wider_than_asked_and_hold_a_column_at_least() -> None:
    grid = grid_of(30, 1)
    assert all(width_of(part) <= 60 for part in split_wide(grid, 60))
    assert [len(part.columns) for part in split_wide(grid, 1)] == [1] * 30


def test_heads_and_long_texts_stand_on_several_lines() -> None:
    grid = wrapped(Grid("Model", ["trim-pos: difference", "n"], grid_of(2, 1).groups), 40)
    assert [column.splitlines() for column in grid.columns] == [["trim-pos:", "difference"], ["n"]]
    (row,) = wrapped(grid_of(1, 1, cell="one two three four"), 9).rows
    assert row.cells[0].text.splitlines() == ["one two", "three", "four"]
    assert r"\begin{tabular}[t]{@{}l@{}}one two \\ three" in latex(
        PaperTable("t", "A table", [wrapped(grid_of(1, 1, cell="one two three four"), 9)])
    )


@pytest.mark.parametrize("rows", [(36,), (60,), (37, 5), (38, 2), (1, 90, 1)])
def test_a_table_too_long_for_a_page_is_several_floats(rows: tuple[int, ...]) -> None:
    heads = [[f"{place}-{row}" for row in range(count)] for place, count in enumerate(rows)]
    grid = Grid("Model", ["task"], [Group([Row(head, [Cell("1")]) for head in own], "Group") for own in heads])
    text = latex(PaperTable("long", "A table", [grid], ["A note."]))
    floats = re.findall(r"\\begin\{table\*?\}(.*?)\\end\{table\*?\}", text, re.DOTALL)
    parts = list(split_long(grid, 44))
    assert len(floats) == len(parts) == -(-int(height_of(grid)) // 41)
    assert all(height_of(part) <= 44 for part in parts)
    assert re.findall(r"^ *(\d+-\d+) &", text, re.MULTILINE) == [head for own in heads for head in own]
    assert text.count(r"\label") == text.count("A note.") == 1
    assert "A note." in floats[-1]
    assert [r"\addtocounter{table}{-1}" in each for each in floats] == [False] + [True] * (len(parts) - 1)
    assert text.count("A table (continued)") == len(parts) - 1


def test_notes_do_not_stand_alone_where_a_grid_can_stand_with_them() -> None:
    text = latex(PaperTable("t", "A table", [grid_of(5, 15), grid_of(5, 12)], [words(60)] * 3))
    assert [each.count(r"\toprule") for each in text.split(r"\end{table*}")] == [1, 1, 0]
