"""Tables of reduced models: score, size, latency and time by the way in which they were made."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.languages import Language
from smelt.report.changes import signed
from smelt.report.measures import MB
from smelt.report.notes import metric_notes, metrics_in_words
from smelt.report.reduced_models import ReducedModel, ReducedModels, Shown, read_reduced_models
from smelt.report.render import NONE, NOT_RUN, Cell, Grid, Group, PaperTable, Row, digits, duration, number
from smelt.report.statistics import MARK, score_cell, seeds_sentence
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, refuse_mixed_languages, unique

SIZES = ["Pieces", "Parameters (M)", "Size (MB)"]
OF_TASK = ["score", "difference", "time"]
CellsOf = Callable[[ReducedModel], list[Cell] | None]
"""Returns the cells of a model; None where it has no row."""


class ReductionsTable(TableEntry):
    """Score, size, latency and time of reduced models, in groups by the way in which they were made, and what each
    differs by from the whole model."""

    kind: Literal["reductions"]
    tasks: Annotated[list[Name], Field(min_length=1), Distinct]
    """Tasks of the study: three columns each, of the score, its difference from the whole model's, and the time."""
    whole: Name
    """The model that all others come from, whose vocabulary is not reduced."""
    ways: Annotated[dict[str, Annotated[list[Name], Field(min_length=1), Distinct]], Field(min_length=1)]
    """Label → its models, such as `reduced, then fine-tuned: [small-8000, small-4000]`: a group of rows, and a line of
    the figure, or points without a line where models of it have the same number of pieces."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """Further parts with a column for each of these: the share of held-out lines that the reduced tokenizer cuts
    otherwise, pieces a word, and the difference in score on the tasks that test several of them."""

    shows_efficiency = True
    needed = ("chains", "finetuned_from", "latency")
    part = ".ways"

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        named = [self.whole, *(model for models in self.ways.values() for model in models)]
        if twice := [model for model in unique(named) if named.count(model) > 1]:
            raise ValueError(
                f"ways: {twice[0]!r} stands in two places: expected each model once, and not the whole one"
            )
        return self

    @property
    def models(self) -> list[str]:
        """The whole model, then those of each way."""
        return [self.whole, *(model for models in self.ways.values() for model in models)]

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse models that do not come from the whole one, or would have an empty row."""
        for model in self.models:
            if study.is_compressed(model):
                found = f"{model!r} is made by {study.makers[model]}, another one for each task"
                raise SmeltError(study.where, f"{key}.ways: {found}: a table of kind tradeoff shows it")
            if not any(study.runs(task, model) for task in self.tasks):
                raise SmeltError(study.where, f"{key}.ways: {model!r} is fine-tuned on none of the table's tasks")
            if model != self.whole and self.whole not in _ancestors(study, model):
                raise SmeltError(study.where, f"{key}.ways: {model!r} does not come from {self.whole!r}")
            for source in _chain(study, model, self.whole):
                if self.whole not in _ancestors(study, source):
                    found = f"{model!r} is made from {source!r} too, which does not come from {self.whole!r}"
                    raise SmeltError(study.where, f"{key}.ways: {found}: times since {self.whole!r} would be too long")
        for task in self.tasks:
            if not study.runs(task, self.whole):
                raise SmeltError(study.where, f"{key}.whole: {self.whole!r} is not fine-tuned on {task!r}")
            refuse_mixed_languages(study, key, task, self.models, "their scores are no neighbours")

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return its models, what each is made from, those that are reduced after fine-tuning, and what is timed."""
        facts = super().facts(study)
        chains = {model: _chain(study, model, self.whole) for model in facts["models"]}
        after = {model: source for model in facts["models"] if (source := study.finetuned_from(model))}
        lengths, batches = study.latency_shapes or ([0], [0])
        return facts | {"chains": chains, "finetuned_from": after, "latency": [batches[0], lengths[0]]}

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return scores.csv, the records of efficiency, the models with what they are made from, and their metrics."""
        facts = self.facts(study)
        models = unique([*self.models, *(each for chain in facts["chains"].values() for each in chain)])
        learnt = unique([*self.models, *facts["finetuned_from"].values()])
        metrics = [file for task in self.tasks for model in learnt for file in study.metrics(model, task)]
        folders = [f"{study.results}/models/{model}" for model in models]
        return [f"{study.results}/scores.csv", *study.efficiencies(), *folders, *metrics]

    def make(self, job: TableJob) -> Made:
        """Return the table: a group of rows for each way, and parts by language where they are asked for."""
        facts, codes = job.facts, self.languages or []
        batch, length = facts["latency"]
        chains, finetuned_from = facts["chains"], facts["finetuned_from"]
        shown = Shown(job.models, self.whole, self.tasks, codes, chains, finetuned_from, (batch, length))
        found = read_reduced_models(job.sources, shown, job.significance)
        heads = [*SIZES, f"{batch} × {length} (ms)", *(f"{task}: {head}" for task in self.tasks for head in OF_TASK)]
        grids = [Grid("Model", heads, self._groups(partial(_of_model, found, _row)))]
        for title, cells in self._by_language(found):
            groups = [group for group in self._groups(partial(_of_model, found, cells)) if group.rows]
            explained = {title: "From the whole model, in points, of means over seeds; not tested."}
            grids.append(Grid(title, codes, groups, help=explained if title.endswith(": difference") else {}))
        caption = self.caption or f"Reduced vocabularies of {self.whole}: score, size, latency and time"
        return Made(PaperTable(job.name, caption, grids, self._notes(found, batch, length)), self._numbers(found))

    def _groups(self, cells: Callable[[str], list[Cell] | None]) -> list[Group]:
        """Return the rows of the whole model and of each way; `cells` of a model that are None leave its row out."""
        ways = {"": [self.whole]} | self.ways
        rows = {way: [(model, cells(model)) for model in models] for way, models in ways.items()}
        return [Group([Row(model, own) for model, own in found if own is not None], way) for way, found in rows.items()]

    def _by_language(self, found: ReducedModels) -> list[tuple[str, CellsOf]]:
        """Return the title of each part with a column a language, and what gives its cells of a model."""
        codes = self.languages or []
        if not codes:
            return []
        parts: list[tuple[str, CellsOf]] = [
            ("Lines cut otherwise (%)", partial(_changed, codes)),
            ("Pieces a word", partial(_pieces_a_word, codes)),
        ]
        whole = found.models[self.whole].by_language
        several = [task for task in self.tasks if sum(code in whole[task] for code in codes) > 1]
        return [*parts, *((f"{task}: difference", partial(_differences, codes, task)) for task in several)]

    def _notes(self, found: ReducedModels, batch: int, length: int) -> list[str]:
        scores = [score for each in found.models.values() for score in each.scores.values() if score.n]
        metrics = {score.task: score.metric for score in scores}
        differs = found.comparison.notes(scores)
        notes = [
            f"{metrics_in_words(metrics)}; test sets, in percent. {seeds_sentence(scores, 'column')}",
            *metric_notes(metrics.values()),
            f"Difference: from {self.whole}, in points, mean over the seeds that both have. {differs[0]}",
            "Time: on the clock, of the jobs that make models between the whole one and one score: reductions,"
            f" distillation, one fine-tuning and its evaluation (mean over seeds), on {found.machines}. Each model on"
            f" the way is counted once. Not counted: making {self.whole}, counts of pieces, and token blocks for a"
            " distillation. What several seeds or tasks share is not divided among them. Jobs that ran side by side"
            " have slowed each other down.",
            "Pieces: of the tokenizer; embeddings may have more rows. Parameters and size of the weights in fp32 (MB"
            f" are 10⁶ bytes), heads of pretraining included. Latency of {batch} × {length} tokens on cpu: median, all"
            f" models taking turns in one job on {found.processor}.",
        ]
        if self.languages:
            notes.append(
                "Lines cut otherwise: held-out lines with a piece that was left out. Pieces a word: of the reduced"
                " tokenizer on these lines, and in brackets of the whole one. Differences by language are of means over"
                f" seeds, and are not tested. {NONE}: the model was not reduced with texts of the language."
            )
        return notes

    def _numbers(self, found: ReducedModels) -> list[dict[str, Any]]:
        ways = {model: way for way, models in self.ways.items() for model in models}
        return [row for each in found.models.values() for row in each.rows(ways.get(each.model, ""))]


