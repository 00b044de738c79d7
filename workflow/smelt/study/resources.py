"""How much memory, and how many GPUs, the jobs of a study ask for."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from smelt.training.recipes import DataSettings

BASE = {"layers": 12, "hidden": 768, "heads": 12, "feed_forward": 3072}  # assumed of adopted models
FEW_PARAMETERS = 2_000_000  # models of fewer are trained on a CPU in minutes, and ask for no GPU
WITHOUT_GPU_MB = 1_000  # libraries of a process on a CPU (measured: 370 to 530)
WITH_GPU_MB = 4_000  # the same with those of CUDA
BYTES = 4  # of a weight in fp32
STATES = 5  # copies of the weights that training holds: they, their gradient, two moments, and room for an update
PASS_MB = 16_000  # rows pass at once as memory allows: a larger batch goes in parts
ACTIVATIONS = {"hidden": 24, "feed_forward": 5}  # numbers of these widths that a token leaves behind in a layer
INSIDE = 4 / 3  # what a process grows by for what its tensors take


def megabytes(paths: Iterable[str]) -> float:
    """Return the 10^6 bytes of files, and of all files in folders: Snakemake's `input.size_mb` weighs a folder as none.

    Raises:
        FileNotFoundError: one is not there yet, so that Snakemake asks again when it is.
    """
    total = 0
    for path in paths:
        total += Path(path).stat().st_size
        total += sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
    return total / 1e6


def gpus_for(parameters: float) -> int:
    """Return how many GPUs a job asks for, by its model's parameters: none for a small one."""
    return int(parameters >= FEW_PARAMETERS)


def libraries_for(parameters: float) -> int:
    """Return the MB that libraries take in a job, by its model's parameters."""
    return WITH_GPU_MB if gpus_for(parameters) else WITHOUT_GPU_MB


def minutes_for(gpus: int) -> int:
    """Return the minutes that a training may take before it goes on in another job: 4 hours, or 20 with a GPU."""
    return 1200 if gpus else 240


def parameters_in(folders: Iterable[str]) -> float:
    """Return how many parameters the models in some folders have at most: each takes 4 bytes.

    Raises:
        FileNotFoundError: one is not there yet, so that Snakemake asks again when it is.
    """
    return megabytes(folders) * 1e6 / BYTES


def pass_megabytes(shape: Mapping[str, int], data: DataSettings) -> float:
    """Return the MB that a batch takes as it passes through a model and back, or those for as many rows as may pass.

    Args:
        shape: the model's layers, hidden and feed_forward.
        data: its batch and length count.

    Measured: 2,000 MB for 32,768 tokens through 2 layers of 128 and 512 (estimated: 2,000), 330 for 4,096 through
    bert-mini (estimated: 980).
    """
    layer = sum(number * shape[width] for width, number in ACTIVATIONS.items())
    return float(min(PASS_MB, data.batch * data.length * shape["layers"] * layer * BYTES * INSIDE / 1e6))


def examples(input: Any, *splits: str) -> int:
    """Return how many examples a prepared task has in some splits, or in all three, by its task.json."""
    return _counted(input, "examples", splits)


def passages(input: Any) -> int:
    """Return among how many passages a prepared task seeks, by its task.json; none where it seeks nothing."""
    return _counted(input, "passages")


def _counted(input: Any, what: str, splits: Sequence[str] = ()) -> int:
    description = next(path for path in input.task if path.endswith("task.json"))
    found = json.loads(Path(description).read_text(encoding="utf-8"))["splits"]
    return sum(int(found[split].get(what, 0)) for split in splits or ("train", "validation", "test"))
