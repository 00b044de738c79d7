"""Write one table of the study as CSV (the numbers), Markdown, LaTeX (for papers) and HTML (for the page)."""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from smelt.entry import check, entry_of
from smelt.errors import SmeltError
from smelt.files import whole_file
from smelt.flags import json_object
from smelt.report.efficiency_table import efficiency
from smelt.report.example_table import choose, example_frame, example_table
from smelt.report.grid import PaperTable
from smelt.report.grid_scores import GridScores
from smelt.report.grid_table import grid_table
from smelt.report.html import html
from smelt.report.language_scores import LanguageScores
from smelt.report.languages_table import language_frame, language_rows, language_table
from smelt.report.latex import latex
from smelt.report.markdown import markdown
from smelt.report.model_records import encoder_parameters
from smelt.report.monolingual_scores import MonolingualScores
from smelt.report.monolingual_table import monolingual_table
from smelt.report.reading import read_csv, write_csv
from smelt.report.score_table import p_values_of, score_frame, score_rows, score_table
from smelt.report.segmentation_table import read_segmentations, segmentation_frame, segmentation_table
from smelt.report.stage_scores import read_stages
from smelt.report.stages_table import stages_table
from smelt.report.task_records import languages_note, read_tasks, repeats_note
from smelt.report.tradeoff_table import tradeoff_table
from smelt.report.tradeoffs import read_tradeoffs
from smelt.report.training_lengths import read_steps
from smelt.report.vocabulary_table import read_kept, vocabulary_frame, vocabulary_table
from smelt.study.grids import GridTable
from smelt.study.schema import Significance
from smelt.study.students import TradeoffTable

Made = tuple[PaperTable, pd.DataFrame]

