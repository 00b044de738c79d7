"""Mean scores of all models against what they cost: size, latency and energy, with those that nothing beats in both."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from smelt.report.costs import read_costs
from smelt.report.csv_files import read_csv
from smelt.report.figures.base import StudyFigure
from smelt.report.figures.chart import Chart
from smelt.report.figures.style import panels
from smelt.report.figures.tradeoff import CostPoint, draw_fronts, front_chart, known_costs
from smelt.report.overview import ModelCosts, SharedTasks, StudyScores, model_costs
from smelt.report.records import read_model
from smelt.report.render import quantity
from smelt.report.scores import read_scores
from smelt.report.tables.base import StudyOfTables

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw(sources: list[Path]) -> "Figure":
    """Return a panel for each cost that is known.

    sources: summary.csv, pairs.csv, scores.csv and costs.csv, then the folders of the models and efficiency records.
    """
    points = known_costs(_points(sources))
    figure, axes = panels(max(1, len(points)), 4.2, 3.4)
    if points:
        draw_fronts(figure, axes, points)
    else:
        axes[0].set(xlabel="cost", ylabel="score (%)", title="no models share a task")
    return figure


def chart(sources: list[Path]) -> Chart:
    """Return the same panels as a chart."""
    return front_chart(_points(sources))


def _points(sources: list[Path]) -> dict[str, list[CostPoint]]:
    summary, pairs, scores, costs, *others = sources
    shared = StudyScores(summary, pairs).shared
    if shared is None:
        return {}
    folders = [read_model(path) for path in others if path.parent.name == "models"]
    found = model_costs(folders, [path for path in others if path.suffix == ".json"], read_costs(costs))
    latency = next((each.measures["latency"] for each in found.values() if "latency" in each.measures), None)
    of = f" of {latency.batch} × {latency.length} on {latency.device}" if latency else ""
    kinds: dict[str, Callable[[ModelCosts], float]] = {
        "parameters (millions)": lambda each: each.parameters / 1e6,
        f"latency{of} (ms)": lambda each: each.value("latency"),
        "energy of making and fine-tuning (kWh)": lambda each: each.kwh,
    }
    by_seed = dict(_means(shared, scores))
    confidence = float(read_csv(pairs, ["confidence"])["confidence"].dropna().iloc[0])
    return {
        name: [
            _point(model, cost(found[model]), shared.mean(model), by_seed[model], confidence)
            for model in shared.models
            if model in found
        ]
        for name, cost in kinds.items()
    }


def _means(shared: SharedTasks, path: Path) -> Iterator[tuple[str, list[float]]]:
    """Yield the mean over tasks of each seed that a model has on all of them, as shares."""
    scores = read_scores(path)
    for model in shared.models:
        own = {task: scores.of(task, model) for task in shared.tasks}
        seeds = sorted(set.intersection(*map(set, own.values())))
        yield (
            model,
            [fmean(fmean(own[task][seed] for task in tasks) for tasks in shared.units.values()) for seed in seeds],
        )


def _point(model: str, cost: float, share: float, by_seed: Sequence[float], confidence: float) -> CostPoint:
    """Return a point at the mean over all runs, with the width of the interval over the seeds that all tasks have."""
    from smelt.statistics.intervals import mean_interval

    mean, interval = 100 * share, mean_interval(by_seed, confidence) if by_seed else None
    if interval is None or interval.low is None or interval.high is None:
        return CostPoint(model, cost, mean, mean, mean, f"mean score {mean:.2f}")
    margin = 100 * (interval.high - interval.low) / 2
    low, high = min(mean, max(0.0, mean - margin)), min(100.0, mean + margin)  # a correlation may be below 0
    about = f"mean score {mean:.2f} ({low:.2f} to {high:.2f}, {confidence:.0%} over {quantity([len(by_seed)], 'seed')})"
    return CostPoint(model, cost, mean, low, high, about)


def _sources(study: StudyOfTables) -> list[str]:
    models = [model for model in study.makers if study.runs(model=model)]
    if len(models) < 2:
        return []
    folders = [f"{study.results}/models/{model}" for model in models]
    files = [f"{study.results}/{name}.csv" for name in ("statistics/summary", "statistics/pairs", "scores", "costs")]
    return [*files, *folders, *study.efficiencies()]


FIGURE = StudyFigure(
    "score-by-cost",
    "Score against cost",
    "Mean score over the tasks that the models share, test set, against parameters, latency and the energy of making "
    "and fine-tuning a model, as far as they were measured. Intervals: Student's t over seeds, at the study's "
    "confidence, of the mean over tasks. The line joins the models for which no other is at least as good in both.",
    sources=_sources,
    draw=draw,
    chart=chart,
)
