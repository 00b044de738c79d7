"""Tables of what a paper printed beside what the study found: both numbers, their difference, and a verdict.

Of scores the verdict is whether the published number lies in the interval of our mean over seeds. What no seed changes,
such as a count of parameters, is equal or differs as printed. What depends on the machine has no verdict.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any, Literal

from pydantic import Field

from smelt.entry import Distinct, Name, SourcePath
from smelt.errors import SmeltError, expected_one_of
from smelt.families import is_family
from smelt.report.changes import signed
from smelt.report.measures import Measure, measures_of, read_records
from smelt.report.notes import metric_title
from smelt.report.places import Place, PlaceScores, choose_places
from smelt.report.published import PaperNumbers, PublishedNumber, published_file, read_published
from smelt.report.records import encoder_parameters, read_tokenisation
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, quantity
from smelt.report.scores import read_scores
from smelt.report.significance import BySeed
from smelt.report.tables.averages import mean_over_tasks
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, unique
from smelt.report.tables.segmentation import ALL
from smelt.report.tables.vocabulary import read_kept

COLUMNS = (
    *("table", "row", "column", "figure", "models", "task", "language", "published_metric", "metric"),
    *("published", "published_deviation", "published_n", "n", "ours", "low", "high", "confidence", "difference"),
    "verdict",
)
MACHINE = ("memory", "loading", "latency")
"""Figures that depend on the machine."""
OTHERWISE = ("outside", "differs")
"""Verdicts that are bold."""
UNITS = {
    "score": "scores in percent",
    "parameters": "parameters of the encoder in millions",
    "size": "sizes of fp32 weights in MB of 10⁶ bytes",
    "memory": "memory in MB of 10⁶ bytes",
    "loading": "loading in seconds",
    "latency": "latencies in seconds, medians",
    "pieces": "pieces",
    "segmentation": "added segmentation in percent",
}


class PublishedTable(TableEntry):
    """The numbers that a paper printed beside the study's own: difference, and whether the published number lies in
    the interval of ours. Numbers of models and tasks that the study lacks are left out and counted."""

    kind: Literal["published"]
    paper: SourcePath
    """A file of `config/published` by its name, such as `malbert`, or the path of one of your own."""
    tables: Annotated[list[Name], Field(min_length=1), Distinct] | None = None
    """Tables of the file; by default all that the study makes a number of."""
    names: dict[Name, Name] = Field(default_factory=dict)
    """Model of the file → the study's model in its place, where their names differ."""

    @property
    def tasks(self) -> list[str]:
        """No task: the study may lack some of the file's."""
        return []

    @property
    def models(self) -> None:
        """No list, as other tables have one: the study may lack some of the file's models."""
        return

    @cached_property
    def content(self) -> PaperNumbers:
        """The file."""
        return read_published(published_file(self.paper))

    def numbers(self, content: PaperNumbers, table: str = "") -> list[PublishedNumber]:
        """Return the numbers of its tables, or of one, of models as the study names them."""
        chosen = [table] if table else self.tables or content.tables
        found = [number for name in chosen for number in content.tables[name].numbers()]
        return [
            replace(number, models=tuple(self.names.get(model, model) for model in number.models)) for number in found
        ]

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse unknown tables and names, and a table of the file without a number that the study makes."""
        content = self.content
        for table in self.tables or ():
            if table not in content.tables:
                expected = expected_one_of(table, content.tables)
                raise SmeltError(study.where, f"{key}.tables: {table!r} is no table of {self.paper}: {expected}")
        of_file = unique(
            model for table in content.tables.values() for each in table.numbers() for model in each.models
        )
        for theirs, ours in self.names.items():
            for name, known, where in ((theirs, of_file, self.paper), (ours, list(study.makers), "the study")):
                if name not in known:
                    expected = expected_one_of(name, known)
                    raise SmeltError(study.where, f"{key}.names.{theirs}: {name!r} is no model of {where}: {expected}")
        for table in self.tables or [""]:
            if not any(runs_of(number, study) for number in self.numbers(content, table)):
                named = " of ".join(filter(None, (table, self.paper)))
                raise SmeltError(study.where, f"{key}: the study makes no number of {named}: expected one at least")

    def shown_models(self, study: StudyOfTables) -> list[str]:
        """Return the models of its numbers that the study has."""
        found = {model for number in self.numbers(self.content) for model, _ in runs_of(number, study)}
        return [model for model in study.makers if model in found]

    def shown_tasks(self, study: StudyOfTables) -> list[str]:
        """Return the tasks of its numbers that the study has."""
        return unique(task for number in self.numbers(self.content) for _, task in runs_of(number, study) if task)

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the file; then scores.csv, records of efficiency and of tokenisation, and folders of models."""
        shown = [(each.figure, *run) for each in self.numbers(self.content) for run in runs_of(each, study)]
        figures = {figure for figure, _, _ in shown}
        in_folders = [model for figure, model, _ in shown if figure in ("pieces", "parameters")]
        no_folder = [model for model in in_folders if study.is_compressed(model)]
        files = [f"{study.results}/scores.csv"] if "score" in figures else []
        files += study.efficiencies() if no_folder or figures & {"size", *MACHINE} else []
        files += [f"{study.results}/tokenisation/{m}/{t}.json" for figure, m, t in shown if figure == "segmentation"]
        files += [f"{study.results}/models/{model}" for model in in_folders if model not in no_folder]
        return [os.path.relpath(published_file(self.paper)), *unique(files)]

    def make(self, job: TableJob) -> Made:
        """Return the table: a part for each table of the paper, and a row for each number."""
        if not job.sources:
            raise SmeltError("--sources", "expected the file of the paper and what the study found; found nothing")
        content = read_published(job.sources[0])
        numbers = self.numbers(content)
        own = OwnNumbers(job.sources[1:], job.models)
        found = [each for each in own.beside(numbers, job.significance.confidence) if each.n]
        parts = {
            table.where: [each for each in found if each.number.table == table.where]
            for table in content.tables.values()
        }
        shown = {where: part for where, part in parts.items() if part}
        grids = [_grid(where, part) for where, part in shown.items()]
        notes = _notes(found, len(numbers), job.significance.confidence)
        for table in content.tables.values():
            own_notes = table.notes([each.number for each in shown.get(table.where, ())])
            notes += (
                [f"{table.where}, {table.about}: {'; '.join(own_notes)}."] if table.where in shown and own_notes else []
            )
        named = [f"{theirs} of the paper is {ours} here" for theirs, ours in self.names.items()]
        notes += [f"{'; '.join(named)}."] if named else []
        caption = self.caption or f"{content.paper}: published numbers, and those of this study"
        return Made(PaperTable(job.name, caption, grids, notes), [each.cells_of_csv() for each in found], COLUMNS)


