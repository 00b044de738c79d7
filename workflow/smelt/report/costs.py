"""costs.csv: what each job that made a model, or fine-tuned one, took: hours, energy, emissions, machine and code.

It has a row for each model and each fine-tuning that the study names, from their provenance.json; resumed parts are
included. An empty cell is what is not known: a maker that records no energy, or a job in no named country.
"""

import argparse
import csv
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from smelt.cli import add_examples
from smelt.errors import SmeltError, not_found
from smelt.files import read_json
from smelt.report.csv_files import write_csv
from smelt.report.runs import read_cost
from smelt.report.scores import add_runs, expected_runs


@dataclass(frozen=True)
class JobCost:
    """What a job took; nan, or an empty text, is what is not known."""

    command: str
    """The command of `smelt` that made it: pretrain, finetune and so on."""
    model: str
    task: str
    """Empty for a job that made a model."""
    seed: str
    hours: float
    cores: int
    gpus: int
    kwh: float
    kg_co2e: float
    country: str
    """Whose mix of electricity the emissions are by."""
    machine: str
    revision: str
    """The commit of smelt."""
    modified: bool
    """Whether files differed from that commit."""
    finished: str
    """When, in UTC."""


COLUMNS = tuple(field.name for field in fields(JobCost))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="folders of the models")
    add_runs(parser)
    parser.add_argument("--output", type=Path, required=True, help="costs.csv")
    add_examples(parser, "--finetuned results/my-study/finetuned --settings @runs.yaml --output costs.csv")


def run(arguments: argparse.Namespace) -> None:
    """Write costs.csv."""
    costs = collect(arguments.models, arguments.finetuned, arguments.settings)
    write_csv(arguments.output, [asdict(cost) for cost in costs], COLUMNS)
    print(f"{len(costs)} jobs, {sum(cost.hours for cost in costs):.2f} hours")


def collect(models: Iterable[Path], finetuned: Path, settings: Mapping[str, Any]) -> list[JobCost]:
    """Return the costs of models, and of the runs that `settings` names.

    A compressed student stands among models with the provenance of the run that it is a copy of; it counts once.

    Raises:
        SmeltError: a provenance.json is missing, or lacks something.
    """
    runs = {
        (model, task, str(seed)): finetuned / model / task / f"seed-{seed}"
        for model, task, seed in expected_runs(settings)
    }
    records = {run: _provenance(folder) for run, folder in runs.items()}
    made = [folder for folder in models if _provenance(folder) not in records.values()]
    costs = [_cost(folder, folder.name, "", "") for folder in made]
    return costs + [_cost(folder, *run) for run, folder in runs.items()]


def _provenance(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = read_json(folder / "provenance.json")
    return record


def _cost(folder: Path, model: str, task: str, seed: str) -> JobCost:
    provenance, cost = _provenance(folder), read_cost(folder)
    energy, code = provenance["energy"] or {}, provenance.get("code") or {}
    emitted = energy.get("kg_co2e")
    try:
        return JobCost(
            command=cost.command,
            model=model,
            task=task,
            seed=seed,
            hours=cost.hours,
            cores=cost.cores,
            gpus=cost.gpus,
            kwh=cost.kwh,
            kg_co2e=float("nan") if emitted is None else emitted,
            country=energy.get("country") or "",
            machine=cost.machine,
            revision=code.get("revision", ""),
            modified=bool(code.get("modified")),
            finished=provenance["finished"],
        )
    except KeyError as missing:
        raise SmeltError(folder / "provenance.json", f"lacks {missing}: expected the provenance of a model") from None


_READ: Mapping[Any, Callable[[str], Any]] = {
    str: str,
    int: int,
    float: lambda text: float(text or "nan"),
    bool: lambda text: text == "True",
}


def read_costs(path: Path) -> list[JobCost]:
    """Return the rows of costs.csv.

    Raises:
        SmeltError: the file or a column is missing, or a cell holds something else.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [
            JobCost(**{field.name: _READ[field.type](row[field.name]) for field in fields(JobCost)}) for row in rows
        ]
    except FileNotFoundError:
        raise not_found(path) from None
    except (KeyError, ValueError) as error:
        raise SmeltError(path, f"is no table of costs ({error}): expected what `smelt costs` writes") from None
