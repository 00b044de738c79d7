"""Tables of efficiency: a row a model, each figure with its ratio to the reference (Abdaoui et al. 2020, Table 3)."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from smelt.errors import SmeltError
from smelt.report.efficiency_records import Figure, efficiency_frame, figures_of, read_efficiency
from smelt.report.grid import NOT_RUN, Cell, Grid, Group, PaperTable, Row

_HEADS = {
    "parameters": "Parameters (M)",
    "encoder parameters": "Encoder (M)",
    "embedding parameters": "Table of pieces (M)",
    "size": "{of} (MB)",
    "memory": "Memory{on} (MB)",
    "loading": "Loading{on} (s)",
    "latency": "{batch} × {length}{on} (ms)",
    "throughput": "{batch} × {length}{on} (tokens/s)",
    "operations": "MFLOP a token at {length}",
}
_STATIC = ("parameters", "encoder parameters", "embedding parameters", "size", "memory", "loading", "operations")
_CAPTION = "Size, memory, loading time and latency"


def efficiency(name: str, settings: Mapping[str, Any], paths: Sequence[Path]) -> tuple[PaperTable, pd.DataFrame]:
    """Return the table of the models that the settings name, in their order, and the numbers behind it.

    Raises:
        SmeltError: a file is missing or no record of the ruler's, or two were measured in different jobs.
    """
    records = [read_efficiency(path) for path in paths]
    refuse_strangers(paths, records)
    of_model = {str(record["model"]): record for record in records}
    models = settings.get("models") or list(of_model)
    if missing := [model for model in models if model not in of_model]:
        raise SmeltError("--sources", f"hold nothing of the model {missing[0]!r}: expected a file of each")
    figures = [figure for figure in figures_of(records) if figure.model in models]
    shown = [of_model[model] for model in models]
    return _table(name, settings.get("caption") or _CAPTION, shown, figures), efficiency_frame(figures)


def all_models(paths: Sequence[Path]) -> PaperTable | None:
    """Return the page's table of all models; None where none is measured."""
    return efficiency("efficiency-of-all-models", {"caption": f"{_CAPTION} of all models"}, paths)[0] if paths else None


def refuse_strangers(paths: Sequence[Path], records: Sequence[Mapping[str, Any]]) -> None:
    """Refuse records of different jobs: their times cannot be compared."""
    for path, record in zip(paths, records, strict=True):
        for part in ("reference", "machine", "threads"):
            if record[part] != records[0][part]:
                raise SmeltError(path, f"was measured in another job than {paths[0]} ({part}): measure them together")


def _table(name: str, caption: str, records: Sequence[Mapping[str, Any]], figures: Sequence[Figure]) -> PaperTable:
    models = [str(record["model"]) for record in records]
    grids = [
        _grid(models, [figure for figure in figures if figure.figure in _STATIC]),
        _grid(models, [figure for figure in figures if figure.figure == "latency"]),
        _grid(models, [figure for figure in figures if figure.figure == "throughput"]),
    ]
    return PaperTable(name, caption, grids, _notes(records, figures))


def _grid(models: Sequence[str], figures: Sequence[Figure]) -> Grid:
    keys = list(dict.fromkeys(figure.key for figure in sorted(figures, key=lambda figure: _place(figure.figure))))
    several = len({figure.device for figure in figures if figure.device}) > 1
    of_key = {figure.key: figure for figure in figures}
    found = {(figure.model, figure.key): figure for figure in figures}
    heads = [_head(of_key[key], several) for key in keys]
    return Grid(
        "Model", heads, [Group([Row(model, [_cell(found.get((model, key))) for key in keys]) for model in models])]
    )


def _place(figure: str) -> int:
    return list(_HEADS).index(figure)


def _head(figure: Figure, several: bool) -> str:
    on = f", {figure.device}" if several and figure.device else ""
    return _HEADS[figure.figure].format(of=figure.of, on=on, batch=figure.batch, length=figure.length)


def _cell(figure: Figure | None) -> Cell:
    if figure is None:
        return Cell(NOT_RUN)
    details = []
    if figure.figure == "latency":
        details.append(f"95%: {digits(figure.percentile_95)}")
    elif not math.isnan(figure.low):
        details.append(f"{digits(figure.low)} to {digits(figure.high)}")
    details += [] if math.isnan(figure.ratio) else [f"{figure.ratio:.2f}×"]
    return Cell(digits(figure.value), detail=f"({'; '.join(details)})" if details else "")


def digits(value: float) -> str:
    """Return a figure with three digits, or all of those before its point."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def _notes(records: Sequence[Mapping[str, Any]], figures: Sequence[Figure]) -> list[str]:
    first = records[0]
    machine, threads = first["machine"], first["threads"]
    loads = {figure.n for figure in figures if figure.figure == "loading"}
    passes = {figure.n for figure in figures if figure.figure == "latency"}
    gpus = f", {', '.join(machine['gpus'])}" if machine.get("gpus") else ""
    busy = ", ".join(f"{value:.2f}" for value in machine.get("load_average_before", [])[:1])
    notes = [
        f"×: ratio to {first['reference']}: a figure divided by that of {first['reference']}. For loading and latency, "
        "the median of such ratios between measurements made one after the other. MB are 10⁶ bytes.",
        "Parameters: of the model with its heads; tied weights count once. Table of pieces: the embeddings of its "
        "vocabulary. Sizes: of its weights, written in that precision; int8 is the size of an export, without heads.",
        "Memory: what a process holds after one pass, all weights included, beyond what libraries take (on a GPU, what "
        f"torch has allocated there); median of {_counts(loads)} fresh processes. Loading: from files in the system's "
        f"cache to all weights in memory; median and quartiles of {_counts(loads)} fresh processes.",
        "Latency of batch × length (rows × tokens): up to the last hidden states of an encoder, or the logits of a "
        f"compact student; median and 95th percentile of {_counts(passes)} passes. Throughput: from the median "
        "latency. MFLOP: millions of operations in products of matrices; a multiply-add counts as 2.",
        f"All models took turns in one job on {machine['processor']}{gpus}, {_several(machine['cores'], 'core')}, "
        f"{machine['memory_gib']} GiB, with {_several(threads, 'thread')}"
        + (f"; load average of the machine before the job: {busy}." if busy else "."),
    ]
    return notes + _kinds(records)


def _kinds(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what runs each model, where not all are alike."""
    kinds = {record["model"]: f"{record.get('kind')}, {record.get('precision')}" for record in records}
    if len(set(kinds.values())) == 1:
        return [f"All models: {next(iter(kinds.values()))}."]
    return ["; ".join(f"{model}: {kind}" for model, kind in kinds.items()) + "."]


def _several(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _counts(values: set[int]) -> str:
    return " or ".join(map(str, sorted(values)))
