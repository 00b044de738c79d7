"""Write one table of the study as CSV (the numbers), Markdown, LaTeX (for papers) and HTML (for the page)."""

import argparse
from dataclasses import replace
from pathlib import Path

from smelt.cli import KeyValues, add_examples
from smelt.files import whole_file
from smelt.report.csv_files import write_csv
from smelt.report.latex import latex
from smelt.report.notes import as_they_are_note, finetuning_note
from smelt.report.records import read_tasks
from smelt.report.render import html, markdown
from smelt.report.significance import Significance
from smelt.report.tables import table_of
from smelt.report.tables.base import AS_THEY_ARE, FINETUNED_AS, TableJob


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--name", required=True, help="the table's name in the study")
    parser.add_argument(
        "--settings",
        action=KeyValues,
        keys=("kind",),
        required=True,
        help="the table's entry in the study, and the facts of the study that its kind asks for",
    )
    parser.add_argument(
        "--significance",
        action=KeyValues,
        kind=Significance,
        required=True,
        help="how differences are tested",
    )
    parser.add_argument("--sources", type=Path, nargs="*", default=[], help="files and folders that it is made from")
    parser.add_argument(
        "--tasks", type=Path, nargs="*", default=[], help="task.json of the tasks whose scores it shows"
    )
    for kind in ("csv", "markdown", "latex", "html"):
        parser.add_argument(f"--{kind}", type=Path, required=True, help=f"file to write in {kind}")
    add_examples(
        parser,
        "--name t --settings @table.yaml --significance test=welch --sources scores.csv"
        " --csv t.csv --markdown t.md --latex t.tex --html t.html",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the table in its four forms."""
    chosen = table_of(arguments.settings)
    made = chosen.make(TableJob(arguments.name, arguments.sources, arguments.significance, arguments.settings))
    sets = finetuning_note(arguments.settings.get(FINETUNED_AS, {}))
    plain = as_they_are_note(arguments.settings.get(AS_THEY_ARE, {}))
    notes = [*made.table.notes, *sets, *plain, *chosen.task_notes(read_tasks(arguments.tasks))]
    table = replace(made.table, notes=notes)
    write_csv(arguments.csv, made.rows, made.columns)
    for path, render in ((arguments.markdown, markdown), (arguments.latex, latex), (arguments.html, html)):
        with whole_file(path) as draft:
            draft.write_text(render(table), encoding="utf-8")
