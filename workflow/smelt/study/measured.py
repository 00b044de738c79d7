"""What the stages of a study took: times and memory as Snakemake measured them, energy as jobs recorded it, and files.

The files of measurements (`benchmarks/<study>/`) are no inputs of any job: they are read as they are.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from smelt.errors import SmeltError
from smelt.report.runs import read_cost
from smelt.study.catalogue import Catalogue
from smelt.study.makers.base import Maker
from smelt.study.plan import REDUCED_FINETUNINGS, StagePlan

STAGES = {"corpora": "documents", "tokenizers": "tokenizers", "blocks": "blocks", "counts": "counts of pieces"}
"""The stages by the folders of measurements; models, fine-tunings and compressions have further ones."""
MIB = 2**20 / 1e6  # Snakemake's unit of memory, in MB


@dataclass
class MeasuredStage:
    """What a stage took, as far as it is known."""

    jobs: int = 0
    """Jobs that Snakemake measured; one that was resumed is measured from its last start."""
    cpu_seconds: float = 0.0
    """Of all cores together."""
    gpu_seconds: float = 0.0
    """Those that models and fine-tunings recorded."""
    disk: float = 0.0
    """Bytes of the files that it left."""
    memory: float = 0.0
    """MB of its largest job, at the peak."""
    kwh: float | None = None
    """Those that models and fine-tunings recorded; None where one of them did not, or there are none."""

    def is_whole(self, planned: StagePlan) -> bool:
        """Return whether all of its jobs were measured."""
        return 0 < self.jobs == planned.jobs


def measure(catalogue: Catalogue) -> dict[str, MeasuredStage]:
    """Return what each stage took that has been measured in this folder, by its name in plans."""
    found = defaultdict[str, MeasuredStage](MeasuredStage)
    for file, name in _measurements(catalogue):
        seconds, peak = read_measurement(file)
        if seconds is not None:
            found[name].jobs += 1
            found[name].cpu_seconds += seconds
            found[name].memory = max(found[name].memory, peak)
    for name, paths in _files(catalogue).items():
        if name in found:
            found[name].disk = float(sum(map(_size, paths)))
    for name, folders in _recording(catalogue).items():
        if name in found:
            _add_recorded(found[name], folders)
    return dict(found)


def ratios(planned: Iterable[StagePlan], measured: Mapping[str, MeasuredStage]) -> dict[str, float]:
    """Return how much longer stages took than planned, by processor time, where all of their jobs were measured."""
    return {
        stage.name: measured[stage.name].cpu_seconds / stage.cpu_seconds
        for stage in planned
        if stage.name in measured and measured[stage.name].is_whole(stage) and stage.cpu_seconds
    }


def read_measurement(benchmark: Path) -> tuple[float | None, float]:
    """Return the processor time of a job and the MB of its peak; None and 0 where it was too short to be measured."""
    with benchmark.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    times, peaks = ([_number(row.get(key)) for row in rows] for key in ("cpu_time", "max_rss"))
    known = [time for time in times if time is not None]
    return sum(known) if rows and len(known) == len(rows) else None, MIB * max(filter(None, peaks), default=0.0)


def _number(text: str | None) -> float | None:
    try:
        return float(str(text))
    except ValueError:  # NA or a hyphen
        return None


def _measurements(catalogue: Catalogue) -> Iterator[tuple[Path, str]]:
    """Yield the files of measurements, each with the stage of its job; those of downloads are about the network."""
    folder = Path(catalogue.paths.benchmarks)
    for file in sorted(folder.rglob("*.tsv")):
        if name := _stage_of(file.relative_to(folder), catalogue):
            yield file, name


def _stage_of(benchmark: Path, catalogue: Catalogue) -> str | None:
    """Return the stage whose job a file measures; None for stages that take no time worth a plan."""
    folder, *inner = benchmark.with_suffix("").parts
    if folder == "models" and inner[0] in catalogue.study.models:
        return f"models: {catalogue.study.models[inner[0]].maker_name()}"
    if folder in ("finetuned", "grids"):
        model = catalogue.study.models.get(inner[0])
        return _learning(model) if model and inner[1] in catalogue.tasks.files else None
    return STAGES.get(folder)


def _learning(model: Maker) -> str:
    if model.is_compressed:
        return "compressions"
    return REDUCED_FINETUNINGS if model.makes_finetuned else "fine-tuning"


def _files(catalogue: Catalogue) -> dict[str, list[str]]:
    """Return the files and folders that each stage leaves."""
    paths, study = catalogue.paths, catalogue.study
    found = {
        "documents": [str(Path(path).parent) for path in catalogue.corpora.statistics()],
        "tokenizers": catalogue.tokenizers.folders(),
        "blocks": catalogue.tokenizers.blocks(),
        "counts of pieces": [f"{paths.results}/counts"],
    }
    for name, model in study.models.items():
        if not model.is_compressed:
            found.setdefault(f"models: {model.maker_name()}", []).append(paths.model(name))
        found.setdefault(_learning(model), []).append(paths.finetuned(name))
    return found


def _recording(catalogue: Catalogue) -> dict[str, list[Path]]:
    """Return the folders in which models and fine-tunings record what they took."""
    found: dict[str, list[Path]] = {}
    for name, model in catalogue.study.models.items():
        if not model.is_compressed:
            found.setdefault(f"models: {model.maker_name()}", []).append(Path(catalogue.paths.model(name)))
    for name, task in catalogue.runs.pairs():
        folders = [Path(file).parent for file in catalogue.finetune.files(task, name)]
        found.setdefault(_learning(catalogue.study.models[name]), []).extend(folders)
    return found


def _add_recorded(stage: MeasuredStage, folders: Iterable[Path]) -> None:
    """Add the GPU time and energy of models or fine-tunings that are there."""
    energies = []
    for folder in folders:
        if (folder / "provenance.json").is_file():
            try:
                cost = read_cost(folder)
            except SmeltError:  # of an earlier version
                energies.append(math.nan)
                continue
            stage.gpu_seconds += 3600 * cost.hours * cost.gpus
            energies.append(cost.kwh)
    stage.kwh = sum(energies) if energies and not any(map(math.isnan, energies)) else None


def _size(path: str) -> int:
    return sum(file.stat().st_size for file in Path(path).rglob("*") if file.is_file())
