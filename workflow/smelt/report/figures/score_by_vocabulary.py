"""Scores against vocabulary size: a panel a task, a line through models of one shape that were made in one way.

Where several of these have one vocabulary, such as students with other losses, no line joins them: they are drawn side
by side.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.model_families import layers_and_width
from smelt.report.csv_files import read_csv
from smelt.report.figures.base import StudyFigure
from smelt.report.figures.chart import Chart, ChartAxis, Level, Mark, Panel, Series, with_deviation
from smelt.report.figures.style import GREY, legend, look, panels, share_bars, thousands
from smelt.report.notes import metric_label
from smelt.report.tables.base import StudyOfTables

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = ["task", "metric", "model", "languages", "n", "mean", "standard_deviation"]
_STEP = 1.03  # between models of one vocabulary
_APART = 1.15  # times that a size is the one before, where both can be written below the axis


def draw(sources: list[Path]) -> "Figure":
    """Return the figure of summary.csv (the first source) and the folders of models that the study makes (the others).

    Models of the summary without a folder, the adopted ones, are horizontal lines. Those that were tested in fewer
    languages of a task than others are left out of its panel: a mean over other languages is no neighbour of theirs.
    """
    summary = read_csv(sources[0], _COLUMNS)
    configs = {folder.name: _config(folder) for folder in sources[1:]}
    tasks = list(dict.fromkeys(summary["task"]))
    figure, axes = panels(max(1, len(tasks)), 2.9, 2.6)
    for axis, task in zip(axes, tasks, strict=False):
        rows = _alike(summary[summary["task"] == task])
        _panel(axis, rows, configs)
        axis.set(title=f"{task} (n = {_seeds(rows)})")
    legend(figure, axes[0])
    return figure


def _alike(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Return the models of a task that were tested in most languages, the same for all of them."""
    languages = rows["languages"].fillna("")
    most = max(languages, key=lambda codes: len(codes.split()))
    alike: pd.DataFrame = rows[languages == most]
    return alike


def _config(folder: Path) -> dict[str, Any]:
    config: dict[str, Any] = read_json(folder / "config.json")
    if not isinstance(config.get("vocab_size"), int):
        raise SmeltError(folder / "config.json", "has no vocab_size: expected the config of an encoder")
    return config | {"made": _describe_making(folder)}


def _describe_making(folder: Path) -> str:
    """Return how a model was made, in the words of the legend; nothing for models trained from random weights."""
    for record, made in (("amplification.json", ", amplified"), ("reduction.json", ", reduced")):
        if (folder / record).is_file():
            return made
    provenance = folder / "provenance.json"
    command = read_json(provenance).get("command") if provenance.is_file() else None
    return ", distilled" if command == "distil" else ""


def _panel(axis: "Axes", summary: "pd.DataFrame", configs: dict[str, dict[str, Any]]) -> None:
    by_shape: dict[str, list[tuple[int, float, float]]] = {_shape(config): [] for config in configs.values()}
    adopted = []
    for entry in summary.to_dict("records"):
        mean, spread = 100 * entry["mean"], 100 * entry["standard_deviation"] if entry["n"] > 1 else 0.0
        if entry["model"] in configs:
            config = configs[entry["model"]]
            by_shape[_shape(config)].append((config["vocab_size"], mean, spread))
        else:
            adopted.append((entry["model"], mean))
    for number, (shape, points) in enumerate(by_shape.items()):
        sizes, means, spreads = zip(*sorted(points), strict=True) if points else ((), (), ())
        alone = {} if len(set(sizes)) == len(sizes) else {"linestyle": "none"}
        bars = [share_bars(*pair) for pair in zip(means, spreads, strict=True)]
        limits = list(zip(*bars, strict=True)) or None
        axis.errorbar(_beside(sizes), means, yerr=limits, capsize=2.5, label=shape, **(look(number) | alone))
    for number, (model, mean) in enumerate(adopted):
        dash = ["--", ":", "-."][number % 3]
        axis.axhline(mean, color=GREY, linewidth=1, linestyle=dash, label=model)
    _axes(axis, sorted({size for points in by_shape.values() for size, *_ in points}), summary)


