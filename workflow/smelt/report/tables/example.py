"""Tables of examples: sentences with their pieces and labels under each model, aligned by word (mALBERT, Table 3)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import PositiveInt

from smelt.entry import Distinct, Name
from smelt.report.render import Cell, Grid, Group, PaperTable, Row
from smelt.report.tables.base import Made, StudyOfTables, TableJob, WordsTable

if TYPE_CHECKING:
    from smelt.statistics.examples import Example, Reading

SEPARATOR = "·"
"""Stands between the pieces of a word."""
COLUMNS = ("example", "language", "model", "position", "word", "reference", "predicted", "pieces")
_PREDICTIONS = ["example", "language", "words", "gold", "predicted", "pieces"]


class ExampleTable(WordsTable):
    """Sentences with their pieces and labels under each model, aligned by word (mALBERT, Table 3)."""

    kind: Literal["example"]
    task: Name
    models: Annotated[list[Name], Distinct] | None = None
    sentences: PositiveInt = 1
    caption: str = ""

    needed = ("models", "sentences", "seed")

    @property
    def tasks(self) -> list[str]:
        """The one task, as the other tables give theirs."""
        return [self.task]

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the predictions of the first seed."""
        folder = f"{study.results}/finetuned"
        runs = self.shown_runs(study, self.tasks)
        return [f"{folder}/{model}/{task}/seed-{study.seeds[0]}/predictions.parquet" for model, task in runs]

    def make(self, job: TableJob) -> Made:
        """Return one grid a sentence: its words over their reference labels, then pieces and labels of each model."""
        from smelt.statistics.examples import EXAMPLE_RULE

        examples = self._choose(job)
        notes = [
            EXAMPLE_RULE,
            f"{SEPARATOR} stands between the pieces of a word. Labels in bold differ from the reference. "
            f"Predictions of seed {job.seed}.",
        ]
        if len(examples) < self.sentences:
            notes.append(f"The rule admits {len(examples)} of the {self.sentences} sentences asked for.")
        caption = self.caption or f"Segmentation and labels of sentences of {self.task} under each model"
        table = PaperTable(job.name, caption, [_grid(example) for example in examples], notes)
        return Made(table, _numbers(examples), COLUMNS)

    def _choose(self, job: TableJob) -> list["Example"]:
        """Return the sentences that the rule chooses, from the predictions of each model.

        The model's name is that of the folder: `<model>/<task>/seed-<n>/predictions.parquet`.
        """
        from smelt.parquet import read_columns
        from smelt.statistics.examples import choose_examples

        of_model: dict[str, Path] = {path.parents[2].name: path for path in job.sources}
        models = [model for model in job.models if model in of_model]
        predictions = {model: read_columns(of_model[model], _PREDICTIONS).to_pandas() for model in models}
        return choose_examples(predictions, self.sentences)


def _numbers(examples: Sequence["Example"]) -> list[tuple[Any, ...]]:
    """Return a row for each sentence, model and word, under COLUMNS; pieces are separated by blanks."""
    return [
        (example.example, example.language, model, position, word, gold, predicted, " ".join(pieces))
        for example in examples
        for model, reading in example.readings.items()
        for position, (word, gold, predicted, pieces) in enumerate(
            zip(example.words, example.gold, reading.predicted, reading.pieces, strict=True)
        )
    ]


def _grid(example: "Example") -> Grid:
    reference = Group([Row("Reference", [Cell(label) for label in example.gold])])
    models = [Group(_rows(model, reading, example.gold)) for model, reading in example.readings.items()]
    return Grid("Text", example.words, [reference, *models], numeric=False)


def _rows(model: str, reading: "Reading", gold: list[str]) -> list[Row]:
    pieces = [Cell(SEPARATOR.join(parts)) for parts in reading.pieces]
    labels = [Cell(label, bold=label != reference) for label, reference in zip(reading.predicted, gold, strict=True)]
    return [Row(f"{model}: pieces", pieces), Row(f"{model}: labels", labels)]