SUMMARY = ["task", "metric", "model", "n", "mean", "standard_deviation"]
PAIRS = ["task", "model_a", "model_b", "test", "correction", "p_corrected"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--name", required=True, help="the table's name in the study")
    parser.add_argument(
        "--settings", type=json_object("kind"), required=True, help="JSON: the table's entry in the study"
    )
    parser.add_argument("--significance", type=json_object(), required=True, help="JSON: how differences are tested")
    parser.add_argument(
        "--sources",
        type=Path,
        nargs="*",
        default=[],
        help="scores: summary.csv and pairs.csv; segmentation: tokenisation studies; example: predictions; "
        "languages: scores.csv and folders of models; monolingual: scores.csv; grid: scores.csv and metrics.json of "
        "compressed models; stages: metrics.json of all seeds; vocabulary: folders of reduced models; "
        "efficiency: the ruler's figures; tradeoff: scores.csv and these",
    )
    parser.add_argument(
        "--tasks", type=Path, nargs="*", default=[], help="task.json of the tasks whose scores it shows"
    )
    for kind in ("csv", "markdown", "latex", "html"):
        parser.add_argument(f"--{kind}", type=Path, required=True)


def run(arguments: argparse.Namespace) -> None:
    """Write the table in its four forms."""
    significance = check(Significance, arguments.significance, "--significance").model_dump()
    make = _maker(arguments.settings)
    table, numbers = make(arguments.name, arguments.settings, significance, arguments.sources)
    table = replace(table, notes=[*table.notes, *_task_notes(arguments.settings, arguments.tasks)])
    write_csv(arguments.csv, numbers)
    for path, render in ((arguments.markdown, markdown), (arguments.latex, latex), (arguments.html, html)):
        with whole_file(path) as draft:
            draft.write_text(render(table), encoding="utf-8")


def _task_notes(settings: dict[str, Any], paths: list[Path]) -> list[str]:
    """Return what the tasks themselves say of the scores that a table shows."""
    tasks = read_tasks(paths)
    by_language = settings["kind"] in ("languages", "monolingual") or settings.get("languages")
    return [*([] if by_language else languages_note(tasks)), *repeats_note(tasks)]


def _maker(settings: dict[str, Any]) -> Callable[[str, dict[str, Any], dict[str, Any], list[Path]], Made]:
    """Return what makes the kind of table that the settings ask for; refuse settings that lack what it needs."""
    if settings["kind"] not in KINDS:
        raise SmeltError("--settings", f"kind {settings['kind']!r} is none: expected {', '.join(KINDS)}")
    if missing := [key for key in NEEDED[settings["kind"]] if key not in settings]:
        raise SmeltError(
            "--settings", f"lacks {', '.join(missing)}: expected the table as the study's catalogue gives it"
        )
    return KINDS[settings["kind"]]


def _scores(name: str, settings: dict[str, Any], significance: dict[str, Any], sources: list[Path]) -> Made:
    if len(sources) != 2:
        raise SmeltError("--sources", f"expected summary.csv and pairs.csv, found {len(sources)} files")
    summary_path, pairs_path = sources
    pairs = read_csv(pairs_path, PAIRS)
    _check_test(pairs_path, pairs, significance)
    rows = score_rows(settings, significance["alpha"], read_csv(summary_path, SUMMARY), p_values_of(pairs))
    return score_table(name, settings, significance, rows), score_frame(rows)


def _check_test(path: Path, pairs: pd.DataFrame, significance: dict[str, Any]) -> None:
    """Refuse p-values of another test than the one that the table's note will name."""
    for part in ("test", "correction"):
        others = sorted(set(pairs[part].dropna()) - {significance[part]})
        if others:
            raise SmeltError(path, f"holds the {part} {others[0]}; the study asks for {significance[part]}: run again")


def _segmentation(name: str, settings: dict[str, Any], _: dict[str, Any], sources: list[Path]) -> Made:
    found = read_segmentations(settings, sources)
    return segmentation_table(name, settings, found), segmentation_frame(found)


def _example(name: str, settings: dict[str, Any], _: dict[str, Any], sources: list[Path]) -> Made:
    examples = choose(settings, sources)
    return example_table(name, settings, examples), example_frame(examples)


def _languages(name: str, settings: dict[str, Any], significance: dict[str, Any], sources: list[Path]) -> Made:
    if not sources:
        raise SmeltError("--sources", "expected scores.csv and the folders of models, found nothing")
    scores = LanguageScores(sources[0])
    parameters = {folder.name: encoder_parameters(folder / "model.safetensors") for folder in sources[1:]}
    table = language_table(name, settings, significance, scores, parameters)
    return table, language_frame(language_rows(settings, significance, scores))


def _monolingual(name: str, settings: dict[str, Any], significance: dict[str, Any], sources: list[Path]) -> Made:
    if len(sources) != 1:
        raise SmeltError("--sources", f"expected scores.csv, found {len(sources)} files")
    return monolingual_table(name, settings, significance, MonolingualScores(sources[0], settings))


def _grid(name: str, settings: dict[str, Any], significance: dict[str, Any], sources: list[Path]) -> Made:
    if not sources:
        raise SmeltError("--sources", "expected scores.csv and the metrics.json of compressed models, found nothing")
    table, shared = entry_of(GridTable, settings), settings.get("one_teacher", [])
    return grid_table(name, GridScores(sources[0], table), significance, read_steps(sources[1:]), shared)


def _stages(name: str, settings: dict[str, Any], _: dict[str, Any], sources: list[Path]) -> Made:
    if not sources:
        raise SmeltError("--sources", "expected the metrics.json of each seed, found none")
    return stages_table(name, settings, read_stages(sources))


def _tradeoff(name: str, settings: dict[str, Any], _: dict[str, Any], sources: list[Path]) -> Made:
    if len(sources) < 2:
        raise SmeltError("--sources", f"expected scores.csv and the ruler's figures, found {len(sources)} files")
    table = entry_of(TradeoffTable, settings)
    found = read_tradeoffs(table, sources[0], sources[1:])
    return tradeoff_table(name, table, found, settings.get("one_teacher", []))


def _vocabulary(name: str, settings: dict[str, Any], _: dict[str, Any], sources: list[Path]) -> Made:
    kept = [read_kept(folder) for folder in sources]
    return vocabulary_table(name, settings, kept), vocabulary_frame(kept)


def _efficiency(name: str, settings: dict[str, Any], _: dict[str, Any], sources: list[Path]) -> Made:
    if not sources:
        raise SmeltError("--sources", "expected the ruler's figures, one file a model; found none")
    return efficiency(name, settings, sources)


NEEDED = {
    "scores": ("tasks", "models"),
    "segmentation": ("tasks", "models"),
    "example": ("task", "models", "sentences", "seed"),
    "languages": ("languages", "sections", "models"),
    "monolingual": ("columns", "rows"),
    "grid": ("model", "task", "rows"),
    "stages": ("model", "task"),
    "tradeoff": ("task", "models", "length", "batches"),
    "vocabulary": ("models",),
    "efficiency": (),
}
KINDS: dict[str, Callable[[str, dict[str, Any], dict[str, Any], list[Path]], Made]] = {
    "scores": _scores,
    "segmentation": _segmentation,
    "example": _example,
    "languages": _languages,
    "monolingual": _monolingual,
    "grid": _grid,
    "stages": _stages,
    "tradeoff": _tradeoff,
    "vocabulary": _vocabulary,
    "efficiency": _efficiency,
}
