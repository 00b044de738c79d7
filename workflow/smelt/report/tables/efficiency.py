"""Tables of efficiency: a row a model, each measure with its ratio to the reference (Abdaoui et al. 2020, Table 3)."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError, expected_one_of
from smelt.families import is_family, member_of
from smelt.languages import Language
from smelt.report.hypotheses import Label
from smelt.report.measures import HEADS, Measure, mean_of, measures_of, read_records
from smelt.report.render import NOT_RUN, Cell, Grid, Group, PaperTable, Row, quantity
from smelt.report.tables.base import Made, StudyOfTables, TableJob, TableWithoutTasks, unique

Pattern = Annotated[str, Field(min_length=1)]
Models = Annotated[list[Name], Field(min_length=1), Distinct]
MEMBERS = "members"
"""The fact that holds the models of each row."""
CAPTION = "Size, memory, loading time and latency"
_PLACES = list(HEADS)
_STATIC = ("parameters", "encoder parameters", "embedding parameters", "size", "memory", "loading", "operations")


class EfficiencyTable(TableWithoutTasks):
    """Size, memory, loading time and latency, a row a model, with ratios to the benchmark's reference (Smaller
    multilingual BERT, Table 3)."""

    kind: Literal["efficiency"]
    models: Annotated[list[Name], Distinct] | None = None
    """Rows, in this order; by default all models that are measured."""
    rows: Annotated[dict[Label, Pattern | Models], Field(min_length=1)] | None = None
    """Rows in the place of `models`: label → a model; or a list of models, or a family such as `mbert-en-{language}`,
    whose mean a row shows, with the lowest and the highest."""
    languages: Annotated[list[Language], Field(min_length=1), Distinct] | None = None
    """The languages of the families among the rows; members that the study has and measures count."""

    shows_efficiency = True

    @model_validator(mode="after")
    def _has_rows_of_one_kind(self) -> Self:
        families = [row for row in (self.rows or {}).values() if isinstance(row, str) and is_family(row)]
        if self.rows is not None and self.models is not None:
            raise ValueError("models: rows are listed twice, here and in `rows`: expected one of them")
        if families and self.languages is None:
            raise ValueError(f"languages: are missing, and {families[0]} is a family of them")
        if self.languages is not None and not families:
            raise ValueError("languages: no row is a family, such as mbert-{language}")
        return self

    def shown_models(self, study: StudyOfTables) -> list[str]:
        """Return its models, by default all that are measured."""
        if self.rows is not None:
            return unique(model for named in self.rows.values() for model in self._members(named, study.measured))
        return self.models or list(study.measured)

    def _members(self, named: str | list[str], measured: Collection[str]) -> list[str]:
        """Return the models of a row: all that are named, or those of a family that are measured."""
        if isinstance(named, list) or not is_family(named):
            return [named] if isinstance(named, str) else named
        members = [member_of(named, language) for language in self.languages or ()]
        return [model for model in members if model in measured]

    def check(self, study: StudyOfTables, key: str) -> None:
        """Refuse rows of models that are not measured."""
        for row, named in (self.rows or {}).items():
            members = self._members(named, study.measured)
            if not members:
                raise SmeltError(study.where, f"{key}.rows: {row!r}: no member of {named} is measured")
            for model in members:
                if model not in study.measured:
                    expected = expected_one_of(model, study.measured)
                    raise SmeltError(study.where, f"{key}.rows: {row!r}: {model!r} is not measured: {expected}")

    def facts(self, study: StudyOfTables) -> dict[str, Any]:
        """Return its models; or, where it has rows, the models of each."""
        if self.rows is None:
            return super().facts(study)
        return {MEMBERS: {row: self._members(named, study.measured) for row, named in self.rows.items()}}

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the records of all models, because ratios may be to one that is not shown."""
        return study.efficiencies()

    def make(self, job: TableJob) -> Made:
        """Return the table: sizes, memory and loading; then latency; then throughput."""
        if not job.sources:
            raise SmeltError("--sources", "expected the records of efficiency, a file a model; found none")
        of_model = {str(record["model"]): record for record in read_records(job.sources)}
        members: dict[str, list[str]] = job.facts.get(MEMBERS) or {}
        if self.rows is not None and list(members) != list(self.rows):
            raise SmeltError("--settings", f"lacks the models of its rows ({MEMBERS}): run it as the study does")
        models = unique(model for own in members.values() for model in own) or job.models or list(of_model)
        if missing := [model for model in models if model not in of_model]:
            raise SmeltError("--sources", f"hold nothing of the model {missing[0]!r}: expected a file of each")
        measures = [measure for measure in measures_of(list(of_model.values())) if measure.model in models]
        shown = _rows(members, measures) if members else measures
        grids = [
            _grid(list(members) or models, [measure for measure in shown if measure.figure in group])
            for group in (_STATIC, ("latency",), ("throughput",))
        ]
        notes = [*_notes([of_model[model] for model in models], measures), *_means_note(members)]
        table = PaperTable(job.name, self.caption or CAPTION, grids, notes)
        columns = [field.name for field in fields(Measure) if members or field.name != "models"]
        return Made(table, [{name: getattr(measure, name) for name in columns} for measure in shown], columns)


