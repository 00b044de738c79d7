"""Tables of efficiency: a row a model, each measure with its ratio to the reference (Abdaoui et al. 2020, Table 3)."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from smelt.entry import Distinct, Name
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.render import NOT_RUN, Cell, Grid, Group, PaperTable, Row, digits, quantity
from smelt.report.tables.base import Made, StudyOfTables, TableEntry, TableJob, unique

MB = 1e6
CAPTION = "Size, memory, loading time and latency"
_HEADS = {
    "parameters": "Parameters (M)",
    "encoder parameters": "Encoder (M)",
    "embedding parameters": "Table of pieces (M)",
    "size": "{of} (MB)",
    "memory": "Memory{on} (MB)",
    "loading": "Loading{on} (s)",
    "latency": "{batch} × {length}{on} (ms)",
    "throughput": "{batch} × {length}{on} (tokens/s)",
    "operations": "MFLOP a token at {length}",
}
_PLACES = list(_HEADS)
_STATIC = ("parameters", "encoder parameters", "embedding parameters", "size", "memory", "loading", "operations")
_PARTS = ("model", "reference", "parameters", "bytes", "operations_per_token", "devices", "machine", "threads")


class EfficiencyTable(TableEntry):
    """Size, memory, loading time and latency, a row a model, with ratios to the benchmark's reference (Smaller
    multilingual BERT, Table 3)."""

    kind: Literal["efficiency"]
    models: Annotated[list[Name], Distinct] | None = None
    """Rows, in this order; by default all models that are measured."""
    caption: str = ""
    """Caption of the table; by default one of its kind's own."""

    shows_efficiency = True

    @property
    def tasks(self) -> list[str]:
        """No task, as the other tables give theirs."""
        return []

    def shown_models(self, study: StudyOfTables) -> list[str]:
        """Return its models, by default all that are measured."""
        return self.models or list(study.measured)

    def sources(self, study: StudyOfTables) -> list[str]:
        """Return the records of all models, because ratios may be to one that is not shown."""
        return study.efficiencies()

    def make(self, job: TableJob) -> Made:
        """Return the table: sizes, memory and loading; then latency; then throughput."""
        if not job.sources:
            raise SmeltError("--sources", "expected the records of efficiency, a file a model; found none")
        of_model = {str(record["model"]): record for record in read_records(job.sources)}
        models = job.models or list(of_model)
        if missing := [model for model in models if model not in of_model]:
            raise SmeltError("--sources", f"hold nothing of the model {missing[0]!r}: expected a file of each")
        measures = [measure for measure in measures_of(list(of_model.values())) if measure.model in models]
        grids = [
            _grid(models, [measure for measure in measures if measure.figure in group])
            for group in (_STATIC, ("latency",), ("throughput",))
        ]
        notes = _notes([of_model[model] for model in models], measures)
        table = PaperTable(job.name, self.caption or CAPTION, grids, notes)
        return Made(table, [vars(measure) for measure in measures], [field.name for field in fields(Measure)])


@dataclass(frozen=True)
class Measure:
    """One measured number of one model; what does not exist is nan."""

    model: str
    figure: str
    """A key of the heads above."""
    unit: str
    value: float
    """The median, where it was measured several times."""
    of: str = ""
    """The precision of a size; the length of operations."""
    device: str = ""
    batch: int = 0
    length: int = 0
    n: int = 1
    low: float = math.nan
    """First quartile."""
    high: float = math.nan
    """Third quartile."""
    percentile_95: float = math.nan
    ratio: float = math.nan
    """To the reference: of times, the median ratio of neighbours in time."""

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        """Its identity among the measures of a model."""
        return (self.figure, self.of, self.device, self.batch, self.length)

    def head(self, several_devices: bool) -> str:
        """Return the head of its column."""
        on = f", {self.device}" if several_devices and self.device else ""
        return _HEADS[self.figure].format(of=self.of, on=on, batch=self.batch, length=self.length)

    def cell(self) -> Cell:
        """Return its value with its spread and ratio."""
        details = []
        if self.figure == "latency":
            details.append(f"95%: {digits(self.percentile_95)}")
        elif not math.isnan(self.low):
            details.append(f"{digits(self.low)} to {digits(self.high)}")
        details += [] if math.isnan(self.ratio) else [f"{self.ratio:.2f}×"]
        return Cell(digits(self.value), detail=f"({'; '.join(details)})" if details else "")