def chart(sources: list[Path]) -> Chart:
    """Return the same panels as a chart: a mark says which model it is, too."""
    summary = read_csv(sources[0], _COLUMNS)
    configs = {folder.name: _config(folder) for folder in sources[1:]}
    found = []
    for task in dict.fromkeys(summary["task"]):
        rows = _alike(summary[summary["task"] == task])
        entries = sorted(
            rows.to_dict("records"), key=lambda entry: configs.get(entry["model"], {}).get("vocab_size", 0)
        )
        by_shape: dict[str, list[Mark]] = {}
        for entry in entries:
            if entry["model"] in configs:
                by_shape.setdefault(_shape(configs[entry["model"]]), []).append(_mark(entry, configs))
        series = [
            Series(name, _side_by_side(marks), line=len({mark.x for mark in marks}) == len(marks))
            for name, marks in by_shape.items()
        ]
        levels = [Level(100 * entry["mean"], entry["model"]) for entry in entries if entry["model"] not in configs]
        score = ChartAxis(f"{' / '.join(map(metric_label, dict.fromkeys(rows['metric'])))} (%)")
        found.append(
            Panel(
                f"{task} (n = {_seeds(rows)})",
                ChartAxis("vocabulary (pieces, log scale)", "log"),
                score,
                series,
                levels,
            )
        )
    return Chart(found)


def _mark(entry: Mapping[Any, Any], configs: Mapping[str, Mapping[str, Any]]) -> Mark:
    mean, spread = 100 * entry["mean"], 100 * entry["standard_deviation"] if entry["n"] > 1 else 0.0
    (below, above), size = share_bars(mean, spread), configs[entry["model"]]["vocab_size"]
    about = [entry["model"], f"{size:,} pieces", with_deviation(f"{mean:.2f}", spread, entry["n"])]
    return Mark(size, mean, about, mean - below, mean + above)


def _side_by_side(marks: Sequence[Mark]) -> list[Mark]:
    places = _beside([float(mark.x) for mark in marks])
    return [replace(mark, x=place) for mark, place in zip(marks, places, strict=True)]


def _beside(sizes: Sequence[float]) -> list[float]:
    """Return places on a logarithmic axis for sorted sizes; equal sizes are drawn side by side."""
    places = []
    for size, group in groupby(sizes):
        count = len(list(group))
        places += [size * _STEP ** (number - (count - 1) / 2) for number in range(count)]
    return places


def _seeds(summary: "pd.DataFrame") -> str:
    """Return how many seeds stand behind a task's scores."""
    fewest, most = summary["n"].min(), summary["n"].max()
    return str(most) if fewest == most else f"{fewest} to {most}"


def _shape(config: dict[str, Any]) -> str:
    layers, hidden = layers_and_width(config)
    return f"{config.get('model_type')}, {layers} layers of {hidden}{config['made']}"


def _axes(axis: "Axes", sizes: list[int], summary: "pd.DataFrame") -> None:
    metrics = [metric_label(metric) for metric in dict.fromkeys(summary["metric"])]
    axis.set_ylabel(f"{' / '.join(metrics)} (%)")
    axis.set_xlabel("vocabulary (pieces)")
    if sizes:
        axis.set_xscale("log")
        ticks = reduce(lambda kept, size: [*kept, size] if size > _APART * kept[-1] else kept, sizes[1:], sizes[:1])
        axis.set_xticks(ticks, [thousands(size) for size in ticks])
        axis.set_xticks([], minor=True)
        axis.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.3)


def _sources(study: StudyOfTables) -> list[str]:
    """Return summary.csv and the folders of the fine-tuned models whose vocabulary the study has made or chosen."""
    models = [name for name in study.chosen_vocabularies() if study.runs(model=name)]
    folders = [f"{study.results}/models/{name}" for name in models]
    return [f"{study.results}/statistics/summary.csv", *folders] if folders else []


FIGURE = StudyFigure(
    "score-by-vocabulary",
    "Scores against vocabulary size",
    "Score on each task's test set against the number of pieces: mean and standard deviation over n seeds. "
    "Lines join models of one shape that were made in one way (trained from nothing, distilled, reduced, "
    "amplified); where several of these have one vocabulary, they are drawn beside each other and no line joins "
    "them. Horizontal lines are adopted models. A model that was tested in fewer languages of a task than "
    "others is left out of its panel.",
    sources=_sources,
    draw=draw,
    chart=chart,
)
