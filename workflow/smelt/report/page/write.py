"""Write the report as one page that fetches nothing, so that it opens offline and for years."""

import argparse
import base64
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jinja2
import yaml
from markupsafe import Markup

from smelt.cli import KeyValues, PathList, add_examples
from smelt.errors import SmeltError, not_found
from smelt.files import json_text, read_json, whole_file
from smelt.mixture import Mixture
from smelt.report.corpus_records import CorpusRecord, read_corpora
from smelt.report.costs import read_costs
from smelt.report.figures import caption_of, is_further_part
from smelt.report.latex import latex
from smelt.report.overview import model_costs
from smelt.report.page.blocks import BlocksRecord, blocks_tables, read_blocks
from smelt.report.page.corpora import (
    cleaning_table,
    corpus_table,
    dropped_table,
    markup_table,
    overlap_table,
    pages_table,
    step_tables,
    templates_table,
)
from smelt.report.page.corpus_warnings import limits, looks
from smelt.report.page.files import StudyFiles
from smelt.report.page.libraries import Library, datatables, vega, within_script
from smelt.report.page.materials import model_table, reduction_table, task_table, tokenizer_table
from smelt.report.page.plan import plan_table
from smelt.report.page.results import across_table, correlation_tables, pair_tables
from smelt.report.page.sources import sources_table
from smelt.report.page.verdict import QUESTION, StudyVerdict, answer
from smelt.report.page.what_was_run import cost_table, losses_table, run_facts
from smelt.report.records import ModelRecord, read_model, read_tasks
from smelt.report.render import PaperTable, html
from smelt.report.significance import Significance
from smelt.report.tables.base import TableJob
from smelt.report.tables.efficiency import CAPTION, EfficiencyTable
from smelt.report.tables.finetuning import CAPTION as CHOICES
from smelt.report.tables.finetuning import choices_table, read_tuned

_TEMPLATES = Path(__file__).parent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--study",
        action=KeyValues,
        keys=("study", "models"),
        required=True,
        help="the study as written",
    )
    parser.add_argument(
        "--significance",
        action=KeyValues,
        kind=Significance,
        required=True,
        help="how differences are tested",
    )
    lists = {
        "tables": "HTML of the tables, in the study's order",
        "figures": "SVG of the figures",
        "statistics": "summary.csv, pairs.csv and across.csv",
        "examples": "comparisons over test examples, a file a task",
        "corpora": "statistics.json of each corpus and language",
        "blocks": "blocks.json of the token blocks, as far as they are still there",
        "tokenizers": "folders of the tokenizers",
        "tasks": "task.json of each task",
        "models": "folders of the models",
        "curves": "learning curves of the models that were trained",
        "tokenisation": "tokenisation studies",
        "efficiency": "records of efficiency",
        "choices": "metrics.json of fine-tuned models that a grid chose",
    }
    for name, text in lists.items():
        parser.add_argument(
            f"--{name}", action=PathList, nargs="*", default=[], help=f"{text}; or @FILE, a path a line"
        )
    parser.add_argument("--written", type=Path, help="the study as its author wrote it, with comments")
    parser.add_argument("--costs", type=Path, help="costs.csv: what making and fine-tuning each model took")
    parser.add_argument("--plan", type=Path, help="what stages were planned to take, and what they took")
    parser.add_argument("--logs", type=Path, help="the folder of the study's logs, for links to them")
    parser.add_argument("--output", type=Path, required=True, help="report.html")
    add_examples(
        parser,
        "--study @results/my-study/.run/study.json --significance test=welch --output report.html",
    )


def run(arguments: argparse.Namespace) -> None:
    """Write the page."""
    page = render(content(arguments))
    with whole_file(arguments.output) as draft:
        draft.write_text(page, encoding="utf-8")
    print(f"{arguments.output}: {len(page.encode()):,} bytes")


# ---- What stands on the page; the template only arranges it