def _chain(study: StudyOfTables, model: str, whole: str) -> list[str]:
    """Return the models that are made on the way from the whole one to a model, itself first, each once.

    A model that is reduced after fine-tuning needs none of its own: its reductions are those of fine-tuned models.
    """
    if model == whole:
        return []
    own = [] if study.finetuned_from(model) else [model]
    return [*own, *_between(study, model, whole)]


def _between(study: StudyOfTables, model: str, whole: str) -> list[str]:
    sources = [source for source in study.sources_of(model) if source != whole]
    return unique([each for source in sources for each in (source, *_between(study, source, whole))])


def _ancestors(study: StudyOfTables, model: str) -> set[str]:
    sources = study.sources_of(model)
    return {*sources, *(each for source in sources for each in _ancestors(study, source))}


def _row(each: ReducedModel) -> list[Cell]:
    """Return the cells of a model in the first part."""
    cells = [Cell(f"{each.pieces:,}"), Cell(digits(each.parameters / 1e6)), Cell(digits(each.bytes_fp32 / MB))]
    cells.append(Cell(digits(1e3 * each.seconds)))
    for task, score in each.scores.items():
        if not score.n:
            cells += [Cell(NOT_RUN)] * len(OF_TASK)
            continue
        difference = Cell(signed(100 * score.difference), MARK if score.star else "") if score.reference else Cell(NONE)
        cells += [score_cell(replace(score, star=False)), difference, Cell(duration(each.hours[task]))]
    return cells


def _of_model(found: ReducedModels, cells: CellsOf, model: str) -> list[Cell] | None:
    return cells(found.models[model])


def _changed(codes: Sequence[str], each: ReducedModel) -> list[Cell] | None:
    """Return the share of lines of each language that are cut otherwise; None where the model was not reduced."""
    shares = [each.cuts[code].changed if code in each.cuts else None for code in codes]
    return [Cell(number(None if share is None else 100 * share, ".1f")) for share in shares] if each.cuts else None


def _pieces_a_word(codes: Sequence[str], each: ReducedModel) -> list[Cell] | None:
    """Return the pieces a word in each language, and those before; None where the model was not reduced."""
    if not each.cuts:
        return None
    cuts = [each.cuts.get(code) for code in codes]
    return [Cell(NONE) if cut is None else Cell(number(cut.after), detail=f"({number(cut.before)})") for cut in cuts]


def _differences(codes: Sequence[str], task: str, each: ReducedModel) -> list[Cell] | None:
    """Return the difference in each language; None where the model is the whole one, or was not run."""
    own = each.by_language[task]
    if not any(score.reference for score in own.values()):
        return None
    return [Cell(signed(100 * own[code].difference) if code in own else NONE) for code in codes]
