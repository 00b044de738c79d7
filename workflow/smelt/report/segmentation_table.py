"""Tables of added segmentation: how finely entity words and others are cut, a column a model (mALBERT, Table 4)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.grid import NOT_RUN, Cell, Grid, Group, PaperTable, Row

POPULATIONS = ("entity words", "other words", "all words")
# All languages of a task together.
_ALL = "all"


def read_tokenisation(path: Path) -> dict[str, Any]:
    """Return a tokenisation study.

    Raises:
        SmeltError: the file is missing, or holds something else.
    """
    study: dict[str, Any] = read_json(path)
    for part in ("model", "task", "segmentation", "correlations", "by_pieces"):
        if part not in study:
            raise SmeltError(path, f"has no {part!r}: expected a tokenisation study")
    return study


def read_segmentations(settings: Mapping[str, Any], paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the segmentation rows of the table's models and tasks, each with its model and task."""
    studies = {(study["model"], study["task"]): study for study in map(read_tokenisation, paths)}
    return [
        {"model": model, "task": task} | row
        for task in settings["tasks"]
        for model in settings["models"]
        for row in studies.get((model, task), {"segmentation": []})["segmentation"]
    ]


def segmentation_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Return the numbers behind the table: a row for each task, model, language and population."""
    figures = ["words", "pieces", "fertility", "added_segmentation", "words_kept_whole", "share_kept_whole"]
    return pd.DataFrame(rows, columns=["task", "model", "language", "population", *figures])


def segmentation_table(name: str, settings: Mapping[str, Any], rows: list[dict[str, Any]]) -> PaperTable:
    """Return the table: a group of rows a task, where there are several; columns are models and their vocabularies."""
    chosen = [row for row in rows if row["language"] == _ALL]
    models = [model for model in settings["models"] if any(row["model"] == model for row in chosen)]
    tasks = [task for task in settings["tasks"] if any(row["task"] == task for row in chosen)]
    groups = [_group(task, models, chosen, titled=len(tasks) > 1) for task in tasks]
    heads = [_head(model, settings.get("vocabularies", {})) for model in models]
    caption = settings.get("caption") or f"Added segmentation of the words of {', '.join(tasks)}"
    notes = [
        "Added segmentation in percent: 100 × (pieces / words − 1), on the test set. "
        "Entity words are those whose gold label is not O. n: words of the row.",
    ]
    notes += ["Numbers after a model's name: pieces of its vocabulary."] if settings.get("vocabularies") else []
    return PaperTable(name, caption, [Grid("Words", [*heads, "n"], groups)], notes)


def _head(model: str, vocabularies: Mapping[str, int]) -> str:
    return f"{model} ({vocabularies[model]:,})" if model in vocabularies else model


def _group(task: str, models: list[str], rows: list[dict[str, Any]], titled: bool) -> Group:
    found = {(row["population"], row["model"]): row for row in rows if row["task"] == task}
    # A task with spans tells its words apart; one without has all of them together.
    present = [name for name in POPULATIONS if any(population == name for population, _ in found)]
    shown = [name for name in present if name != "all words"] or present
    return Group([_row(name, [found.get((name, model)) for model in models]) for name in shown], task if titled else "")


def _row(population: str, entries: list[dict[str, Any] | None]) -> Row:
    counts = sorted({entry["words"] for entry in entries if entry is not None})
    cells = [Cell(NOT_RUN if entry is None else _percent(entry["added_segmentation"])) for entry in entries]
    # Models differ in n only where a tokenizer leaves words without any piece.
    return Row(
        population, [*cells, Cell(" to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1]))))]
    )


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