def runs_of(number: PublishedNumber, study: StudyOfTables) -> list[tuple[str, str]]:
    """Return the (model, task) pairs behind a number that the study has; without a task where none plays a part."""
    models = number.members(study.makers)
    if number.figure in ("score", "segmentation"):
        tasks = [task for task in number.tasks if task in study.tasks]
        return [(model, task) for model in models for task in tasks if study.runs(task, model)]
    if number.figure == "pieces":
        return [(model, "") for model in models if study.selects_pieces(model)]
    has_folder = number.figure == "parameters"
    return [
        (model, "") for model in models if model in study.measured or (has_folder and not study.is_compressed(model))
    ]


@dataclass(frozen=True)
class Compared:
    """A published number and the study's own; a score is in percent, and nan is what does not exist."""

    number: PublishedNumber
    values: Sequence[float] = ()
    """Ours: of a score one for each seed, of all else one for each model of a family."""
    metric: str = ""
    """The metric of ours."""
    models: tuple[str, ...] = ()
    confidence: float = math.nan
    low: float = math.nan
    high: float = math.nan

    @property
    def n(self) -> int:
        """How many values stand behind ours."""
        return len(self.values)

    @property
    def ours(self) -> float:
        """Their mean."""
        return fmean(self.values)

    @property
    def difference(self) -> float:
        """Ours minus the published number."""
        return self.ours - self.number.value

    @property
    def verdict(self) -> str:
        """Whether the published number lies in the interval of ours; or, where nothing varies, prints alike."""
        number = self.number
        if number.figure == "score":
            inside = self.low <= number.value <= self.high
            return NONE if math.isnan(self.low) else "inside" if inside else "outside"
        if number.figure in MACHINE:
            return NONE
        return "equal" if _printed(self.ours, number) == _printed(number.value, number) else "differs"

    def row(self, head: str) -> Row:
        """Return its row under a head."""
        number = self.number
        spread = "" if number.deviation is None else f"({number.deviation:.{number.digits}f})"
        interval = NONE if math.isnan(self.low) else f"{self.low:.2f} to {self.high:.2f}"
        digits = max(2, number.digits) if number.figure != "pieces" else 0
        shown = [Cell(_printed(number.value, number), detail=spread), Cell(f"{self.ours:,.{digits}f}"), Cell(interval)]
        return Row(head, [*shown, Cell(signed(self.difference)), Cell(self.verdict, bold=self.verdict in OTHERWISE)])

    def cells_of_csv(self) -> tuple[Any, ...]:
        """Return its row in the CSV."""
        number = self.number
        labels = (number.table, number.row, number.column, number.figure, " ".join(self.models), number.task)
        published = (number.value, number.deviation, number.n)
        own = (self.n, self.ours, self.low, self.high, self.confidence, self.difference, self.verdict)
        return (*labels, number.language, number.metric, self.metric, *published, *own)


