"""The test scores of a model: what its card shows, and the hub's model-index."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smelt.card import CardValue
from smelt.languages import ALL
from smelt.publish.subject import PublishedModel
from smelt.report.scores import AGGREGATES, COLUMNS, collect, own_metric, read_scores, whole_of
from smelt.report.significance import BySeed
from smelt.tasks.kinds import METRICS_BY_KEY, kind_of
from smelt.tasks.task_file import TaskFile

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

DIGITS = 4  # after the point, of shares


@dataclass(frozen=True)
class PublishedScore:
    """The score of a model on a test set, or on one language of it; shares of 1."""

    task: TaskFile
    name: str
    """The task's, in the study."""
    languages: Sequence[str]
    metric: str
    """Its key among scores."""
    values: BySeed
    confidence: float
    learnt: bool
    """Whether the model was fine-tuned on the task, and not tested as it is."""

    @property
    def mean(self) -> float:
        """Mean over the seeds."""
        return sum(self.values.values()) / len(self.values)

    @property
    def deviation(self) -> float | None:
        """Standard deviation over the seeds; None of one."""
        from smelt.statistics.scores import summarise

        return summarise(list(self.values.values())).standard_deviation

    @property
    def interval(self) -> tuple[float, float] | None:
        """Student's t interval of the mean over seeds; None of one."""
        from smelt.statistics.intervals import mean_interval

        found = mean_interval(list(self.values.values()), self.confidence)
        return None if found.low is None or found.high is None else (found.low, found.high)

    def row(self) -> dict[str, CardValue]:
        """Return the row of the card's table, in percent."""
        low_high, deviation = self.interval, self.deviation
        found: dict[str, CardValue] = {
            "test set": self.task.title,
            "languages": " ".join(self.languages),
            "metric": METRICS_BY_KEY[self.metric].label,
            "mean": f"{100 * self.mean:.1f}",
        }
        if not self.learnt:
            return found
        ends = "–" if low_high is None else " to ".join(f"{100 * end:.1f}" for end in low_high)
        return found | {
            "standard deviation": "–" if deviation is None else f"{100 * deviation:.1f}",
            f"{self.confidence:.0%} interval": ends,
            "seeds": len(self.values),
        }

    def result(self) -> "EvalResult":
        """Return the entry of the hub's model-index."""
        from huggingface_hub import EvalResult

        source, low_high, deviation = self.task.source, self.interval, self.deviation
        seeds = len(self.values)
        found: dict[str, Any] = {"model": "fine-tuned", "seeds": seeds} if self.learnt else {"model": "as it is"}
        found |= {} if deviation is None else {"standard_deviation": round(deviation, DIGITS)}
        if low_high is not None:
            interval = [round(end, DIGITS) for end in low_high]
            found |= {"interval": interval, "confidence": self.confidence, "interval_method": "Student's t over seeds"}
        label = METRICS_BY_KEY[self.metric].label
        how = f"mean of {seeds} seeds" if seeds > 1 else "one seed" if self.learnt else "as it is"
        return EvalResult(
            task_type=kind_of(self.task).pipeline,
            dataset_type=source.hub or self.name,
            dataset_name=self.task.title,
            dataset_config=self.languages[0] if len(self.languages) == 1 else ALL,
            dataset_split="test",
            dataset_revision=source.revision,
            dataset_args={"task": self.name, "languages": list(self.languages)},
            metric_type="f1" if self.metric.endswith("f1") else self.metric,
            metric_name=f"{label} on {self.name}, {' '.join(self.languages)} ({how})",
            metric_value=round(self.mean, DIGITS),
            metric_args=found,
        )


def scores_of(published: PublishedModel) -> list[PublishedScore]:
    """Return the test scores of a model: of each task over all its languages, then of each of several languages."""
    if published.run:
        return _of_run(published)
    path = Path(published.catalogue.paths.results) / "scores.csv"
    if not path.is_file():
        return []
    scores, model = read_scores(path), published.model
    found = []
    for task, metric in scores.metrics.items():
        if values := scores.of(task, model):
            by_language = scores.languages(task, model)
            found += _of_task(published, task, metric, values, by_language)
    return found


def _of_task(
    published: PublishedModel, task: str, metric: str, values: BySeed, by_language: dict[str, dict[int, float]]
) -> list[PublishedScore]:
    catalogue = published.catalogue
    if task not in catalogue.tasks.files:  # left over from an earlier version of the study
        return []
    file, learnt = catalogue.tasks.files[task], catalogue.study.learns(published.model, task)
    confidence = catalogue.study.significance.confidence
    languages = list(by_language) or file.languages_of("test")
    parts = [(languages, values), *(([code], by_language[code]) for code in by_language if len(by_language) > 1)]
    return [PublishedScore(file, task, codes, metric, own, confidence, learnt) for codes, own in parts if own]


def _of_run(published: PublishedModel) -> list[PublishedScore]:
    """Return the scores of one fine-tuning, from its metrics.json."""
    task, seed = published.task, published.seed
    assert task is not None
    assert seed is not None
    runs = {"runs": {published.model: [task]}, "seeds": [seed]}
    rows = [
        dict(zip(COLUMNS, row, strict=True)) for row in collect(Path(published.catalogue.paths.finetuned("")), runs)
    ]
    rows = [row for row in rows if row["split"] == "test"]
    if (metric := own_metric({row["metric"] for row in rows})) is None:
        return []
    own = {row["language"]: row["value"] for row in rows if row["metric"] == metric}
    whole = whole_of(published.folder, f"task {task}", own)
    by_language = {code: {seed: value} for code, value in own.items() if code not in AGGREGATES}
    return _of_task(published, task, metric, {seed: whole}, by_language)
