"""Tables of correlations: words that are cut into more pieces, and labels that are missed (mALBERT, section 3.3)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.records import read_tokenisation
from smelt.report.render import Cell, Grid, Group, PaperTable, Row, number, p_value, quantity
from smelt.report.tables.base import Made, StudyOfTables, TableJob, WordsTable, refuse_mixed_languages, unique

HEADS = ["r", "Interval (sentences)", "p", "r of single runs", "Words", "Sentences"]
POPULATIONS = ("entity words", "all words")


class CorrelationsTable(WordsTable):
    """Pearson's r between the pieces of a word and the share of runs that miss its label, by model and pooled over
    models (mALBERT, section 3.3)."""

    kind: Literal["correlations"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    """Tasks of the study."""
    models: Annotated[list[Name], Distinct] | None = None
    """Rows, in this order, and what is pooled; by default all models that run on the task."""
    population: Literal["entity words", "all words"] | None = None
    """Words that count; by default both populations, a group of rows each. Labels that are no spans have all words
    alone."""

    needed = ("models",)
    pools_models = True

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse tasks whose words have no labels, and those that none of its models runs on."""
        super().check(study, key)
        for task in self.tasks:
            if not self.shown_runs(study, [task]):
                raise SmeltError(study.where, f"{key}.tasks: none of its models is fine-tuned on {task!r}")
            why = "words of all models are pooled; choose models"
            refuse_mixed_languages(study, key, task, self.shown_models(study), why)

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the tokenisation studies."""
        runs = self.shown_runs(study, self.tasks)
        return [f"{study.results}/tokenisation/{model}/{task}.json" for model, task in runs]

    def make(self, job: TableJob) -> Made:
        """Return the table: a group for each task and population; a row a model, then those of all together."""
        if not job.sources or job.sources[-1].parent.name != "correlations":
            raise SmeltError("--sources", "expected tokenisation studies, then correlations/<table>.json")
        *studies, pooled = job.sources
        own = [row for path in studies for row in read_correlations(path) if row.model in job.models]
        own.sort(key=lambda row: job.models.index(row.model))
        rows = [row for row in own + read_pooled(pooled) if self.population in (None, row.population)]
        groups = [
            Group([row.row() for row in shown], f"{task}: {population}")
            for task in self.tasks
            for population in POPULATIONS
            if (shown := [row for row in rows if (row.task, row.population) == (task, population)])
        ]
        if not groups:
            raise SmeltError("--sources", f"hold no correlation over {self.population or 'words'} of {self.tasks[0]}")
        caption = self.caption or f"Pieces of words and missed labels on {', '.join(self.tasks)}"
        table = PaperTable(job.name, caption, [Grid("Model", HEADS, groups)], _notes(rows))
        return Made(table, [vars(row) for row in rows], [field.name for field in fields(WordCorrelation)])


@dataclass(frozen=True)
class WordCorrelation:
    """Pearson's r between pieces and misses of the words of one model, or of several together; nan is not defined."""

    task: str
    population: str
    model: str
    """Of several models their names, separated by blanks."""
    given_model: bool
    """Whether r is within models."""
    words: int
    sentences: int
    runs: int
    r: float
    low: float
    """Of the bootstrap interval over sentences."""
    high: float
    confidence: float
    p: float
    r_of_single_runs: float
    deviation_over_runs: float
    note: str
    """Why there is no r."""

    def row(self) -> Row:
        """Return the row of the table."""
        several = len(self.model.split()) > 1
        head = f"{'within' if self.given_model else 'all'} models" if several else self.model
        interval = "" if math.isnan(self.low) else f"{number(self.low)} to {number(self.high)}"
        spread = "" if math.isnan(self.deviation_over_runs) else f"({number(self.deviation_over_runs)})"
        cells = [Cell(number(self.r)), Cell(interval or number(None)), Cell(p_value(self.p))]
        cells += [
            Cell(number(self.r_of_single_runs), detail=spread),
            Cell(f"{self.words:,}"),
            Cell(f"{self.sentences:,}"),
        ]
        return Row(head, cells)


def read_correlations(path: Path) -> list[WordCorrelation]:
    """Return the correlations of a tokenisation study of one model, without those given other variables.

    Raises:
        SmeltError: the file is missing, or holds something else.
    """
    study = read_tokenisation(path)
    rows = [row for row in study["correlations"] if not row["given"]]
    return [_correlation(path, study["task"], study["model"], row) for row in rows]


def read_pooled(path: Path) -> list[WordCorrelation]:
    """Return the correlations over several models of each task.

    Raises:
        SmeltError: the file is missing, or holds something else.
    """
    found = read_json(path)
    try:
        return [
            _correlation(path, task, " ".join(pooled["models"]), row)
            for task, pooled in found.items()
            for row in pooled["correlations"]
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise SmeltError(path, f"lacks {error}: expected what `smelt job correlations` writes") from None


def _correlation(path: Path, task: str, model: str, row: Mapping[str, Any]) -> WordCorrelation:
    try:
        single, interval = row.get("of_runs") or {}, row["bootstrap"]
        return WordCorrelation(
            task=task,
            model=model,
            given_model=bool(row["given"]),
            **{key: row[key] for key in ("population", "words", "sentences", "runs", "confidence")},
            r=_float(row["r"]),
            p=_float(row["p"]),
            low=_float(interval["low"]),
            high=_float(interval["high"]),
            r_of_single_runs=_float(single.get("mean")),
            deviation_over_runs=_float(single.get("standard_deviation")),
            note=row["note"] if row["r"] is None else "",
        )
    except KeyError as missing:
        raise SmeltError(path, f"a correlation lacks {missing}: measure it again") from None


def _float(value: float | None) -> float:
    return math.nan if value is None else value


def _notes(rows: Sequence[WordCorrelation]) -> list[str]:
    levels = " or ".join(unique(f"{row.confidence:.0%}" for row in rows))
    runs = quantity([row.runs for row in rows], "run")
    notes = [
        "r: Pearson's correlation between a word's added segmentation (pieces minus one) and its non-detection, the"
        f" share of {runs} whose label for it is wrong; test set. r of single runs: the mean (standard deviation) of"
        " the correlation within each run, where a word is missed or not.",
        f"Interval: {levels}, percentile bootstrap of whole sentences, since words of a sentence are not independent."
        " p: two-sided t-test of r = 0, which takes words as independent; not corrected for the number of rows.",
    ]
    if any(len(row.model.split()) > 1 for row in rows):
        notes.append(
            "All models: the words of all models of the task together, each counted once for each model, so that r also"
            " holds differences between models. Within models: the partial correlation given the model. The interval"
            " draws a sentence with the words of all models."
        )
    missing = unique(f"{row.model} on {row.task}, {row.population}: {row.note}" for row in rows if row.note)
    return [*notes, f"No r: {'; '.join(missing)}."] if missing else notes
