"""What was run: by which commit, where, for how long, with how much energy, and what the data stages lost or found."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from smelt.report.corpus_records import CorpusRecord, by_corpus
from smelt.report.costs import JobCost
from smelt.report.overview import energy
from smelt.report.page.corpora import TEST_EXAMPLES, share, steps_of
from smelt.report.records import ModelRecord, TaskRecord
from smelt.report.render import NONE, Cell, Grid, Group, PaperTable, Row, digits, duration, quantity

LOST_PAGES = {
    "skipped": "left out",
    "too_long": "too long",
    "lost": "could not be read",
    "differing": "copies that differ",
}
DIGITS_OF_COMMIT = 12


def run_facts(costs: Sequence[JobCost], models: Sequence[ModelRecord]) -> list[tuple[str, str]]:
    """Return commit, machine, time, energy, emissions and versions of all jobs that made or fine-tuned a model."""
    if not costs:
        return []
    commits = dict.fromkeys(_commit(cost) for cost in costs)
    countries = ", ".join(dict.fromkeys(cost.country for cost in costs if cost.country))
    finished = sorted(cost.finished for cost in costs)
    emitted = _sum([cost.kg_co2e for cost in costs])
    unknown = sum(math.isnan(cost.kwh) for cost in costs)
    used = _text(_sum([cost.kwh for cost in costs]), energy)
    return [
        ("Commit of smelt", ", ".join(commits)),
        ("Machine", "; ".join(dict.fromkeys(cost.machine for cost in costs))),
        ("Models and fine-tunings", f"{len(costs):,} jobs, {finished[0]} to {finished[-1]}"),
        ("Hours", f"{duration(sum(cost.hours for cost in costs))}, added up over jobs"),
        ("Energy", used + (f", without {quantity([unknown], 'job')} that recorded none" if unknown else "")),
        ("Emissions", f"{emissions(emitted)} ({countries})" if countries else "unknown: the study names no country"),
        ("Versions", _versions(models)),
    ]


def _commit(cost: JobCost) -> str:
    if not cost.revision:
        return "unknown"
    return cost.revision[:DIGITS_OF_COMMIT] + (" with uncommitted changes" if cost.modified else "")


def _versions(models: Sequence[ModelRecord]) -> str:
    """Return the versions of libraries that made the models; several where models differ."""
    found: dict[str, dict[str, None]] = {}
    for model in models:
        for library, version in (model.provenance.get("libraries") or {}).items():
            found.setdefault(library, {})[version] = None
    return ", ".join(f"{library} {' or '.join(versions)}" for library, versions in found.items()) or NONE


# ---- Costs by stage and by model


@dataclass(frozen=True)
class CostColumn:
    """A column of sums over jobs."""

    head: str
    value: Callable[[JobCost], float]
    show: Callable[[float], str]


def emissions(kg: float) -> str:
    """Return an amount of emissions in the unit that suits it."""
    return f"{digits(kg)} kg CO₂e" if kg >= 1 else f"{digits(1000 * kg)} g CO₂e"


_COLUMNS = (
    CostColumn("Time", lambda cost: cost.hours, duration),
    CostColumn("GPU time", lambda cost: cost.hours * cost.gpus, duration),
    CostColumn("Energy used", lambda cost: cost.kwh, energy),
    CostColumn("Emissions", lambda cost: cost.kg_co2e, emissions),
)


def cost_table(costs: Sequence[JobCost]) -> PaperTable | None:
    """Return what each stage took, and what each model took in each of them; None without costs."""
    if not costs:
        return None
    stages = list(dict.fromkeys(cost.command for cost in costs))
    models = list(dict.fromkeys(cost.model for cost in costs))
    shown = [column for column in _COLUMNS if _sum([column.value(cost) for cost in costs]) > 0]
    of_stages = [_cost_row(stage, [cost for cost in costs if cost.command == stage], shown) for stage in stages]
    groups = [Group([*of_stages, _cost_row("Together", costs, shown)], "All models")]
    for model in models:
        own = [cost for cost in costs if cost.model == model]
        rows = [_cost_row(stage, jobs, shown) for stage in stages if (jobs := [c for c in own if c.command == stage])]
        groups.append(Group(rows, model))
    notes = [
        "Time by the clock, added up over jobs, which run side by side; resumed parts are included. ≥: some jobs "
        "recorded no energy, or ran in no named country. What each job took stands in costs.csv."
    ]
    heads = ["Jobs", *(column.head for column in shown)]
    return PaperTable("costs", "What making and fine-tuning models took", [Grid("Stage", heads, groups)], notes)


def _cost_row(head: str, costs: Sequence[JobCost], columns: Sequence[CostColumn]) -> Row:
    cells = [Cell(f"{len(costs):,}")]
    for column in columns:
        values = [column.value(cost) for cost in costs]
        known, some_unknown = _sum(values), any(map(math.isnan, values))
        text = _text(known, column.show)
        cells.append(Cell(f"≥ {text}" if some_unknown and text != NONE else text))
    return Row(head, cells)


def _sum(values: Iterable[float]) -> float:
    """Return the sum of what is known; nan where nothing is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) if known else math.nan


