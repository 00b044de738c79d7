"""Tables of added segmentation: how finely entity words and others are cut, a column a model (mALBERT, Table 4)."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from smelt.entry import Distinct, Name
from smelt.report.records import read_tokenisation
from smelt.report.render import NONE, NOT_RUN, Cell, Grid, Group, PaperTable, Row
from smelt.report.tables.base import Made, StudyOfTables, TableJob, WordsTable

POPULATIONS = ("entity words", "other words", "all words")
ALL = "all"
"""All languages of a task together."""
COLUMNS = (
    *("task", "model", "language", "population", "words", "pieces"),
    *("fertility", "added_segmentation", "words_kept_whole", "share_kept_whole"),
)


class SegmentationTable(WordsTable):
    """Added segmentation of entity words and other words, a column a model (mALBERT, Table 4)."""

    kind: Literal["segmentation"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    """Tasks of the study."""
    models: Annotated[list[Name], Distinct] | None = None
    """Columns, in this order; by default all models."""

    needed = ("models",)

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return its models, and the pieces of all vocabularies that the study trains."""
        return super().facts(study) | {"vocabularies": dict(study.vocabularies)}

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the tokenisation studies."""
        runs = self.shown_runs(study, self.tasks)
        return [f"{study.results}/tokenisation/{model}/{task}.json" for model, task in runs]

    def make(self, job: TableJob) -> Made:
        """Return the table: a group of rows a task, where there are several; columns are models with vocabularies."""
        found = {(study["model"], study["task"]): study for study in map(read_tokenisation, job.sources)}
        rows = [
            {"model": model, "task": task} | row
            for task in self.tasks
            for model in job.models
            for row in (found[model, task]["segmentation"] if (model, task) in found else [])
        ]
        chosen = [row for row in rows if row["language"] == ALL]
        models = [model for model in job.models if any(row["model"] == model for row in chosen)]
        tasks = [task for task in self.tasks if any(row["task"] == task for row in chosen)]
        groups = [_group(task, models, chosen, titled=len(tasks) > 1) for task in tasks]
        vocabularies = job.facts.get("vocabularies", {})
        heads = [f"{model} ({vocabularies[model]:,})" if model in vocabularies else model for model in models]
        notes = [
            "Added segmentation in percent: 100 × (pieces / words − 1), on the test set. "
            "Entity words are those whose gold label is not O. n: words of the row.",
        ]
        notes += ["Numbers after a model's name: pieces of its vocabulary."] if vocabularies else []
        caption = self.caption or f"Added segmentation of the words of {', '.join(tasks)}"
        return Made(
            PaperTable(
                job.name, caption, [Grid("Words", [*heads, "n"], groups, help={"n": "Words of the row."})], notes
            ),
            rows,
            COLUMNS,
        )


def _group(task: str, models: Sequence[str], rows: Sequence[Mapping[str, Any]], titled: bool) -> Group:
    found = {(row["population"], row["model"]): row for row in rows if row["task"] == task}
    # A task of spans has entity words and others; one of other labels has all words together.
    present = [name for name in POPULATIONS if any(population == name for population, _ in found)]
    shown = [name for name in present if name != "all words"] or present
    return Group([_row(name, [found.get((name, model)) for model in models]) for name in shown], task if titled else "")


def _row(population: str, entries: Sequence[Mapping[str, Any] | None]) -> Row:
    counts = sorted({entry["words"] for entry in entries if entry is not None})
    cells = [Cell(NOT_RUN if entry is None else _percent(entry["added_segmentation"])) for entry in entries]
    # Models differ in n only where a tokenizer leaves words without any piece.
    words = " to ".join(f"{count:,}" for count in dict.fromkeys((counts[0], counts[-1])))
    return Row(population, [*cells, Cell(words)])


def _percent(value: float | None) -> str:
    return NONE if value is None else f"{value:.2f}"
