"""Tables of data: examples of each task, and the unlabelled texts of its students (XtremeDistil, Table 1)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.report.records import TaskRecord, TransferRecord, read_tasks, read_transfer_texts
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row
from smelt.report.tables.base import Made, StudyOfTables, TableJob, TableWithoutModels, unique
from smelt.tasks.splits import SPLITS

HEADS = ["Languages", "Labels", "Training", "Validation", "Test", "Unlabelled"]
COLUMNS = ("task", "kind", "language", "labels", *SPLITS, "transfer", "unlabelled")
ALL = "all"
"""All languages of a task together."""
DESCRIPTION = "task.json"


class DataTable(TableWithoutModels):
    """Labels and examples of tasks, and the unlabelled texts that students learn from, of each task or each language
    (XtremeDistil, Table 1)."""

    kind: Literal["data"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    """Tasks of the study: a row each, under the names of their kinds where there are several."""
    each_language: bool = False
    """A row for each language of a task below it."""

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse tasks that no model runs on: they are not prepared."""
        for task in self.tasks:
            if not study.runs(task):
                raise SmeltError(study.where, f"{key}.tasks: no model runs on {task!r}, so that it is not prepared")

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the descriptions of the tasks, then the folders of signals of their students' transfer texts."""
        texts = unique(folder for task in self.tasks for folder in study.transfer_texts(task))
        return [*(f"{study.results}/tasks/{task}/{DESCRIPTION}" for task in self.tasks), *texts]

    def make(self, job: TableJob) -> Made:
        """Return the table: a row a task, and one a language where asked for."""
        tasks = read_tasks([path for path in job.sources if path.name == DESCRIPTION])
        texts = _texts([path for path in job.sources if path.name != DESCRIPTION])
        if [task.name for task in tasks] != self.tasks:
            raise SmeltError("--sources", f"expected {DESCRIPTION} of {', '.join(self.tasks)}, in this order")
        counted = [row for task in tasks for row in _counted(task, texts.get(task.name, []), self.each_language)]
        kinds = unique(row.kind for row in counted)
        groups = [
            Group([row.row() for row in counted if row.kind == kind], kind if len(kinds) > 1 else "") for kind in kinds
        ]
        table = PaperTable(job.name, self.caption or "Data", [Grid("Task", HEADS, groups)], _notes(counted))
        return Made(table, [numbers for row in counted for numbers in row.numbers()], COLUMNS)


@dataclass(frozen=True)
class CountedData:
    """The examples of a task, or of one of its languages."""

    task: str
    kind: str
    language: str
    languages: int
    labels: int
    examples: Mapping[str, int]
    """By split."""
    unlabelled: Mapping[str, int]
    """Texts that students learn from, by the name of the transfer text."""

    def row(self) -> Row:
        """Return the row of the table."""
        whole = self.language == ALL
        head = self.task if whole else f"{self.task}, {self.language}"
        labels = f"{self.labels:,}" if self.labels else NONE
        counts = [f"{self.examples[split]:,}" for split in SPLITS]
        sizes = "; ".join(f"{size:,}" for size in sorted(set(self.unlabelled.values())))
        shown = [str(self.languages) if whole else "", labels if whole else "", *counts, sizes or NONE]
        return Row(head, [Cell(text) for text in shown])

    def numbers(self) -> list[tuple[str | int | None, ...]]:
        """Return rows of the CSV: one for each transfer text, or one without any."""
        fixed = (self.task, self.kind, self.language, self.labels or None, *(self.examples[split] for split in SPLITS))
        texts: list[tuple[str, int | None]] = [*self.unlabelled.items()] or [("", None)]
        return [(*fixed, *text) for text in texts]


def _texts(folders: Sequence[Path]) -> dict[str, list[TransferRecord]]:
    """Return the transfer texts of each task; they lie in signals/<teacher>/<task>/seed-<seed>/<text>."""
    found: dict[str, list[TransferRecord]] = {}
    for folder in folders:
        found.setdefault(folder.parents[1].name, []).append(read_transfer_texts(folder))
    return found


def _counted(task: TaskRecord, texts: Sequence[TransferRecord], by_language: bool) -> list[CountedData]:
    languages = unique(code for split in SPLITS for code in task.by_language[split])
    whole = {text.name: text.total for text in texts}
    found = [CountedData(task.name, task.kind, ALL, len(languages), task.labels, task.examples, whole)]
    for language in languages if by_language else []:
        examples = {split: task.by_language[split].get(language, 0) for split in SPLITS}
        own = {text.name: text.texts[language] for text in texts if language in text.texts}
        found.append(CountedData(task.name, task.kind, language, 1, task.labels, examples, own))
    return found


def _notes(counted: Sequence[CountedData]) -> list[str]:
    notes = ["Counts of examples as they are prepared: after limits, and without what a task file leaves out."]
    if any(row.labels for row in counted):
        notes.append("Labels: of the task, without those that mark pieces or padding.")
    if any(row.unlabelled for row in counted):
        notes.append(
            "Unlabelled: texts on which students imitate a teacher, of each size in the study; the task's own training"
            " texts are among them, and are not counted by language."
        )
    return notes
