"""What stands on the page, gathered from the files of the stages; the template only arranges it."""

import argparse
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml
from markupsafe import Markup

from smelt.errors import SmeltError
from smelt.files import json_text
from smelt.report.captions import caption_of
from smelt.report.comparison_tables import across_table, pair_tables
from smelt.report.corpus_records import CorpusRecord, read_corpora
from smelt.report.efficiency_table import all_models
from smelt.report.grid import PaperTable
from smelt.report.html import html
from smelt.report.model_records import ModelRecord, read_model
from smelt.report.record_tables import corpus_table, markup_table, model_table, pages_table, task_table, tokenizer_table
from smelt.report.reduction_table import reduction_table
from smelt.report.task_records import read_tasks
from smelt.report.tokenisation_tables import correlation_tables

_LIBRARIES = ("smelt", "numpy", "pandas", "scipy", "matplotlib")


@dataclass(frozen=True)
class PageFigure:
    """A figure of the page: its name, file, title and caption."""

    name: str
    path: Path
    title: str
    caption: str


@dataclass(frozen=True)
class Content:
    """The parts of the page; fragments are HTML already."""

    name: str
    title: str
    facts: list[tuple[str, str]]
    tables: list[Markup]
    pairs: list[tuple[str, Markup]]
    across: Markup | None
    correlations: list[Markup]
    efficiency: Markup | None
    figures: list[PageFigure]
    records: list[Markup]
    study_text: str
    versions: str
    provenance: list[tuple[str, str]]


def content(arguments: argparse.Namespace) -> Content:
    """Return the content of the page of a study.

    Raises:
        SmeltError: a file is missing, or is not what its place says.
    """
    study = arguments.study
    corpora = read_corpora(arguments.corpora)
    models = [read_model(folder) for folder in arguments.models]
    statistics = {path.stem: path for path in arguments.statistics}
    pairs = pair_tables(statistics["pairs"], arguments.significance) if statistics else []
    across = across_table(statistics["across"], arguments.significance) if statistics else None
    return Content(
        name=study["study"],
        title=study.get("title") or study["study"],
        facts=_facts(study, corpora),
        tables=[_fragment(path) for path in arguments.tables],
        pairs=[(table.caption, _markup(table)) for table in pairs],
        across=_markup(across) if across else None,
        correlations=[_markup(table) for table in correlation_tables(arguments.tokenisation)],
        efficiency=_markup(measured) if (measured := all_models(arguments.efficiency)) else None,
        figures=[PageFigure(path.stem, path, *caption_of(path.stem)) for path in arguments.figures],
        records=_records(arguments, corpora, models),
        study_text=yaml.safe_dump(study, sort_keys=False, allow_unicode=True, width=100),
        versions=_versions(),
        provenance=[(model.name, json_text(model.provenance, indent=2)) for model in models],
    )


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


def _records(
    arguments: argparse.Namespace, corpora: Sequence[CorpusRecord], models: Sequence[ModelRecord]
) -> list[Markup]:
    makers = {name: entry["maker"] for name, entry in arguments.study["models"].items()}
    tables = [
        corpus_table(corpora) if corpora else None,
        pages_table(corpora),
        markup_table(corpora),
        tokenizer_table(arguments.tokenizers) if arguments.tokenizers else None,
        task_table(read_tasks(arguments.tasks)) if arguments.tasks else None,
        model_table(models, makers, arguments.curves),
        reduction_table(arguments.models),
    ]
    return [_markup(table) for table in tables if table is not None]


def _markup(table: PaperTable) -> Markup:
    return Markup(html(table))  # the renderer escapes every text itself


def _fragment(path: Path) -> Markup:
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise SmeltError(path, "no such file") from None
    except UnicodeDecodeError:
        raise SmeltError(path, "is not a table of this report: expected ASCII with character references") from None
    if not text.startswith("<figure") or not text.rstrip().endswith("</figure>"):
        raise SmeltError(path, "is no whole table of this report: make it again")
    return Markup(text)


def _versions() -> str:
    """Return the versions that made the report; those that trained a model stand in its provenance."""
    found = [f"Python {platform.python_version()}"]
    for library in _LIBRARIES:
        try:
            found.append(f"{library} {version(library)}")
        except PackageNotFoundError:  # smelt itself, where it runs from a checkout
            continue
    return ", ".join(found)
