"""Tables of what a paper printed beside what the study found: both numbers, their difference, and a verdict.

Of scores the verdict is whether the published number lies in the interval of our mean over seeds. What no seed changes,
such as a count of parameters, is equal or differs as printed. What depends on the machine has no verdict.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from smelt.entry import Distinct, Name, SourcePath
from smelt.errors import SmeltError, expected_one_of
from smelt.report.notes import metric_title
from smelt.report.published import PaperNumbers, PublishedNumber, published_file, read_published
from smelt.report.render import NONE, Grid, Group, PaperTable, quantity
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, unique
from smelt.report.tables.own_numbers import MACHINE, Compared, OwnNumbers

COLUMNS = (
    *("table", "row", "column", "figure", "models", "task", "language", "published_metric", "metric"),
    *("published", "published_deviation", "published_n", "n", "ours", "low", "high", "confidence", "difference"),
    "verdict",
)
UNITS = {
    "score": "scores in percent",
    "parameters": "parameters of the encoder in millions",
    "compression": "compression in times fewer parameters than the reference",
    "size": "sizes of fp32 weights in MB of 10⁶ bytes",
    "memory": "memory in MB of 10⁶ bytes",
    "loading": "loading in seconds",
    "latency": "latencies in seconds, medians",
    "speedup": "speed-ups over the reference",
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
        files += study.efficiencies() if no_folder or figures & {"compression", "size", *MACHINE} else []
        phases = [run for each in self.numbers(self.content) if each.phase for run in runs_of(each, study)]
        files += [file for model, task in unique(phases) for file in study.metrics(model, task)]
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
        runs = [(model, task) for model in models for task in tasks if study.runs(task, model)]
        return [run for run in runs if number.phase is None or study.is_compressed(run[0])]
    if number.figure == "pieces":
        return [(model, "") for model in models if study.selects_pieces(model)]
    has_folder = number.figure == "parameters"
    return [
        (model, "") for model in models if model in study.measured or (has_folder and not study.is_compressed(model))
    ]


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
