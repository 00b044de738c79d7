"""What a study found in the place of published numbers, for tables of kind `published`, and how the two compare."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from smelt.families import is_family
from smelt.report.changes import signed
from smelt.report.measures import Measure, measures_of, read_records
from smelt.report.places import Place, PlaceScores, choose_places
from smelt.report.published import PublishedNumber
from smelt.report.records import encoder_parameters, read_tokenisation
from smelt.report.render import NONE, Cell, Row
from smelt.report.scores import read_scores
from smelt.report.significance import BySeed
from smelt.report.tables.averages import mean_over_tasks
from smelt.report.tables.segmentation import ALL
from smelt.report.tables.stages import read_phases
from smelt.report.tables.vocabulary import read_kept

MACHINE = ("memory", "loading", "latency", "speedup")
"""Figures that depend on the machine."""
OTHERWISE = ("outside", "differs")
"""Verdicts that are bold."""


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
            sources: scores.csv, records of efficiency (efficiency/*.json) and of tokenisation, folders of models, and
                metrics.json of compressions, a file a seed.
            models: those of the study that are shown.
        """
        self._models = list(models)
        self._scores = next((path for path in sources if path.name == "scores.csv"), None)
        records = [path for path in sources if path.suffix == ".json"]
        self._efficiency = [path for path in records if path.parent.name == "efficiency"]
        self._metrics = [path for path in records if path.name == "metrics.json"]
        self._tokenisation = [path for path in records if path not in (*self._efficiency, *self._metrics)]
        self._folders = {path.name: path for path in sources if path != self._scores and path not in records}

    def beside(self, numbers: Sequence[PublishedNumber], confidence: float) -> Iterator[Compared]:
        """Yield each number with ours, in their order; of what the study lacks without values."""
        at_the_end = [number for number in numbers if number.figure == "score" and number.phase is None]
        scores = self._of_scores(at_the_end, confidence)
        for number in numbers:
            if number.figure != "score":
                yield self._other(number)
            else:
                yield next(scores) if number.phase is None else self._of_phase(number, confidence)

    def _of_phase(self, number: PublishedNumber, confidence: float) -> Compared:
        """Return the scores of a compression at the end of a phase."""
        found: dict[int, float] = {}
        metric = ""
        for path in self._metrics:
            model, task, _ = path.parent.parts[-3:]
            if (model, task) == (number.models[0], number.task):
                for phase in read_phases([path]):
                    score = phase.scores["test"]
                    if (phase.stage, phase.unfrozen) == number.phase and score.n:
                        found[len(found)], metric = score.mean, score.metric
        return _with_interval(Compared(number, metric=metric, models=number.models), found, confidence)

    def _of_scores(self, numbers: Sequence[PublishedNumber], confidence: float) -> Iterator[Compared]:
        if self._scores is None:
            yield from map(Compared, numbers)
            return
        places, own = PlaceScores(self._scores), read_scores(self._scores)
        beside = read_scores(self._scores, beside=True)
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
        return self._measured("encoder parameters", "value") | counted

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
            return self._measured("size", "value", of="fp32")
        if number.figure == "compression":
            return _inverse(self._measured("encoder parameters", "ratio"))
        shape = {"batch": column.batch, "length": column.length} if number.figure in ("latency", "speedup") else {}
        if number.figure == "speedup":
            return _inverse(self._measured("latency", "ratio", device=column.device, **shape))
        scale = 1e-3 if number.figure == "latency" else 1  # records have milliseconds
        found = self._measured(number.figure, "value", device=column.device, **shape)
        return {model: scale * value for model, value in found.items()}

    def _measured(self, figure: str, what: Literal["value", "ratio"], **parts: Any) -> dict[str, float]:
        """Return a measure of each model, or its ratio to the reference's."""
        return {
            measure.model: getattr(measure, what)
            for measure in self._measures
            if measure.figure == figure and all(getattr(measure, part) == value for part, value in parts.items())
        }

    @cached_property
    def _measures(self) -> list[Measure]:
        return measures_of(read_records(self._efficiency)) if self._efficiency else []


def _inverse(ratios: Mapping[str, float]) -> dict[str, float]:
    """Return how many times the reference's figure is a model's, as far as it is known."""
    return {model: 1 / ratio for model, ratio in ratios.items() if ratio > 0}


def _with_interval(found: Compared, values: BySeed, confidence: float) -> Compared:
    """Return a comparison with our scores of each seed, in percent, and the interval of their mean."""
    if not values:
        return found
    from smelt.statistics.intervals import mean_interval

    own = [100 * value for value in values.values()]
    interval = mean_interval(own, confidence)
    low, high = (math.nan if end is None else end for end in (interval.low, interval.high))
    return replace(found, values=own, confidence=confidence, low=low, high=high)