def _rows(members: Mapping[str, Sequence[str]], measures: Sequence[Measure]) -> list[Measure]:
    """Return the measures of rows by their labels: a model's own, or the means of several."""
    found = []
    for label, own in members.items():
        of_row = [measure for measure in measures if measure.model in own]
        found += mean_of(label, of_row) if len(own) > 1 else [replace(measure, model=label) for measure in of_row]
    return found


def _means_note(members: Mapping[str, Sequence[str]]) -> list[str]:
    means = {label: own for label, own in members.items() if len(own) > 1}
    named = [f"{label}: {len(own)} models ({', '.join(own)})" for label, own in means.items()]
    note = "Means of several models, with the lowest and the highest of them; of ratios the mean too. "
    return [f"{note}{'; '.join(named)}."] if named else []


def _grid(models: Sequence[str], measures: Sequence[Measure]) -> Grid:
    several = len({measure.device for measure in measures if measure.device}) > 1
    heads = {
        measure.key: measure.head(several)
        for measure in sorted(measures, key=lambda measure: _PLACES.index(measure.figure))
    }
    found = {(measure.model, measure.key): measure.cell() for measure in measures}
    rows = [Row(model, [found.get((model, key), Cell(NOT_RUN)) for key in heads]) for model in models]
    return Grid("Model", list(heads.values()), [Group(rows)])


def _notes(records: Sequence[Mapping[str, Any]], measures: Sequence[Measure]) -> list[str]:
    first = records[0]
    machine, threads = first["machine"], first["threads"]
    loads = _counts(measure.n for measure in measures if measure.figure == "loading")
    fresh = "fresh process" if loads == "1" else "fresh processes"
    passes = _counts(measure.n for measure in measures if measure.figure == "latency")
    gpus = f", {', '.join(machine['gpus'])}" if machine.get("gpus") else ""
    busy = ", ".join(f"{value:.2f}" for value in machine.get("load_average_before", [])[:1])
    return [
        f"×: ratio to {first['reference']}: a figure divided by that of {first['reference']}. For loading and latency, "
        "the median of such ratios between measurements made one after the other. MB are 10⁶ bytes.",
        "Parameters: of the model with its heads; tied weights count once. Table of pieces: the embeddings of its "
        "vocabulary. Sizes: of its weights, written in that precision; int8 is the size of an export, without heads.",
        "Memory: what a process holds after one pass, all weights included, beyond what libraries take (on a GPU, what "
        f"torch has allocated there); median of {loads} {fresh}. Loading: from files in the system's "
        f"cache to all weights in memory; median and quartiles of {loads} {fresh}.",
        "Latency of batch × length (rows × tokens): up to the last hidden states of an encoder, or the logits of a "
        f"compact student; median and 95th percentile of {passes} passes. Throughput: from the median "
        "latency. MFLOP: millions of operations in products of matrices; a multiply-add counts as 2.",
        f"All models took turns in one job on {machine['processor']}{gpus}, {quantity([machine['cores']], 'core')}, "
        f"{machine['memory_gib']} GiB, with {quantity([threads], 'thread')}"
        + (f"; load average of the machine before the job: {busy}." if busy else "."),
        _run_by(records),
    ]


def _run_by(records: Sequence[Mapping[str, Any]]) -> str:
    """Return how each model is run, or all of them where they are alike."""
    kinds = {record["model"]: f"{record.get('kind')}, {record.get('precision')}" for record in records}
    if len(unique(kinds.values())) == 1:
        return f"All models: {next(iter(kinds.values()))}."
    return "; ".join(f"{model}: {kind}" for model, kind in kinds.items()) + "."


def _counts(values: Iterable[int]) -> str:
    return " or ".join(map(str, sorted(set(values))))
