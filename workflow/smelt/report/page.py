"""Write the report as one page: no script, no resource from elsewhere, so that it opens offline and for years."""

import argparse
import base64
from pathlib import Path

import jinja2

from smelt.entry import check
from smelt.errors import SmeltError
from smelt.files import whole_file
from smelt.flags import json_object
from smelt.report.page_content import Content, content
from smelt.study.schema import Significance

_TEMPLATES = Path(__file__).parent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--study", type=json_object("study", "models"), required=True, help="JSON: the study as written"
    )
    parser.add_argument("--significance", type=json_object(), required=True, help="JSON: how differences are tested")
    lists = {
        "tables": "HTML of the tables, in the study's order",
        "figures": "SVG of the figures",
        "statistics": "summary.csv, pairs.csv and across.csv",
        "corpora": "statistics.json of each corpus and language",
        "tokenizers": "folders of the tokenizers",
        "tasks": "task.json of each task",
        "models": "folders of the models",
        "curves": "learning curves of the models that were trained",
        "tokenisation": "tokenisation studies",
        "efficiency": "figures of the efficiency ruler",
    }
    for name, text in lists.items():
        parser.add_argument(f"--{name}", type=Path, nargs="*", default=[], help=text)
    parser.add_argument("--output", type=Path, required=True, help="report.html")


def run(arguments: argparse.Namespace) -> None:
    """Write the page."""
    arguments.significance = check(Significance, arguments.significance, "--significance").model_dump()
    page = render(content(arguments))
    with whole_file(arguments.output) as draft:
        draft.write_text(page, encoding="utf-8")
    print(f"{arguments.output}: {len(page.encode()):,} bytes")


def render(page: Content) -> str:
    """Return the page as HTML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["data_address"] = _data_address
    return environment.get_template("page.html").render(**vars(page))


def _data_address(path: Path) -> str:
    """Return an SVG file as an address that holds it: in an image of its own, its ids cannot clash with another's."""
    return "data:image/svg+xml;base64," + base64.b64encode(_bytes(path)).decode("ascii")


def _bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SmeltError(path, "no such file") from None
    if b"<svg" not in data or not data.rstrip().endswith(b"</svg>"):
        raise SmeltError(path, "is no whole SVG file: draw the figure again")
    return data
