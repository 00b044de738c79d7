"""Make one figure of the study: as SVG and PNG for papers, and as a chart of the page."""

import argparse
from pathlib import Path

from smelt.cli import KeyValues, add_examples
from smelt.errors import SmeltError, not_found
from smelt.files import json_text, whole_file
from smelt.report.figures import FIGURES, TABLE_FIGURES, figure_of
from smelt.report.figures.style import save, style


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    of_tables = ", ".join(f"{kind}-<table>" for kind in TABLE_FIGURES)
    parser.add_argument("--name", required=True, help=f"one of {', '.join(FIGURES)}, or one of {of_tables}")
    parser.add_argument(
        "--sources", type=Path, nargs="+", required=True, help="files and folders that it is drawn from"
    )
    parser.add_argument(
        "--settings",
        action=KeyValues,
        default={},
        help="of a figure of a table, the table's entry in the study; of others, facts that they need",
    )
    parser.add_argument("--svg", type=Path, required=True, help="SVG file to write")
    parser.add_argument("--png", type=Path, required=True, help="PNG file to write")
    parser.add_argument("--chart", type=Path, help="JSON: its panels in Vega-Lite; none for a figure without a chart")
    add_examples(
        parser,
        "--name learning-curves --sources logs/mbert.curve.csv --svg curves.svg --png curves.png",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the figure in its forms."""
    missing = [path for path in arguments.sources if not path.exists()]
    if missing:
        raise not_found(missing[0])
    figure = figure_of(arguments.name)
    if figure is None:
        names = ", ".join([*FIGURES, *TABLE_FIGURES])
        raise SmeltError("--name", f"{arguments.name!r} is no figure: expected one of {names}")
    forms = figure.forms(arguments.settings)
    with style():
        save(forms.draw(arguments.sources), arguments.svg, arguments.png)
    if arguments.chart:
        specifications = forms.chart(arguments.sources).specifications()
        with whole_file(arguments.chart) as draft:
            draft.write_text(json_text(specifications), encoding="utf-8")