def read_records(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """Return the records of efficiency of some models, which one job measured.

    Raises:
        SmeltError: a file is missing or holds something else, or two were measured in different jobs: their times
            cannot be compared.
    """
    records = [_read(path) for path in paths]
    for path, record in zip(paths, records, strict=True):
        for part in ("reference", "machine", "threads"):
            if record[part] != records[0][part]:
                raise SmeltError(path, f"was measured in another job than {paths[0]} ({part}): measure them together")
    return records


def _read(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = read_json(path)
    if missing := [part for part in _PARTS if part not in record]:
        raise SmeltError(path, f"has no {missing[0]!r}: expected what `python -m smelt efficiency` writes")
    return record


def measures_of(records: Sequence[Mapping[str, Any]]) -> list[Measure]:
    """Return the measures of all records, in their order; ratios of sizes are to the reference's, if it is there."""
    found = {str(record["model"]): _measures(record) for record in records}
    reference = {measure.key: measure.value for measure in found.get(str(records[0]["reference"]), [])}
    return [_with_ratio(measure, reference) for measures in found.values() for measure in measures]


def _measures(record: Mapping[str, Any]) -> list[Measure]:
    model, parameters = str(record["model"]), record["parameters"]
    found = [
        Measure(model, "parameters", "M", parameters["total"] / 1e6),
        Measure(model, "encoder parameters", "M", parameters["encoder"] / 1e6),
        Measure(model, "embedding parameters", "M", parameters["embedding"] / 1e6),
    ]
    found += [Measure(model, "size", "MB", size / MB, of=name) for name, size in record["bytes"].items()]
    for length, value in record["operations_per_token"].items():
        found.append(Measure(model, "operations", "MFLOP", value / 1e6, length=int(length)))
    for device, measured in record["devices"].items():
        found += _on_device(model, device, measured)
    return found


def _on_device(model: str, device: str, measured: Mapping[str, Any]) -> list[Measure]:
    memory, loading = measured["memory"], measured["loading"]
    on_gpu = memory.get("on_gpu")
    taken, repeated = memory["used"] if on_gpu is None else on_gpu, loading["seconds"]["n"]
    found = [
        Measure(model, "memory", "MB", taken / MB, device=device, n=repeated),
        Measure(model, "loading", "s", device=device, **_spread(loading, 1)),
    ]
    for entry in measured["latency"]:
        shape = {"device": device, "batch": entry["batch"], "length": entry["length"]}
        found.append(Measure(model, "latency", "ms", **shape, **_spread(entry, 1e3)))
        speed = entry["tokens_per_second"]
        found.append(Measure(model, "throughput", "tokens/s", speed, n=entry["seconds"]["n"], **shape))
    return found


def _spread(entry: Mapping[str, Any], scale: float) -> dict[str, Any]:
    seconds = entry["seconds"]
    low, high = (scale * value for value in seconds["quartiles"])
    return {
        "value": scale * seconds["median"],
        "n": seconds["n"],
        "low": low,
        "high": high,
        "percentile_95": scale * seconds["percentile_95"],
        "ratio": entry["ratio"]["median"],
    }


def _with_ratio(measure: Measure, reference: Mapping[tuple[str, str, str, int, int], float]) -> Measure:
    of_reference = reference.get(measure.key, math.nan)
    if not math.isnan(measure.ratio) or not of_reference:
        return measure
    return replace(measure, ratio=measure.value / of_reference)


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
    passes = _counts(measure.n for measure in measures if measure.figure == "latency")
    gpus = f", {', '.join(machine['gpus'])}" if machine.get("gpus") else ""
    busy = ", ".join(f"{value:.2f}" for value in machine.get("load_average_before", [])[:1])
    return [
        f"×: ratio to {first['reference']}: a figure divided by that of {first['reference']}. For loading and latency, "
        "the median of such ratios between measurements made one after the other. MB are 10⁶ bytes.",
        "Parameters: of the model with its heads; tied weights count once. Table of pieces: the embeddings of its "
        "vocabulary. Sizes: of its weights, written in that precision; int8 is the size of an export, without heads.",
        "Memory: what a process holds after one pass, all weights included, beyond what libraries take (on a GPU, what "
        f"torch has allocated there); median of {loads} fresh processes. Loading: from files in the system's "
        f"cache to all weights in memory; median and quartiles of {loads} fresh processes.",
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
