"""Tables of a compression, phase by phase, over all its seeds (XtremeDistil, Table 4)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from smelt.entry import Name
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.notes import metric_notes, metrics_in_words, one_teacher_note
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row
from smelt.report.scores import AGGREGATES, own_metric, whole_of
from smelt.report.statistics import OVER_BOTH, Score, over_of, phase_words, score_cell, score_of
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, shared_teachers

SPLITS = ("validation", "test")
HEADS = ["Learns", "Unfrozen", "Validation", "Test", "Epochs"]
COLUMNS = {"metric": "metric"} | {column: name for column, name in OVER_BOTH.items() if column != "n"}
_PARTS = ("stage", "unfrozen", "losses", "epochs", "best", "validation_loss", "scores")


class StagesTable(TableEntry):
    """A row for each phase of a compression: what is learnt, by which part, and what it scores then (XtremeDistil,
    Table 4)."""

    kind: Literal["stages"]
    model: Name
    """A model of the maker `compress`."""
    task: Name
    """One of its tasks."""

    @property
    def tasks(self) -> list[str]:
        """The one task, as the other tables give theirs."""
        return [self.task]

    @property
    def models(self) -> list[str]:
        """The one model, as the other tables give theirs."""
        return [self.model]

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse a model that is no compression, or not one for the task."""
        if not study.is_compressed(self.model):
            found = f"{self.model!r} is made by {study.makers[self.model]}"
            raise SmeltError(study.where, f"{key}.model: a table of kind stages shows a compression; {found}")
        if not study.runs(self.task, self.model):
            raise SmeltError(study.where, f"{key}.model: {self.model!r} is not compressed for {self.task!r}")

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return its models, and those whose seeds share a teacher."""
        facts = super().facts(study)
        return facts | shared_teachers(study, facts["models"])

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the metrics of all seeds."""
        return study.metrics(self.model, self.task)

    def make(self, job: TableJob) -> Made:
        """Return the table: a row a phase."""
        if not job.sources:
            raise SmeltError("--sources", "expected the metrics.json of each seed, found none")
        phases = read_phases(job.sources)
        grid = Grid("Stage", HEADS, [Group([phase.row() for phase in phases])])
        caption = self.caption or f"{self.model} on {self.task}, stage by stage"
        notes = _notes(phases) + one_teacher_note(job.one_teacher)
        return Made(PaperTable(job.name, caption, [grid], notes), [phase.numbers() for phase in phases])


@dataclass(frozen=True)
class TrainedPhase:
    """One phase: what was learnt, by which parts, for how long, and what it scored; means over seeds."""

    stage: int
    learns: str
    unfrozen: str
    n: int
    epochs: float
    best: float
    """The epoch whose weights were kept; 0 is the start of the phase."""
    validation_loss: float
    scores: Mapping[str, Score]
    """By split; with n = 0 where nothing predicts yet."""

    def row(self) -> Row:
        """Return the row of the table."""
        cells = [score_cell(score, over_of([score]), empty=NONE) for score in self.scores.values()]
        return Row(str(self.stage), [Cell(self.learns), Cell(self.unfrozen), *cells, Cell(f"{self.epochs:g}")])

    def numbers(self) -> dict[str, Any]:
        """Return the row of the CSV."""
        own = {key: value for key, value in vars(self).items() if key != "scores"}
        for split, score in self.scores.items():
            own |= {f"{split}_{column}": value for column, value in score.numbers(COLUMNS).items()}
        return own


def read_phases(paths: Sequence[Path]) -> list[TrainedPhase]:
    """Return the phases of a compressed model, from the metrics.json of each of its seeds.

    Raises:
        SmeltError: a file is missing or not of a compressed model, or its phases differ from those of the first.
    """
    runs = {path: _phases(path) for path in paths}
    first = next(iter(runs.values()))
    for path, run in runs.items():
        if [_what(entry) for entry in run] != [_what(entry) for entry in first]:
            raise SmeltError(path, f"went through other phases than {paths[0]}: they are no seeds of one model")
    return [_over_seeds(paths, entries) for entries in zip(*runs.values(), strict=True)]


def _phases(path: Path) -> list[Mapping[str, Any]]:
    phases = read_json(path).get("stages")
    if not isinstance(phases, list) or not phases:
        raise SmeltError(path, "has no 'stages': expected the metrics of a compressed model")
    for entry in phases:
        if missing := [part for part in _PARTS if part not in entry]:
            raise SmeltError(path, f"a stage has no {missing[0]!r}")
    return phases


def _what(entry: Mapping[str, Any]) -> tuple[int, str, str]:
    """Return the number of a phase's stage, what it learns and the lowest part that learns it."""
    learnt = {loss: weight for loss, weight in entry["losses"].items() if weight}
    named = [loss if weight == 1 else f"{weight:g} × {loss}" for loss, weight in learnt.items()]
    return entry["stage"], ", ".join(named), entry["unfrozen"]


def _over_seeds(paths: Sequence[Path], entries: Sequence[Mapping[str, Any]]) -> TrainedPhase:
    epochs, best, loss = (fmean(entry[part] for entry in entries) for part in ("epochs", "best", "validation_loss"))
    scores = {split: _score(paths, [entry["scores"] for entry in entries], split) for split in SPLITS}
    return TrainedPhase(*_what(entries[0]), len(entries), epochs, best, loss, scores)


def _score(paths: Sequence[Path], runs: Sequence[Sequence[Mapping[str, Any]]], split: str) -> Score:
    """Return the score of a split over seeds, by the metric that the task is judged by."""
    own = [[row for row in run if row["split"] == split] for run in runs]
    metric = own_metric({row["metric"] for run in own for row in run})
    if metric is None:
        return Score()
    found = [{row["language"]: float(row["value"]) for row in run if row["metric"] == metric} for run in own]
    whole = [whole_of(path, f"a stage, on {split},", values) for path, values in zip(paths, found, strict=True)]
    codes = [code for code in found[0] if code not in AGGREGATES]
    by_language = [{seed: run[code] for seed, run in enumerate(found) if code in run} for code in codes]
    return score_of(dict(enumerate(whole)), by_language, metric=metric)


def _notes(phases: Sequence[TrainedPhase]) -> list[str]:
    last, n = phases[-1].scores["test"], phases[0].n
    metric = {"": last.metric}
    notes = [
        f"{metrics_in_words(metric)}, in percent, at the end of each phase: {phase_words(last, n)}. A phase ends with"
        " the weights of its lowest loss on validation; the test set chooses nothing.",
        *metric_notes(metric.values()),
        "Unfrozen: the lowest part that learns, together with all parts above it; all: every part learns from the"
        " start. Epochs: mean over the seeds.",
    ]
    return notes + (
        [] if all(phase.scores["test"].n for phase in phases) else [f"{NONE}: no classifier has learned yet."]
    )