PAIRS_ON_PAPER = 200  # rows, about seven pages
FEW_LANGUAGES = 16  # with more, tables of dumps are folded
_LIBRARIES = ("smelt", "numpy", "pandas", "scipy", "matplotlib")


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page: its name, file, title and caption."""

    name: str
    path: Path
    title: str
    caption: str
    chart: Markup | None
    """JSON: the panels of its chart, if it has one."""
    origin: Markup
    """What made it."""
    folded: bool
    """Whether it opens by a click: a further part of a figure of many tasks."""


@dataclass(frozen=True)
class CorporaSection:
    """What was done to corpora; tables are HTML."""

    looks: list[str]
    """What deserves a look."""
    limits: str
    """What was looked at."""
    tables: list[Markup]
    folded: list[tuple[str, Markup]]
    """Longer tables, each with its caption, which open by a click."""


@dataclass(frozen=True)
class Content:
    """The parts of the page; fragments are HTML already."""

    name: str
    title: str
    facts: list[tuple[str, str]]
    question: str
    verdict: StudyVerdict | None
    overview: Markup | None
    tables: list[Markup]
    pairs: list[tuple[str, Markup]]
    across: Markup | None
    pair_rows: int
    """Of all tables of pairs together."""
    pairs_on_paper: bool
    """Whether a print has them, too."""
    correlations: list[Markup]
    efficiency: Markup | None
    figures: list[PageFigure]
    corpora: CorporaSection | None
    records: list[Markup]
    plan: Markup | None
    names: Markup
    """JSON: what can be filtered by."""
    libraries: list[Library]
    run_facts: list[tuple[str, str]]
    run_tables: list[Markup]
    commit: str
    written: str
    """The study with its author's comments; empty where the workflow left none."""
    study_text: str
    versions: str
    provenance: list[tuple[str, str]]


def content(arguments: argparse.Namespace) -> Content:
    """Return the content of the page of a study.

    Raises:
        SmeltError: a file is missing, or is not what its place says.
    """
    study, files = arguments.study, StudyFiles(arguments)
    corpora = read_corpora(arguments.corpora)
    models = [read_model(folder) for folder in arguments.models]
    statistics = {path.stem: path for path in arguments.statistics}
    pairs = pair_tables(statistics["pairs"], arguments.examples, arguments.significance) if statistics else []
    figures = [_figure(path, files) for path in arguments.figures]
    across = across_table(statistics["across"], arguments.significance) if statistics else None
    pair_rows = sum(len(grid.rows) for table in [*pairs, *([across] if across else [])] for grid in table.grids)
    jobs = read_costs(arguments.costs) if arguments.costs else []
    costs = model_costs(models, arguments.efficiency, jobs)
    commits = {job.revision for job in jobs}
    run_tables = [cost_table(jobs), losses_table(corpora, read_tasks(arguments.tasks))]
    verdict, overview = (
        answer(statistics, arguments.examples, costs, arguments.significance) if statistics else (None, None)
    )
    return Content(
        name=study["study"],
        title=study.get("title") or study["study"],
        facts=_facts(study, corpora),
        question=QUESTION,
        verdict=verdict,
        overview=_markup(overview, files) if overview else None,
        tables=[_fragment(path, files) for path in arguments.tables],
        pairs=[(table.caption, _markup(table, files)) for table in pairs],
        across=_markup(across, files) if across else None,
        pair_rows=pair_rows,
        pairs_on_paper=pair_rows <= PAIRS_ON_PAPER,
        correlations=[_markup(table, files) for table in correlation_tables(arguments.tokenisation)],
        efficiency=_markup(measured, files) if (measured := efficiency_table(arguments)) else None,
        figures=figures,
        corpora=_corpora(study, corpora, read_blocks(arguments.blocks), files) if corpora else None,
        records=_records(arguments, models, files),
        plan=_markup(plan_table(arguments.plan), files) if arguments.plan else None,
        names=within_script(json_text(_names(arguments, corpora))),
        libraries=[datatables(), *([vega()] if any(figure.chart for figure in figures) else [])],
        run_facts=run_facts(jobs, models),
        run_tables=[_markup(table, files) for table in run_tables if table is not None],
        commit=commits.pop() if len(commits) == 1 else "",
        written=_text_of(arguments.written) if arguments.written else "",
        study_text=yaml.safe_dump(study, sort_keys=False, allow_unicode=True, width=100),
        versions=_versions(),
        provenance=[(model.name, json_text(model.provenance, indent=2)) for model in models],
    )