def _printed(value: float, number: PublishedNumber) -> str:
    return f"{value:,.{number.digits}f}"


class OwnNumbers:
    """What the study found in the place of published numbers."""

    def __init__(self, sources: Sequence[Path], models: Sequence[str]) -> None:
        """Sort the sources by what they hold.

        Args:
            sources: scores.csv, records of efficiency (efficiency/*.json) and of tokenisation, folders of models.
            models: those of the study that are shown.
        """
        self._models = list(models)
        self._scores = next((path for path in sources if path.name == "scores.csv"), None)
        records = [path for path in sources if path.suffix == ".json"]
        self._efficiency = [path for path in records if path.parent.name == "efficiency"]
        self._tokenisation = [path for path in records if path.parent.name != "efficiency"]
        self._folders = {path.name: path for path in sources if path != self._scores and path not in records}

    def beside(self, numbers: Sequence[PublishedNumber], confidence: float) -> Iterator[Compared]:
        """Yield each number with ours, in their order; of what the study lacks without values."""
        scores = self._of_scores([number for number in numbers if number.figure == "score"], confidence)
        for number in numbers:
            yield next(scores) if number.figure == "score" else self._other(number)

    def _of_scores(self, numbers: Sequence[PublishedNumber], confidence: float) -> Iterator[Compared]:
        if self._scores is None:
            yield from map(Compared, numbers)
            return
        places, own, beside = (
            PlaceScores(self._scores),
            read_scores(self._scores),
            read_scores(self._scores, beside=True),
        )
        cells = [self._places(number) for number in numbers]
        chosen = iter(choose_places(self._scores, [cell for cell in cells if cell]))
        for number, cell in zip(numbers, cells, strict=True):
            place = next(chosen) if cell else None
            if place is None:
                yield Compared(number)
            elif number.column_entry.tasks:
                mean = Compared(number, metric="average", models=(place.model,))
                yield _with_interval(mean, mean_over_tasks(own, beside, number.tasks, place.model), confidence)
            else:
                of_kind = beside if number.column_entry.beside else own
                metric = next((of_kind.metrics[task] for task in number.tasks if task in of_kind.metrics), "")
                found = Compared(number, metric=metric, models=place.members or (place.model,))
                yield _with_interval(found, places.whole(place, of_kind), confidence)

    def _places(self, number: PublishedNumber) -> list[Place]:
        """Return the place of a score, or several to choose from: those of models that are here."""
        found = []
        for model in number.models:
            members = tuple(replace(number, models=(model,)).members(self._models))
            if members:
                family = members if is_family(model) else ()
                place = Place(
                    number.row, number.column, model, number.task, 0, number.language, number.languages, family
                )
                found.append(place)
        return found

    def _other(self, number: PublishedNumber) -> Compared:
        """Return what is no score: a size, a time or a count, of a family the values of its models."""
        read = {"parameters": self._parameters, "pieces": self._pieces, "segmentation": self._segmentation}
        by_model = read.get(number.figure, self._measure)(number)
        found = {model: by_model[model] for model in number.members(self._models) if model in by_model}
        return Compared(number, list(found.values()), models=tuple(found))

    def _parameters(self, number: PublishedNumber) -> dict[str, float]:
        of_folders = [model for model in number.members(self._models) if model in self._folders]
        counted = {model: encoder_parameters(self._folders[model] / "model.safetensors") / 1e6 for model in of_folders}
        return self._measured("encoder parameters") | counted

    def _pieces(self, number: PublishedNumber) -> dict[str, float]:
        found: dict[str, float] = {}
        for model in number.members(self._models):
            if model in self._folders:
                kept = read_kept(self._folders[model])
                count = kept.by_language.get(number.language) if number.language else kept.union
                found |= {} if count is None else {model: float(count)}
        return found

    def _segmentation(self, number: PublishedNumber) -> dict[str, float]:
        found: dict[str, float] = {}
        for record in map(read_tokenisation, self._tokenisation):
            for row in record["segmentation"]:
                key = (record["task"], row["language"], row["population"])
                if key == (number.task, ALL, number.column_entry.words):
                    found[record["model"]] = float(row["added_segmentation"])
        return found

    def _measure(self, number: PublishedNumber) -> dict[str, float]:
        column = number.column_entry
        if number.figure == "size":
            return self._measured("size", of="fp32")
        shape = {"batch": column.batch, "length": column.length} if number.figure == "latency" else {}
        scale = 1e-3 if number.figure == "latency" else 1  # records have milliseconds
        found = self._measured(number.figure, device=column.device, **shape)
        return {model: scale * value for model, value in found.items()}

    def _measured(self, figure: str, **parts: Any) -> dict[str, float]:
        """Return a measure of each model."""
        return {
            measure.model: measure.value
            for measure in self._measures
            if measure.figure == figure and all(getattr(measure, part) == value for part, value in parts.items())
        }

    @cached_property
    def _measures(self) -> list[Measure]:
        return measures_of(read_records(self._efficiency)) if self._efficiency else []


