"""The runs of a grid of batches, rates and epochs: the best one on validation is chosen, and it alone is tested.

A run of a grid, a cell, keeps its scores on validation and, until the choice, its weights. These are no output that
Snakemake knows: it would make all of them again for a choice among one run more.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smelt.entry import entry_of
from smelt.errors import SmeltError
from smelt.files import read_json
from smelt.numbers import SHORTEST_ROW
from smelt.study.finetuning import FinetuningSettings
from smelt.tasks.kinds import metric_of
from smelt.tasks.kinds.base import Task

NOT_MEASURED = ("model", "task", "seed", "kind", "metric", "setting", "average", "scores", "counts", "settings")
"""Keys of metrics.json that the test of the chosen run gives again."""


@dataclass(frozen=True)
class GridCell:
    """One run of a grid."""

    folder: Path
    settings: FinetuningSettings
    measured: dict[str, Any]
    """What it measured: best_epoch, epochs and so on, as in metrics.json."""

    @property
    def name(self) -> str:
        """Its name in the grid."""
        return self.folder.name

    @property
    def validation(self) -> Mapping[str, float]:
        """The scores of its best measurement, and its loss where that chooses."""
        best = self.measured["best_epoch"]
        found = [row["validation"] for row in self.measured["epochs"] if row["epoch"] == best]
        validation: Mapping[str, float] = found[0]
        return validation


def read_cells(folders: Sequence[Path], model: str, task: Task, seed: int) -> list[GridCell]:
    """Return the runs of a grid.

    Raises:
        SmeltError: one of them is missing or cut, or is of another model, task or seed.
    """
    return [_read_cell(folder, {"model": model, "task": task.name, "seed": seed}) for folder in folders]


def choose_cell(cells: Sequence[GridCell], task: Task) -> GridCell:
    """Return the best run of a grid on validation, by the task's metric or the loss; the first of equals."""
    metric = metric_of(task).key
    if cells[0].settings.choose == "loss":
        return min(cells, key=lambda cell: cell.validation["loss"])
    return max(cells, key=lambda cell: cell.validation[metric])


def describe_grid(cells: Sequence[GridCell], chosen: GridCell) -> dict[str, Any]:
    """Return what metrics.json holds of a grid: the validation of every run, and which one is chosen."""
    rows = [
        {
            "batch": cell.settings.batch,
            "learning_rate": cell.settings.learning_rate,
            "epochs": cell.settings.epochs,
            "best_epoch": cell.measured["best_epoch"],
            "validation": cell.validation,
            "chosen": cell is chosen,
        }
        for cell in cells
    ]
    return {"grid": rows}


def weights_of(folder: Path, cell: str) -> Path:
    """Return the file that a grid's run keeps its weights in."""
    return folder / f"{cell}.safetensors"


def has_weights(folder: Path, cell: str, run: str) -> bool:
    """Return whether a grid's run has kept its weights; run: the digest of what they must have been learnt from.

    Weights of other settings, data or models are none: a run that was killed may have left them.
    """
    if not weights_of(folder, cell).is_file():
        return False
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(weights_of(folder, cell), "pt") as file:
            return (file.metadata() or {}).get("run") == run
    except SafetensorError:
        return False


def remove_weights(folder: Path) -> None:
    """Remove the weights of all runs of a grid, those that the study no longer has among them."""
    for file in folder.glob("*.safetensors"):
        file.unlink()
    with suppress(OSError):
        folder.rmdir()


def _read_cell(folder: Path, wanted: Mapping[str, Any]) -> GridCell:
    path = folder / "metrics.json"
    found = read_json(path)
    for key, value in wanted.items():
        if found.get(key) != value:
            raise SmeltError(path, f"is of {key} {found.get(key)!r}: expected a run of a grid of {value!r}")
    try:
        cell = GridCell(
            folder,
            entry_of(FinetuningSettings, _written(found["settings"]), path),
            {key: value for key, value in found.items() if key not in NOT_MEASURED},
        )
        cell.validation  # noqa: B018 - refused here where it is cut
    except (KeyError, IndexError, TypeError) as error:
        raise SmeltError(path, f"lacks {error}: expected what `smelt job finetune --cell` writes") from None
    return cell


def _written(settings: Any) -> dict[str, Any]:
    """Return settings as a study may write them, from those of a run: `length` of a model that reads fewer tokens.

    It cuts the shortest length of a study to its own again.

    Raises:
        KeyError: a key that was tried is missing; its default would train something else.
    """
    found = dict(settings) if isinstance(settings, dict) else {}
    for key in ("batch", "learning_rate", "epochs", "length"):
        if key not in found:
            raise KeyError(f"settings.{key}")
    if isinstance(found["length"], int) and 0 < found["length"] < SHORTEST_ROW:
        found["length"] = SHORTEST_ROW
    return found