def _text_of(path: Path) -> str:
    """Return the text of a study; nothing where a workflow of an earlier version left none."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _facts(study: dict[str, Any], corpora: Sequence[CorpusRecord]) -> list[tuple[str, str]]:
    """Return the study in numbers: what, how many."""
    seeds = (study.get("finetuning") or {}).get("seeds", [])
    counts = [
        ("language", len({record.language for record in corpora})),
        ("word", sum(record.words for record in corpora)),
        ("tokenizer", len(study.get("tokenizers", {}))),
        ("model", len(study["models"])),
        ("task", len(study.get("tasks", []))),
        ("seed", len(seeds)),
    ]
    return [(name if count == 1 else f"{name}s", f"{count:,}") for name, count in counts if count]


def _names(arguments: argparse.Namespace, corpora: Sequence[CorpusRecord]) -> dict[str, Any]:
    """Return the models with their makers, the tasks and the languages that tables may be filtered by."""
    tasks = read_tasks(arguments.tasks)
    of_tasks = [language for task in tasks for language in task.by_language["test"]]
    languages = dict.fromkeys([*(record.language for record in corpora), *of_tasks])
    models = {name: entry["maker"] for name, entry in arguments.study["models"].items()}
    return {"models": models, "tasks": [task.name for task in tasks], "languages": list(languages)}


def _corpora(
    study: dict[str, Any], records: Sequence[CorpusRecord], blocks: Sequence[BlocksRecord], files: StudyFiles
) -> CorporaSection:
    mixtures = {name: Mixture(**(entry.get("sampling") or {})) for name, entry in study.get("corpora", {}).items()}
    mixed = {name: mixture for name, mixture in mixtures.items() if not mixture.is_natural}
    of_dumps = [pages_table(records), markup_table(records), dropped_table(records)]
    few = len(records) <= FEW_LANGUAGES
    shown = [corpus_table(records, mixed), cleaning_table(records), overlap_table(records), *(of_dumps if few else [])]
    long = [sources_table(records), *([] if few else of_dumps), templates_table(records)]
    long += [*step_tables(records), *blocks_tables(blocks)]
    return CorporaSection(
        looks=[str(look) for look in looks(records, blocks)],
        limits=limits(),
        tables=[_markup(table, files) for table in shown if table],
        folded=[(table.caption, _markup(table, files)) for table in long if table],
    )


def _records(arguments: argparse.Namespace, models: Sequence[ModelRecord], files: StudyFiles) -> list[Markup]:
    makers = {name: entry["maker"] for name, entry in arguments.study["models"].items()}
    tables = [
        tokenizer_table(arguments.tokenizers) if arguments.tokenizers else None,
        task_table(read_tasks(arguments.tasks)) if arguments.tasks else None,
        choices_table("choices", CHOICES, [read_tuned(path) for path in arguments.choices])
        if arguments.choices
        else None,
        model_table(models, makers, arguments.curves),
        reduction_table(arguments.models),
    ]
    return [_markup(table, files) for table in tables if table is not None]


def _figure(path: Path, files: StudyFiles) -> PageFigure:
    """Return a figure, with the chart that was written beside it."""
    chart = path.with_suffix(".json")
    specifications = read_json(chart) if chart.is_file() else {}
    shown = within_script(json_text(specifications)) if specifications.get("panels") else None
    return PageFigure(
        path.stem, path, *caption_of(path.stem), shown, files.forms("figure", path), is_further_part(path.stem)
    )


def _markup(table: PaperTable, files: StudyFiles) -> Markup:
    return _with_latex(html(files.link_rows(table)), latex(table), files.origin(table.name))


def _fragment(path: Path, files: StudyFiles) -> Markup:
    """Return a table of the study, with the LaTeX that was written beside it."""
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise not_found(path) from None
    except UnicodeDecodeError:
        raise SmeltError(path, "is not a table of this report: expected ASCII with character references") from None
    if not text.startswith("<figure") or not text.rstrip().endswith("</figure>"):
        raise SmeltError(path, "is no whole table of this report: make it again")
    beside = path.with_suffix(".tex")
    try:
        return _with_latex(text, beside.read_text(encoding="utf-8"), files.forms("table", path))
    except FileNotFoundError:
        raise not_found(beside) from None


def _with_latex(fragment: str, text: str, origin: Markup) -> Markup:
    """Return a table with its LaTeX, for the buttons above it, and the line on what made it."""
    whole = fragment.rstrip().removesuffix("</figure>")
    # The renderers escape every text themselves; LaTeX has no sign that could end the script.
    return Markup(
        f'{whole}<script type="text/plain" class="latex">{within_script(text)}</script>\n{origin}\n</figure>\n'
    )


def _versions() -> str:
    """Return the versions that made the report; those that trained a model stand in its provenance."""
    found = [f"Python {platform.python_version()}"]
    for library in _LIBRARIES:
        try:
            found.append(f"{library} {version(library)}")
        except PackageNotFoundError:  # smelt itself, where it runs from a checkout
            continue
    return ", ".join(found)


def efficiency_table(arguments: argparse.Namespace) -> PaperTable | None:
    """Return the efficiency of all models; None where none is measured."""
    if not arguments.efficiency:
        return None
    job = TableJob("efficiency-of-all-models", arguments.efficiency, arguments.significance)
    return EfficiencyTable(kind="efficiency", caption=f"{CAPTION} of all models").make(job).table


# ---- The page as HTML


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
        raise not_found(path) from None
    if b"<svg" not in data or not data.rstrip().endswith(b"</svg>"):
        raise SmeltError(path, "is no whole SVG file: draw the figure again")
    return data
