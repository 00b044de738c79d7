"""Mean ranks of models over tasks, and which of them do not differ significantly: a critical-difference diagram.

Instead of one critical difference for all (Demsar 2006), bars join models without a pair that differs significantly in
Wilcoxon's test over tasks with the study's correction (Benavoli et al. 2016).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from smelt.report.csv_files import read_rows
from smelt.report.figures.base import StudyFigure
from smelt.report.figures.chart import Chart, ChartAxis, Mark, Panel, Series
from smelt.report.figures.style import GREY, PALETTE, panels
from smelt.report.overview import StudyScores
from smelt.report.tables.base import StudyOfTables

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST_TASKS = 2


@dataclass(frozen=True)
class RankedModels:
    """Mean ranks, the best model first, and the first and last place of each group without significant pairs."""

    ranks: dict[str, float]
    groups: Sequence[tuple[int, int]]
    tasks: int

    @property
    def title(self) -> str:
        """What the ranks are over."""
        return f"mean rank over {self.tasks} tasks"


def draw(sources: list[Path]) -> "Figure":
    """Return the diagram from summary.csv, pairs.csv and across.csv: a row a model, and bars beside them."""
    ranked = _read(sources)
    figure, (axis,) = panels(1, 5.6, 1.2 + 0.22 * max(1, len(ranked.ranks)))
    for place, rank in enumerate(ranked.ranks.values()):
        axis.plot([rank], [place], color=PALETTE[0], marker="o", linestyle="none")
        axis.annotate(f"{rank:.2f}", (rank, place), (6, 0), textcoords="offset points", va="center", fontsize=7)
    for number, (first, last) in enumerate(ranked.groups):
        across = _place_of(number)
        axis.plot([across, across], [first - 0.2, last + 0.2], color=GREY, linewidth=3, solid_capstyle="butt")
    axis.set_yticks(range(len(ranked.ranks)), list(ranked.ranks))
    axis.invert_yaxis()
    axis.grid(axis="x")
    axis.margins(x=0.1)
    axis.set(xlabel=f"{ranked.title} (1 is best)", ylabel="model")
    axis.set_xticks([tick for tick in axis.get_xticks() if 1 <= tick <= len(ranked.ranks)])  # bars have no rank
    return figure


def _place_of(number: int) -> float:
    """Return where a bar stands: left of rank 1, each further left than the one before."""
    return 0.8 - 0.15 * number


def chart(sources: list[Path]) -> Chart:
    """Return the same diagram as a chart."""
    ranked = _read(sources)
    if not ranked.ranks:
        return Chart()
    models = list(ranked.ranks)
    points = [Mark(rank, model, [model, f"{ranked.title}: {rank:.2f}"]) for model, rank in ranked.ranks.items()]
    groups = [
        Series("no significant pair", [Mark(_place_of(number), model, [text]) for model in models[first : last + 1]])
        for number, (first, last) in enumerate(ranked.groups)
        for text in [f"no significant difference, or no test, between these: {', '.join(models[first : last + 1])}"]
    ]
    across = ChartAxis(f"{ranked.title} (1 is best)", least=1)
    return Chart(
        [Panel("", across, ChartAxis("model", "names", models), [Series("rank", points, line=False), *groups])]
    )


def _read(sources: list[Path]) -> RankedModels:
    """Return the ranks of models over the tasks that they share; none where these are fewer than two.

    The tasks that one setting makes for each language count as one, as everywhere across tasks.
    """
    from scipy.stats import rankdata

    summary, pairs, across = sources
    scores = StudyScores(summary, pairs)
    shared = scores.shared
    if shared is None or len(shared.units) < FEWEST_TASKS:
        return RankedModels({}, [], 0)
    by_unit = [
        rankdata([-fmean(scores.scores[model][task].mean for task in tasks) for model in shared.models])
        for tasks in shared.units.values()
    ]
    means = {model: fmean(float(ranks[place]) for ranks in by_unit) for place, model in enumerate(shared.models)}
    ranks = dict(sorted(means.items(), key=lambda pair: pair[1]))
    return RankedModels(ranks, _groups(list(ranks), _differing(across)), len(shared.units))


def _differing(path: Path) -> set[frozenset[str]]:
    rows = read_rows(path, ["model_a", "model_b", "significant"])
    return {frozenset((row["model_a"], row["model_b"])) for row in rows if str(row["significant"]) == "True"}


def _groups(models: Sequence[str], differing: set[frozenset[str]]) -> list[tuple[int, int]]:
    """Return the longest runs of neighbours without a pair that differs; a run within another is left out."""
    found: list[tuple[int, int]] = []
    for first in range(len(models)):
        last = first
        while last + 1 < len(models) and not any(
            frozenset((models[last + 1], other)) in differing for other in models[first : last + 1]
        ):
            last += 1
        if last > first and not any(last <= end for _, end in found):
            found.append((first, last))
    return found


def _sources(study: StudyOfTables) -> list[str]:
    on_task = [{model for model in study.makers if study.runs(task, model)} for task in study.tasks]
    pairs = [(one, other) for place, one in enumerate(on_task) for other in on_task[:place]]
    if not any(len(one & other) > 1 for one, other in pairs):
        return []
    return [f"{study.results}/statistics/{name}.csv" for name in ("summary", "pairs", "across")]


FIGURE = StudyFigure(
    "ranks",
    "Ranks over tasks",
    "Mean rank of each model over the tasks that all share, by the means over seeds. A bar joins models "
    "between which there is no significant difference over tasks, or no test (Wilcoxon's signed-rank test with the "
    "study's correction; few tasks can show no difference at all). Tasks of one setting, one a language, count as one.",
    sources=_sources,
    draw=draw,
    chart=chart,
)