def _with_interval(found: Compared, values: BySeed, confidence: float) -> Compared:
    """Return a comparison with our scores of each seed, in percent, and the interval of their mean."""
    if not values:
        return found
    from smelt.statistics.intervals import mean_interval

    own = [100 * value for value in values.values()]
    interval = mean_interval(own, confidence)
    low, high = (math.nan if end is None else end for end in (interval.low, interval.high))
    return replace(found, values=own, confidence=confidence, low=low, high=high)


def _grid(where: str, found: Sequence[Compared]) -> Grid:
    """Return the part of a paper's table: a group a row of the paper, or one for all where it has one column."""
    heads = ["Published", "Ours", "Interval of ours", "Ours − published", "Verdict"]
    rows = unique(each.number.row for each in found)
    if len({each.number.column for each in found}) == 1:
        return Grid(where, heads, [Group([each.row(each.number.row) for each in found])])
    groups = [Group([each.row(each.number.column) for each in found if each.number.row == row], row) for row in rows]
    return Grid(where, heads, groups)


def _notes(found: Sequence[Compared], numbers: int, confidence: float) -> list[str]:
    """Return what the numbers, the interval and the verdict are, and how many numbers have which verdict."""
    if not found:
        return ["The study makes none of the numbers."]
    shown = unique(each.number.figure for each in found)
    notes = [f"{'; '.join(UNITS[figure] for figure in UNITS if figure in shown)}."]
    notes[0] = notes[0][0].upper() + notes[0][1:]
    scores = [each for each in found if each.number.figure == "score"]
    if scores:
        notes += [_published_note(scores), _own_note(scores, confidence), _metrics_note(scores)]
    if fixed := [each for each in found if each.verdict in ("equal", "differs")]:
        equal = sum(each.verdict == "equal" for each in fixed)
        notes.append(f"Numbers that no seed changes are equal if they print alike: {equal} of {len(fixed)} are.")
    if any(each.number.figure in MACHINE for each in found):
        notes.append("Memory and times are of another machine than the paper's, and have no verdict.")
    if means := unique(f"{each.number.row} ({each.n})" for each in found if each.n > 1 and each not in scores):
        notes.append(f"Ours is the mean of several models: {', '.join(means)}.")
    left_out = numbers - len(found)
    more = f"{left_out} of the {numbers} numbers are left out, because the study does not make them."
    return [*notes, *([more] if left_out else [])]


def _published_note(scores: Sequence[Compared]) -> str:
    """Return what stands behind published scores."""
    runs = {each.number.n for each in scores}
    known = quantity([n for n in runs if n], "run") if any(runs) else ""
    behind = f"Published scores are of {known}" if known else "The paper does not say how many runs its scores are of"
    if known and None in runs:
        behind += ", as far as the paper says"
    with_deviation = sum(each.number.deviation is not None for each in scores)
    over = unique(each.number.deviations_over for each in scores if each.number.deviation is not None)
    spread = f"in brackets their standard deviation over {' or '.join(over)}" if over else "none has a deviation"
    alone = (
        " A number without a deviation is one number, whose spread is unknown." if with_deviation < len(scores) else ""
    )
    return f"{behind}; {spread}.{alone}"


def _own_note(scores: Sequence[Compared], confidence: float) -> str:
    """Return what our scores, their intervals and the verdicts are."""
    seeds = quantity([each.n for each in scores], "seed")
    known = [each for each in scores if each.verdict != NONE]
    if not known:
        return f"Ours: {seeds}, too few for an interval, so published scores have no verdict."
    inside = sum(each.verdict == "inside" for each in known)
    return (
        f"Ours: mean over {seeds}, test sets. Interval: Student's t, {confidence:.0%}, of our mean over seeds. Verdict:"
        f" whether the published number lies in it; {inside} of {len(known)} do. No test, no correction. A published"
        f" mean varies as ours does, so if nothing differed, still fewer than {confidence:.0%} would lie inside."
    )


def _metrics_note(scores: Sequence[Compared]) -> str:
    """Return the metric that the paper names, and ours in its place."""
    pairs = unique((each.number.metric, each.metric) for each in scores)
    words = [f"{theirs} of the paper is here {metric_title(ours).replace('_', ' ')}" for theirs, ours in pairs]
    return f"Metrics: {'; '.join(words)}."
