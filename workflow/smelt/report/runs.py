"""The jobs that made models: their settings, and what they took, from the records that they left."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.entry import check, move_renamed
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.report.records import read_validation
from smelt.training.recipes import Recipe


@dataclass(frozen=True)
class ModelCost:
    """What the job that made a model took, resumed parts included; nan is what is not known or does not exist."""

    command: str
    """The command that made it: pretrain, adopt and so on."""
    hours: float
    """Time on the clock."""
    gpus: int
    """GPUs that it used."""
    cores: int
    """Cores of the CPU that it could use."""
    kwh: float
    machine: str
    """The machine in words."""

    @property
    def gpu_hours(self) -> float:
        """Hours times GPUs."""
        return self.hours * self.gpus if self.gpus else math.nan

    @property
    def core_hours(self) -> float:
        """Hours times cores, of a job without a GPU."""
        return math.nan if self.gpus else self.hours * self.cores


def read_cost(folder: Path) -> ModelCost:
    """Return what a model's job took, from its provenance.json.

    Raises:
        SmeltError: the file is missing, or is no provenance.
    """
    path = folder / "provenance.json"
    provenance = read_json(path)
    try:
        machine, energy = provenance["machine"], provenance["energy"]
        # Each process has one GPU; those that a process can see are more where others use them.
        gpus = machine["processes"] if machine["gpus"] else 0
        return ModelCost(
            command=provenance["command"],
            hours=provenance["hours"],
            gpus=gpus,
            cores=machine["cores"],
            kwh=energy["kwh"] if energy else math.nan,
            machine=f"{gpus} × {machine['gpus'][0]}" if gpus else f"{machine['processor']}, {machine['cores']} cores",
        )
    except (KeyError, TypeError) as error:
        raise SmeltError(path, f"lacks {error}: expected the provenance of a model") from None


def machines_in_words(costs: Mapping[str, ModelCost]) -> str:
    """Return the machines that made some models: one for all, or each with its models."""
    models: dict[str, list[str]] = {}
    for model, cost in costs.items():
        models.setdefault(cost.machine, []).append(model)
    if len(models) == 1:
        return next(iter(models))
    return "; ".join(f"{machine} ({', '.join(own)})" for machine, own in models.items())


def bytes_on_disk(folder: Path) -> int:
    """Return the size of all files of a model: weights, tokenizer and descriptions."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


@dataclass(frozen=True)
class TrainingRun:
    """How a model was pretrained or distilled, and for how long."""

    model: str
    learning_rate: float
    """The highest."""
    batch: int
    warmup_steps: int
    planned: int
    """Steps of the schedule."""
    steps: int
    """Steps that were taken."""
    choose: str
    """Whose weights are the model's: those of the last step, or the best ones on held-out documents."""
    cost: ModelCost

    @property
    def warmup_ratio(self) -> float:
        """Share of the schedule that warms up."""
        return self.warmup_steps / self.planned


def read_training(folder: Path, curve: Path) -> TrainingRun:
    """Return how a model was trained.

    Args:
        folder: the model's, whose provenance.json holds the recipe that the run had: epochs are steps in it.
        curve: its learning curve, which the last step stands in.

    Raises:
        SmeltError: a file is missing, or the model was not trained on token blocks.
    """
    path = folder / "provenance.json"
    settings = read_json(path).get("settings")
    recipe = _recipe(path, settings.get("recipe") if isinstance(settings, Mapping) else None)
    return TrainingRun(
        model=folder.name,
        learning_rate=recipe.peak_rate,
        batch=recipe.data.batch,
        warmup_steps=recipe.warmup_steps,
        planned=recipe.schedule.total_steps,
        steps=int(read_validation(curve)["step"].max()),
        choose=recipe.validation.choose,
        cost=read_cost(folder),
    )


def _recipe(path: Path, stored: Any) -> Recipe:
    if not isinstance(stored, Mapping):
        raise SmeltError(path, "has no settings.recipe: expected a model that was pretrained or distilled")
    recipe = move_renamed(Recipe, stored)
    if isinstance(recipe.get("schedule"), Mapping) and recipe["schedule"].get("steps"):
        recipe["schedule"] = {**recipe["schedule"], "epochs": None}  # a study sets one of them, a run has both
    return check(Recipe, recipe, path)