def _text(value: float, show: Callable[[float], str]) -> str:
    return NONE if math.isnan(value) else show(value) if value else "0"


# ---- Leaks and losses


def losses_table(corpora: Sequence[CorpusRecord], tasks: Sequence[TaskRecord]) -> PaperTable | None:
    """Return what the data stages lost, and test examples that they found where models learn; None without data."""
    groups = []
    for corpus, members in by_corpus(corpora).items():
        rows = [*_pages(members), *_removed(members), *_tests_in_corpus(members)]
        groups += [Group(rows, f"Corpus {corpus}")] if rows else []
    groups += _tests_in_other_splits(tasks)
    if not groups:
        return None
    notes = [
        "Losses: what documents lack. Leaks: test examples in what models learn from; scores on them are likely too "
        "high. Of tasks, all are listed by what stands in training; by the rest those where something was found."
    ]
    grid = Grid("What", ["Count", "Of", "Share"], groups)
    return PaperTable("losses", "Leaks and losses of the data", [grid], notes)


def _tests_in_other_splits(tasks: Sequence[TaskRecord]) -> list[Group]:
    """Return a group for each kind of leak, and in it a row a task; only the first one lists tasks without any."""
    leaks: dict[str, Callable[[TaskRecord], Mapping[str, int]]] = {
        "Test examples that stand in training, too": lambda task: task.in_train,
        "Test examples that stand in validation, too": lambda task: task.in_validation,
        "Test questions on contexts of training": lambda task: task.contexts_in_train,
    }
    groups: list[Group] = []
    for what, found in leaks.items():
        counts = [(task, found(task).get("test", 0)) for task in tasks]
        rows = [_count_row(task.name, count, task.examples["test"]) for task, count in counts if count or not groups]
        groups.append(Group(rows, what))
    return [group for group in groups if group.rows]


def _pages(members: Sequence[CorpusRecord]) -> list[Row]:
    whole = sum(record.pages.get("pages", 0) for record in members)
    counts = {key: sum(record.pages.get(key, 0) for record in members) for key in LOST_PAGES}
    rows = [_count_row(f"Pages of dumps: {LOST_PAGES[key]}", count, whole) for key, count in counts.items() if count]
    return rows or ([_count_row("Pages of dumps lost", 0, whole)] if whole else [])


def _removed(members: Sequence[CorpusRecord]) -> list[Row]:
    steps = {name: [step for _, step in own] for name, own in steps_of(members).items()}
    return [
        _count_row(f"Documents removed by {name}", sum(s.documents_removed for s in own), sum(s.documents for s in own))
        for name, own in steps.items()
    ]


def _tests_in_corpus(members: Sequence[CorpusRecord]) -> list[Row]:
    found: dict[str, list[tuple[int, int]]] = {}
    for record in members:
        for step in record.cleaning:
            for task, counts in step.details["tasks"].items() if step.step == TEST_EXAMPLES else []:
                found.setdefault(task, []).append((counts["found"], counts["examples"] - counts["too_short"]))
    return [
        _count_row(f"Test examples of {task} in its documents", *map(sum, zip(*counts, strict=True)))
        for task, counts in found.items()
    ]


def _count_row(what: str, count: int, whole: int) -> Row:
    return Row(what, [Cell(f"{count:,}"), Cell(f"{whole:,}"), Cell(share(count, whole))])
